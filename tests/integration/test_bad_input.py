"""Bad input, as the user of the commands meets it: one sentence, an exit code, nothing changed."""

import io
import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from ruamel.yaml import YAML

from steelyard.errors import SteelyardError
from steelyard.stage import run_stage
from steelyard.weights.checkpoint import save_checkpoint
from steelyard.weights.identity import file_sha256

DVC_FAILED = 255
CLOSED = "http://127.0.0.1:9"  # the port of the discard service, where nothing listens
OUTSIDE = {".git", "cache", "tmp", "__pycache__", ".ultralytics"}  # caches and locks are no part of the working tree


def hash_tree(root):
    """Every file of a working tree by its sha256."""
    files = {}
    for folder, names, found in os.walk(root):
        names[:] = [name for name in names if name not in OUTSIDE]
        found = [name for name in found if not name.startswith("prefect.db")]  # Prefect writes its runs here
        files |= {str(path): file_sha256(path) for path in (Path(folder) / name for name in found)}
    return files


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


def set_values(project, **changes):
    """Edit params.yaml; it is not committed."""
    yaml, file = YAML(), project.root / "params.yaml"
    tree = yaml.load(file.read_text())
    for section, values in changes.items():
        tree[section].update(values)
    with file.open("w") as stream:
        yaml.dump(tree, stream)


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


def read_errors(output):
    return [line for line in output.splitlines() if line.startswith("error: ")]


def refuse(project, stage, *says, **env):
    """`dvc repro` refuses in one sentence, and the working tree with its outputs is as it was."""
    before = hash_tree(project.root)
    done = project.dvc("repro", stage, check=False, **env)
    output = done.stdout + done.stderr
    assert done.returncode == DVC_FAILED, output
    assert "Traceback" not in output
    (sentence,) = read_errors(output)
    for words in says:
        assert words in sentence
    assert hash_tree(project.root) == before


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
    "a broken picture": (
        lambda p: edit_copy(p, {PICTURE: b"no picture"}),
        ("images/train/00.png", "cannot be decoded", "replace it"),
    ),
    "a label without its picture": (
        lambda p: edit_copy(p, {PICTURE: None}),
        ("labels/train/00.txt", "no image", "add the images, or remove"),
    ),
    "a box outside": (
        lambda p: edit_copy(p, {LABEL: b"0 1.2 0.5 0.1 0.1\n"}),
        ("images/train/00.png", "fetch.bad_boxes"),
    ),
    "a box of no area": (
        lambda p: edit_copy(p, {LABEL: b"0 0.5 0.5 0 0.1\n"}),
        ("images/train/00.png", "fetch.bad_boxes"),
    ),
    "an unknown class": (
        lambda p: edit_copy(p, {LABEL: b"7 0.5 0.5 0.1 0.1\n"}),
        ("labels/train/00.txt: line 1", "class 7", "0 to 1"),
    ),
    "a class name not in the list": (
        lambda p: (edit_copy(p, {}), set_values(p, fetch={"classes": ["square", "ring"]})),
        ("ring",),
    ),
    "an empty split": (
        lambda p: edit_copy(p, {"data.yaml": b"train: images/train\nnames: [square, disc]\n"}),
        ("val",),
    ),
}


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


def test_bad_boxes_are_dropped_and_counted_where_that_is_asked_for(bad):
    edit_copy(bad, {LABEL: b"0 0.5 0.5 0.2 0.2\n0 1.2 0.5 0.1 0.1\n0 0.5 0.5 0 0.1\n"})
    set_values(bad, fetch={"bad_boxes": "drop"})
    output = bad.dvc("repro", "fetch").stdout
    assert "2 boxes" in output
    assert "train: 12 images (0 without a box), 12 boxes" in output
    bad.git("checkout", "-q", "params.yaml", "dvc.lock")
    bad.dvc("repro", "fetch")


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


ASSIGNMENTS = {
    "finetune.epoch=3": "did you mean 'epochs'?",
    "finetun.epochs=3": "did you mean 'finetune'?",
    "finetune.epochs=many": "finetune.epochs = 'many'",
    "finetune.imgsz=100": "a multiple of 32",
    "finetune.lr0=0": "above 0",
    "finetune=3": "must be section.name=value",
    "finetune.epochs": "must be section.name=value",
    "finetune.epochs=[1": "not YAML",
    "fetch.sha256=": "the value is empty",
}


