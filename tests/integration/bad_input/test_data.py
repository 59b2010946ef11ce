"""Bad settings and bad data, as the user of `dvc repro` meets them."""

import io
import shutil
import zipfile

import pytest

from steelyard.errors import SteelyardError
from steelyard.stage import run_stage
from steelyard.weights.identity import file_sha256
from tests.integration.bad_input.refusal import CLOSED, DVC_FAILED, hash_tree, read_errors, refuse, set_values


def edit_copy(project, edits):
    """The pictures once more, as data/raw/x, with some files replaced (None: removed)."""
    folder = project.root / "data/raw/x"
    shutil.copytree(project.root / "data/raw/shapes", folder)
    for name, content in edits.items():
        (folder / name).unlink() if content is None else (folder / name).write_bytes(content)
    set_values(project, fetch={"source": "data/raw/x"})


def put_archive(project, content, **values):
    (project.root / "data/raw/x.zip").write_bytes(content)
    set_values(project, fetch={"source": "data/raw/x.zip", **values})


def zip_of(members):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return content.getvalue()


PICTURE, LABEL = "images/train/00.png", "labels/train/00.txt"
DATA = {
    "a missing source": (
        lambda p: set_values(p, fetch={"source": "data/raw/nope"}),
        ("'data/raw/nope': not found", "beside it are", "shapes"),
    ),
    "an unknown name": (
        lambda p: set_values(p, fetch={"tiles": 0}),
        ("params.yaml: fetch", "'tiles' was unexpected", "did you mean 'tile'?"),
    ),
    "a wrong type": (lambda p: set_values(p, fetch={"tile": "big"}), ("fetch.tile = 'big'", "integer, at least 0")),
    "out of range": (lambda p: set_values(p, fetch={"tile": 5000}), ("fetch.tile = 5000", "at most 4096")),
    "a wrong sha256": (
        lambda p: put_archive(p, zip_of({"a": "b"}), sha256="0" * 64),
        ("data/raw/x.zip", "has sha256", "params.yaml says 0000"),
    ),
    "no archive": (lambda p: put_archive(p, b"<html>"), ("x.zip", "archive (file could not be opened successfully);")),
    "a truncated archive": (
        lambda p: put_archive(p, zip_of({"a": "b" * 9000})[:5000]),
        ("x.zip", "not a whole zip or tar archive", "fetch it again"),
    ),
    "an archive that escapes": (lambda p: put_archive(p, zip_of({"../escaped": "x"})), ("x.zip", "../escaped")),
    "no network": (
        lambda p: set_values(p, fetch={"source": "https://127.0.0.1:9/x.zip", "sha256": "0" * 64}),
        ("https://127.0.0.1:9/x.zip", "Connection refused", "local path"),
    ),
    "no package index": (
        lambda p: set_values(p, fetch={"source": "pypi:deepforest==2.1.0/deepforest/data", "sha256": "0" * 64}),
        ("pypi:deepforest==2.1.0", "Is there a network"),
    ),
    "an empty split": (
        lambda p: edit_copy(p, {"data.yaml": b"train: images/train\nnames: [square, disc]\n"}),
        ("val",),
    ),
}


UNUSABLE = {
    "a broken picture": (
        lambda p: edit_copy(p, {PICTURE: b"no picture"}),
        ("image-unreadable", "images/train/00.png", "Replace the file"),
    ),
    "a label without its picture": (
        lambda p: edit_copy(p, {PICTURE: None}),
        ("label-without-image", "labels/train/00.txt", "Add the images, remove"),
    ),
    "a box outside": (lambda p: edit_copy(p, {LABEL: b"0 1.2 0.5 0.1 0.1\n"}), ("box-outside", "images/train/00.png")),
    "a box of no area": (
        lambda p: edit_copy(p, {LABEL: b"0 0.5 0.5 0 0.1\n"}),
        ("box-zero-area", "images/train/00.png", "check.accept: [box-zero-area]"),
    ),
    "an unknown class": (
        lambda p: edit_copy(p, {LABEL: b"7 0.5 0.5 0.1 0.1\n"}),
        ("class-unknown", "images/train/00.png", "7"),
    ),
    "labels that are none": (
        lambda p: edit_copy(p, {LABEL: b"square 0.5 0.5 0.1 0.1\n"}),
        ("label-unreadable", "labels/train/00.txt"),
    ),
    "a class name not in the list": (
        lambda p: (edit_copy(p, {}), set_values(p, fetch={"classes": ["square", "ring"]})),
        ("class-unknown", "disc"),
    ),
}


