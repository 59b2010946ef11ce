from copy import deepcopy
from pathlib import Path

import pytest
import torch

from steelyard.paths import quiet_ultralytics
from steelyard.weights.architecture import build_detector
from steelyard.weights.checkpoint import save_checkpoint

ROOT = Path(__file__).parents[3]
CLASSES = {0: "ball", 1: "hand", 2: "figure"}


@pytest.fixture(scope="session", autouse=True)
def _ultralytics_kept_here():
    quiet_ultralytics(ROOT)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # small networks on a busy machine: threads that wait for each other cost tenfold
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def _original():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build_detector("n", CLASSES)
        with torch.no_grad():
            for name, tensor in model.state_dict().items():
                if tensor.is_floating_point() and "dfl" not in name:
                    tensor.uniform_(0.01, 0.11)
    return model


@pytest.fixture(scope="session")
def _saved_original(_original, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "base.pt"
    save_checkpoint(_original, path, image_size=320)
    return path.read_bytes()


@pytest.fixture
def detector(_original):
    """YOLO11n with random weights and BatchNorm statistics, the same in every test."""
    return deepcopy(_original)


@pytest.fixture
def saved(_saved_original, tmp_path):
    """The detector as a checkpoint, a file of this test's own."""
    path = tmp_path / "base.pt"
    path.write_bytes(_saved_original)
    return path
