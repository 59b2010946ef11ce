"""The leash, with real processes: it ends all of them, and a command that ends by itself passes through."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from steelyard import leash

STUBBORN = (
    "import signal, time\n"
    "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "print('ready', flush=True)\n"
    "time.sleep(120)\n"
)
PARENT = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {STUBBORN!r}]).wait()\n"


def start(program):
    return subprocess.Popen(
        [sys.executable, leash.__file__, sys.executable, "-c", program],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def test_what_the_command_leaves_behind_ends_too():
    """The command ends at INT, its child does not: it would train on, beside the next run."""
    with start(PARENT) as process:
        assert process.stdout.readline() == "ready\n"
        try:
            # closes the pipe, and reads until nobody is left who could write
            process.communicate(timeout=leash.INTERRUPT_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            pytest.fail("the child lives")
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("code", [0, 7])
def test_an_exit_code_passes_through(code):
    before = time.monotonic()
    with start(f"print('done'); raise SystemExit({code})") as process:
        assert process.stdout.read() == "done\n"
        assert process.wait(10) == code
    assert time.monotonic() - before < 5
