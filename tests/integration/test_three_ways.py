"""Promise 1: schedule, button and `dvc repro` do the same work, skip the same work, leave the same record."""

import itertools
import time
from datetime import UTC, datetime

import pytest

from steelyard.record.rest import is_mirrored


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
    try:
        while True:
            fired = [r for r in yard.ask("POST", "/flow_runs/filter", query) if r["id"] not in known]
            if fired:
                break
            time.sleep(0.5)
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


def test_what_was_changed_by_hand_in_mlflow_is_put_right(yard, weighed, tmp_path):
    project = yard.adopt(weighed, tmp_path / "repo", "by-hand")
    go_by_repro(project, yard)
    records = project.read_records()
    assert is_mirrored(yard.mlflow, "by-hand", records, champion=1)
    assert not is_mirrored(yard.mlflow, "by-hand", records, champion=None)
    assert not is_mirrored("http://127.0.0.1:9", "by-hand", records, champion=1)
    client = project.client()
    client.delete_registered_model_alias("by-hand", "champion")
    client.delete_registered_model("by-hand")
    assert not is_mirrored(yard.mlflow, "by-hand", records, champion=1)
    assert "MLflow: by-hand version 1" in go_by_repro(project, yard)
    assert is_mirrored(yard.mlflow, "by-hand", records, champion=1)
    assert client.get_model_version_by_alias("by-hand", "champion").version == "1"
