"""Flow runs in clean clones: beside a person's edits, beside each other, on the data as it is today."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from steelyard.params import read_yaml
from steelyard.stage import run_stage
from steelyard.weights.identity import file_sha256
from steelyard.workspace import clean_clone

# what a run is meant to write at home
MADE = {".git", ".dvc", "mlflow.db", "mlartifacts", ".ultralytics", "__pycache__"}
MADE |= {"prefect.db", "prefect.db-shm", "prefect.db-wal"}


@pytest.fixture
def home(weighed, tmp_path):
    """A project whose weights are version 1."""
    project = weighed.copy(tmp_path / "repo", "cloned")
    project.dvc("repro")
    project.git("add", "--all")
    project.git("commit", "-qm", "made")
    return project


def read_tree(project):
    """All that a person has here: files, and what git keeps beside them."""
    root = project.root
    files = [path for path in root.rglob("*") if path.is_file() and not MADE & set(path.relative_to(root).parts)]
    words = (
        "status --porcelain",
        "rev-parse HEAD",
        "symbolic-ref HEAD",
        "branch",
        "stash list",
        "diff",
        "diff --cached",
    )
    return (
        {str(path): file_sha256(path) for path in files},
        {each: project.git(*each.split()) for each in words},
        (root / ".git/index").read_bytes() and project.git("ls-files", "--stage"),
    )


def change_picture(path):
    picture = cv2.imread(str(path))
    cv2.imwrite(str(path), np.ascontiguousarray(picture[:, ::-1]))


def test_two_runs_at_once_leave_a_person_who_edits_alone(home):
    (home.root / "params.yaml").write_text((home.root / "params.yaml").read_text() + "\n# stashed\n")
    home.git("stash")
    with (home.root / "tasks/fetch.py").open("a") as file:
        file.write("\nraise RuntimeError('half a thought')\n")
    (home.root / "notes.txt").write_text("mine")
    (home.root / "README.md").write_text("staged")
    home.git("add", "README.md")
    change_picture(home.root / "data/raw/shapes/images/train/00.png")
    before = read_tree(home)
    command = [Path(sys.executable).with_name("steelyard"), "run", "-S"]
    runs = [
        subprocess.Popen(
            [*command, f"finetune.lr0={lr0}"],
            cwd=home.root, env=home.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for lr0 in (0.003, 0.004)
    ]  # fmt: skip
    outputs = [run.communicate()[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], "\n".join(outputs)
    assert read_tree(home) == before
    for output in outputs:
        assert "not in this run: 3 uncommitted changes of the working tree" in output
        assert "fetch skipped" in output
    records = home.read_records()
    assert [record.version for record in records] == [1, 2, 3]
    assert {record.params["finetune"]["lr0"] for record in records[1:]} == {0.003, 0.004}
    for record in records[1:]:
        assert f"lr0: {record.params['finetune']['lr0']}\n" in home.git("show", f"{record.commit}:params.yaml")
        assert "half a thought" not in home.git("show", f"{record.commit}:tasks/fetch.py")
    assert not list((home.root / ".dvc/tmp/steelyard/runs").iterdir())


def test_a_changed_picture_or_label_is_fetched_again(home):
    picture = home.root / "data/raw/shapes/images/train/00.png"
    label = home.root / "data/raw/shapes/labels/train/01.txt"
    fingerprint = json.loads((home.root / "data/dataset.json").read_text())["fingerprint"]

    def run_fetch():
        said = []
        with clean_clone(home.root, "HEAD", {}, said.append) as clone:
            ran = run_stage(clone, "fetch", home.env, said.append)
            return ran, json.loads((clone / "data/dataset.json").read_text())["fingerprint"]

    assert run_fetch() == (False, fingerprint)
    for change in (lambda: change_picture(picture), lambda: label.write_text("0 0.5 0.5 0.25 0.25\n")):
        change()
        # in the working tree at once; for a clean clone when git and DVC hold it
        assert run_fetch() == (False, fingerprint)
        done = home.dvc("repro", "fetch")
        assert "Running stage 'fetch'" in done.stdout
        changed = json.loads((home.root / "data/dataset.json").read_text())["fingerprint"]
        assert changed != fingerprint
        home.git("checkout", "-q", "dvc.lock")
        home.dvc("add", "data/raw/shapes")
        home.git("commit", "-qam", "changed")
        shutil.rmtree(home.root / ".dvc/cache/runs")  # it ran above
        assert run_fetch() == (True, changed)
        fingerprint = changed
        home.dvc("repro", "fetch")
        home.git("commit", "-qam", "lock")


def test_imported_data_is_brought_up_to_date_in_the_clone_and_kept_in_the_snapshot(home, tmp_path):
    outside = shutil.copytree(home.root / "data/raw/shapes", tmp_path / "outside")
    home.dvc("import-url", outside, "data/raw/imported")
    home.git("add", "--all")
    home.set(fetch={"source": "data/raw/imported"})
    imported = home.root / "data/raw/imported.dvc"
    old = read_yaml(imported)["outs"][0]["md5"]
    (outside / "labels/test/00.txt").write_text("1 0.5 0.5 0.5 0.5\n")
    change_picture(outside / "images/train/00.png")
    before = read_tree(home)
    output = home.steelyard("run", "--update-data")
    assert "files since the commit (2 changed)" in output.stderr
    assert read_tree(home) == before
    record = home.read_records()[-1]
    assert record.version == 2
    (tmp_path / "then.dvc").write_text(home.git("show", f"{record.commit}:data/raw/imported.dvc"))
    new = read_yaml(tmp_path / "then.dvc")["outs"][0]["md5"]
    assert new != old
    assert read_yaml(imported)["outs"][0]["md5"] == old
    # the snapshot is enough to see those pictures again
    clone = tmp_path / "clone"
    home.git("clone", "-q", str(home.root), str(clone))
    other = home.at(clone)
    other.git("checkout", "-q", record.tag())
    other.dvc("config", "--local", "cache.dir", home.root / ".dvc/cache")
    other.dvc("checkout", "data/raw/imported.dvc")
    assert (clone / "data/raw/imported/labels/test/00.txt").read_text() == "1 0.5 0.5 0.5 0.5\n"


def test_an_older_revision_is_run_with_its_own_code_and_settings(home):
    home.git("tag", "older")
    with (home.root / "tasks/fetch.py").open("a") as file:
        file.write("\nprint('the newer code')\n")
    home.set(finetune={"lr0": 0.007})
    done = home.steelyard("run", "--revision", "older")
    assert "the newer code" not in done.stderr
    assert "the revision asked for is another" in done.stderr
    assert "already registered: these weights are cloned@v1.0.0" in done.stderr
    assert "trained nothing" in done.stdout
    assert [record.version for record in home.read_records()] == [1]


def test_a_lock_of_another_machine_does_not_train_in_every_run(home):
    """As in a fresh clone: the committed dvc.lock fits, and the bytes that it names never came here."""
    lock = home.root / "dvc.lock"
    outs = read_yaml(lock)["stages"]["finetune"]["outs"]
    (here,) = [out["md5"] for out in outs if out["path"] == "weights/training.json"]
    lock.write_text(lock.read_text().replace(here, here[::-1]))
    home.git("commit", "-qam", "made elsewhere")
    before = read_tree(home)
    assert "trained nothing" in home.steelyard("run").stdout
    assert read_tree(home) == before
