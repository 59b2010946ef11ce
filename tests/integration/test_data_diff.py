"""`steelyard data`: what changed between two states, from their manifests alone; the data set in another format."""

import json
import shutil

import pytest

from tests.integration.test_growing_data import add_picture


@pytest.fixture
def project(template, tmp_path):
    """Two states of a data set: one picture added, one removed, one relabelled, one moved from train to test."""
    project = template.copy(tmp_path / "repo", "shapes")
    published = project.root / "data/raw/shapes"
    keep(project, "first")
    project.git("tag", "shapes@v1.0.0")
    add_picture(published, "new", seed=1)
    for kind, suffix in (("images", "png"), ("labels", "txt")):
        (published / f"{kind}/train/03.{suffix}").unlink()
        shutil.move(published / f"{kind}/train/04.{suffix}", published / f"{kind}/test/04.{suffix}")
    (published / "labels/train/05.txt").write_text("1 0.5 0.5 0.25 0.25\n")
    keep(project, "second")
    return project


def keep(project, message):
    project.dvc("add", "data/raw/shapes")
    project.dvc("repro", "fetch")
    project.git("add", "--all")
    project.git("commit", "-qm", message)


def paths(images):
    return [(each.get("after") or each)["origin"] for each in images]


def test_two_states(project, tmp_path):
    changes = json.loads(project.steelyard("data", "diff", "v1", "--json").stdout)
    assert paths(changes["added"]) == ["images/train/new.png"]
    assert paths(changes["removed"]) == ["images/train/03.png"]
    assert paths(changes["relabelled"]) == ["images/train/05.png"]
    assert paths(changes["moved"]) == paths(changes["leaked"]) == ["images/test/04.png"]
    assert changes["images"] == {"train": [12, 11], "val": [4, 4], "test": [4, 5]}
    for other in (("shapes@v1.0.0", "HEAD"), ("HEAD~1", "main")):
        assert json.loads(project.steelyard("data", "diff", *other, "--json").stdout) == changes

    text = project.steelyard("data", "diff", "v1", NO_COLOR="1").stdout
    assert text.startswith("v1 to the working tree: 1 image added, 1 removed, 1 relabelled, 1 moved to another split")
    rows = [line.split() for line in text.splitlines()]
    assert ["images", "12", "->", "11", "(-1)", "4", "4", "->", "5", "(+1)"] in rows
    assert any(row[:6] == ["moved", "from", "train", "to", "test", "1"] for row in rows)
    assert "warning: 1 image that was in train is in val or test now" in " ".join(text.split())
    assert "nothing changed" in project.steelyard("data", "diff", "HEAD").stdout


def test_pictures_of_what_changed_come_alone(project, tmp_path):
    """In another clone, from the remote: no other picture is fetched."""
    project.dvc("remote", "add", "--default", "store", tmp_path / "store")
    project.git("commit", "-qam", "a remote, which the commit of v1 does not know")
    # DVC pushes each commit by its own configuration, unless it stands outside of git
    project.dvc("remote", "add", "--local", "--default", "store", tmp_path / "store")
    project.dvc("push", "--all-commits")
    clone = project.at(tmp_path / "clone")
    project.git("clone", "-q", str(project.root), str(clone.root))
    page = tmp_path / "diff.html"
    done = clone.steelyard("data", "diff", "v1", "HEAD", "--pictures", page)
    assert done.stdout.rstrip().endswith(f"pictures: {page}")
    text = page.read_text()
    for name in ("train/new.png", "train/images__train__03.png", "train/05.png", "test/04.png"):
        assert name in text
    assert "train/06.png" not in text
    assert text.count("data:image/") >= 4
    assert not (clone.root / "data/dataset").exists()
    assert clone.git("status", "--porcelain") == ""
    # and of the working tree, as it lies there
    page.unlink()
    project.steelyard("data", "diff", "v1", "--pictures", page)
    assert page.read_text().count("data:image/") >= 4


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nope",), "revision = 'nope': not a commit of repo (known: "),
        (("v9",), "revision = 'v9': no version of shapes and no revision (versions: v1)"),
        (("HEAD~2",), "HEAD~2 has no data/dataset.json: its dvc.lock records none"),
        (("v1", "HEAD"), "data/dataset.json of v1: neither in DVC's cache nor in its remote; dvc push"),
        (("HEAD",), "data/dataset.json: not in the working tree; dvc checkout data/dataset.json"),
    ],
)
def test_what_cannot_be_compared_is_named(project, arguments, says):
    if arguments == ("v1", "HEAD"):
        shutil.rmtree(project.root / ".dvc/cache/files")
    if arguments == ("HEAD",):
        (project.root / "data/dataset.json").unlink()
    done = project.steelyard("data", "diff", *arguments, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {says}")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", ["coco", "csv", "voc", "yolo"])
def test_the_data_set_is_exported(project, tmp_path, name):
    out = tmp_path / "out"
    done = project.steelyard("data", "export", out, "--format", name)
    assert done.stdout.strip() == f"20 images as {name} in {out}"
    assert len(list(out.rglob("*.png"))) == 20
    again = project.steelyard("data", "export", out, "--format", name, check=False)
    assert again.returncode == 1
    assert str(out) in again.stderr
