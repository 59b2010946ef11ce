"""Where two sets of weights differ most: the test images, and which boxes are right, wrong and missed there."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steelyard.scoring.boxes import Boxes
from steelyard.scoring.match_table import MatchTable

MOST_IMAGES = 6
_AT_HALF = np.uint16(1)  # the bit of IoU 0.5


@dataclass(frozen=True)
class Judged:
    """The boxes of one image at one confidence, each shape (n, 4): left, top, right, bottom in px.

    Attributes:
        right: detections that hit a box of their class at IoU 0.5.
        wrong: all other detections.
        missed: boxes that people drew and no detection hits.
    """

    right: NDArray[np.float64]
    wrong: NDArray[np.float64]
    missed: NDArray[np.float64]


def count_right_and_wrong(table: MatchTable, confidence: float) -> NDArray[np.int64]:
    """True and false positives of each image at IoU 0.5, shape (images, 2).

    Args:
        table: of a split.
        confidence: detections from here on count.
    """
    shown, right = _find_shown(table, confidence), _find_right(table)
    counts = np.zeros((len(table.images), 2), np.int64)
    np.add.at(counts, (table.image[shown], (~right[shown]).astype(np.int64)), 1)
    return counts


def choose_images(
    candidate: MatchTable, champion: MatchTable, confidences: tuple[float, float], most: int = MOST_IMAGES
) -> list[str]:
    """Images on which true and false positives differ most, the greatest difference first; of equals by path.

    Args:
        candidate: of the version.
        champion: of the champion, on the same images in the same order.
        confidences: from which detections of the one and the other count.
        most: so many at most; where both are alike on all others, fewer.

    Raises:
        ValueError: the images differ.
    """
    if candidate.images != champion.images:
        raise ValueError("both tables must be of the same images, in the same order")
    ours, theirs = (
        count_right_and_wrong(table, confidence)
        for table, confidence in zip((candidate, champion), confidences, strict=True)
    )
    apart = np.abs(ours - theirs).sum(axis=1)
    order = sorted(np.flatnonzero(apart).tolist(), key=lambda number: (-apart[number], candidate.images[number]))
    return [candidate.images[number] for number in order[:most]]


def judge_boxes(table: MatchTable, image: str, confidence: float, truth: Boxes) -> Judged:
    """Tell right, wrong and missed boxes of an image apart.

    Which detection is right stands in the table; which box it hits is found as the table was made: by falling
    confidence each takes the free box of its class that it overlaps most.

    Args:
        table: with corners.
        image: path.
        confidence: detections from here on are shown.
        truth: boxes that people drew; their classes are numbers of the table's.

    Raises:
        ValueError: the table has no corners.
    """
    if table.corners is None:
        raise ValueError("the table does not know where its detections are")
    here = _find_shown(table, confidence) & (table.image == table.images.index(image))
    right = here & _find_right(table)
    taken = np.zeros(len(truth), np.bool_)
    for number in sorted(np.flatnonzero(right).tolist(), key=lambda number: -table.confidence[number]):
        free = ~taken & (truth.classes == table.kind[number])
        if free.any():
            overlaps = _measure_overlaps(table.corners[number].astype(np.float64), truth.corners)
            taken[int(np.where(free, overlaps, -1).argmax())] = True
    corners = table.corners.astype(np.float64)
    return Judged(corners[right], corners[here & ~right], truth.corners[~taken])


def _find_shown(table: MatchTable, confidence: float) -> NDArray[np.bool_]:
    counts: NDArray[np.bool_] = (table.confidence >= confidence) & ((table.ignored[:, 0] & _AT_HALF) == 0)
    return counts


def _find_right(table: MatchTable) -> NDArray[np.bool_]:
    right: NDArray[np.bool_] = (table.hits[:, 0] & _AT_HALF) > 0
    return right


def _measure_overlaps(box: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of a box with others, shape (others,)."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    common = np.prod(sides.clip(0), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1)
    overlaps: NDArray[np.float64] = common / (np.prod(box[2:] - box[:2]) + areas - common).clip(1e-9)
    return overlaps
