"""Trainings of a second: drawn pictures of 64 px, one thread (two only wait for each other here)."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from steelyard.params import load_params
from steelyard.paths import quiet_ultralytics
from steelyard.sections import FinetuneParams

ROOT = Path(__file__).parents[3]
SIDE = 64
TINY = {
    "epochs": 2, "patience": 0, "imgsz": SIDE, "batch": 4, "nbs": 4, "warmup_epochs": 0.5, "close_mosaic": 1,
    "device": "cpu", "threads": 1,
}  # fmt: skip
PLAIN = dict.fromkeys(("hsv_h", "hsv_s", "hsv_v", "translate", "scale", "fliplr", "mosaic"), 0.0)


@pytest.fixture(scope="session", autouse=True)
def _settings(tmp_path_factory) -> Iterator[None]:
    before = dict(os.environ)
    quiet_ultralytics(tmp_path_factory.mktemp("ultralytics"))
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def settings() -> Callable[..., FinetuneParams]:
    defaults = load_params(ROOT / "params.yaml").finetune.model_dump()

    def make(**changes) -> FinetuneParams:
        return FinetuneParams.model_validate(defaults | TINY | changes)

    return make


@pytest.fixture(scope="session")
def dataset(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    draw_dataset(folder, {"train": 12, "val": 6, "test": 2})
    return folder


@pytest.fixture(scope="session")
def base(_settings):
    """YOLO11n with random weights."""
    import torch

    from steelyard.weights.architecture import build_detector

    model = build_detector("n", {0: "thing"})
    generator = torch.Generator().manual_seed(0)
    for tensor in model.parameters():
        if tensor.ndim == 4:
            bound = (3 / tensor[0].numel()) ** 0.5
            tensor.data.uniform_(-bound, bound, generator=generator)
    head = model.model[-1]
    head.dfl.conv.weight.data[:] = torch.arange(head.reg_max, dtype=torch.float32).view(1, -1, 1, 1)
    return model


@pytest.fixture(scope="session")
def learned(dataset, base, settings, tmp_path_factory):
    """Weights that know the drawn pictures, so that the figures on val are not all zero."""
    params = settings(epochs=25, lr0=0.003, warmup_epochs=1.0, close_mosaic=0, **PLAIN)
    return train(dataset, base, params, tmp_path_factory.mktemp("learned")).trained.model


@pytest.fixture
def work(tmp_path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def run_training() -> Callable[..., SimpleNamespace]:
    return train


@pytest.fixture
def repository(dataset, base, settings, tmp_path) -> Path:
    """A folder that ``python -m tasks.finetune`` runs in."""
    import json

    from ruamel.yaml import YAML

    from steelyard.weights.checkpoint import save_checkpoint

    folder = tmp_path / "repository"
    shutil.copytree(dataset, folder / "data" / "dataset")
    values = YAML(typ="safe").load((ROOT / "params.yaml").read_text())
    values["finetune"] = settings(epochs=3).model_dump()
    # JSON is YAML, too
    (folder / "params.yaml").write_text(json.dumps(values))
    save_checkpoint(base, folder / "weights" / "base.pt", image_size=SIDE)
    return folder


def train(dataset, base, params, work, on_batch=lambda *_: None) -> SimpleNamespace:
    """Fine-tune; the result with its identity and what was said."""
    from steelyard.training.trainer import finetune
    from steelyard.weights.identity import identify

    said: list[str] = []
    trained = finetune(dataset, base, params, work, said.append, lambda *_: None, on_batch)
    return SimpleNamespace(trained=trained, identity=identify(trained.model.state_dict()), said=said)


def draw_dataset(folder: Path, counts: dict[str, int]) -> None:
    """Bright rectangles on dark noise, in YOLO layout."""
    rng = np.random.default_rng(0)
    for split, count in counts.items():
        for kind in ("images", "labels"):
            (folder / kind / split).mkdir(parents=True)
        for number in range(count):
            image = rng.integers(0, 60, (SIDE, SIDE, 3), dtype=np.uint8)
            lines = []
            for _ in range(rng.integers(1, 3)):
                width, height = rng.integers(16, 30, 2)
                x, y = rng.integers(0, SIDE - width), rng.integers(0, SIDE - height)
                image[y : y + height, x : x + width] = rng.integers(150, 255, 3, dtype=np.uint8)
                box = (x + width / 2, y + height / 2, width, height)
                lines.append("0 " + " ".join(f"{value / SIDE:.6f}" for value in box))
            cv2.imwrite(str(folder / "images" / split / f"{number:03}.png"), image)
            (folder / "labels" / split / f"{number:03}.txt").write_text("\n".join(lines) + "\n")
    splits = "".join(f"{split}: images/{split}\n" for split in counts)
    (folder / "data.yaml").write_text(splits + "names:\n  0: thing\n")


@pytest.fixture
def start_stage(repository) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Start ``python -m tasks.finetune`` in a process of its own; it is ended with the test."""
    children: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        child = subprocess.Popen(
            [sys.executable, "-m", "tasks.finetune"],
            cwd=repository, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        children.append(child)
        return child

    yield start
    for child in children:
        if child.poll() is None:
            child.kill()
        child.communicate()
