"""The standing servers of one machine: Prefect, MLflow and a runner, on loopback.

Each is on a leash: it ends with the process that started it, however that ends.
"""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from steelyard import leash
from steelyard.address import show_address
from steelyard.environment import prefect_environment
from steelyard.errors import WorkspaceError
from steelyard.flow_process import interrupt

HOST = "127.0.0.1"
START_TIMEOUT_SECONDS = 120
BIN = Path(sys.executable).parent

Say = Callable[[str], None]
Process = subprocess.Popen[bytes]


def serve(root: Path, prefect_port: int, mlflow_port: int, say: Say) -> int:
    """Start what is not named in the environment already, and a runner; wait for Ctrl-C.

    ``PREFECT_API_URL`` and ``MLFLOW_TRACKING_URI`` name servers that stand elsewhere; then only the
    runner is started, as on a GPU worker. An MLflow store without a server (``sqlite:///``, a folder) is
    used as it is.

    Args:
        root: the repository.
        prefect_port: for the Prefect server.
        mlflow_port: for the MLflow server.
        say: receives lines for the terminal.

    Returns:
        Exit code: 0 after Ctrl-C or SIGTERM.

    Raises:
        WorkspaceError: a port is taken, or a server does not start or ends.
    """
    logs = root / ".dvc/tmp/steelyard/logs"
    logs.mkdir(parents=True, exist_ok=True)
    env = {
        **prefect_environment(root),
        "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}",
        "STEELYARD_HOME": str(root),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PREFECT_WORKER_QUERY_SECONDS": os.environ.get("PREFECT_WORKER_QUERY_SECONDS", "1"),  # who presses waits
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # else ten processes and 2 GB
    }
    own_prefect = not env.get("PREFECT_API_URL")
    own_mlflow = not env.get("MLFLOW_TRACKING_URI")
    # A service manager ends this with SIGTERM; it means the same as Ctrl-C, also where a script's `&` ignores that.
    signal.signal(signal.SIGTERM, interrupt)
    processes: dict[str, Process] = {}
    if own_mlflow:
        _claim(mlflow_port, "--mlflow-port")
        env["MLFLOW_TRACKING_URI"] = f"http://{HOST}:{mlflow_port}"
    if own_prefect:
        _claim(prefect_port, "--prefect-port")
        env["PREFECT_API_URL"] = f"http://{HOST}:{prefect_port}/api"
    prefect, mlflow = env["PREFECT_API_URL"], env["MLFLOW_TRACKING_URI"]
    try:
        if own_mlflow:
            command = ["mlflow", "server", "--host", HOST, "--port", str(mlflow_port), "--workers", "1"]
            command += ["--backend-store-uri", f"sqlite:///{root / 'mlflow.db'}"]
            command += ["--default-artifact-root", (root / "mlartifacts").as_uri(), "--no-serve-artifacts"]
            processes["mlflow"] = _start(command, logs / "mlflow.log", root, env)
        if own_prefect:
            command = ["prefect", "server", "start", "--host", HOST, "--port", str(prefect_port)]
            processes["prefect"] = _start(command, logs / "prefect.log", root, env)
        say("starting ...")
        if mlflow.startswith(("http://", "https://")):  # else a file or a database: no server to ask
            _wait(f"{show_address(mlflow)}/health", processes.get("mlflow"), "MLflow", logs)
        _wait(f"{show_address(prefect)}/health", processes.get("prefect"), "Prefect", logs)
        deploy = [sys.executable, "-m", "flows.deploy", *(["--sweep"] if own_prefect else [])]
        if (process := _start(deploy, logs / "deploy.log", root, env)).wait() != 0:
            raise WorkspaceError(f"the deployment was refused; {logs / 'deploy.log'} says why")
        command = ["prefect", "worker", "start", "--pool", "steelyard", "--type", "process"]
        processes["runner"] = _start(command, logs / "runner.log", root, env)
        pages = show_address(prefect).removesuffix("/api")
        say(f"Prefect  {pages}  (deployments: pipeline/retrain and gain/gain, the button is Run)")
        say(f"MLflow   {show_address(mlflow)}")
        say(f"runner   work pool steelyard; logs of all three in {os.path.relpath(logs)}")
        say("Ctrl-C ends all three")
        sys.stdout.flush()  # through a pipe, as under a service manager, nothing else would bring it out
        while True:
            for name, process in processes.items():
                if process.poll() is not None:
                    raise WorkspaceError(f"{name} ended by itself; {logs / name}.log says why")
            time.sleep(0.5)
    except KeyboardInterrupt:
        return 0
    finally:
        for process in reversed(processes.values()):
            _stop(process)


def _start(command: list[str], log: Path, root: Path, env: dict[str, str]) -> Process:
    program = command[0] if os.sep in command[0] else str(BIN / command[0])
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, leash.__file__, program, *command[1:]],
            cwd=root,
            env=env,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _stop(process: Process) -> None:
    assert process.stdin is not None  # noqa: S101 - started with a pipe
    process.stdin.close()
    process.wait()


def _claim(port: int, option: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise WorkspaceError(
                f"{option} = {port}: not free ({error.strerror}); end what listens there, or name another port"
            ) from None


def _wait(address: str, process: Process | None, name: str, logs: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5):  # noqa: S310 - http, or an error
                return
        except (OSError, ValueError, http.client.HTTPException) as error:
            if isinstance(error, urllib.error.HTTPError) and error.code in (401, 403):
                return  # it answers; its password is for Prefect's and MLflow's own clients to tell
            if process is None:
                raise WorkspaceError(
                    f"{name}: {address} does not answer ({error}); "
                    "start it, correct its address in the environment, or unset that to start one here"
                ) from error
            if process.poll() is not None or time.monotonic() > deadline:
                raise WorkspaceError(f"{name} did not start; {logs} holds its log") from error
        time.sleep(0.2)
