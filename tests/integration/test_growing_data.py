"""Data that grows: a schedule looks for new pictures, and what it finds becomes a version without anybody's commit."""

import json
import shutil
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from steelyard.dataset.manifest import DatasetManifest
from steelyard.params import parse_yaml
from steelyard.weights.identity import file_sha256
from tests.conftest import draw_pictures

BY_FRACTION = {"by": "fraction", "train": 0.6, "val": 0.2, "seed": 1, "group": ""}


def add_picture(drive, name, seed):
    """A disc, as a person would copy it to the drive."""
    picture = np.random.default_rng(seed).integers(0, 60, (64, 64, 3), dtype=np.uint8)
    cv2.circle(picture, (32, 32), 12, (250, 250, 250), -1)
    cv2.imwrite(str(drive / f"images/train/{name}.png"), picture)
    (drive / f"labels/train/{name}.txt").write_text("1 0.5 0.5 0.375 0.375\n")


@pytest.fixture
def drive(tmp_path):
    """A folder elsewhere, such as one on a network drive: 20 pictures, their labels and data.yaml."""
    draw_pictures(tmp_path / "drive/photos")
    return tmp_path / "drive/photos"


def track(project, drive):
    project.dvc("import-url", drive, "data/raw/photos")
    project.git("add", "--all")
    project.git("commit", "-qm", "photos, imported")
    project.set(fetch={"source": "data/raw/photos", "split": BY_FRACTION})


def read_nightly(yard):
    (nightly,) = [each for each in yard.deployment["schedules"] if each["slug"] == "nightly"]
    return nightly


def switch(yard, **changes):
    """The request that the switch in the Prefect page makes: the server forgets parameters that are not sent."""
    nightly = read_nightly(yard)
    body = {key: nightly[key] for key in ("schedule", "parameters", "slug")} | changes
    yard.ask("PATCH", f"/deployments/{yard.deployment['id']}/schedules/{nightly['id']}", body)


def fire(yard):
    """Let the nightly schedule come up in seconds, once; gives the log of the run that it started."""
    started = {
        "deployments": {"id": {"any_": [yard.deployment["id"]]}},
        "flow_runs": {"state": {"type": {"any_": ["RUNNING", "COMPLETED", "FAILED"]}}},
    }
    known = {run["id"] for run in yard.ask("POST", "/flow_runs/filter", started)}
    switch(yard, schedule={"interval": 4}, active=True)
    while not (fired := [run for run in yard.ask("POST", "/flow_runs/filter", started) if run["id"] not in known]):
        time.sleep(0.5)
    switch(yard, active=False)
    # it has made more runs, which wait for the deployment's one place
    waiting = {**started, "flow_runs": {"state": {"type": {"any_": ["SCHEDULED", "PENDING"]}}}}
    for run in yard.ask("POST", "/flow_runs/filter", waiting):
        if run["id"] != fired[0]["id"]:
            yard.ask("DELETE", f"/flow_runs/{run['id']}")
    assert fired[0]["auto_scheduled"]
    run = yard.wait(fired[0]["id"])
    assert run["name"] == "HEAD update_data"
    return yard.read_whole_log(run["id"])


def read_splits(project, tmp_path, revision):
    """Split of each image by its hash, as a revision has it."""
    out = tmp_path / f"{revision.replace('@', '-')}.json"
    project.dvc("get", project.root, "data/dataset.json", "--rev", revision, "--out", out)
    return {image.sha256: image.split for image in DatasetManifest.model_validate_json(out.read_bytes()).images}


def read_state(project):
    """What a run must leave alone."""
    words = ("status --porcelain", "rev-parse HEAD", "branch", "stash list", "ls-files --stage")
    files = (project.root / "data/raw/photos").rglob("*.*")
    return [project.git(*each.split()) for each in words], sorted(path.name for path in files)


