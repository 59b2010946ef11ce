"""A small project with all real parts: git, DVC, MLflow, Prefect; pictures of squares and discs, 64 px."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
from hypothesis import settings
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
SMALL = {
    "epochs": 2, "imgsz": 64, "batch": 4, "nbs": 4, "close_mosaic": 1, "warmup_epochs": 0.0, "device": "cpu",
    "threads": 1,  # two would only wait for each other at this size
}  # fmt: skip
# weights of two epochs find nothing
GATE = {"floor": 0.0, "least_gain": 0.0, "most_loss": 0.05, "most_calibration_rise": 0.05, "most_slowdown": 0.0}


settings.register_profile("steelyard", deadline=None)  # the first call compiles
settings.load_profile("steelyard")


def pytest_addoption(parser):
    parser.addoption("--screens", type=Path, help="folder for the pictures that the README shows (browser tests)")


def pytest_configure():
    """Under nohup, or with a script's `&`, what the tests start would ignore signals; a handler is not inherited."""
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


def draw_pictures(folder, count=12, seed=0):
    """A data set in YOLO layout with published splits."""
    random = np.random.default_rng(seed)
    for split, share in (("train", count), ("val", count // 3), ("test", count // 3)):
        for number in range(share):
            picture = random.integers(0, 60, (64, 64, 3), dtype=np.uint8)
            x, y, side = (int(v) for v in random.integers((4, 4, 20), (36, 36, 28)))
            label = int(random.integers(2)) if number > 1 else number
            middle, colour = (x + side // 2, y + side // 2), (250, 250, 250)
            if label:
                cv2.circle(picture, middle, side // 2, colour, -1)
            else:
                cv2.rectangle(picture, (x, y), (x + side, y + side), colour, -1)
            for kind in ("images", "labels"):
                (folder / kind / split).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / "images" / split / f"{number:02}.png"), picture)
            line = f"{label} {middle[0] / 64} {middle[1] / 64} {side / 64} {side / 64}\n"
            (folder / "labels" / split / f"{number:02}.txt").write_text(line)
    names = "names: [square, disc]\n"
    (folder / "data.yaml").write_text("train: images/train\nval: images/val\ntest: images/test\n" + names)


@pytest.fixture(scope="session")
def shared_datasets() -> Path:
    folder = ROOT.parent / "shared" / "datasets"
    if not folder.is_dir():
        pytest.skip("the published data sets are not beside this checkout (../shared/datasets)")
    return folder


class Project:
    """A repository with a small training in it, and the commands that a person would type."""

    def __init__(self, root, env):
        self.root = root
        self.env = env

    def call(self, *command, check=True, **env):
        done = subprocess.run(
            [str(part) for part in command], cwd=self.root, env={**self.env, **env}, capture_output=True, text=True
        )
        assert not check or done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done

    def git(self, *arguments):
        return self.call("git", *arguments).stdout.strip()

    def dvc(self, *arguments, **kwargs):
        return self.call(BIN / "dvc", *arguments, **kwargs)

    def steelyard(self, *arguments, **kwargs):
        return self.call(BIN / "steelyard", *arguments, **kwargs)

    def set(self, **sections):
        """Change params.yaml and commit it."""
        yaml, file = YAML(), self.root / "params.yaml"
        tree = yaml.load(file.read_text())
        for section, values in sections.items():
            tree[section].update(values)
        with file.open("w") as stream:
            yaml.dump(tree, stream)
        self.git("commit", "--allow-empty", "-qam", "settings")

    @property
    def name(self):
        return YAML(typ="safe").load((self.root / "params.yaml").read_text())["register"]["name"]

    def read_records(self):
        from steelyard.record.ledger import read_versions

        return read_versions(self.root, self.name)

    def client(self):
        from mlflow import MlflowClient

        uri = self.env.get("MLFLOW_TRACKING_URI", f"sqlite:///{self.root / 'mlflow.db'}")
        return MlflowClient(tracking_uri=uri, registry_uri=uri)

    def find_processes(self):
        """Every process that descends from a command of this project, whatever its parent and session are now."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("PREFECT_HOME") == self.env["PREFECT_HOME"]:
                    found.append(process)
        return found

    def count_epochs(self):
        """Of the training that is under way; a log tells it seconds later."""
        states = (self.root / ".dvc/tmp/steelyard/training").glob("*/state-*.pt")
        return max((int(state.stem.removeprefix("state-")) for state in states), default=0)

    def at(self, root):
        """The same commands in another folder."""
        return Project(root, self.env)

    def copy(self, root, name):
        """Another project of this form, with a cache and a history of its own."""
        shutil.copytree(self.root, root, symlinks=True, ignore=shutil.ignore_patterns("mlflow.db*", "mlartifacts"))
        other = Project(root, {**self.env, "PREFECT_HOME": f"{root}-prefect"})
        other.set(register={"name": name, "experiment": name})
        return other


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """The code as it stands in the working tree, small settings, base weights already in the cache."""
    folder = tmp_path_factory.mktemp("template")
    root, home = folder / "repo", folder / "home"
    home.mkdir()
    files = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split("\0")  # fmt: skip
    for name in filter(None, files):
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, root / name)
    keep = ("PATH", "LANG", "TMPDIR", "PIP_", "SSL_", "OPENBLAS_", "HTTP", "NO_PROXY")
    env = {key: value for key, value in os.environ.items() if key.startswith(keep)}
    env |= {
        "HOME": str(home),
        "PATH": f"{BIN}{os.pathsep}{env['PATH']}",
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "COLUMNS": "160",
    }
    project = Project(root, env)
    project.git("init", "-q", "-b", "main")
    project.git("config", "user.name", "Tester")
    project.git("config", "user.email", "tester@localhost")
    draw_pictures(root / "data/raw/shapes")
    project.dvc("add", "data/raw/shapes")
    project.git("add", "--all")
    project.git("commit", "-qm", "a small project")
    project.set(
        fetch={
            "source": "data/raw/shapes",
            "sha256": "",
            "format": "yolo",
            "include": [],
            "classes": [],
            "tile": 0,
            "split": {"by": "published", "train": 0.6, "val": 0.2, "seed": 0, "group": ""},
        },
        finetune=SMALL,
        validate={"pictures": 1},
        register={"name": "shapes", "experiment": "shapes", "gate": {**GATE, "accept": []}},
    )
    project.dvc("repro", "base")
    # an empty database, as the first start of a server makes it in 6 s
    database = f"sqlite+aiosqlite:///{root / 'prefect.db'}"
    upgrade = (BIN / "prefect", "server", "database", "upgrade", "--yes")
    project.call(*upgrade, PREFECT_SERVER_DATABASE_CONNECTION_URL=database)
    for path in ("weights", "dvc.lock", "data/dataset"):  # only the cache is kept
        shutil.rmtree(root / path) if (root / path).is_dir() else (root / path).unlink(missing_ok=True)
    return project


@pytest.fixture(scope="session")
def weighed(template, tmp_path_factory):
    """A project in which everything up to the scores has been made, and nothing is registered."""
    project = template.copy(tmp_path_factory.mktemp("weighed") / "repo", "weighed")
    project.dvc("repro", "validate")
    return project


@pytest.fixture
def project(template, tmp_path):
    """A project of one's own, without servers."""
    return template.copy(tmp_path / "repo", "shapes")


def find_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Yard:
    """`steelyard up`, running; and Prefect's API as its pages use it."""

    def __init__(self, project, log, ports=None, **env):
        self.ports = ports or (find_port(), find_port())
        self.project, self.log = project, log
        self.api = env.get("PREFECT_API_URL", f"http://127.0.0.1:{self.ports[0]}/api")
        self.mlflow = env.get("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{self.ports[1]}")
        fast = {
            "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "2",
            "PREFECT_WORKER_QUERY_SECONDS": "2",
            "PREFECT_SERVER_SERVICES_TRIGGERS_PG_NOTIFY_RECONNECT_INTERVAL_SECONDS": "10",
        }
        options = ["--prefect-port", str(self.ports[0]), "--mlflow-port", str(self.ports[1])]
        with log.open("w") as output:
            self.process = subprocess.Popen(
                [str(BIN / "steelyard"), "up", *options],
                cwd=project.root, env={**project.env, **fast, **env}, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        deadline = time.monotonic() + 150
        while "Ctrl-C ends" not in log.read_text():
            assert self.process.poll() is None and time.monotonic() < deadline, self.read_logs()
            time.sleep(0.3)

    def read_logs(self):
        logs = sorted((self.project.root / ".dvc/tmp/steelyard/logs").glob("*.log"))
        return "\n".join(f"== {file.name}\n{file.read_text()[-3000:]}" for file in [self.log, *logs])

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)

    def adopt(self, template, root, name):
        """A project that this Prefect and this MLflow know."""
        project = template.copy(root, name)
        project.env |= {"PREFECT_API_URL": self.api, "MLFLOW_TRACKING_URI": self.mlflow}
        project.call(sys.executable, "-m", "flows.deploy")
        return project

    def ask(self, method, path, body=None):
        request = urllib.request.Request(
            f"{self.api}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"content-type": "application/json"},
            method=method,
        )
        for patience_seconds in (0.5, 1, 2, 4, 0):
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    text = answer.read()
                return json.loads(text) if text else None
            except urllib.error.HTTPError as error:
                # what Prefect answers while its SQLite file is locked; its own client asks again, too
                if error.code != 503 or not patience_seconds:
                    raise
                time.sleep(patience_seconds)
        raise AssertionError(path)

    @property
    def deployment(self):
        return self.ask("GET", "/deployments/name/pipeline/retrain")

    def press(self, **parameters):
        """The request that the button makes."""
        run = self.ask("POST", f"/deployments/{self.deployment['id']}/create_flow_run", {"parameters": parameters})
        return run["id"]

    def wait(self, run_id, types=("COMPLETED",), timeout_seconds=240):
        deadline = time.monotonic() + timeout_seconds
        while True:
            run = self.ask("GET", f"/flow_runs/{run_id}")
            if run["state_type"] in types:
                return run
            ended = run["state_type"] in ("FAILED", "CRASHED", "CANCELLED", "COMPLETED")
            if ended or time.monotonic() > deadline:
                lines = "\n".join(self.read_run_log(run_id))
                raise AssertionError(f"{run['state']}\n{lines}\n{self.read_logs()}")
            time.sleep(0.5)

    def wait_for_epoch(self, project, run_id, epoch, timeout_seconds=120):
        deadline = time.monotonic() + timeout_seconds
        while project.count_epochs() < epoch:
            assert time.monotonic() < deadline, f"{self.read_run_log(run_id)}\n{self.read_logs()}"
            time.sleep(0.1)

    def wait_for_line(self, run_id, text, timeout_seconds=120):
        deadline = time.monotonic() + timeout_seconds
        while not any(text in line for line in self.read_run_log(run_id)):
            assert time.monotonic() < deadline, f"{text}\n{self.read_run_log(run_id)}\n{self.read_logs()}"
            time.sleep(0.5)

    def read_whole_log(self, run_id):
        """Of a run that is Completed: log lines are sent in batches, the flow's last one after that."""
        self.wait_for_line(run_id, "trained ")
        return "\n".join(self.read_run_log(run_id))

    def read_run_log(self, run_id):
        query = {"logs": {"flow_run_id": {"any_": [run_id]}}, "sort": "TIMESTAMP_ASC"}
        return [line["message"] for line in self.ask("POST", "/logs/filter", query)]


@pytest.fixture(scope="session")
def yard(template, tmp_path_factory):
    """One standing yard for all tests that need one."""
    folder = tmp_path_factory.mktemp("yard")
    yard = Yard(template.copy(folder / "repo", "yard"), folder / "up.log")
    yield yard
    yard.stop()


@pytest.fixture
def start_yard(tmp_path):
    """Starts yards of a test's own, and ends them."""
    started = []

    def start(project, **env):
        log = tmp_path / f"up{len(started)}.log"
        started.append(Yard(project, log, **env))
        return started[-1]

    yield start
    for yard in started:
        if yard.process.poll() is None:
            yard.stop()
