"""Cancel and kill: nothing goes on, nothing stays behind, and the next run goes on from the last whole epoch."""

import re
import sys
import time
import uuid
from datetime import UTC, datetime

import psutil
import pytest

from steelyard.environment import HEARTBEAT_SECONDS

EPOCHS = 25
NAME = "prefect.resource.name"


@pytest.fixture
def project(yard, template, tmp_path, request):
    """One whose training is still under way when it is hit."""
    project = yard.adopt(template, tmp_path / "repo", re.sub("[^a-z]+", "-", request.node.name))
    project.set(finetune={"epochs": EPOCHS, "patience": 0})
    return project


def find_training(project):
    """The processes of the stages: the leash, DVC, its shell, the training."""
    clones = str(project.root / ".dvc/tmp/steelyard/runs")
    found = []
    for process in psutil.process_iter(["cwd"]):
        if (process.info["cwd"] or "").startswith(clones) and process.status() != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def wait_for_end_of_training(project, timeout_seconds=20):
    deadline = time.monotonic() + timeout_seconds
    while left := find_training(project):
        assert time.monotonic() < deadline, left
        time.sleep(0.2)


def start(project, yard):
    run_id = yard.press()
    yard.wait_for_epoch(project, run_id, 2)
    assert any("tasks.finetune" in process.cmdline() for process in find_training(project))
    return run_id


def read_tracked(project):
    client = project.client()
    (run,) = client.search_runs([client.get_experiment_by_name(project.name).experiment_id])
    return run


def assert_goes_on(project, yard):
    """The next run: not blocked, not from the start, one version, one MLflow run, no clone left."""
    before = read_tracked(project).info.run_id
    run_id = yard.press()
    yard.wait(run_id)
    log = yard.read_whole_log(run_id)
    assert re.search(r"going on after epoch \d+", log), log
    assert f"epoch 1/{EPOCHS} " not in log
    assert f"epoch {EPOCHS}/{EPOCHS} " in log
    (record,) = project.read_records()
    assert record.training.resumed_at[0] >= 1
    assert record.training.epochs_run == EPOCHS
    tracked = read_tracked(project)
    assert (tracked.info.run_id, tracked.info.status) == (before, "FINISHED")
    assert not list((project.root / ".dvc/tmp/steelyard/runs").iterdir())


def assert_watched(yard, run_id):
    """The automation looks at this run: its heartbeats are what the trigger asks for."""
    trigger = read_automation(yard)["trigger"]
    query = {
        "event": {"name": trigger["after"]},
        "resource": {"id": [f"prefect.flow-run.{run_id}"]},
        "related": {"labels": trigger["match_related"]},
    }
    deadline = time.monotonic() + 20  # events are written in batches
    while not yard.ask("POST", "/events/filter", {"filter": query})["total"]:
        assert time.monotonic() < deadline, trigger
        time.sleep(0.5)


def read_automation(yard):
    (automation,) = yard.ask("POST", "/automations/filter", {})
    return automation


def test_cancel(project, yard):
    run_id = start(project, yard)
    assert_watched(yard, run_id)
    # the request that the button Cancel makes
    yard.ask("POST", f"/flow_runs/{run_id}/set_state", {"state": {"type": "CANCELLING"}})
    wait_for_end_of_training(project)
    yard.wait(run_id, types=("CANCELLED",))
    assert read_tracked(project).info.status == "KILLED"
    assert_goes_on(project, yard)


def test_killed_engine(project, yard):
    run_id = start(project, yard)
    (engine,) = (
        p
        for p in yard.project.find_processes()
        if p.environ().get("PREFECT__FLOW_RUN_ID") == run_id and p.cwd() == str(project.root)
    )
    engine.kill()
    wait_for_end_of_training(project)
    yard.wait(run_id, types=("CRASHED",))
    assert read_tracked(project).info.status == "KILLED"
    assert_goes_on(project, yard)


def test_run_without_heartbeat_is_crashed(yard):
    """A run whose runner is gone too: nobody but its silence tells. Here the silence is cut short.

    A run of another flow is not ours to crash: its heartbeats may be rarer.
    """
    automation = read_automation(yard)
    assert automation["enabled"]
    assert automation["trigger"]["within"] >= 3 * HEARTBEAT_SECONDS  # two heartbeats may be lost
    body = {key: automation[key] for key in ("name", "description", "enabled", "trigger", "actions")}
    flows = {
        "other": yard.ask("POST", "/flows/", {"name": "other"})["id"],
        "pipeline": yard.deployment["flow_id"],
        "gain": yard.ask("GET", "/deployments/name/gain/gain")["flow_id"],
    }
    running = {"type": "RUNNING"}
    runs = {
        name: yard.ask("POST", "/flow_runs/", {"flow_id": flow, "state": running})["id"] for name, flow in flows.items()
    }
    try:
        short = {**body, "trigger": {**body["trigger"], "within": 10}}
        yard.ask("PUT", f"/automations/{automation['id']}", short)
        for _ in range(3):  # the server takes up a changed automation within seconds
            yard.ask("POST", "/events", [make_heartbeat(runs[name], name, flow) for name, flow in flows.items()])
            time.sleep(3)
        ended = [yard.wait(runs[name], types=("CRASHED",), timeout_seconds=90) for name in ("pipeline", "gain")]
        time.sleep(5)  # each run is looked at by itself
        assert yard.ask("GET", f"/flow_runs/{runs['other']}")["state_type"] == "RUNNING"
    finally:
        yard.ask("PUT", f"/automations/{automation['id']}", body)
        yard.ask("DELETE", f"/flow_runs/{runs['other']}")
    assert {each["state"]["message"] for each in ended} == {"no heartbeat any more"}


def test_an_automation_that_knows_one_flow_learns_of_the_others(yard):
    """As a server has it that was made ready before there were others."""
    automation = read_automation(yard)
    body = {key: automation[key] for key in ("name", "description", "enabled", "trigger", "actions")}
    before = {**body["trigger"], "match_related": {**body["trigger"]["match_related"], NAME: "pipeline"}}
    yard.ask("PUT", f"/automations/{automation['id']}", {**body, "trigger": before})
    assert read_automation(yard)["trigger"]["match_related"][NAME] == "pipeline"
    yard.project.call(sys.executable, "-m", "flows.deploy", PREFECT_API_URL=yard.api)
    assert read_automation(yard)["trigger"]["match_related"] == automation["trigger"]["match_related"]


def make_heartbeat(run_id, flow_name, flow_id):
    """As a flow run sends it."""
    return {
        "id": str(uuid.uuid4()),
        "occurred": datetime.now(UTC).isoformat(),
        "event": "prefect.flow-run.heartbeat",
        "resource": {"prefect.resource.id": f"prefect.flow-run.{run_id}"},
        "related": [
            {
                "prefect.resource.id": f"prefect.flow.{flow_id}",
                "prefect.resource.role": "flow",
                "prefect.resource.name": flow_name,
            }
        ],
    }
