"""The flow in a process of its own: how it is started, how Ctrl-C ends it, and how it ends by itself."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from steelyard.environment import prefect_environment

if TYPE_CHECKING:
    from rich.console import Console

PATIENCE_SECONDS = 45  # a training has 15 to end, Prefect's temporary server 5

Say = Callable[[str], None]


def run_flow(root: Path, flow: str, arguments: list[str], say: Say) -> int:
    """Run a flow and wait for it.

    Ctrl-C at a terminal would reach Prefect's temporary server as well, and the flow could no longer
    say how it ended. So it gets a session of its own, and only its own process is interrupted: it
    ends the training, removes its clone, and reports itself. SIGTERM and a closed terminal mean the
    same, unless this process was told to ignore them, as nohup does; a second Ctrl-C, or no end after
    45 s, kills all.

    Args:
        root: the repository.
        flow: name of its file in ``flows/``.
        arguments: of ``python -m flows.FLOW``.
        say: receives lines for the terminal.

    Returns:
        Exit code: the flow's, or 130 after an interruption.
    """
    command = [sys.executable, "-m", f"flows.{flow}", *arguments]
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interrupt)
    # A script's `&` sets SIGINT to be ignored. The flow would inherit that, but does not inherit a handler.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda *_: None)
    process = subprocess.Popen(command, cwd=root, env=prefect_environment(root), start_new_session=True)
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


def interrupt(*_: object) -> NoReturn:
    """A signal's handler: as Ctrl-C, also where SIGINT itself is ignored."""
    raise KeyboardInterrupt


def finish(run: Callable[[], Any]) -> Any:
    """Run a flow in this process, and leave it with the flow's own sentence where that does not complete.

    Args:
        run: calls the flow and returns its state.

    Returns:
        What the flow returned.
    """
    try:
        state = run()
    except RuntimeError as error:
        if not str(error).startswith("Failed to reach API"):  # Prefect's only way to tell it apart
            raise
        sys.exit(
            f"error: PREFECT_API_URL: Prefect does not answer ({error}); "
            "start it (`make up`), correct the address, or unset it to start one for the run"
        )
    except KeyboardInterrupt:
        sys.exit(130)
    if not state.is_completed():
        sys.exit(f"error: {state.message}")
    return state.result()


def open_console() -> "Console":
    """For tables; of a fixed width where the output goes to a file."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 120)
