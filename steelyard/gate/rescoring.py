"""The champion on the test split of now, with the code of now; kept for the next time."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from steelyard.errors import DatasetError
from steelyard.scoring.boxes import Boxes
from steelyard.scoring.detection import detect
from steelyard.scoring.match_file import read_matches, write_matches
from steelyard.scoring.match_table import MatchTable, match_boxes
from steelyard.scoring.split import LabelledImage
from steelyard.sections import FinetuneParams, ValidateParams

if TYPE_CHECKING:
    from steelyard.weights.checkpoint import Checkpoint

SPLIT = "test"
MOST_KEPT = 20
_CODE = ("scoring", "weights")


def name_table(identity: str, test_split: str, validation: ValidateParams, finetune: FinetuneParams) -> str:
    """Name of the kept match table of some weights: a hash of all that it depends on.

    The weights, the test split, how detections are made, the code that makes and matches them, and the
    libraries that run the network.

    Args:
        identity: of the weights.
        test_split: hash of the images and labels.
        validation: as in params.yaml.
        finetune: with the size that the weights were trained at.
    """
    package = Path(__file__).parents[1]
    code = hashlib.sha256()
    for file in sorted(file for folder in _CODE for file in (package / folder).rglob("*.py")):
        code.update(file.relative_to(package).as_posix().encode() + b"\0" + file.read_bytes())
    how = {name: getattr(validation, name) for name in ("confidence", "iou", "max_det")}
    how |= {name: getattr(finetune, name) for name in ("imgsz", "batch", "device")}
    libraries = {name: version(name) for name in ("numpy", "torch", "ultralytics")}
    text = json.dumps([identity, test_split, how, code.hexdigest(), libraries], sort_keys=True)
    return f"{hashlib.sha256(text.encode()).hexdigest()}.parquet"


def read_kept(folder: Path, name: str, say: Callable[[str], None]) -> MatchTable | None:
    """A match table that was kept; None where there is none, or it cannot be read."""
    if not (folder / name).exists():
        return None
    try:
        return read_matches(folder / name)[SPLIT]
    except (DatasetError, KeyError) as error:
        say(f"kept detections of the champion cannot be used, so they are made again: {error}")
        return None


def keep(folder: Path, name: str, table: MatchTable) -> None:
    """Keep a match table, whole or not at all; of more than 20 the oldest go."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{name}.part"
    write_matches({SPLIT: table}, part)
    part.replace(folder / name)
    kept = sorted(folder.glob("*.parquet"), key=lambda file: file.stat().st_mtime)
    for file in kept[:-MOST_KEPT]:
        file.unlink(missing_ok=True)


def score_again(
    checkpoint: "Checkpoint",
    dataset: Path,
    images: Sequence[LabelledImage],
    classes: Sequence[str],
    validation: ValidateParams,
    finetune: FinetuneParams,
    report: Callable[[int], None],
) -> MatchTable:
    """Run weights over a test split that may know other classes than they do.

    Args:
        checkpoint: of the weights.
        dataset: folder in YOLO layout.
        images: of its test split.
        classes: of the data, by number.
        validation: as in params.yaml.
        finetune: with the size that the weights were trained at.
        report: called with the number of images done since the last call.

    Returns:
        Of the data's classes; detections of others are left out.
    """
    numbers = {name: number for number, name in enumerate(classes)}
    places = np.array([numbers.get(name, -1) for _, name in sorted(checkpoint.classes.items())])
    # The figures of Ultralytics' own are not asked for, and would need the data's classes.
    unlabelled = [replace(image, labels=np.zeros((0, 5))) for image in images]
    detections = detect(checkpoint.model, dataset, SPLIT, unlabelled, validation, finetune, report)
    found = [_rename(picture.found, places) for picture in detections.pictures]
    names = [image.path.relative_to(dataset).as_posix() for image in images]
    return match_boxes(names, classes, [image.truth() for image in images], found)


def _rename(boxes: Boxes, places: NDArray[np.int64]) -> Boxes:
    numbers = places[boxes.classes]
    return replace(boxes, classes=numbers).keep((numbers >= 0).tolist())