@pytest.mark.parametrize("text", ASSIGNMENTS)
def test_a_bad_override_is_refused_before_anything_starts(bad, text):
    before = hash_tree(bad.root)
    done = bad.steelyard("run", "-S", text, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert ASSIGNMENTS[text] in line
    assert hash_tree(bad.root) == before


def test_two_values_for_one_setting_are_refused(bad):
    done = bad.steelyard("run", "-S", "fetch.split=1", "-S", "fetch.split.seed=1", check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert "given a value of its own by another -S" in done.stderr


def run_and_fail(project, *arguments, **env):
    """`steelyard run` ends with one sentence of its own, and leaves neither a change nor a clone."""
    before = hash_tree(project.root), project.git("tag")
    done = project.steelyard("run", *arguments, check=False, **env)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert (hash_tree(project.root), project.git("tag")) == before
    runs = project.root / ".dvc/tmp/steelyard/runs"
    assert not runs.exists() or not list(runs.iterdir())
    (sentence,) = read_errors(done.stderr)
    return SimpleNamespace(sentence=sentence, output=done.stdout + done.stderr)


def test_a_flow_run_fails_in_the_words_of_its_stage(bad):
    failed = run_and_fail(bad, "-S", "fetch.source=data/raw/nope")
    assert failed.sentence.startswith("error: source 'data/raw/nope': not found")


def test_a_revision_that_is_not_there(bad):
    failed = run_and_fail(bad, "--revision", "nope")
    assert "revision = 'nope': not a commit" in failed.sentence
    assert "main" in failed.sentence


def test_an_mlflow_that_does_not_answer_is_found_before_the_training(bad):
    failed = run_and_fail(bad, "-S", "finetune.lr0=0.003", MLFLOW_TRACKING_URI=CLOSED)
    assert f"MLFLOW_TRACKING_URI = '{CLOSED}': the MLflow store does not answer (Connection refused)" in failed.sentence
    assert "unset it" in failed.sentence
    assert "epoch 1/" not in failed.output


def test_a_prefect_that_does_not_answer(bad):
    started = time.monotonic()
    failed = run_and_fail(bad, PREFECT_API_URL=f"{CLOSED}/api")
    assert time.monotonic() - started < 60
    assert "PREFECT_API_URL" in failed.sentence
    assert f"{CLOSED}/api" in failed.sentence
    assert "unset it" in failed.sentence


def test_a_detached_and_dirty_repository_runs_and_says_what_is_left_out(bad):
    bad.git("checkout", "-q", "--detach")
    (bad.root / "data/raw/loose.png").write_bytes(b"never added")
    set_values(bad, finetune={"lr0": 0.5})
    before = hash_tree(bad.root)
    done = bad.steelyard("run")
    assert "not in this run: 1 uncommitted changes of the working tree (params.yaml)" in done.stderr
    assert "not in this run: data/raw/loose.png" in done.stderr
    assert "dvc add data/raw/loose.png" in done.stderr
    assert "finetune skipped" in done.stdout
    assert hash_tree(bad.root) == before
    bad.git("checkout", "-q", ".")
    bad.git("checkout", "-q", "main")


def test_a_repository_without_a_commit(weighed, tmp_path):
    project = weighed.copy(tmp_path / "repo", "uncommitted")
    project.call("rm", "-rf", ".git")
    project.git("init", "-q")
    done = project.dvc("repro", check=False)
    assert done.returncode == DVC_FAILED
    (sentence,) = read_errors(done.stderr)
    assert "it has no commit yet: git add, git commit" in sentence
    assert len(project.client().search_registered_models()) == 0
    failed = run_and_fail(project)
    assert "it has no commit yet: git add, git commit" in failed.sentence


def test_dvc_says_that_another_repro_is_at_work(bad):
    set_values(bad, finetune={"lr0": 0.004})
    command = [sys.executable, "-m", "dvc", "repro", "finetune"]
    with subprocess.Popen(command, cwd=bad.root, env=bad.env, stdout=subprocess.PIPE, text=True) as first:
        for line in first.stdout:
            if "tasks.finetune" in line:
                break
        second = bad.dvc("repro", check=False)
        rest = first.stdout.read()
    assert second.returncode == DVC_FAILED
    assert "is busy, it is being blocked by" in second.stderr
    assert str(first.pid) in second.stderr
    assert "Traceback" not in second.stderr
    assert first.returncode == 0
    assert "epoch 2/2" in rest
    bad.git("checkout", "-q", ".")
    bad.dvc("repro", "finetune")


def test_the_same_run_twice_at_once_trains_once(bad):
    command = [Path(sys.executable).with_name("steelyard"), "run", "-S", "finetune.lr0=0.005"]
    both = [
        subprocess.Popen(
            command, cwd=bad.root, env=bad.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for _ in range(2)
    ]
    output = "\n".join(process.communicate()[0] for process in both)
    assert [process.returncode for process in both] == [0, 0], output
    assert output.count("epoch 1/2") == 1
    assert output.count("- registered bad@v2.0.0") == 1
    assert [record.version for record in bad.read_records()] == [1, 2]
    assert len(bad.client().search_model_versions("name = 'bad'")) == 2


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
