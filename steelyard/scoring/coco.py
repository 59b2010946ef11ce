"""Average precision by COCO's protocol, equal to pycocotools.

For each class and each IoU threshold (0.50, 0.55, ... 0.95) the detections, by falling confidence,
claim the best free box of their class; at most 100 detections per class and image count. Precision
is made falling and read at the recalls 0.00, 0.01, ... 1.00; the mean of these 101 numbers is the
average precision. Classes without a box count nowhere.

https://cocodataset.org/#detection-eval
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.scoring.boxes import Boxes
from steelyard.scoring.scores import ClassScores

RECALLS: NDArray[np.float64] = np.linspace(0, 1, 101)
"""The recalls at which precision is read."""

_RATES = ("precision", "recall", "map50", "map50_95")


@dataclass(frozen=True)
class CocoScores:
    """The scores of one split.

    Attributes:
        overall: means over the classes that have boxes.
        classes: by class name, in the order of the classes.
        curves: precision at :data:`RECALLS` and IoU 0.5, by the names of the classes that have boxes.
    """

    overall: ClassScores
    classes: dict[str, ClassScores]
    curves: dict[str, NDArray[np.float64]]


def score(truth: Sequence[Boxes], found: Sequence[Boxes], classes: Sequence[str]) -> CocoScores:
    """Score detections against ground truth.

    Precision and recall of a class are those at the point of its 101-point curve at IoU 0.5 with
    the best F1 = 2PR / (P + R), the confidence at which the weights do best; of equal points the one
    with the lowest recall. Overall they are means over the classes, each at its own point.

    Args:
        truth: boxes that people drew, one entry per image.
        found: boxes that the weights found, in the order of the same images.
        classes: the class names, by index.
    """
    precision = _accumulate(truth, found, len(classes))
    present = [np.unique(boxes.classes) for boxes in truth]
    per_class: dict[str, ClassScores] = {}
    curves: dict[str, NDArray[np.float64]] = {}
    for index, name in enumerate(classes):
        boxes = sum(int((each.classes == index).sum()) for each in truth)
        images = sum(index in each for each in present)
        rates: dict[str, float | None] = dict.fromkeys(_RATES)
        if boxes:
            curves[name] = precision[0, :, index]
            rates = {
                **_best_f1(curves[name]),
                "map50": float(curves[name].mean()),
                "map50_95": float(precision[:, :, index].mean()),
            }
        per_class[name] = ClassScores(**rates, images=images, boxes=boxes)
    scored = [per_class[name] for name in curves]
    overall = ClassScores(
        **{name: _mean([getattr(each, name) for each in scored]) for name in _RATES},
        images=len(truth),
        boxes=sum(len(each) for each in truth),
    )
    return CocoScores(overall, per_class, curves)


def _accumulate(truth: Sequence[Boxes], found: Sequence[Boxes], class_count: int) -> NDArray[np.float64]:
    """Precision of shape (10 thresholds, 101 recalls, classes); -1 for a class without a box."""
    from faster_coco_eval import COCO, COCOeval_faster  # only here: reading scores back needs none of it

    # An id of 0 means "unmatched" inside COCO's code.
    images = [{"id": number} for number in range(1, len(truth) + 1)]
    categories = [{"id": number} for number in range(1, class_count + 1)]
    drawn = COCO({"images": images, "categories": categories, "annotations": _annotations(truth)})
    guessed = drawn.loadRes(_annotations(found))
    evaluation = COCOeval_faster(drawn, guessed, iouType="bbox", print_function=_say_nothing)
    evaluation.params.areaRng = evaluation.params.areaRng[:1]
    evaluation.params.areaRngLbl = ["all"]
    evaluation.evaluate()
    evaluation.accumulate()
    # The axes: threshold, recall, class, area, most detections (1, 10, 100).
    precision: NDArray[np.float64] = evaluation.eval["precision"][:, :, :, 0, -1]
    return precision


def _annotations(pictures: Sequence[Boxes]) -> list[dict[str, Any]]:
    annotations: list[dict[str, Any]] = []
    for image_id, boxes in enumerate(pictures, 1):
        rows = zip(boxes.corners.tolist(), boxes.classes.tolist(), boxes.confidences.tolist(), strict=True)
        for (left, top, right, bottom), index, confidence in rows:
            width, height = right - left, bottom - top
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": index + 1,
                    "bbox": [left, top, width, height],
                    "area": width * height,
                    "iscrowd": 0,
                    "score": confidence,
                }
            )
    return annotations


def _best_f1(curve: NDArray[np.float64]) -> dict[str, float | None]:
    total = curve + RECALLS
    f1 = 2 * curve * RECALLS / np.where(total > 0, total, 1)
    best = int(f1.argmax())
    return {"precision": float(curve[best]), "recall": float(RECALLS[best])}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _say_nothing(*_: object) -> None:
    """Stand in for a print that belongs to no one."""
