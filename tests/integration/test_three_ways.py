"""Promise 1: schedule, button and `dvc repro` do the same work, skip the same work, leave the same record."""

import itertools
import json
import time
from datetime import UTC, datetime

import pytest

from steelyard.record.ledger import read_history
from steelyard.record.mirror import UnreadableError, list_foreign, list_lagging, list_missing
from steelyard.record.store import read_mirror
from steelyard.weights.identity import file_sha256


def go_by_repro(project, yard):
    return project.dvc("repro").stdout


def go_by_button(project, yard):
    run_id = yard.press()
    yard.wait(run_id)
    return yard.read_whole_log(run_id)


def go_by_schedule(project, yard):
    deployment = yard.deployment["id"]
    schedule = {"interval": 3600, "anchor_date": datetime.now(UTC).isoformat()}
    made = yard.ask("POST", f"/deployments/{deployment}/schedules", [{"schedule": schedule, "active": True}])
    # The anchor lies in the past by now: the next point of an interval of seconds is what fires.
    schedule["interval"] = 4
    yard.ask("PATCH", f"/deployments/{deployment}/schedules/{made[0]['id']}", {"schedule": schedule})
    query = {
        "deployments": {"id": {"any_": [deployment]}},
        "flow_runs": {"state": {"type": {"any_": ["RUNNING", "COMPLETED"]}}},
    }
    known = {run["id"] for run in yard.ask("POST", "/flow_runs/filter", query)}
    start = time.monotonic()
    try:
        while not (fired := [r for r in yard.ask("POST", "/flow_runs/filter", query) if r["id"] not in known]):
            waited_seconds = round(time.monotonic() - start)
            assert waited_seconds < 200, yard.read_logs()
            if waited_seconds % 20 == 19:
                # Prefect's scheduler may have read the schedule just before it was changed, and plans by hours
                yard.ask("PATCH", f"/deployments/{deployment}/schedules/{made[0]['id']}", {"schedule": schedule})
            time.sleep(1)
    finally:
        yard.ask("DELETE", f"/deployments/{deployment}/schedules/{made[0]['id']}")
    assert fired[0]["auto_scheduled"]
    # A schedule of seconds has made more runs, which wait for the deployment's one place.
    waiting = {**query, "flow_runs": {"state": {"type": {"any_": ["SCHEDULED", "PENDING"]}}}}
    for run in yard.ask("POST", "/flow_runs/filter", waiting):
        if run["id"] != fired[0]["id"]:
            yard.ask("DELETE", f"/flow_runs/{run['id']}")
    yard.wait(fired[0]["id"])
    return yard.read_whole_log(fired[0]["id"])


WAYS = {"schedule": go_by_schedule, "button": go_by_button, "repro": go_by_repro}
TIMES = {"started", "ended", "epoch_seconds", "registered"}
RUNS = {"prefect_flow_run_id", "run_id", "name", "commit"}


def strip(record):
    """The record without times and the names of runs; the commit names its parent's time."""
    if isinstance(record, dict):
        return {key: strip(value) for key, value in record.items() if key not in TIMES | RUNS | {"register"}}
    return record


@pytest.fixture(scope="module")
def records():
    return {}


@pytest.mark.parametrize("order", list(itertools.permutations(WAYS)), ids="-".join)
def test_after_one_way_the_others_have_nothing_to_do(order, yard, template, tmp_path, records):
    name = "-".join(order)
    project = yard.adopt(template, tmp_path / "repo", name)
    status = project.git("status", "--porcelain")
    first = WAYS[order[0]](project, yard)
    assert "epoch 2/2" in first
    assert f"registered {name}@v1.0.0" in first
    client = project.client()
    (version,) = client.search_model_versions(f"name = '{name}'")
    run_before = client.get_run(version.run_id)
    for curve in ("mAP50", "train/box_loss", "lr/pg0", "epoch_seconds"):
        assert len(client.get_metric_history(version.run_id, curve)) == 2, curve
    tags = project.git("tag")
    for way in order[1:]:
        output = WAYS[way](project, yard)
        assert "epoch 2/2" not in output, f"{way} trained again"
        assert f"already registered: these weights are {name}@v1.0.0" in output
    assert project.git("tag") == tags
    assert len(client.search_model_versions(f"name = '{name}'")) == 1
    run_after = client.get_run(version.run_id)
    assert run_after.data.metrics == run_before.data.metrics
    assert run_after.info.status == "FINISHED"
    experiment = client.get_experiment_by_name(name).experiment_id
    assert len(client.search_runs([experiment])) == 1
    (record,) = project.read_records()
    assert (record.prefect_flow_run_id is None) == (order[0] == "repro")
    records[name] = strip(record.model_dump(mode="json", by_alias=True))
    assert records[name] == next(iter(records.values()))
    if order[-1] != "repro" and order[0] != "repro" and order[1] != "repro":
        assert project.git("status", "--porcelain") == status


