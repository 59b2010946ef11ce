"""Stage check as a gate: what it finds stops a run before anything is trained, and the record holds the page."""

import json
import shutil

import pytest

from steelyard.dataset.manifest import DatasetManifest
from steelyard.record.earlier import find_trained_on
from tests.integration.bad_input.refusal import DVC_FAILED, read_errors


@pytest.fixture(scope="module")
def checked(weighed, tmp_path_factory):
    """A project with one version."""
    project = weighed.copy(tmp_path_factory.mktemp("check") / "repo", "checked")
    project.dvc("repro")
    project.git("add", "--all")
    project.git("commit", "-qm", "made")
    return project


@pytest.fixture
def other(checked, tmp_path):
    """The same once more, with a cache and a record of its own, for changes."""
    root = tmp_path / "repo"
    shutil.copytree(checked.root, root, symlinks=True)
    return checked.at(root)


def change_pictures(project, change):
    folder = project.root / "data/raw/shapes"
    project.dvc("unprotect", folder)
    change(folder)
    project.dvc("add", "data/raw/shapes")
    project.git("commit", "-qam", "other pictures")


def cut_short(folder):
    file = folder / "images/train/03.png"
    file.write_bytes(file.read_bytes()[:-2000])


def leak(folder):
    shutil.copyfile(folder / "images/train/03.png", folder / "images/test/00.png")


def refuse(project):
    """Stage check refuses; its sentence."""
    done = project.dvc("repro", "finetune", check=False)
    assert done.returncode == DVC_FAILED, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    (sentence,) = read_errors(done.stdout + done.stderr)
    return sentence


def run_and_fail(project):
    """`steelyard run` refuses; its sentence."""
    before = project.git("status", "--porcelain"), project.git("tag"), project.git("rev-parse", "HEAD")
    done = project.steelyard("run", check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert (project.git("status", "--porcelain"), project.git("tag"), project.git("rev-parse", "HEAD")) == before
    assert not list((project.root / ".dvc/tmp/steelyard/runs").iterdir())
    (sentence,) = read_errors(done.stderr)
    return sentence


def find_status(project, *stages):
    return json.loads(project.dvc("status", "--json", *stages).stdout)


def list_files(project, run_id, folder="data"):
    return {file.path for file in project.client().list_artifacts(run_id, folder)}


def test_its_figures_are_metrics_of_dvc(checked):
    shown = json.loads(checked.dvc("metrics", "show", "--json", "metrics/data.json").stdout)
    figures = shown[""]["data"]["metrics/data.json"]["data"]
    manifest = json.loads((checked.root / "data/dataset.json").read_text())
    assert {split: each["images"] for split, each in figures["splits"].items()} == {"train": 12, "val": 4, "test": 4}
    for split, each in figures["splits"].items():
        assert each["boxes_per_class"] == manifest["splits"][split]["boxes_per_class"]
    assert figures["map_half_width"] == pytest.approx(0.49)


def test_a_version_holds_the_page_about_its_data(checked):
    (record,) = checked.read_records()
    run_id = checked.client().get_model_version(checked.name, "1").run_id
    assert list_files(checked, run_id) == {"data/check.html", "data/samples.jpg", "data/data.json"}
    assert record.dataset.test_trained_on == {}
    assert "data/check.html" in checked.git("show", f"{record.commit}:dvc.lock")


def test_what_the_checks_are_asked_does_not_train_again(other):
    other.set(check={"accept": ["few-images"]})
    assert "Running stage 'check'" in other.dvc("repro", "check").stdout
    assert find_status(other, "finetune", "validate") == {}


def test_a_warning_stops_where_that_is_asked_for(other):
    other.set(check={"stop": ["warning"]})
    assert "few-images" in refuse(other)
    other.set(check={"accept": ["few-image"]})
    sentence = refuse(other)
    assert "check.accept" in sentence
    assert "few-images" in sentence


def test_a_half_copied_picture_stops_a_run_before_the_training(other):
    trained = {path.name for path in (other.root / ".dvc/tmp/steelyard/training").iterdir()}
    change_pictures(other, cut_short)
    sentence = run_and_fail(other)
    assert "image-truncated" in sentence
    assert "images/train/03.png" in sentence
    assert {path.name for path in (other.root / ".dvc/tmp/steelyard/training").iterdir()} == trained
    client = other.client()
    experiment = client.get_experiment_by_name(other.name).experiment_id
    (run,) = client.search_runs([experiment], "attributes.status = 'FAILED'")
    assert {"data/check.html", "data/check.json"} <= list_files(other, run.info.run_id)
    assert run.info.artifact_uri.removeprefix("file://") in sentence
    run_and_fail(other)
    assert len(client.search_runs([experiment], "attributes.status = 'FAILED'")) == 1

    other.git("revert", "--no-edit", "HEAD")
    assert "trained nothing" in other.steelyard("run").stdout


def test_a_leak_stops_until_somebody_has_looked_at_it(other):
    change_pictures(other, leak)
    sentence = refuse(other)
    assert "duplicate-across-splits" in sentence
    assert "images/test/00.png" in sentence
    assert "check.html" in sentence
    other.set(check={"accept": ["duplicate-across-splits"]})
    other.dvc("repro", "check")


def test_a_version_says_which_earlier_ones_trained_on_its_test_images(other):
    other.set(fetch={"split": {"by": "fraction", "train": 0.6, "val": 0.2, "seed": 3, "group": ""}})
    output = other.dvc("repro").stdout
    first, second = other.read_records()
    counts = second.dataset.test_trained_on
    assert f"not to be compared on this test split, since they trained on it: v1 (on {counts[1]} of its" in output
    after = DatasetManifest.model_validate_json((other.root / "data/dataset.json").read_bytes())
    moved = [one for one in after.images if one.split == "test" and one.origin.startswith("images/train/")]
    assert counts == {1: len(moved)}
    assert len(moved) > 0

    assert find_trained_on(other.root, [first], after, {}) == {1: sorted(one.path for one in moved)}
    assert f"v2: not to be compared on this test split, since they trained on it: v1 (on {len(moved)}" in " ".join(
        other.steelyard("versions").stdout.split()
    )
    version = other.client().get_model_version(other.name, "2")
    assert f"v1 (on {len(moved)} of its" in version.description
