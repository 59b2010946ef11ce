"""`steelyard up`: three addresses, on loopback, and nothing left of it, however it ends."""

import re
import signal
import socket
import time

import psutil
import pytest

EPOCHS = 25


@pytest.fixture
def project(project):
    project.set(finetune={"epochs": EPOCHS, "patience": 0})
    return project


def wait_for_end(project, timeout_seconds=40):
    deadline = time.monotonic() + timeout_seconds
    while left := [p for p in project.find_processes() if p.status() != psutil.STATUS_ZOMBIE]:
        assert time.monotonic() < deadline, [process.cmdline() for process in left]
        time.sleep(0.2)


def find_listeners(project):
    listeners = set()
    for process in project.find_processes():
        for connection in process.net_connections():
            if connection.status == psutil.CONN_LISTEN:
                listeners.add((connection.laddr.ip, connection.laddr.port))
    return listeners


def test_ctrl_c_ends_all(project, start_yard):
    """In the middle of a training."""
    yard = start_yard(project)
    pages = yard.api.removesuffix("/api")
    lines = yard.log.read_text()
    assert re.search(rf"^Prefect +{pages} ", lines, re.M)
    assert re.search(rf"^MLflow +{yard.mlflow}$", lines, re.M)
    assert re.search(r"^runner +work pool steelyard", lines, re.M)
    assert {port for _, port in find_listeners(project)} >= set(yard.ports)
    assert {host for host, _ in find_listeners(project)} == {"127.0.0.1"}
    run_id = yard.press()
    yard.wait_for_epoch(project, run_id, 1)
    yard.process.send_signal(signal.SIGINT)
    assert yard.process.wait(60) == 0
    wait_for_end(project, timeout_seconds=0)


def test_killed(project, start_yard):
    """SIGKILL in the middle of a training ends all the same; the next `up` tidies up and work goes on."""
    yard = start_yard(project)
    schedule = yard.deployment["schedules"][0]
    assert not schedule["active"]
    yard.ask("PATCH", f"/deployments/{yard.deployment['id']}/schedules/{schedule['id']}", {"active": True})
    run_id = yard.press()
    yard.wait_for_epoch(project, run_id, 2)
    yard.process.kill()
    yard.process.wait()
    wait_for_end(project)
    again = start_yard(project, ports=yard.ports)
    run = again.ask("GET", f"/flow_runs/{run_id}")
    assert (run["state_type"], run["state"]["message"]) == ("CRASHED", "its runner ended without it")
    assert again.deployment["schedules"][0]["active"]
    next_id = again.press()
    again.wait(next_id)
    assert "going on after epoch" in again.read_whole_log(next_id)
    (record,) = project.read_records()
    assert record.training.epochs_run == EPOCHS
    assert again.stop() == 0
    wait_for_end(project, timeout_seconds=0)


@pytest.mark.parametrize("option", ["--prefect-port", "--mlflow-port"])
def test_taken_port(project, option):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ended = project.steelyard("up", "--prefect-port", "0", "--mlflow-port", "0", option, port, check=False)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"error: {option} = {port}: not free")
    wait_for_end(project, timeout_seconds=0)


def test_servers_that_stand_elsewhere(yard, template, tmp_path, start_yard):
    """As on a GPU worker: only a runner is started, and a taken port does not matter. Passwords are not shown."""
    project = template.copy(tmp_path / "worker", "worker")
    mlflow = yard.mlflow.replace("//", "//me:secret@")
    worker = start_yard(project, ports=yard.ports, PREFECT_API_URL=yard.api, MLFLOW_TRACKING_URI=mlflow)
    assert not find_listeners(project)
    lines = worker.log.read_text()
    assert re.search(rf"^Prefect +{yard.api.removesuffix('/api')} ", lines, re.M)
    assert re.search(rf"^MLflow +{yard.mlflow}$", lines, re.M)
    worker.process.send_signal(signal.SIGTERM)  # as a service manager does
    assert worker.process.wait(60) == 0
    wait_for_end(project, timeout_seconds=0)
