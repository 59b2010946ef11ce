"""Where things are; where Ultralytics keeps its own."""

import contextlib
import io
import os
from pathlib import Path

PARAMS = Path("params.yaml")
DATASET = Path("data/dataset")
DATASET_MANIFEST = Path("data/dataset.json")
CHECK_PAGE = Path("data/check.html")
CHECK_REPORT = Path("data/check.json")
SAMPLES = Path("data/samples.jpg")
PRINTS = Path("data/prints.csv")
PIXELS = Path("data/pixels.csv")
DATA_METRICS = Path("metrics/data.json")
BASE_WEIGHTS = Path("weights/base.pt")
BASE_MANIFEST = Path("weights/base.json")
BEST_WEIGHTS = Path("weights/best.pt")
SAFETENSORS = Path("weights/weights.safetensors")
TRAINING = Path("weights/training.json")
CURVES = Path("metrics/curves.csv")
SCORES = Path("metrics/scores.json")
PR_CURVE = Path("metrics/pr.csv")
CONFUSION = Path("metrics/confusion.csv")
MATCHES = Path("metrics/matches.parquet")
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
