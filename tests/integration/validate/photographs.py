"""Two photographs and YOLO11n's real weights, and the stage validate on them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from steelyard.dataset.manifest import Changes, DatasetManifest, ImageRecord
from steelyard.params import load_params
from steelyard.paths import DATASET, DATASET_MANIFEST, PIXELS
from steelyard.scoring.detection import Detections, detect
from steelyard.scoring.split import read_split
from steelyard.weights.checkpoint import Checkpoint

ROOT = Path(__file__).parents[3]
PARAMS = load_params(ROOT / "params.yaml")


def run_detect(
    checkpoint: Checkpoint, dataset: Path, split: str, confidence: float = PARAMS.validation.confidence
) -> Detections:
    done: list[int] = []
    detections = detect(
        checkpoint.model,
        dataset,
        split,
        read_split(dataset, split, len(checkpoint.classes)),
        PARAMS.validation.model_copy(update={"confidence": confidence}),
        PARAMS.finetune,
        done.append,
    )
    assert sum(done) == len(detections.pictures)
    return detections


def write_manifest(folder: Path, coco: Checkpoint, group: str = "", **columns: dict[str, str]) -> None:
    """data/dataset.json of the two photographs in each split, and what stage check says of them."""
    classes = tuple(coco.classes[number] for number in range(len(coco.classes)))
    paths = sorted(path.relative_to(folder / DATASET) for path in (folder / DATASET / "images").rglob("*.jpg"))
    DatasetManifest(
        **{"schema_version": 1, "source": "photographs", "source_sha256": "", "licence": "AGPL-3.0", "origin": ""},
        **{"format": "yolo", "tile": 0, "classes": classes, "splits": {}, "changes": Changes(), "fingerprint": ""},
        images=tuple(
            ImageRecord(
                **{"path": path.as_posix(), "split": path.parts[1], "origin": path.name, "region": None},
                **{
                    "columns": columns.get(path.stem, {}),
                    "group": group,
                    "width": 1,
                    "height": 1,
                    "boxes": 0,
                    "sha256": "",
                    "labels_sha256": "",
                },
            )
            for path in paths
        ),
    ).write(folder / DATASET_MANIFEST)
    rows = [f"{path.as_posix()},{100 + 20 * (path.stem == 'bus')},0.5\n" for path in paths]
    (folder / PIXELS).write_text("".join(["path,brightness,sharpness\n", *rows]))


def run_stage(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tasks.validate"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def copy(workspace: Path, target: Path) -> Path:
    return Path(shutil.copytree(workspace, target, ignore=shutil.ignore_patterns("metrics", "plots")))
