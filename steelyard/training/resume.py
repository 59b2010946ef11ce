"""An unfinished training on disk: its key, its lock, and its state after every whole epoch.

One folder holds one training; its name is a hash of everything that the training depends on::

    <run key>.lock           held while a process trains; tells who
    <run key>/state-00007.pt everything that changes from epoch to epoch, after epoch 7
    <run key>/best-00005.pt  the best EMA weights so far, those of epoch 5
    <run key>/finished/      outputs, for a process that waited for the lock meanwhile

A file is complete or absent: it is written under another name, forced to disk, then renamed.
"""

import hashlib
import io
import json
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from steelyard.errors import WeightsError, WorkspaceError
from steelyard.weights.pickled import load_tensors, read_pickled

State = dict[str, Any]
Say = Callable[[str], None]

FINISHED_KEPT_SECONDS = 3600
UNFINISHED_KEPT_SECONDS = 30 * 24 * 3600


def make_run_key(parts: dict[str, Any]) -> str:
    """Hash everything that a training depends on.

    Args:
        parts: settings, fingerprints and versions, as values that JSON can hold. The source text of
            the modules that train is added, since it is part of what is computed.

    Returns:
        64 hexadecimal digits.
    """
    modules = ("resume.py", "trainer.py", "data.py")
    sources = [Path(__file__).with_name(name).read_text(encoding="utf-8") for name in modules]
    text = json.dumps([parts, sources], sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def hash_dataset(dataset: Path) -> str:
    """Hash what a training reads of a data set: all but the test split.

    The files themselves, not the fingerprint that was written down when they were made: a state
    must never be taken up again on pictures or labels that were edited since.

    Args:
        dataset: folder in YOLO layout.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for path in sorted(path for path in dataset.rglob("*") if path.is_file()):
        name = path.relative_to(dataset)
        if "test" not in name.parts[:-1]:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{content} {name.as_posix()}\n".encode())
    return digest.hexdigest()


# From DVC's decision to run the stage until the stage's process begins.
DECISION_SECONDS = 0.5


@contextmanager
def hold_training(work: Path, say: Say, started: float) -> Iterator[bool]:
    """Be the only process that trains in ``work``; wait for the one that does.

    The operating system releases the lock of a process that died.

    Args:
        work: the training's folder; made where it is missing.
        say: gets one line when another process has to be waited for.
        started: when this process began, in seconds since 1970.

    Yields:
        True where another process held the lock, or was done with it after this one began, so that
        ``work/finished`` is its answer.
    """
    work.mkdir(parents=True, exist_ok=True)
    lock = FileLock(_lock_path(work))
    met = False
    try:
        lock.acquire(timeout=0)
    except Timeout:
        met = True
        say(f"the same training runs already ({_read_owner(work)}); waiting for its result")
        lock.acquire()
    try:
        owner = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        }
        _lock_path(work).write_text(json.dumps(owner), encoding="utf-8")
        finished = work / "finished"
        if not met and finished.exists():
            met = finished.stat().st_ctime > started - DECISION_SECONDS
        if not met:
            # A finished result is for those who met it: `dvc repro --force` means to train again.
            if finished.exists():
                shutil.rmtree(work)
            sweep(work.parent, keep=work)
        work.mkdir(parents=True, exist_ok=True)
        yield met
    finally:
        lock.release()


def sweep(folder: Path, keep: Path) -> None:
    """Remove trainings that nobody will go on with.

    Args:
        folder: holds one folder per run key.
        keep: the training that this process holds.
    """
    for path in folder.glob("*.lock"):
        work = path.with_suffix("")
        if work == keep:
            continue
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        try:
            limit = FINISHED_KEPT_SECONDS if (work / "finished").exists() else UNFINISHED_KEPT_SECONDS
            if not work.exists() or time.time() - work.stat().st_mtime > limit:
                shutil.rmtree(work, ignore_errors=True)
                # Removed while held: whoever opened it meanwhile sees an unlinked file and opens anew.
                path.unlink(missing_ok=True)
        finally:
            lock.release()


def save_state(work: Path, state: State, best: State | None) -> None:
    """Save a training after a whole epoch; the state of the epoch before is kept too.

    Args:
        work: the training's folder.
        state: plain values and tensors; ``epoch`` counts whole epochs, ``best_epoch`` names the best.
        best: EMA weights of this epoch where it is the best so far.

    Raises:
        WorkspaceError: the disk is full or cannot be written.
    """
    epoch = int(state["epoch"])
    if best is not None:
        _save(work / f"best-{epoch:05d}.pt", best)
    _save(work / f"state-{epoch:05d}.pt", state)
    states = sorted(work.glob("state-*.pt"))
    for path in states[:-2]:
        path.unlink()
    # The state before this one may still need its own best weights; two bests are enough for both.
    for path in sorted(work.glob("best-*.pt"))[:-2]:
        path.unlink()


def load_state(work: Path, say: Say) -> State | None:
    """The newest whole state, with its best weights under ``best``; None where there is none.

    Args:
        work: the training's folder.
        say: gets one line for each damaged file that is left aside.
    """
    for path in work.glob("*.tmp"):
        path.unlink()
    for path in sorted(work.glob("state-*.pt"), reverse=True):
        try:
            state = _load(path)
            state["best"] = _load(work / f"best-{state['best_epoch']:05d}.pt")
        except (OSError, WeightsError) as error:
            say(f"{path.name} of the unfinished training is damaged ({error}); left aside")
            path.unlink()
            continue
        return state
    return None


def _save(path: Path, values: State) -> None:
    import torch  # heavy: 2.8 s

    buffer = io.BytesIO()
    torch.save(values, buffer)
    temporary = path.with_suffix(".tmp")
    try:
        with temporary.open("wb") as file:
            file.write(buffer.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise WorkspaceError(
            f"{path}: the state of the training ({buffer.tell() / 1e6:.0f} MB) cannot be saved: "
            f"{error.strerror}; make room and start again: it goes on from the last epoch that was saved"
        ) from error


def _load(path: Path) -> State:
    state: State = load_tensors(read_pickled(path))
    return state


def _lock_path(work: Path) -> Path:
    return work.with_name(work.name + ".lock")


def _read_owner(work: Path) -> str:
    try:
        owner = json.loads(_lock_path(work).read_text(encoding="utf-8"))
        return f"process {owner['pid']} on {owner['host']}, since {owner['since']}"
    except (OSError, ValueError, KeyError):
        return "it has only just started"
