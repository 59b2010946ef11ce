"""What one member of a study left behind, read from the folder that it was trained in."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from steelyard import paths
from steelyard.dataset.manifest import DatasetManifest, compute_fingerprint
from steelyard.scoring.average_precision import average_precision
from steelyard.scoring.bootstrap import draw_weights
from steelyard.scoring.figures import SEED, list_figures
from steelyard.scoring.match_file import read_matches
from steelyard.scoring.match_table import MatchTable
from steelyard.training.manifest import TrainingManifest

Split = Literal["val", "test"]
_MAP50_95 = 1  # its place among the figures


@dataclass(frozen=True)
class Sample:
    """A split, and how the weights do on each of its images.

    Attributes:
        table: the matches.
        groups: of each image; those of one group are drawn together.
        fingerprint: of the images and their labels.
    """

    table: MatchTable
    groups: tuple[str, ...]
    fingerprint: str

    def score(self) -> float:
        """mAP50-95 by COCO's protocol, 0 to 1; NaN where there is no box."""
        return float(_score(self.table)[0])

    def resample(self) -> NDArray[np.float64]:
        """The same of each resample, shape (resamples,): one sequence for all weights that were scored on the split."""
        return _score(self.table, draw_weights(len(self.table.images), SEED, groups=self.groups))


@dataclass(frozen=True)
class Outcome:
    """One training, and how its weights do.

    Attributes:
        arm: name of the arm.
        seed: of the training.
        training: its manifest.
        curve: mAP50-95 on val after each epoch, by Ultralytics' validator.
        val: the best epoch's weights on val.
        final: the same on the split that the final scores are of.
    """

    arm: str
    seed: int
    training: TrainingManifest
    curve: tuple[float, ...]
    val: Sample
    final: Sample

    @property
    def seconds(self) -> tuple[float, ...]:
        """Of training and validation, from the start of the first epoch to the end of each."""
        return tuple(round(float(value), 3) for value in np.cumsum(self.training.epoch_seconds))


def read_outcome(root: Path, arm: str, seed: int, split: Split) -> Outcome:
    """Read a member's outputs.

    Args:
        root: in which stage ``validate`` has run.
        arm: its name.
        seed: of the training.
        split: of the final scores.

    Raises:
        DatasetError: the match table cannot be read.
    """
    manifest = DatasetManifest.model_validate_json((root / paths.DATASET_MANIFEST).read_bytes())
    tables = read_matches(root / paths.MATCHES)
    with (root / paths.CURVES).open(encoding="utf-8", newline="") as lines:
        curve = tuple(float(row["mAP50-95"]) for row in csv.DictReader(lines))
    return Outcome(
        arm=arm,
        seed=seed,
        training=TrainingManifest.model_validate_json((root / paths.TRAINING).read_bytes()),
        curve=curve,
        val=_take(manifest, tables["val"], "val"),
        final=_take(manifest, tables[split], split),
    )


def _take(manifest: DatasetManifest, table: MatchTable, split: Split) -> Sample:
    images = [image for image in manifest.images if image.split == split]
    groups = {image.path: image.group for image in images}
    members = tuple(groups.get(path) or path for path in table.images)
    return Sample(table, members, compute_fingerprint(images, manifest.classes))


def _score(table: MatchTable, weights: NDArray[np.float32] | None = None) -> NDArray[np.float64]:
    return list_figures(average_precision(table, weights))[:, _MAP50_95]
