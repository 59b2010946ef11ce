"""Ctrl-C in `steelyard run`, with Prefect's temporary server."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
EPOCHS = 12


@pytest.fixture
def project(project):
    project.set(finetune={"epochs": EPOCHS, "patience": 0})
    return project


def start(project, log):
    """As a shell does it: a process group of its own, which a Ctrl-C at the terminal reaches as a whole."""
    with log.open("w") as output:
        return subprocess.Popen(
            [str(BIN / "steelyard"), "run"],
            cwd=project.root, env=project.env, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip


def wait_for(process, log, text):
    deadline = time.monotonic() + 120
    while text not in log.read_text():
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


def read_states(file, query):
    with sqlite3.connect(file) as store:
        return [state for (state,) in store.execute(query)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP], ids=["Ctrl-C", "terminal closed"])
def test_an_interrupted_run_ends_and_says_so_everywhere(project, tmp_path, number):
    log = tmp_path / "run.log"
    process = start(project, log)
    wait_for(process, log, f"epoch 2/{EPOCHS}")
    os.killpg(process.pid, number)
    assert process.wait(60) == 130, log.read_text()
    assert "Traceback" not in log.read_text()
    assert not project.find_processes()
    assert not list((project.root / ".dvc/tmp/steelyard/runs").iterdir())
    assert read_states(project.root / "mlflow.db", "select status from runs") == ["KILLED"]
    assert read_states(project.root / "prefect.db", "select state_type from flow_run") == ["CRASHED"]
