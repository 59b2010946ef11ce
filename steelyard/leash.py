"""Runs a command on a leash: when the holder of standard input is gone, so is the command.

Started by file name as ``python leash.py COMMAND...`` in a session of its own, with a pipe as
standard input. The pipe ends when the holder closes it or dies, by whatever signal; then the whole
process group gets INT, TERM and KILL in turn. It imports nothing but the standard library, to start
in milliseconds and to run beside any revision's code.
"""

import os
import signal
import subprocess
import sys
import threading

INTERRUPT_PATIENCE_SECONDS = 10
TERMINATE_PATIENCE_SECONDS = 5


def main() -> None:
    """Run the command line's command; exit with its exit code."""
    # Handlers, not SIG_IGN: those would be inherited, and the command could not be interrupted.
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: None)
    command = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    ending = threading.Event()
    watcher = threading.Thread(target=_end_with_the_pipe, args=(command, ending), daemon=True)
    watcher.start()
    code = command.wait()
    if ending.is_set():  # what the command started may live on: leave only after KILL, which ends this process too
        watcher.join()
    sys.exit(code)


def _end_with_the_pipe(command: "subprocess.Popen[bytes]", ending: threading.Event) -> None:
    while os.read(0, 4096):
        pass
    ending.set()
    for number, patience in (
        (signal.SIGINT, INTERRUPT_PATIENCE_SECONDS),
        (signal.SIGTERM, TERMINATE_PATIENCE_SECONDS),
    ):
        os.killpg(0, number)
        try:
            command.wait(patience)
        except subprocess.TimeoutExpired:
            continue
        break
    os.killpg(0, signal.SIGKILL)  # whatever the command left behind, and this process


if __name__ == "__main__":
    main()
