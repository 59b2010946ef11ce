"""`steelyard up` beside servers that stand elsewhere and do not answer."""

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

STEELYARD = Path(sys.executable).with_name("steelyard")
CLOSED = "127.0.0.1:9"  # the port of the discard service, where nothing listens


@pytest.mark.parametrize(
    ("mlflow", "missing"),
    [
        (f"http://me:secret@{CLOSED}", f"MLflow: http://{CLOSED}/health"),
        (f"http://[me:secret@{CLOSED}", f"MLflow: http://{CLOSED}/health"),
        ("http://127.0.0.1:none", "MLflow: http://127.0.0.1:none/health"),
        # stores without a server: only Prefect is asked
        ("sqlite:///mlflow.db", f"Prefect: http://{CLOSED}/api/health"),
        (f"postgresql://me:secret@{CLOSED}/store", f"Prefect: http://{CLOSED}/api/health"),
        ("mlruns", f"Prefect: http://{CLOSED}/api/health"),
    ],
)
def test_a_server_that_does_not_answer(tmp_path, mlflow, missing):
    ended = fail(tmp_path, mlflow)
    assert ended.stderr.startswith(f"error: {missing} does not answer (")
    assert "secret" not in ended.stdout + ended.stderr


def test_a_server_that_asks_for_a_password_answers(tmp_path):
    """MLflow's own client tells it, from the address or its environment variables."""

    class Closed(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(401)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Closed) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ended = fail(tmp_path, f"http://me:secret@127.0.0.1:{server.server_port}")
        server.shutdown()
    assert ended.stderr.startswith("error: Prefect: ")  # the next one that is asked


def fail(root, mlflow):
    """`steelyard up`, with a Prefect that does not answer either."""
    for name in ("dvc.yaml", "params.yaml"):
        (root / name).touch()
    prefect = f"http://me:secret@{CLOSED}/api"
    env = {**os.environ, "PREFECT_API_URL": prefect, "MLFLOW_TRACKING_URI": mlflow}
    ended = subprocess.run([STEELYARD, "up"], cwd=root, env=env, capture_output=True, text=True)
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    return ended
