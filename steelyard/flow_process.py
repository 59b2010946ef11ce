"""The flow in a process of its own, and how Ctrl-C ends it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

PATIENCE_SECONDS = 45  # a training has 15 to end, Prefect's temporary server 5

Say = Callable[[str], None]


def run_flow(root: Path, arguments: list[str], env: Mapping[str, str], say: Say) -> int:
    """Run the flow and wait for it.

    Ctrl-C at a terminal would reach Prefect's temporary server as well, and the flow could no longer
    say how it ended. So it gets a session of its own, and only its own process is interrupted: it
    ends the training, removes its clone, and reports itself. SIGTERM and a closed terminal mean the
    same; a second Ctrl-C, or no end after 45 s, kills all.

    Args:
        root: the repository.
        arguments: of ``python -m flows.pipeline``.
        env: variables for what the environment does not set.
        say: receives lines for the terminal.

    Returns:
        Exit code: the flow's, or 130 after an interruption.
    """
    command = [sys.executable, "-m", "flows.pipeline", *arguments]
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))
    process = subprocess.Popen(command, cwd=root, env={**env, **os.environ}, start_new_session=True)
    try:
        return process.wait()
    except KeyboardInterrupt:
        say("ending the run; the next one goes on from the last whole epoch (Ctrl-C again kills it)")
        process.send_signal(signal.SIGINT)
        try:
            process.wait(PATIENCE_SECONDS)
        except (KeyboardInterrupt, subprocess.TimeoutExpired):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return 130