def test_a_schedule_on_a_folder_that_grows(yard, template, drive, tmp_path):
    project = yard.adopt(template, tmp_path / "repo", "grown")
    track(project, drive)
    before = read_state(project)

    # switched on by a person, and still so, and still looking for new pictures, when the servers start again
    switch(yard, active=True)
    project.call(sys.executable, "-m", "flows.deploy")
    assert read_nightly(yard)["active"]
    assert read_nightly(yard)["parameters"] == {"update_data": True}
    log = fire(yard)
    assert "data: nothing new in data/raw/photos (41 files, as in the commit)" in log
    assert "epoch 2/2" in log
    assert "trained and registered: grown@v1.0.0" in log
    log = fire(yard)
    assert "data: nothing new in data/raw/photos (41 files, as in grown@v1.0.0)" in log
    assert "since grown@v1.0.0: the same images, labels and classes" in log
    assert "epoch" not in log
    assert "trained nothing: the data, the parent weights and the settings are those of grown@v1.0.0" in log

    for number in range(2):
        add_picture(drive, f"new{number}", seed=number)
    log = fire(yard)
    assert "data/raw/photos: 41 -> 45 files since grown@v1.0.0 (4 added)" in log
    assert "since grown@v1.0.0: 2 images added" in log
    assert "trained and registered: grown@v2.0.0" in log
    log = fire(yard)
    assert "data: nothing new in data/raw/photos (45 files, as in grown@v2.0.0)" in log
    assert "trained nothing: the data, the parent weights and the settings are those of grown@v2.0.0" in log
    first, second = project.read_records()
    assert sum(second.dataset.images.values()) == sum(first.dataset.images.values()) + 2 == 22
    old, new = (read_splits(project, tmp_path, record.tag()) for record in (first, second))
    assert old.items() <= new.items()
    assert read_state(project) == before

    # the version is complete: its commit holds the state of the import
    tracked = parse_yaml(project.git("show", f"{second.commit}:data/raw/photos.dvc"), "photos.dvc")
    assert tracked["outs"][0]["nfiles"] == 45
    assert parse_yaml((project.root / "data/raw/photos.dvc").read_text(), "")["outs"][0]["nfiles"] == 41

    # a button that nobody told to look takes the data of the branch
    run_id = yard.press(update_data=False)
    assert yard.wait(run_id)["name"] == "HEAD"
    assert "those of grown@v1.0.0" in yard.read_whole_log(run_id)
    assert len(project.read_records()) == 2

    for trouble, says in TROUBLES.items():
        undo = trouble(drive)
        tags = project.git("for-each-ref", "refs/tags")
        done = project.steelyard("run", "--update-data", check=False)
        assert done.returncode == 1
        for part in says:
            assert part in done.stderr.splitlines()[-1], done.stderr
        assert project.git("for-each-ref", "refs/tags") == tags
        assert read_state(project) == before
        undo()

    removed = sorted(name for name in (path.stem for path in (drive / "images/train").iterdir()))[:3]
    for name in removed:
        (drive / f"images/train/{name}.png").unlink()
        (drive / f"labels/train/{name}.txt").unlink()
    (drive / "labels/val/00.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    done = project.steelyard("run", "--update-data")
    assert "data/raw/photos: 45 -> 39 files since grown@v2.0.0 (6 removed, 1 changed)" in done.stderr
    assert "since grown@v2.0.0: 3 images removed, 1 relabelled" in done.stderr
    third = project.read_records()[2]
    assert read_splits(project, tmp_path, third.tag()).items() <= new.items()
    assert read_state(project) == before

    # a person wants it on the branch
    done = project.steelyard("data", "adopt", "v3")
    assert "data/raw/photos: 41 files -> 39 files" in done.stdout
    assert project.git("log", "-1", "--format=%s") == "data of grown@v3.0.0"
    assert project.git("rev-parse", "HEAD~1") == before[0][1]
    changed = project.git("show", "--name-only", "--format=", "HEAD").split()
    assert sorted(changed) == ["data/raw/photos.dvc", "dvc.lock"]
    assert project.git("status", "--porcelain") == ""
    assert not (project.root / f"data/raw/photos/images/train/{removed[0]}.png").exists()
    assert "nothing to adopt" in project.steelyard("data", "adopt", third.tag()).stdout
    done = project.dvc("repro")
    assert "epoch" not in done.stdout
    assert f"already registered: these weights are {third.tag()}" in done.stdout
    log = fire(yard)
    assert "data: nothing new in data/raw/photos (39 files, as in grown@v3.0.0)" in log
    assert "those of grown@v3.0.0" in log


def empty(drive):
    """As a network drive looks that is not mounted."""
    drive.rename(drive.with_name("unmounted"))
    drive.mkdir()

    def undo():
        drive.rmdir()
        drive.with_name("unmounted").rename(drive)

    return undo


def take_away(drive):
    drive.rename(drive.with_name("away"))
    return lambda: drive.with_name("away").rename(drive)


def cut_short(drive):
    """A picture of which half is copied."""
    add_picture(drive, "half", seed=9)
    picture, labels = drive / "images/train/half.png", drive / "labels/train/half.txt"
    picture.write_bytes(picture.read_bytes()[:2000])

    def undo():
        picture.unlink()
        labels.unlink()

    return undo


TROUBLES = {
    empty: ("error: data/raw/photos.dvc: its source", "drive/photos is empty now and was 45 files"),
    take_away: ("error: data/raw/photos.dvc: cannot be brought up to date", "drive/photos' does not exist"),
    cut_short: ("error: the data does not pass stage check", "image-truncated"),
}


def measure_cache(project):
    """Size and time of every object that DVC keeps, by its hash."""
    files = [path for path in (project.root / ".dvc/cache/files/md5").rglob("*") if path.is_file()]
    return {path.parent.name + path.name: (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


@pytest.mark.parametrize("way", ["dvc add", "dvc update"])
def test_unchanged_files_cost_no_storage(way, project, drive):
    if way == "dvc add":
        drive = shutil.move(drive, project.root / "data/raw/photos")
        project.dvc("add", "data/raw/photos")
        grow = ("add", "data/raw/photos")
    else:
        project.dvc("import-url", drive, "data/raw/photos")
        grow = ("update", "data/raw/photos.dvc")
    project.git("add", "--all")
    project.git("commit", "-qm", "photos")
    project.set(fetch={"source": "data/raw/photos", "split": BY_FRACTION})
    project.dvc("repro", "fetch")
    before = measure_cache(project)

    new = []
    for number in range(2):
        add_picture(drive, f"new{number}", seed=number)
        # not the same labels, of which DVC would keep one
        (drive / f"labels/train/new{number}.txt").write_text(f"1 0.5 0.5 0.375 0.{number + 1}\n")
        new += [drive / f"images/train/new{number}.png", drive / f"labels/train/new{number}.txt"]
    project.dvc(*grow)
    after = measure_cache(project)
    assert {key: after[key] for key in before} == before
    added = [size for key, (size, _) in after.items() if key not in before and not key.endswith(".dir")]
    assert sorted(added) == sorted(path.stat().st_size for path in new)
    lists = {key for key in after.keys() - before.keys() if key.endswith(".dir")}
    assert len(lists) == 1

    # the pictures of data/dataset are those very files; new are two labels, the list and the manifest
    project.dvc("repro", "fetch")
    fetched = measure_cache(project)
    assert {key: fetched[key] for key in after} == after
    kinds = [key.rpartition(".")[2] if "." in key else "file" for key in fetched.keys() - after.keys()]
    assert sorted(kinds) == ["dir", "file", "file", "file"]


def test_a_changed_archive_with_an_unchanged_sha256_is_refused(project, drive, tmp_path):
    archive = Path(shutil.make_archive(str(tmp_path / "nas/photos"), "zip", drive))
    sha256 = file_sha256(archive)
    project.set(fetch={"source": str(archive), "sha256": sha256})
    project.dvc("repro", "fetch")
    manifest = (project.root / "data/dataset.json").read_bytes()
    assert json.loads(manifest)["source_sha256"] == sha256
    add_picture(drive, "new", seed=1)
    shutil.make_archive(str(tmp_path / "nas/photos"), "zip", drive)
    done = project.dvc("repro", "--force", "--single-item", "fetch", check=False)
    assert done.returncode != 0
    (sentence,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert f"source '{archive}': " in sentence
    assert f"the file that came has sha256 {file_sha256(archive)}" in sentence
    assert f"params.yaml says {sha256}" in sentence
    assert (project.root / "data/dataset.json").read_bytes() == manifest
