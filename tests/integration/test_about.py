"""A file about the images: the scores are told by it, and nothing is trained by it."""

import json

import pytest

from tests.integration.bad_input.refusal import DVC_FAILED, read_errors

ROWS = [
    f"images/{split}/{number:02}.png"
    for split, share in (("train", 12), ("val", 4), ("test", 4))
    for number in range(share)
]


def write_about(project, weather):
    """data/raw/weather.csv, with a word for each image; it is DVC's."""
    file = project.root / "data/raw/weather.csv"
    if file.exists():
        project.dvc("unprotect", file)
    rows = [f"{image},{word}\n" for image, word in zip(ROWS, weather, strict=True)]
    file.write_text("".join(["image,weather\n", *rows]))
    project.dvc("add", file)
    project.git("add", "--all")
    project.git("commit", "-qm", "the weather")


def reproduce(project):
    """Which stages ran, up to validate."""
    said = project.dvc("repro", "validate").stdout
    stages = ("fetch", "check", "base", "finetune", "validate")
    return {name for name in stages if f"Running stage '{name}'" in said}, said


def read_slices(project, split="test"):
    scores = json.loads((project.root / "metrics/scores.json").read_text())
    return {value: each["images"] for value, each in scores[split]["slices"].get("weather", {}).items()}


@pytest.fixture
def other(weighed, tmp_path):
    return weighed.copy(tmp_path / "repo", "about")


def test_a_file_about_images_and_its_changes_train_nothing(other):
    pixels = (other.root / "data/pixels.csv").read_text().splitlines()
    assert pixels[0] == "path,brightness,sharpness"
    assert len(pixels) == 1 + len(ROWS)
    write_about(other, ["fog", "clear"] * 10)
    other.set(fetch={"about": {"csv": "data/raw/weather.csv", "columns": []}})
    ran, said = reproduce(other)
    assert ran == {"fetch", "check", "validate"}
    assert "data/raw/weather.csv: weather of 20 of the 20 images" in said
    assert read_slices(other) == {"clear": 2, "fog": 2}
    assert "weather = fog" in said

    write_about(other, ["fog"] * 3 + ["rain"] * 16 + ["fog"])
    assert reproduce(other)[0] == {"fetch", "check", "validate"}
    assert read_slices(other) == {"fog": 1, "rain": 3}
    assert read_slices(other, "val") == {}
    assert reproduce(other)[0] == set()

    # the same in a clean clone, from what git and DVC hold; training again would make other weights
    trained = {path.name for path in (other.root / ".dvc/tmp/steelyard/training").iterdir()}
    done = other.steelyard("run")
    assert "finetune skipped" in done.stdout
    assert {path.name for path in (other.root / ".dvc/tmp/steelyard/training").iterdir()} == trained


def test_a_file_that_speaks_of_other_images_is_one_clear_sentence(other):
    write_about(other, ["fog"] * 20)
    file = other.root / "data/raw/weather.csv"
    other.dvc("unprotect", file)
    file.write_text(file.read_text() + "images/test/99.png,fog\n")
    other.set(fetch={"about": {"csv": "data/raw/weather.csv", "columns": []}})
    done = other.dvc("repro", "fetch", check=False)
    assert done.returncode == DVC_FAILED
    (sentence,) = read_errors(done.stdout + done.stderr)
    assert "fetch.about.csv = 'data/raw/weather.csv': 1 rows name no image of the source" in sentence
    assert "images/test/99.png" in sentence
