import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML

from steelyard.paths import BEST_WEIGHTS, DATASET, quiet_ultralytics
from steelyard.scoring.split import read_split
from steelyard.source import open_source
from steelyard.weights.checkpoint import Checkpoint, save_checkpoint
from steelyard.weights.onnx import import_onnx
from tests.integration.validate.photographs import PARAMS, ROOT, contents, run_detect, run_stage, write_manifest


@pytest.fixture(scope="session", autouse=True)
def _ultralytics_kept_here() -> None:
    quiet_ultralytics(ROOT)


@pytest.fixture(scope="module", autouse=True)
def _threads_put_back() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def coco() -> Checkpoint:
    """YOLO11n as trained on COCO, which params.yaml names."""
    with open_source(PARAMS.base.source, PARAMS.base.sha256, ROOT) as path:
        return import_onnx(path)


@pytest.fixture(scope="session")
def workspace(coco: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two photographs with what the weights find on them as their labels, in every split."""
    from ultralytics.utils import ASSETS

    folder = tmp_path_factory.mktemp("workspace")
    dataset = folder / DATASET
    for split in ("train", "val", "test"):
        for kind in ("images", "labels"):
            (dataset / kind / split).mkdir(parents=True)
        for name in ("bus.jpg", "zidane.jpg"):
            shutil.copy(ASSETS / name, dataset / "images" / split / name)
    layout = {split: f"images/{split}" for split in ("train", "val", "test")}
    with (dataset / "data.yaml").open("w") as file:
        YAML().dump({**layout, "names": coco.classes}, file)
    for image, picture in zip(
        read_split(dataset, "val", 80), run_detect(coco, dataset, "val", confidence=0.5).pictures, strict=True
    ):
        corners = picture.found.corners / (image.width, image.height, image.width, image.height)
        centres, sides = (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
        rows = np.concatenate((picture.found.classes[:, None], centres, sides), axis=1)
        for split in ("train", "val", "test"):
            np.savetxt(dataset / "labels" / split / f"{image.path.stem}.txt", rows, fmt="%d %.8f %.8f %.8f %.8f")
    # On test the labels are off by up to a third, so that scores lie between 0 and 1.
    for path in (dataset / "labels/test").iterdir():
        rows = np.loadtxt(path, ndmin=2)
        rows[:, 3:] *= np.linspace(0.67, 1, len(rows))[:, None]
        np.savetxt(path, rows, fmt="%d %.8f %.8f %.8f %.8f")
    write_manifest(folder, coco)
    shutil.copy(ROOT / "params.yaml", folder)
    save_checkpoint(coco.model, folder / BEST_WEIGHTS, image_size=320)
    return folder


@pytest.fixture(scope="session")
def validated(workspace: Path) -> tuple[Path, str]:
    """The workspace after the stage, and what the stage said."""
    before = contents(workspace / "data")
    done = run_stage(workspace)
    assert done.returncode == 0, done.stderr
    assert contents(workspace / "data") == before
    return workspace, done.stdout
