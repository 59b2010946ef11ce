"""The process of `steelyard run`: which signals end it, and which do not. The flow is a stand-in that waits."""

import signal
import subprocess
import sys
import time

import pytest

FLOW = "import time\nprint('started', flush=True)\ntry:\n    time.sleep(60)\nfinally:\n    print('ended', flush=True)\n"
RUN = (
    "import sys\nfrom pathlib import Path\nfrom steelyard.flow_process import run_flow\n"
    "sys.exit(run_flow(Path(sys.argv[1]), 'pipeline', [], say=print))\n"
)


@pytest.fixture
def start(tmp_path):
    """Starts it in a process for which a shell ignores a signal."""
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows/pipeline.py").write_text(FLOW)
    started = []

    def start(*ignored):
        shell = "".join(f"trap '' {name}; " for name in ignored) + 'exec "$@"'
        process = subprocess.Popen(
            ["sh", "-c", shell, "sh", sys.executable, "-c", RUN, str(tmp_path)],
            stdout=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        started.append(process)
        assert process.stdout.readline() == "started\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_interrupts_the_flow(start, number):
    process = start()
    process.send_signal(number)
    assert "ended" in process.communicate(timeout=20)[0]
    assert process.returncode == 130


def test_nohup(start):
    """A closed terminal ends nothing then; SIGTERM still does."""
    process = start("HUP")
    process.send_signal(signal.SIGHUP)
    time.sleep(1)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 130


def test_in_the_background_of_a_script(start):
    """Where `&` ignores SIGINT, for the flow as well."""
    process = start("INT")
    process.send_signal(signal.SIGINT)
    time.sleep(1)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert "ended" in process.communicate(timeout=20)[0]
    assert process.returncode == 130
