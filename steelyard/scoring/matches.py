"""Which detections hit which boxes, at one confidence: the confusion matrix and each picture's F1."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steelyard.scoring.boxes import Boxes, Picture

CONFIDENCE = 0.25
"""Detections above this confidence are matched: what Ultralytics shows and counts by default."""

IOU = 0.5
"""A detection hits a box when they overlap by more than this."""


@dataclass(frozen=True)
class Matches:
    """How the detections of one picture fare against its boxes.

    Attributes:
        picture: the picture.
        counts: shape (classes + 1, classes + 1), predicted by actual; the last is background. A
            detection on a box of another class stands here off the diagonal.
        hits: detections on a box of their class.
        false: all other detections.
        missed: boxes without such a detection.
    """

    picture: Picture
    counts: NDArray[np.int64]
    hits: Boxes
    false: Boxes
    missed: Boxes

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN), 0 to 1; 1 where there is nothing to find and nothing was found."""
        total = 2 * len(self.hits) + len(self.false) + len(self.missed)
        return 2 * len(self.hits) / total if total else 1.0


def match(picture: Picture, class_count: int) -> Matches:
    """Match the detections above :data:`CONFIDENCE` of one picture with its boxes.

    By falling confidence each detection takes the free box that it overlaps most, if by more than
    :data:`IOU`, whatever the classes: by Ultralytics' confusion matrix, in pixels of the picture.
    """
    import torch  # heavy: 2.8 s, and Ultralytics as much
    from ultralytics.utils.metrics import ConfusionMatrix

    def tensors(boxes: Boxes) -> dict[str, torch.Tensor]:
        return {
            "bboxes": torch.from_numpy(boxes.corners),
            "cls": torch.from_numpy(boxes.classes),
            "conf": torch.from_numpy(boxes.confidences),
        }

    def boxes(kind: str) -> Boxes:
        group = matrix.matches[kind]
        return Boxes(
            np.array([row.numpy() for row in group["bboxes"]], dtype=np.float64).reshape(-1, 4),
            np.array([row.item() for row in group["cls"]], dtype=np.int64),
            np.array([row.item() for row in group["conf"]], dtype=np.float64),
        )

    matrix = ConfusionMatrix(dict.fromkeys(range(class_count)), save_matches=True)
    matrix.process_batch(tensors(picture.found), tensors(picture.truth), conf=CONFIDENCE, iou_thres=IOU)
    return Matches(picture, matrix.matrix.astype(np.int64), boxes("TP"), boxes("FP"), boxes("FN"))


def sum_counts(matches: Sequence[Matches], class_count: int) -> NDArray[np.int64]:
    """The confusion matrix of all pictures: predicted by actual, background last."""
    counts = np.zeros((class_count + 1, class_count + 1), dtype=np.int64)
    for each in matches:
        counts += each.counts
    return counts


def rank(matches: Sequence[Matches]) -> list[Matches]:
    """The pictures from best to worst F1; of equals, first those with more boxes, then by path.

    Pictures with nothing to find and nothing found are left out: they show nothing.
    """
    telling = [each for each in matches if each.counts.any()]
    return sorted(telling, key=lambda each: (-each.f1, -len(each.picture.truth), each.picture.path))
