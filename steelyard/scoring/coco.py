"""The scores of one split by COCO's protocol, equal to pycocotools, with their intervals.

https://cocodataset.org/#detection-eval
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steelyard.scoring.average_precision import RECALLS, count_boxes, precision_curves
from steelyard.scoring.figures import Figure, count_needed, measure
from steelyard.scoring.match_table import AREAS, MatchTable
from steelyard.scoring.scores import ClassScores, Interval, SizeScores


@dataclass(frozen=True)
class CocoScores:
    """The scores of one split.

    Attributes:
        overall: means over the classes that have boxes.
        classes: by class name, in the order of the classes.
        sizes: by size, where there are such boxes.
        curves: precision at RECALLS and IoU 0.5, by the names of the classes that have boxes.
    """

    overall: ClassScores
    classes: dict[str, ClassScores]
    sizes: dict[str, SizeScores]
    curves: dict[str, NDArray[np.float64]]


def score(table: MatchTable, groups: Sequence[str] | None = None) -> CocoScores:
    """Score a split.

    Precision and recall of a class are those at the point of its 101-point curve at IoU 0.5 with
    the best F1 = 2PR / (P + R), the confidence at which the weights do best; of equal points the one
    with the lowest recall. Overall they are means over the classes, each at its own point.

    Args:
        table: the matches.
        groups: of each image, where several are alike; see ``bootstrap.draw_weights``.
    """
    figures = measure(table, groups)
    needed = count_needed(table, figures, groups)
    boxes = count_boxes(table, np.ones((1, len(table.images)), np.float32))[0]
    curves = {
        name: curve
        for name, curve in zip(table.classes, precision_curves(table), strict=True)
        if name in figures.classes
    }
    classes = {}
    for number, name in enumerate(table.classes):
        best = _best_f1(curves[name]) if name in curves else {"precision": None, "recall": None}
        images = int((table.boxes[table.box_kind == number, 0] > 0).sum())
        each = figures.classes.get(name, {})
        classes[name] = _make(best, each, images, int(boxes[number, 0]), needed.classes.get(name))
    best = {key: _mean([getattr(classes[name], key) for name in curves]) for key in ("precision", "recall")}
    overall = _make(best, figures.overall, len(table.images), int(boxes[:, 0].sum()), needed.split or None)
    counts = dict(zip(AREAS, boxes.sum(axis=0), strict=True))
    sizes = {
        name: SizeScores(
            map50_95=figure.value,
            boxes=int(counts[name]),
            interval=bound(figure),
            images_needed=needed.sizes.get(name),
        )
        for name, figure in figures.sizes.items()
    }
    return CocoScores(overall, classes, sizes, curves)


def _make(
    best: Mapping[str, float | None], figures: Mapping[str, Figure], images: int, boxes: int, needed: int | None
) -> ClassScores:
    bounds = {name: bound(figure) for name, figure in figures.items()}
    return ClassScores(
        **best,
        map50=figures["mAP50"].value if figures else None,
        map50_95=figures["mAP50-95"].value if figures else None,
        images=images,
        boxes=boxes,
        intervals={name: bound for name, bound in bounds.items() if bound},  # type: ignore[misc]
        images_needed=needed,
    )


def bound(figure: Figure) -> Interval | None:
    """The interval of a figure; None where no resample moves it, since a perfect score is no certain one."""
    return None if np.isnan(figure.low) or figure.low == figure.high else Interval(low=figure.low, high=figure.high)


def _best_f1(curve: NDArray[np.float64]) -> dict[str, float | None]:
    total = curve + RECALLS
    f1 = 2 * curve * RECALLS / np.where(total > 0, total, 1)
    best = int(f1.argmax())
    return {"precision": float(curve[best]), "recall": float(RECALLS[best])}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
