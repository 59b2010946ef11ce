"""A DVC stage, run from outside: on a leash, its output line by line, its progress bars on the terminal."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from steelyard import leash
from steelyard.errors import SteelyardError

# What DVC tells a person in a working tree; in a clean clone none of it is true.
HINTS = (
    "To track the changes with git",
    "git add ",
    "To enable auto staging",
    "dvc config core.autostage",
    "Use `dvc push`",
)
CLEAR_LINE = b"\r\x1b[2K"

Say = Callable[[str], None]


def read_stages(root: Path) -> list[str]:
    """The stages of ``dvc.yaml``, each after what it needs; where that leaves a choice, as in the file."""
    from dvc.repo import Repo  # heavy: 0.5 s
    from networkx import lexicographical_topological_sort  # type: ignore[import-untyped]

    with Repo(str(root)) as repo:
        # DVC's edges go from a stage to what it needs; a file under `dvc add` is a stage without a name.
        written = [stage for stage in repo.index.stages if getattr(stage, "name", None)]
        order = lexicographical_topological_sort(
            repo.index.graph.reverse(), key=lambda stage: written.index(stage) if stage in written else -1
        )
        return [stage.name for stage in order if stage in written]


def run_stage(root: Path, stage: str, env: Mapping[str, str], say: Say, *, alone: bool = True) -> bool:
    """Run one stage by DVC; it ends when this process does.

    Args:
        root: the folder with ``dvc.yaml``.
        stage: its name.
        env: variables added to the environment.
        say: receives each line of output.
        alone: the stages before this one have run. False: they are run first, in the same process of DVC.

    Returns:
        True where a stage ran, False where DVC skipped all.

    Raises:
        SteelyardError: the stage failed; its own sentences are the message.
    """
    python = Path(sys.executable)
    # Bars are drawn on standard error where that is a terminal, so the stage is given one.
    ours, theirs = os.openpty() if sys.stderr.isatty() else os.pipe()
    command = ["dvc", "repro", *(["--single-item"] if alone else []), stage]
    process = subprocess.Popen(
        [str(python), leash.__file__, str(python), "-m", *command],
        cwd=root,
        env={
            **os.environ,
            **env,
            # `python` in a stage's command is whatever comes first on PATH
            "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "PYTHONUNBUFFERED": "1",
            # DVC keeps a folder for each path that it ever ran in, and a clone's path is never seen again
            "DVC_SITE_CACHE_DIR": str(root.parent / f"{root.name}.site"),
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    os.close(theirs)
    ran, failures = False, list[str]()

    def hear(line: str) -> None:
        nonlocal ran
        text = line.strip()
        if not text or text.startswith(HINTS):
            return
        ran = ran or text.startswith("Running stage")
        if text.startswith("error: "):
            failures.append(text.removeprefix("error: "))
        if sys.stderr.isatty():
            os.write(2, CLEAR_LINE)
        say(text)

    listener = threading.Thread(target=_follow, args=(ours, hear))
    listener.start()
    assert process.stdin is not None and process.stdout is not None  # noqa: S101 - asked for above
    try:
        for line in process.stdout:
            hear(line)
        code = process.wait()
    finally:
        process.stdin.close()
        process.wait()
        listener.join()
        process.stdout.close()
    if code:
        raise SteelyardError("\n".join(failures) or f"stage {stage}: exit code {code}; its output says why")
    return ran


def _follow(source: int, hear: Say) -> None:
    """Hear the lines of a stage's standard error; what moves the cursor is a bar and goes to the terminal as it is."""
    rest = b""
    with open(source, "rb", buffering=0) as stream:
        while chunk := _read(stream.fileno()):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if b"\x1b" in line or b"\r" in line.rstrip(b"\r"):
                    os.write(2, line + b"\n")
                else:
                    hear(line.decode(errors="replace"))
            if b"\x1b" in rest or b"\r" in rest:
                os.write(2, rest)
                rest = b""


def _read(source: int) -> bytes:
    try:
        return os.read(source, 65536)
    except OSError:  # how Linux tells that the other side of a terminal is closed
        return b""
