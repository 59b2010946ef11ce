"""How every detection of a split fares against the boxes that people drew: what all scores are made from.

Matched as pycocotools does, once for each range of areas and each IoU threshold: the detections of a
class on an image, by falling confidence, claim the free box that they overlap most. Boxes outside of the
range, and crowds, count for nobody: who claims one is ignored, as is who claims none and is itself
outside of the range.

https://cocodataset.org/#detection-eval
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from steelyard.scoring.boxes import Boxes

IOUS: NDArray[np.float64] = np.linspace(0.5, 0.95, 10)
"""The IoU thresholds."""

AREAS: dict[str, tuple[float, float]] = {
    "all": (0, 1e10),
    "small": (0, 32**2),
    "medium": (32**2, 96**2),
    "large": (96**2, 1e10),
}
"""Ranges of areas, px squared, both ends included: a box of just 32 x 32 px is small and medium."""

MOST_DETECTIONS = 100
"""Of one class on one image, those with the highest confidence."""


@dataclass(frozen=True)
class MatchTable:
    """The detections of one split with what they claim, by falling confidence within image and class.

    Attributes:
        images: paths; their numbers are what ``image`` and ``box_image`` hold.
        classes: names; their numbers are what ``kind`` and ``box_kind`` hold.
        image: shape (d,), the image of each detection.
        kind: shape (d,), its class.
        confidence: shape (d,), 0 to 1.
        rank: shape (d,), its place among the detections of its class on its image, from 0.
        hits: shape (d, 4), for each of AREAS the bits of the thresholds (bit 0: 0.5) at which it
            claims a box that counts.
        ignored: shape (d, 4), the bits of the thresholds at which it counts neither as right nor as false.
        box_image: shape (b,), images with boxes, once for each class on them.
        box_kind: shape (b,), the class.
        boxes: shape (b, 4), how many boxes of it count in each of AREAS.
        corners: shape (d, 4), left, top, right, bottom of each detection in px of the image; None in tables
            from before they were kept. No score depends on them, the pictures of a version's page do.
    """

    images: tuple[str, ...]
    classes: tuple[str, ...]
    image: NDArray[np.int32]
    kind: NDArray[np.int32]
    confidence: NDArray[np.float64]
    rank: NDArray[np.int32]
    hits: NDArray[np.uint16]
    ignored: NDArray[np.uint16]
    box_image: NDArray[np.int32]
    box_kind: NDArray[np.int32]
    boxes: NDArray[np.int32]
    corners: NDArray[np.float32] | None = None


def match_boxes(
    images: Sequence[str],
    classes: Sequence[str],
    truth: Sequence[Boxes],
    found: Sequence[Boxes],
    crowds: Sequence[NDArray[np.bool_]] | None = None,
) -> MatchTable:
    """Match the detections of a split with its boxes.

    Args:
        images: paths.
        classes: names, by index.
        truth: boxes that people drew, one entry for each image.
        found: boxes that the weights found, in the order of the same images.
        crowds: for each image which of its boxes stand for many, shape (boxes,); None: no box does.
    """
    drawn, guessed = _gather(truth, classes), _gather(found, classes)
    crowd = np.concatenate(crowds)[drawn.order] if crowds else np.zeros(len(drawn.group), np.bool_)
    rank = np.arange(len(guessed.group)) - np.searchsorted(guessed.group, guessed.group)
    kept = rank < MOST_DETECTIONS
    rank, group, places = rank[kept], guessed.group[kept], guessed.places[kept]
    ranges = np.array(list(AREAS.values()))
    # pycocotools' own guard, so that a box of just the same place reaches a threshold of 1
    thresholds = np.minimum(IOUS, 1 - 1e-10)
    first, last = (np.searchsorted(drawn.group, group, side) for side in ("left", "right"))
    hits, ignored = _claim(places, first, last, drawn.places, crowd, ranges, thresholds)
    area = (drawn.places[:, 2] * drawn.places[:, 3])[:, None]
    counts = ~crowd[:, None] & (area >= ranges[:, 0]) & (area <= ranges[:, 1])
    groups, begins = np.unique(drawn.group, return_index=True)
    boxes = np.add.reduceat(counts, begins, dtype=np.int32) if len(groups) else np.zeros((0, len(AREAS)), np.int32)
    return MatchTable(
        images=tuple(images),
        classes=tuple(classes),
        image=(group // len(classes)).astype(np.int32),
        kind=(group % len(classes)).astype(np.int32),
        confidence=guessed.confidence[kept],
        rank=rank.astype(np.int32),
        hits=hits,
        ignored=ignored,
        box_image=(groups // len(classes)).astype(np.int32),
        box_kind=(groups % len(classes)).astype(np.int32),
        boxes=boxes,
        corners=np.concatenate((places[:, :2], places[:, :2] + places[:, 2:]), axis=1).astype(np.float32),
    )


@dataclass(frozen=True)
class _Side:
    """All boxes of one side, by image, class and falling confidence.

    Attributes:
        order: their places before they were sorted.
        group: image * classes + class.
        confidence: 0 to 1.
        places: shape (n, 4): left, top, width, height, px.
    """

    order: NDArray[np.int64]
    group: NDArray[np.int64]
    confidence: NDArray[np.float64]
    places: NDArray[np.float64]


def _gather(pictures: Sequence[Boxes], classes: Sequence[str]) -> _Side:
    corners = np.concatenate([np.zeros((0, 4)), *(each.corners for each in pictures)])
    kinds = np.concatenate([np.zeros(0, np.int64), *(each.classes for each in pictures)])
    confidence = np.concatenate([np.zeros(0), *(each.confidences for each in pictures)])
    group = np.repeat(np.arange(len(pictures)), [len(each) for each in pictures]) * len(classes) + kinds
    order = np.lexsort((-confidence, group))
    places = np.concatenate((corners[:, :2], corners[:, 2:] - corners[:, :2]), axis=1)
    return _Side(order, group[order], confidence[order], places[order])


@njit(cache=True, nogil=True)
def _claim(places, first, last, drawn, crowd, ranges, thresholds):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    """Which thresholds each detection hits and is ignored at, shape (detections, areas), as bits.

    Args:
        places: left, top, width, height of detections, by group and falling confidence.
        first: of the boxes of its group.
        last: of them, and one more.
        drawn: left, top, width, height of boxes.
        crowd: whether a box stands for many.
        ranges: areas, px squared.
        thresholds: of IoU.
    """
    hits = np.zeros((len(places), len(ranges)), np.uint16)
    ignored = np.zeros((len(places), len(ranges)), np.uint16)
    taken = np.zeros((len(ranges), len(thresholds), len(drawn)), np.bool_)
    outside = np.zeros((len(ranges), len(drawn)), np.bool_)
    for range_, (least, most) in enumerate(ranges):
        for box in range(len(drawn)):
            area = drawn[box, 2] * drawn[box, 3]
            outside[range_, box] = crowd[box] or area < least or area > most
    overlaps = np.zeros(0)
    for detection in range(len(places)):
        begin, count = first[detection], last[detection] - first[detection]
        if len(overlaps) < count:
            overlaps = np.zeros(count)
        area = places[detection, 2] * places[detection, 3]
        for box in range(count):
            overlaps[box] = _overlap(places[detection], drawn[begin + box], crowd[begin + box])
        for range_, (least, most) in enumerate(ranges):
            is_out = area < least or area > most
            for threshold in range(len(thresholds)):
                bit = np.uint16(1 << threshold)
                best, best_overlap = -1, thresholds[threshold]
                # Those that count first; of boxes outside only where none of them is hit.
                for turn in range(2):
                    if best >= 0:
                        break
                    for box in range(begin, begin + count):
                        if outside[range_, box] != (turn == 1) or (taken[range_, threshold, box] and not crowd[box]):
                            continue
                        if overlaps[box - begin] >= best_overlap:
                            best, best_overlap = box, overlaps[box - begin]
                if best < 0:
                    if is_out:
                        ignored[detection, range_] |= bit
                    continue
                taken[range_, threshold, best] = True
                if outside[range_, best]:
                    ignored[detection, range_] |= bit
                else:
                    hits[detection, range_] |= bit
    return hits, ignored


@njit(cache=True, nogil=True)
def _overlap(one, other, is_crowd):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    """Intersection over union, or over the detection's own area where the box is a crowd."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    common = width * height
    area = one[2] * one[3]
    return common / (area if is_crowd else area + other[2] * other[3] - common)
