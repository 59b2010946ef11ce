from pathlib import Path

import pytest
import torch

from steelyard.paths import quiet_ultralytics
from steelyard.weights.architecture import build_detector

ROOT = Path(__file__).parents[3]
CLASSES = {0: "ball", 1: "hand", 2: "figure"}


@pytest.fixture(scope="session", autouse=True)
def ultralytics_kept_here():
    quiet_ultralytics(ROOT)


@pytest.fixture
def detector():
    """YOLO11n with random weights and BatchNorm statistics, the same in every test."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build_detector("n", CLASSES)
        state = model.state_dict()
        generator = torch.Generator().manual_seed(0)
        for name, tensor in state.items():
            if tensor.is_floating_point() and "dfl" not in name:
                tensor.copy_(torch.rand(tensor.shape, generator=generator) * 0.1 + 0.01)
    return model
