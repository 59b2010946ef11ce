"""Where things are, and how a stage starts and ends."""

import contextlib
import errno
import io
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from steelyard.errors import SteelyardError

PARAMS = Path("params.yaml")
DATASET = Path("data/dataset")
DATASET_MANIFEST = Path("data/dataset.json")
BASE_WEIGHTS = Path("weights/base.pt")
BASE_MANIFEST = Path("weights/base.json")
BEST_WEIGHTS = Path("weights/best.pt")
SAFETENSORS = Path("weights/weights.safetensors")
TRAINING = Path("weights/training.json")
CURVES = Path("metrics/curves.csv")
SCORES = Path("metrics/scores.json")
PR_CURVE = Path("metrics/pr.csv")
CONFUSION = Path("metrics/confusion.csv")
PICTURES = Path("plots")


def find_home(root: Path) -> Path:
    """The repository that a workspace belongs to.

    Clean clones of flow runs and the folders of ``dvc exp run --temp`` lie under ``.dvc/tmp`` of
    the repository they came from; what outlives them (MLflow's local store, checkpoints of
    unfinished training, the ledger) lies there.

    Args:
        root: the folder with ``dvc.yaml`` that a stage runs in.

    Returns:
        ``root`` itself, resolved, where it is not such a workspace.
    """
    root = root.resolve()
    for parent in root.parents:
        if parent.name == "tmp" and parent.parent.name == ".dvc":
            return parent.parent.parent
    return root


def quiet_ultralytics(root: Path) -> None:
    """Keep Ultralytics, before its first import, to this repository and to its work.

    On import it writes a settings file into the home folder, and with its settings as they come it
    logs to MLflow on its own and looks for updates on the network.

    Args:
        root: folder that gets ``.ultralytics/``.
    """
    os.environ["YOLO_CONFIG_DIR"] = str(root.resolve() / ".ultralytics")
    os.environ.setdefault("YOLO_OFFLINE", "true")
    os.environ.setdefault("YOLO_AUTOINSTALL", "false")
    os.environ.setdefault("YOLO_VERBOSE", "false")
    # Read when torch is loaded. Between two pieces of work OpenMP's threads spin by default, which on a busy
    # machine made a training of two threads four times slower; sleeping at once made it a fifth slower on
    # an idle one. A short spin costs neither (measured: 2.6 s an epoch idle, 6 s busy).
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    Path(os.environ["YOLO_CONFIG_DIR"]).mkdir(exist_ok=True)
    with contextlib.redirect_stdout(io.StringIO()):  # it announces its settings file before it can be told not to
        from ultralytics.utils import SETTINGS  # heavy: 2.8 s

    for name in ("mlflow", "clearml", "comet", "dvc", "hub", "neptune", "raytune", "tensorboard", "wandb", "sync"):
        if SETTINGS.get(name):
            SETTINGS.update({name: False})


def run_stage(main: Callable[[], None]) -> None:
    """Run a stage's ``main``; a mistake that the user can mend ends as one line and exit code 1.

    What DVC removed to make room for the outputs is put back then.
    """
    try:
        try:
            main()
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            where = f" while {error.filename} was written" if error.filename else ""
            raise SteelyardError(f"the disk is full{where}; make room and run again") from None
    except SteelyardError as error:
        sys.stderr.write(f"error: {error}\n")
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