def is_mirrored(store, name, records, history):
    mirror = read_mirror(store, name)
    return not [*list_missing(mirror, records, history), *list_foreign(mirror, history), *list_lagging(mirror, history)]


def test_what_was_changed_by_hand_in_mlflow_is_put_right(yard, weighed, tmp_path):
    project = yard.adopt(weighed, tmp_path / "repo", "by-hand")
    go_by_repro(project, yard)
    records, history = project.read_records(), read_history(project.root, "by-hand")
    assert is_mirrored(yard.mlflow, "by-hand", records, history)
    assert not is_mirrored(yard.mlflow, "by-hand", records, [])
    with pytest.raises(UnreadableError, match="MLflow's server does not answer"):
        read_mirror("http://127.0.0.1:9", "by-hand")
    client = project.client()
    client.delete_registered_model_alias("by-hand", "champion")
    client.delete_registered_model("by-hand")
    assert not is_mirrored(yard.mlflow, "by-hand", records, history)
    assert "MLflow: by-hand version 1" in go_by_repro(project, yard)
    assert is_mirrored(yard.mlflow, "by-hand", records, history)
    assert client.get_model_version_by_alias("by-hand", "champion").version == "1"


@pytest.fixture(scope="module")
def pressed(yard, weighed, tmp_path_factory):
    """A project, and the log of its only run: the button, with one setting filled into its form."""
    project = yard.adopt(weighed, tmp_path_factory.mktemp("pressed") / "repo", "pressed")
    # as the form sends it: a switch that nobody touched is null, other settings are not there
    run_id = yard.press(revision="HEAD", settings={"finetune": {"cos_lr": None, "lr0": 0.003}})
    yard.wait(run_id)
    return project, yard.read_whole_log(run_id)


def test_an_override_of_the_form_is_trained_with_and_kept_alone_in_the_snapshot(pressed):
    project, log = pressed
    assert "override: finetune.lr0 = 0.003 (was 0.002)" in log
    assert "epoch 2/2" in log
    (record,) = project.read_records()
    assert record.params["finetune"]["lr0"] == 0.003
    # the working tree has the weights of the settings as they are committed
    assert record.weights.identity != json.loads((project.root / "weights/training.json").read_text())["identity"]
    before, after = (project.git("show", f"{each}:params.yaml").splitlines() for each in ("HEAD", record.commit))
    changed = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
    assert changed == [("  lr0: 0.002", "  lr0: 0.003")]


def test_a_version_of_a_clean_clone_is_shared_by_its_tag_and_dvc(pressed, tmp_path):
    project, _ = pressed
    (record,) = project.read_records()
    project.git("init", "-q", "--bare", str(tmp_path / "shared.git"))
    project.git("push", "-q", "--tags", str(tmp_path / "shared.git"))
    project.dvc("remote", "add", "--local", "--default", "store", tmp_path / "store")
    project.dvc("push", "--all-tags")
    project.git("clone", "-q", str(tmp_path / "shared.git"), str(tmp_path / "elsewhere"))
    elsewhere = project.at(tmp_path / "elsewhere")
    elsewhere.git("checkout", "-q", record.tag())
    elsewhere.dvc("remote", "add", "--local", "--default", "store", tmp_path / "store")
    elsewhere.dvc("pull", "weights/best.pt")
    assert file_sha256(elsewhere.root / "weights/best.pt") == record.weights.file_sha256
