"""Average precision by COCO's protocol, as a function of a match table and of how much each image weighs.

For each class, range of areas and IoU threshold the detections are put in order by falling confidence.
Precision is made falling and read at the recalls 0.00, 0.01, ... 1.00; the mean of these 101 numbers is
the average precision. With every image weighing 1 it is that of pycocotools; an image that weighs 2 is
there twice, which makes a bootstrap's resample one row of weights.

https://cocodataset.org/#detection-eval
"""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit
from numpy.typing import NDArray

from steelyard.scoring.match_table import AREAS, IOUS, MOST_DETECTIONS, MatchTable

RECALLS: NDArray[np.float64] = np.linspace(0, 1, 101)
"""The recalls at which precision is read."""

_EPSILON = np.spacing(1)  # pycocotools' own, against a division by zero
_ROWS_PER_TASK = 50


def average_precision(table: MatchTable, weights: NDArray[np.float32] | None = None) -> NDArray[np.float64]:
    """Average precision of every class.

    Args:
        table: of one split.
        weights: shape (rows, images), how often an image counts, 0 or more; None: one row, each once.

    Returns:
        Shape (rows, classes, 4 areas, 10 thresholds), 0 to 1; NaN where a class has no box in the range.
    """
    rows = np.ones((1, len(table.images)), np.float32) if weights is None else weights
    order, begins = _sort(table)
    columns = table.image[order], table.hits[order], table.ignored[order], begins

    def measure(start: int) -> NDArray[np.float64]:
        part = rows[start : start + _ROWS_PER_TASK]
        found: NDArray[np.float64] = _average(*columns, part, count_boxes(table, part))[0]
        return found

    # Threads: the compiled loop does not hold Python's lock.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return np.concatenate(list(pool.map(measure, range(0, len(rows), _ROWS_PER_TASK))))


def precision_curves(table: MatchTable) -> NDArray[np.float64]:
    """Precision at RECALLS of every class, at IoU 0.5: shape (classes, 101); NaN where a class has no box."""
    order, begins = _sort(table)
    ones = np.ones((1, len(table.images)), np.float32)
    boxes = count_boxes(table, ones)
    curves: NDArray[np.float64] = _average(
        table.image[order], table.hits[order], table.ignored[order], begins, ones, boxes
    )[1]
    return curves


def average_recall(table: MatchTable, most: int = MOST_DETECTIONS) -> NDArray[np.float64]:
    """Share of the boxes that are found by the ``most`` most confident detections of a class on an image.

    Returns:
        Shape (classes, 4 areas, 10 thresholds); NaN where a class has no box in the range.
    """
    boxes = count_boxes(table, np.ones((1, len(table.images)), np.float32))[0]
    found = np.zeros((len(table.classes), len(AREAS), len(IOUS)))
    counted = table.rank < most
    for area in range(len(AREAS)):
        for threshold in range(len(IOUS)):
            hit = counted & ((table.hits[:, area] >> threshold) & 1 == 1)
            found[:, area, threshold] = np.bincount(table.kind[hit], minlength=len(table.classes))
    with np.errstate(invalid="ignore"):
        shares: NDArray[np.float64] = found / boxes[:, :, None]
    return shares


def count_boxes(table: MatchTable, weights: NDArray[np.float32]) -> NDArray[np.float64]:
    """Boxes that count, weighed: shape (rows, classes, 4 areas)."""
    counts = np.zeros((len(weights), len(table.classes), len(AREAS)))
    for kind in np.unique(table.box_kind):
        chosen = table.box_kind == kind
        counts[:, kind] = weights[:, table.box_image[chosen]].astype(np.float64) @ table.boxes[chosen]
    return counts


def _sort(table: MatchTable) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The detections by class and falling confidence, and where each class begins, (classes + 1,)."""
    order = np.lexsort((-table.confidence, table.kind))
    return order, np.searchsorted(table.kind[order], np.arange(len(table.classes) + 1))


@njit(cache=True, nogil=True)
def _average(image, hits, ignored, begins, weights, boxes):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    """Average precision of each row, and the first row's curves of the first area and threshold.

    Args:
        image: of each detection, by class and falling confidence.
        hits: shape (detections, areas), as bits.
        ignored: the same.
        begins: of each class, and the end of the last.
        weights: shape (rows, images).
        boxes: shape (rows, classes, areas), their weight.

    Returns:
        Shapes (rows, classes, areas, thresholds) and (classes, 101); NaN where there is no box.
    """
    found = np.full((*boxes.shape, len(IOUS)), np.nan)
    curves = np.full((boxes.shape[1], len(RECALLS)), np.nan)
    for kind in range(boxes.shape[1]):
        chosen = slice(begins[kind], begins[kind + 1])
        for area in range(boxes.shape[2]):
            # Who is ignored at every threshold counts nowhere; only who hits at some threshold is looked at for each.
            counting = np.flatnonzero(ignored[chosen, area] != (1 << len(IOUS)) - 1)
            hit, out = hits[chosen, area][counting], ignored[chosen, area][counting]
            is_event = (hit != 0) | (out != 0)
            images, hit, out = image[chosen][counting], hit[is_event], out[is_event]
            weight, false = np.zeros(len(hit)), np.zeros(len(hit))
            precision, recall, curve = np.zeros(len(hit)), np.zeros(len(hit)), np.zeros(len(RECALLS))
            for row in range(len(weights)):
                if boxes[row, kind, area] <= 0:
                    continue
                _weigh(images, is_event, weights[row], weight, false)
                for threshold in range(len(IOUS)):
                    _read(weight, false, hit, out, threshold, boxes[row, kind, area], precision, recall, curve)
                    found[row, kind, area, threshold] = curve.mean()
                    if row == 0 and area == 0 and threshold == 0:
                        curves[kind] = curve
    return found, curves


@njit(cache=True, nogil=True)
def _weigh(images, is_event, weights, weight, false):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    """Fill in the weight of each event, and that of the detections before it which hit nothing at any threshold."""
    running, event = 0.0, 0
    for place in range(len(images)):
        if is_event[place]:
            weight[event], false[event] = weights[images[place]], running
            event += 1
        else:
            running += weights[images[place]]


@njit(cache=True, nogil=True)
def _read(weight, false, hit, out, threshold, boxes, precision, recall, curve):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    """Fill in precision at RECALLS.

    Args:
        weight: of each event, by falling confidence.
        false: weight of the false detections before it that are no events.
        hit: bits of the thresholds that it hits.
        out: bits of the thresholds at which it is ignored.
        threshold: number of the threshold.
        boxes: their weight, above 0.
        precision: room for one number for each event.
        recall: the same.
        curve: where to.
    """
    true, more, count = 0.0, 0.0, 0
    for event in range(len(weight)):
        if weight[event] == 0:
            continue
        if (hit[event] >> threshold) & 1:
            true += weight[event]
            # Only here: precision falls until the next hit, and is made falling anyway.
            precision[count] = true / (true + false[event] + more + _EPSILON)
            recall[count] = true / boxes
            count += 1
        elif not (out[event] >> threshold) & 1:
            more += weight[event]
    best, point = 0.0, len(RECALLS) - 1
    for place in range(count - 1, -1, -1):
        while point >= 0 and RECALLS[point] > recall[place]:
            curve[point] = best
            point -= 1
        best = max(best, precision[place])
    curve[: point + 1] = best
