"""A clean clone to run in: one revision, that run's overrides, nobody's working tree.

Clones lie in ``.dvc/tmp/steelyard/runs`` of the home repository and share its DVC cache, so what
was made before is skipped there too. A clone is held by a lock that the operating system gives
back when its process dies; the next run sweeps away what nobody holds.
"""

import shutil
import uuid
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from steelyard.errors import WorkspaceError
from steelyard.git import git, resolve_commit
from steelyard.imports import RAW, Say, bring_data
from steelyard.overrides import apply_overrides

RUNS = Path(".dvc/tmp/steelyard/runs")


@contextmanager
def clean_clone(
    home: Path, revision: str, overrides: Mapping[str, Any], say: Say, update_data: bool = False
) -> Iterator[Path]:
    """A clone of one revision with overrides written into its ``params.yaml``; removed at the end.

    Args:
        home: the repository.
        revision: commit, branch or tag.
        overrides: nested as ``params.yaml``.
        say: receives lines on what the clone holds, and on what it does not.
        update_data: whether imports under ``data/raw`` are brought up to date in it.

    Raises:
        WorkspaceError: no such revision, no DVC repository, or data that cannot be had.
        ParamsError: an override is not allowed.
    """
    if not (home / ".dvc" / "config").is_file():
        raise WorkspaceError(f"{home}: no DVC repository (.dvc/config is missing); run in the project's folder")
    commit = resolve_commit(home, revision)
    runs = home / RUNS
    runs.mkdir(parents=True, exist_ok=True)
    _sweep(runs)
    clone = runs / uuid.uuid4().hex[:12]
    lock = FileLock(clone.with_suffix(".lock"))
    try:
        with lock:
            git(home, "clone", "--quiet", "--no-checkout", str(home), str(clone))
            git(clone, "checkout", "--quiet", "--detach", commit)
            _share_cache(home, clone)
            _forget_absent(clone)
            changes = apply_overrides(clone / "params.yaml", overrides)
            say(f"revision {commit[:12]} ({revision}) in a clean clone")
            for change in changes:
                say(f"override: {change}")
            for line in describe_unseen(home, commit):
                say(line)
            bring_data(clone, update_data, say)
            yield clone
    finally:
        _remove(clone)
        Path(lock.lock_file).unlink(missing_ok=True)


def describe_unseen(home: Path, commit: str) -> list[str]:
    """What the working tree holds and a clone of this commit does not, in sentences."""
    lines = []
    changed = git(home, "status", "--porcelain", "--untracked-files=normal").splitlines()
    if changed:
        names = ", ".join(line[3:] for line in changed[:5]) + (", ..." if len(changed) > 5 else "")
        lines.append(f"not in this run: {len(changed)} uncommitted changes of the working tree ({names})")
    if git(home, "rev-parse", "HEAD") != commit:
        lines.append("not in this run: the commit that is checked out; the revision asked for is another")
    raw = home / RAW
    held = {path.with_suffix("") for path in raw.rglob("*.dvc")}
    held |= {home / name for name in git(home, "ls-files", "-z", "--", RAW.as_posix()).split("\0") if name}
    loose = [path.relative_to(home).as_posix() for path in _find_loose(raw, held)]
    if loose:
        lines.append(
            f"not in this run: {loose[0]}"
            + (f" and {len(loose) - 1} more" if len(loose) > 1 else "")
            + f"; DVC does not track it: dvc add {loose[0]}, then git commit"
        )
    return lines


def _find_loose(folder: Path, held: Set[Path]) -> Iterator[Path]:
    """What neither DVC nor git holds; a folder in which nothing is held is one path, whatever lies in it."""
    for path in sorted(folder.glob("*")):
        if path in held or path.suffix == ".dvc" or path.name == ".gitignore":
            continue
        if any(one.is_relative_to(path) for one in held):
            yield from _find_loose(path, held)
        else:
            yield path


def _remove(clone: Path) -> None:
    for folder in (clone, clone.with_suffix(".site")):
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(runs: Path) -> None:
    for lock_file in runs.glob("*.lock"):
        lock = FileLock(lock_file)
        try:
            with lock.acquire(blocking=False):
                _remove(lock_file.with_suffix(""))
                lock_file.unlink(missing_ok=True)
        except Timeout:
            continue  # its run is alive


def _share_cache(home: Path, clone: Path) -> None:
    from dvc.config import Config
    from dvc.config_schema import RelPath

    config = Config(str(home / ".dvc"))
    cache = config["cache"].get("dir") or home / ".dvc" / "cache"
    local = home / ".dvc" / "config.local"
    if local.exists():
        shutil.copyfile(local, clone / ".dvc" / "config.local")
    with Config(str(clone / ".dvc")).edit("local") as edited:
        edited.setdefault("cache", {})["dir"] = str((home / ".dvc" / cache).resolve())
        # Elsewhere DVC would keep a folder for each clone that there ever was.
        edited.setdefault("core", {})["site_cache_dir"] = str(clone.with_suffix(".site"))
        # A path in home's config is relative to home's .dvc, and would be another place from here.
        for name, remote in config["remote"].items():
            paths = {key: str(value) for key, value in remote.items() if isinstance(value, RelPath)}
            if paths:
                edited["remote"].setdefault(name, {}).update(paths)


def _forget_absent(clone: Path) -> None:
    """Drop from the clone's ``dvc.lock`` what names outputs that are not in the cache.

    Where the lock fits, DVC looks for no other result in its run-cache; so a lock that was committed on
    another machine, whose bytes never came here, would train again in every run.
    """
    from dvc.repo import Repo  # heavy: 0.5 s
    from dvc.utils.serialize import modify_yaml

    lock = clone / "dvc.lock"
    if not lock.exists():
        return
    with Repo(str(clone)) as repo, modify_yaml(str(lock)) as locked:
        cache = repo.cache.local
        stages = locked.get("stages") or {}
        for name in list(stages):
            outs = [out["md5"] for out in stages[name].get("outs", []) if "md5" in out]
            if not all(Path(cache.oid_to_path(md5)).exists() for md5 in outs):
                del stages[name]
