"""How a task of ``tasks/`` ends: well, or in plain sentences and with its last outputs back in their place."""

import errno
import gc
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from steelyard.errors import SteelyardError


def run_task(main: Callable[[], None]) -> None:
    """Run a task's ``main``; a mistake that the user can mend ends as its own sentences and exit code 1.

    What DVC removed to make room for the outputs is put back then.
    """
    # The collector, which by default looks every 700 objects, finds nothing to free while torch and
    # MLflow are imported, and takes 1 s of the 4.5 s.
    gc.set_threshold(50_000)
    try:
        try:
            main()
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            where = f" while {error.filename} was written" if error.filename else ""
            raise SteelyardError(f"the disk is full{where}; make room and run again") from None
    except SteelyardError as error:
        sys.stderr.writelines(f"error: {sentence}\n" for sentence in str(error).splitlines())
        put_back(Path(), Path(sys.argv[0]).stem)
        sys.exit(1)


def put_back(root: Path, stage: str) -> None:
    """Bring back a stage's last outputs, which DVC removes before it runs the stage: all, or none.

    ``dvc checkout`` cannot: the ``dvc repro`` that runs this stage holds its outputs locked, and
    outputs that git keeps are none of its business.

    Args:
        root: the folder with ``dvc.lock``, which names them; what the cache lacks stays away.
        stage: its name.
    """
    from ruamel.yaml import YAML

    try:
        lock = YAML(typ="safe", pure=True).load((root / "dvc.lock").read_text(encoding="utf-8"))
        outs = {root / out["path"]: out["md5"] for out in lock["stages"][stage]["outs"]}
    except (OSError, KeyError):
        return  # it never ran here
    from dvc.repo import Repo  # heavy: 0.5 s

    outs = {path: md5 for path, md5 in outs.items() if not path.exists()}
    with Repo(str(root)) as repo:
        try:
            for path, md5 in outs.items():
                _copy_cached(repo.cache.local, md5, path)
        except OSError:
            for path in outs:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _copy_cached(cache: Any, md5: str, path: Path) -> None:
    kept = Path(cache.oid_to_path(md5))
    path.parent.mkdir(parents=True, exist_ok=True)
    if kept.suffix != ".dir":
        shutil.copyfile(kept, path)
        return
    for each in json.loads(kept.read_text(encoding="utf-8")):
        _copy_cached(cache, each["md5"], path / each["relpath"])
