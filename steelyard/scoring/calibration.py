"""What a confidence means: how often detections of that confidence are right, and where to cut.

A detection is right where it hits a box of its class at IoU 0.5. The expected calibration error is the
mean distance, over detections, between the confidence of a bin and its share of right detections
(M. P. Naeini et al., Obtaining Well Calibrated Probabilities Using Bayesian Binning, 2015; for detections
F. Kueppers et al., Multivariate Confidence Calibration for Object Detection, 2020).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steelyard.scoring.bootstrap import draw_weights, estimate_intervals, leave_out
from steelyard.scoring.figures import SEED, Figure
from steelyard.scoring.match_table import MatchTable
from steelyard.scoring.scores import OperatingPoint
from steelyard.sections import OperatingRule

LEAST_CONFIDENCE = 0.1
"""Detections below are not looked at: there are hundreds on each image, and nobody uses them."""

EDGES: NDArray[np.float64] = np.linspace(LEAST_CONFIDENCE, 1, 10)
"""Of nine bins of confidence."""


@dataclass(frozen=True)
class Reliability:
    """Confidence against truth.

    Attributes:
        error: expected calibration error, 0 to 1; None without a detection above LEAST_CONFIDENCE.
        counts: shape (9,), detections in each bin.
        confidences: shape (9,), their mean confidence; NaN in an empty bin.
        shares: shape (9,), the share of them that is right; NaN in an empty bin.
        bounds: shape (9, 2), its 95 % interval; NaN where there is none.
    """

    error: Figure | None
    counts: NDArray[np.int64]
    confidences: NDArray[np.float64]
    shares: NDArray[np.float64]
    bounds: NDArray[np.float64]


def measure_reliability(table: MatchTable, groups: Sequence[str] | None = None) -> Reliability:
    """Compare the confidence of detections with how often they are right.

    Args:
        table: of one split.
        groups: of each image, where several are alike; see ``bootstrap.draw_weights``.
    """
    images = len(table.images)
    sums = _sum_bins(table)
    ones = np.ones((1, images), np.float32)
    weights = (ones, draw_weights(images, SEED, groups=groups), leave_out(images, SEED, groups))
    figures = [_judge(*(rows.astype(np.float64) @ each for each in sums)) for rows in weights]
    count = len(set(groups)) if groups is not None else images
    bounds = estimate_intervals(figures[0][0], figures[1], figures[2], count)
    known = sums[0].any()
    error = Figure(float(figures[0][0, 0]), float(bounds[0, 0]), float(bounds[0, 1])) if known else None
    with np.errstate(invalid="ignore"):
        confidences = sums[1].sum(axis=0) / sums[0].sum(axis=0)
    return Reliability(error, sums[0].sum(axis=0).astype(np.int64), confidences, figures[0][0, 1:], bounds[1:])


def calibration_error(table: MatchTable, weights: NDArray[np.float32]) -> NDArray[np.float64]:
    """Expected calibration error of each row of weights.

    Args:
        table: of one split.
        weights: shape (rows, images), how often an image counts.

    Returns:
        Shape (rows,), 0 to 1; NaN where no detection is above LEAST_CONFIDENCE.
    """
    errors: NDArray[np.float64] = _judge(*(weights.astype(np.float64) @ each for each in _sum_bins(table)))[:, 0]
    return errors


def choose_operating_point(table: MatchTable, rule: OperatingRule, wanted: float, least: float) -> OperatingPoint:
    """The least confidence of the boxes that prediction returns.

    Args:
        table: of the val split; a choice by test would be a choice for test.
        rule: f1: where F1 = 2PR / (P + R) is best; precision: the lowest confidence that reaches it; recall:
            the highest that reaches it; confidence: as wanted.
        wanted: precision, recall or confidence; of no meaning to f1.
        least: confidence of the detections in the table, which is taken where there is none.

    Returns:
        The confidence, with precision and recall over all classes there. Where what is wanted is not reached,
        the place that comes closest.
    """
    counted = table.ignored[:, 0] & 1 == 0
    order = np.argsort(-table.confidence[counted], kind="stable")
    confidences = table.confidence[counted][order]
    right = np.cumsum((table.hits[counted, 0] & 1)[order].astype(np.int64))
    boxes = int(table.boxes[:, 0].sum())
    # Equal confidences cannot be told apart, so only the last of them is a place to cut.
    cuts = np.flatnonzero(np.r_[confidences[1:] != confidences[:-1], True]) if len(confidences) else np.zeros(0, int)
    if rule == "confidence":
        cuts = cuts[confidences[cuts] > wanted][-1:]
    precision, recall = right[cuts] / (cuts + 1), right[cuts] / max(boxes, 1)
    f1 = 2 * right[cuts] / np.maximum(cuts + 1 + boxes, 1)
    if not len(cuts):
        confidence = wanted if rule == "confidence" else least
        return OperatingPoint(rule=rule, wanted=wanted, confidence=confidence, precision=None, recall=0, f1=0)
    best = _find_best(rule, wanted, precision, recall, f1)
    cut = cuts[best]
    following = confidences[cut + 1] if cut + 1 < len(confidences) else least
    # Between two detections, so that neither rounding nor "more than" and "at least" matter.
    confidence = wanted if rule == "confidence" else (confidences[cut] + following) / 2
    return OperatingPoint(
        rule=rule,
        wanted=None if rule == "f1" else wanted,
        confidence=float(confidence),
        precision=float(precision[best]),
        recall=float(recall[best]) if boxes else None,
        f1=float(f1[best]),
    )


def _find_best(
    rule: OperatingRule,
    wanted: float,
    precision: NDArray[np.float64],
    recall: NDArray[np.float64],
    f1: NDArray[np.float64],
) -> int:
    if rule == "precision":
        reached = np.flatnonzero(precision >= wanted)
        return int(reached[-1] if len(reached) else precision.argmax())
    if rule == "recall":
        reached = np.flatnonzero(recall >= wanted)
        return int(reached[0] if len(reached) else recall.argmax())
    return int(f1.argmax())


def _sum_bins(table: MatchTable) -> list[NDArray[np.float64]]:
    """For each image and bin, shape (images, 9): detections, the sum of their confidences, how many are right."""
    images, bins = len(table.images), len(EDGES) - 1
    chosen = (table.confidence >= LEAST_CONFIDENCE) & (table.ignored[:, 0] & 1 == 0)
    place = np.minimum(np.searchsorted(EDGES, table.confidence[chosen], "right") - 1, bins - 1)
    cell = table.image[chosen] * bins + place
    return [
        np.bincount(cell, values, images * bins).reshape(images, bins).astype(np.float64)
        for values in (np.ones(len(cell)), table.confidence[chosen], (table.hits[chosen, 0] & 1).astype(float))
    ]


def _judge(
    counts: NDArray[np.float64], confidences: NDArray[np.float64], right: NDArray[np.float64]
) -> NDArray[np.float64]:
    """For each row the calibration error, then the share of right detections of each bin."""
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.abs(confidences - right).sum(axis=1) / counts.sum(axis=1)
        return np.concatenate((error[:, None], right / counts), axis=1)
