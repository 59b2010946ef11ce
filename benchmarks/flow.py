"""An up-to-date flow run with standing servers, split into parts by what Prefect's API says of it."""

import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from benchmarks.clone import BIN, Clone
from steelyard.params import read_yaml

PATIENCE_SECONDS = 180
END = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


def measure_flow(clone: Clone, runs: int) -> dict[str, Any]:
    """Time flow runs from the shell and by the API's request, which the button sends.

    Args:
        clone: whose stages have all run.
        runs: of each way, after one that is not counted.

    Returns:
        For each way the parts of each run, in seconds; ``total`` is the whole.
    """
    parts: dict[str, list[dict[str, float]]] = {"shell": [], "button": []}
    with standing(clone) as yard:
        for way in parts:
            for number in range(runs + 1):
                each = yard.run() if way == "shell" else yard.press()
                if number:
                    parts[way].append(each)
    return parts


class Yard:
    """``steelyard up``, running."""

    def __init__(self, clone: Clone, prefect: int, mlflow: int) -> None:
        self.clone = clone
        self.api, self.mlflow = f"http://127.0.0.1:{prefect}/api", f"http://127.0.0.1:{mlflow}"

    def run(self) -> dict[str, float]:
        """``steelyard run``."""
        asked, start = time.time(), time.perf_counter()
        self.clone.call(BIN / "steelyard", "run", PREFECT_API_URL=self.api, MLFLOW_TRACKING_URI=self.mlflow)
        total = time.perf_counter() - start
        runs = self.ask("/flow_runs/filter", {"sort": "START_TIME_DESC", "limit": 1})
        return self.read_parts(runs[0]["id"], asked) | {"total": total}

    def press(self) -> dict[str, float]:
        """The request that the button makes, until the run is Completed."""
        deployment = self.ask("/deployments/name/pipeline/retrain")
        asked = time.time()
        run = self.ask(f"/deployments/{deployment['id']}/create_flow_run", {"parameters": {}})["id"]
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (state := self.ask(f"/flow_runs/{run}")["state_type"]) not in END:
            assert time.monotonic() < deadline, f"flow run {run} is still {state}"
            time.sleep(0.2)
        assert state == "COMPLETED", f"flow run {run} is {state}"
        parts = self.read_parts(run, asked)
        del parts["process end"]
        return parts | {"total": sum(parts.values())}

    def read_parts(self, run: str, asked: float) -> dict[str, float]:
        """Ask for what is known of a run that has ended, until its tasks have arrived as well."""
        ended, deadline = time.time(), time.monotonic() + PATIENCE_SECONDS
        stages = read_yaml(self.clone.root / "dvc.yaml")["stages"]
        while True:
            flow = self.ask(f"/flow_runs/{run}")
            tasks = self.ask("/task_runs/filter", {"flow_runs": {"id": {"any_": [run]}}})
            if len(tasks) == len(stages) and all(task["end_time"] for task in tasks):
                return split(flow, tasks, self.ask(f"/flow_run_states/?flow_run_id={run}"), asked, ended)
            assert time.monotonic() < deadline, f"flow run {run} has {len(tasks)} tasks"
            time.sleep(0.2)

    def ask(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """One request; a POST where there is a body."""
        request = urllib.request.Request(  # noqa: S310 - http, built above
            self.api + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"content-type": "application/json"},
        )
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                # Prefect's answer while its SQLite file is locked; Prefect's own client asks again, too.
                if error.code != HTTPStatus.SERVICE_UNAVAILABLE or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)


def split(
    flow: Mapping[str, Any], tasks: list[dict[str, Any]], states: list[dict[str, Any]], asked: float, ended: float
) -> dict[str, float]:
    """Parts of a flow run, in seconds, in the order in which they come.

    Args:
        flow: the flow run, as the API gives it.
        tasks: its task runs, in any order.
        states: its states.
        asked: when it was asked for, in seconds since 1970.
        ended: when the process that ran it had ended.
    """
    tasks = sorted(tasks, key=lambda task: _seconds(task["start_time"]))
    begun, over = _seconds(flow["start_time"]), _seconds(flow["end_time"])
    scheduled = any(state["type"] == "SCHEDULED" for state in states)
    taken = min(_seconds(state["timestamp"]) for state in states if state["type"] == "PENDING") if scheduled else asked
    first, last = _seconds(tasks[0]["start_time"]), _seconds(tasks[-1]["end_time"])
    parts = {"wait for the runner": taken - asked} if scheduled else {}
    parts |= {"process, imports": begun - taken, "clone": first - begun}
    stages = {task["name"]: _seconds(task["end_time"]) - _seconds(task["start_time"]) for task in tasks}
    parts |= stages
    parts["between stages"] = last - first - sum(stages.values())
    return parts | {"summary, artifact": over - last, "process end": ended - over}


def _seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()


@contextmanager
def standing(clone: Clone) -> Iterator[Yard]:
    """``steelyard up`` on free ports; ended, with all that it started, at the end."""
    ports = find_port(), find_port()
    log = Path(f"{clone.root}-up.log")
    with log.open("w") as output:
        command = [str(BIN / "steelyard"), "up", "--prefect-port", str(ports[0]), "--mlflow-port", str(ports[1])]
        process = subprocess.Popen(command, cwd=clone.root, env=clone.env, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        runner = clone.root / ".dvc/tmp/steelyard/logs/runner.log"
        while not (runner.exists() and "started" in runner.read_text()):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.3)
        yield Yard(clone, *ports)
    finally:
        process.terminate()  # not SIGINT: a shell's `&` makes what it starts ignore that
        process.wait()


def find_port() -> int:
    """A port of the loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
