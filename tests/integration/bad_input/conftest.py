"""A project that has run, for commands that must change nothing in it."""

import os
import shutil

import pytest

from steelyard.weights.checkpoint import save_checkpoint


@pytest.fixture(scope="module")
def made(weighed, tmp_path_factory):
    """A project whose stages have all run, their outputs in the working tree and committed."""
    project = weighed.copy(tmp_path_factory.mktemp("bad") / "repo", "bad")
    project.dvc("repro")
    project.git("add", "--all")
    project.git("commit", "-qm", "made")
    return project


@pytest.fixture
def bad(made):
    """The same project for each test: what a test does to settings and pictures is undone."""
    yield made
    made.git("checkout", "-q", ".")
    for path in (made.root / "data/raw").iterdir():
        if path.name in ("x", "x.zip", "loose.png"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert made.git("status", "--porcelain") == ""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """Weights files that must not get far, and a file that would tell."""
    import torch
    from ultralytics.nn.tasks import DetectionModel

    from steelyard.weights.architecture import build_detector

    class Hostile:
        def __reduce__(self):
            return os.system, (f"touch {folder}/owned",)

    folder = tmp_path_factory.mktemp("hostile")
    torch.save({"model": Hostile()}, folder / "hostile.pt")
    save_checkpoint(build_detector("n", {0: "thing"}), folder / "good.pt", image_size=64)
    values = torch.load(folder / "good.pt", weights_only=False)
    values["model"].model[0].conv.weight.data[0, 0, 0, 0] = float("nan")
    torch.save(values, folder / "nan.pt")
    values["model"] = DetectionModel("yolov8n.yaml", nc=1, verbose=False)
    torch.save(values, folder / "other.pt")
    return folder
