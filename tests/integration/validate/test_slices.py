"""Slices in the stage validate: their scores, what is said of them, and that each is of its own images alone."""

from pathlib import Path

import pytest
import torch

from steelyard.paths import BEST_WEIGHTS, PICTURES, PIXELS, SCORES
from steelyard.scoring.scores import Scores, read_scores
from steelyard.weights.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from tests.integration.validate.photographs import copy, run_stage, write_manifest

PLACES = {"bus": {"place": "street", "camera": "A"}, "zidane": {"place": "stadium", "camera": "A"}}


@pytest.fixture(scope="session")
def sliced(workspace: Path, coco: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Scores, str]:
    """The workspace with two columns about the photographs, after the stage: its scores, and what it said."""
    folder = copy(workspace, tmp_path_factory.mktemp("sliced") / "repo")
    write_manifest(folder, coco, **PLACES)
    done = run_stage(folder)
    assert done.returncode == 0, done.stderr
    return folder, read_scores(folder / SCORES), done.stdout


def test_a_slice_of_one_photograph_is_scored_by_it_alone(sliced: tuple[Path, Scores, str]) -> None:
    _, scores, _ = sliced
    slices = scores.test.slices
    assert {column: list(values) for column, values in slices.items()} == {
        "place": ["stadium", "street"],
        "brightness": ["dark", "bright"],
    }
    street, stadium = slices["place"]["street"], slices["place"]["stadium"]
    assert (street.images, stadium.images) == (1, 1)
    assert street.boxes + stadium.boxes == scores.test.boxes
    assert street.map50_95 != stadium.map50_95
    assert (street.intervals, street.images_needed) == ({}, 40)
    assert slices["brightness"]["bright"].map50_95 == street.map50_95
    assert (slices["brightness"]["dark"].below, slices["brightness"]["bright"].least) == (120, 120)


def test_slices_are_shown_and_what_has_none_is_said(sliced: tuple[Path, Scores, str]) -> None:
    folder, _, said = sliced
    assert (folder / PICTURES / "slices.png").stat().st_size > 10_000
    assert "weakest slices" in said
    assert said.count("place = street") == 2  # in val and in test
    for split in ("val", "test"):
        assert f"{split}: 4 of 4 slices have too few images for an interval that can be relied on" in said
        assert f"{split} has no slices by some columns: camera has a single value; sharpness has a single value" in said
    assert "is weakest where" not in said


def test_weights_that_are_broken_for_one_slice_move_its_figure_and_no_other(
    sliced: tuple[Path, Scores, str], tmp_path: Path
) -> None:
    folder, before, _ = sliced
    assert before.val.slices["place"]["street"].map50_95 == pytest.approx(1)
    broken = copy(folder, tmp_path / "broken")
    checkpoint = load_checkpoint(broken / BEST_WEIGHTS)
    bus = next(number for number, name in checkpoint.classes.items() if name == "bus")
    with torch.no_grad():  # nothing is a bus any more, and there is one in the street only
        for scale in range(3):
            checkpoint.model.get_parameter(f"model.23.cv3.{scale}.2.bias")[bus] = -100
    save_checkpoint(checkpoint.model, broken / BEST_WEIGHTS, image_size=320)
    assert run_stage(broken).returncode == 0
    after = read_scores(broken / SCORES)
    for split, then in ((after.val, before.val), (after.test, before.test)):
        assert split.slices["place"]["stadium"] == then.slices["place"]["stadium"]
        assert (split.slices["place"]["street"].map50_95 or 0) < (then.slices["place"]["street"].map50_95 or 0) - 0.1
        assert (split.map50_95 or 0) < (then.map50_95 or 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "data/pixels.csv: not found; run the stage check first"),
        (b"path,brightness\na.png,1\n", "data/pixels.csv: is not what stage check writes"),
    ],
)
def test_a_mistake_is_one_line(sliced: tuple[Path, Scores, str], tmp_path: Path, content: bytes, message: str) -> None:
    folder = copy(sliced[0], tmp_path / "wrong")
    if content is None:
        (folder / PIXELS).unlink()
    else:
        (folder / PIXELS).write_bytes(content)
    done = run_stage(folder)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {message}")