@pytest.mark.parametrize("damage", UNUSABLE)
def test_pictures_and_labels_that_cannot_be_used_do_not_pass_the_check(bad, damage):
    change, says = UNUSABLE[damage]
    change(bad)
    trained = hash_tree(bad.root / "weights")
    done = bad.dvc("repro", "finetune", check=False)
    output = done.stdout + done.stderr
    assert done.returncode == DVC_FAILED, output
    assert "Traceback" not in output
    (sentence,) = read_errors(output)
    assert sentence.startswith("error: the data does not pass stage check: ")
    for words in says:
        assert words in sentence
    assert hash_tree(bad.root / "weights") == trained
    bad.git("checkout", "-q", ".")
    bad.dvc("checkout", "--force")


@pytest.mark.parametrize("damage", DATA)
def test_bad_data_is_refused(bad, damage):
    change, says = DATA[damage]
    change(bad)
    refuse(bad, "fetch", *says, PIP_INDEX_URL=f"{CLOSED}/simple", PIP_RETRIES="0")
    assert not (bad.root.parent / "escaped").exists()


def test_everything_that_is_wrong_in_the_settings_is_said_at_once(bad):
    set_values(bad, fetch={"tile": "big", "tiles": 0})
    before = hash_tree(bad.root)
    with pytest.raises(SteelyardError) as refused:
        run_stage(bad.root, "fetch", bad.env, say=lambda _: None)
    first, second = sorted(str(refused.value).splitlines())
    assert "fetch.tile = 'big'" in second + first
    assert "'tiles' was unexpected" in first + second
    assert hash_tree(bad.root) == before


def test_bad_boxes_are_left_out_and_counted_where_that_is_accepted(bad):
    edit_copy(bad, {LABEL: b"0 0.5 0.5 0.2 0.2\n0 1.2 0.5 0.1 0.1\n0 0.5 0.5 0 0.1\n"})
    set_values(bad, check={"accept": ["box-outside", "box-zero-area"]})
    output = bad.dvc("repro", "check").stdout
    assert "2 bad boxes dropped" in output
    assert "train: 12 images (0 without a box), 12 boxes" in output
    bad.git("checkout", "-q", ".")
    bad.dvc("checkout", "--force")


@pytest.mark.parametrize(
    ("name", "says"),
    [("hostile", "posix.system"), ("nan", "NaN"), ("other", "YOLO11")],
    ids=["hostile pickle", "NaN", "another architecture"],
)
def test_bad_base_weights_are_refused(bad, hostile, name, says):
    path = hostile / f"{name}.pt"
    set_values(bad, base={"source": str(path), "sha256": file_sha256(path)})
    refuse(bad, "base", str(path), says)
    assert not (hostile / "owned").exists()


@pytest.fixture
def small_disk(bad, tmp_path):
    """Puts a folder of the project on a disk with 100 kB to spare."""
    mounted = []

    def mount(folder, without):
        for name in without:
            path = folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        kept = shutil.copytree(folder, tmp_path / "kept")
        blocks = sum(-(-path.stat().st_size // 4096) for path in kept.rglob("*"))
        size = f"size={blocks * 4096 + 100_000}"
        done = bad.call("mount", "-t", "tmpfs", "-o", size, "none", folder, check=False)
        if done.returncode:
            pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
        mounted.append(folder)
        shutil.copytree(kept, folder, dirs_exist_ok=True)

    yield mount
    for folder in mounted:
        bad.call("umount", folder)
    bad.git("checkout", "-q", ".")
    bad.dvc("repro", "fetch", "base")


@pytest.mark.parametrize(
    ("stage", "folder", "outputs"),
    [("base", "weights", ["base.pt", "base.json"]), ("fetch", "data", ["dataset", "dataset.json"])],
    ids=["base", "fetch"],
)
def test_a_full_disk(bad, hostile, small_disk, stage, folder, outputs):
    path = hostile / "good.pt"
    set_values(bad, base={"source": str(path), "sha256": file_sha256(path)}, fetch={"licence": "CC0-1.0"})
    small_disk(bad.root / folder, without=outputs)
    refuse(bad, stage, "the disk is full")
