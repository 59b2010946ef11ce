"""The figures of a split, each with its interval: over all classes, of each class, of each size of boxes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from steelyard.scoring.average_precision import average_precision
from steelyard.scoring.bootstrap import draw_weights, estimate_intervals, estimate_p_values, leave_out
from steelyard.scoring.match_table import AREAS, MatchTable

SEED = 0
OVERALL = ("mAP50", "mAP50-95")
LEAST_IMAGES = 20
LEAST_IMAGES_OF_CLASS = 10  # also of a size of boxes
"""With fewer the interval holds what is true less often than it says: benchmarks/coverage.py."""
_MISSES = 5
"""The rule of thumb for a share: the sample holds at least five of what is rare, here of what is missed."""


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes:
        value: 0 to 1.
        low: of the 95 % interval; NaN where there is none, with fewer than two images (or groups).
        high: the same.
        p_value: how well the images fit with it being truly at a limit or above; None where none was asked for.
    """

    value: float
    low: float
    high: float
    p_value: float | None = None


@dataclass(frozen=True)
class Figures:
    """mAP50 and mAP50-95; a figure without boxes is missing.

    Attributes:
        overall: by name.
        classes: by class and name.
        sizes: mAP50-95 by size of the boxes: small, medium, large.
    """

    overall: dict[str, Figure]
    classes: dict[str, dict[str, Figure]]
    sizes: dict[str, Figure]


@dataclass(frozen=True)
class Needed:
    """How many images a split would need; what has enough is 0 or missing.

    Attributes:
        split: for the figures of all classes.
        classes: by name.
        sizes: by name.
    """

    split: int
    classes: dict[str, int]
    sizes: dict[str, int]


def measure(table: MatchTable, groups: Sequence[str] | None = None) -> Figures:
    """All figures of a split.

    Args:
        table: the matches.
        groups: of each image, where several are alike; see :func:`draw_weights`.
    """
    figures = iter(_estimate(table, groups))
    overall = {name: next(figures) for name in OVERALL}
    sizes = {name: next(figures) for name in list(AREAS)[1:]}
    classes = {name: {"mAP50": next(figures), "mAP50-95": next(figures)} for name in table.classes}
    return Figures(
        {name: figure for name, figure in overall.items() if not np.isnan(figure.value)},
        {name: both for name, both in classes.items() if not np.isnan(both["mAP50"].value)},
        {name: figure for name, figure in sizes.items() if not np.isnan(figure.value)},
    )


def measure_overall(
    table: MatchTable, groups: Sequence[str] | None = None, limits: NDArray[np.float64] | None = None
) -> dict[str, Figure]:
    """The figures over all classes alone, as :func:`measure` gives them; without boxes there are none.

    Without the sizes of boxes it takes a quarter of the time.

    Args:
        table: the matches.
        groups: of each image, where several are alike.
        limits: shape (2,), of mAP50 and mAP50-95, for their p-values.
    """
    boxes = np.where(np.arange(len(AREAS)) == 0, table.boxes, 0)  # what has no box is not computed
    estimated = _estimate(replace(table, boxes=boxes), groups, len(OVERALL), limits)
    figures = dict(zip(OVERALL, estimated, strict=True))
    return {name: figure for name, figure in figures.items() if not np.isnan(figure.value)}


def _estimate(
    table: MatchTable,
    groups: Sequence[str] | None,
    most: int | None = None,
    limits: NDArray[np.float64] | None = None,
) -> list[Figure]:
    """The figures of :func:`list_figures`, or the first of them, with their intervals."""
    images = len(table.images)
    rows = (None, draw_weights(images, SEED, groups=groups), leave_out(images, SEED, groups))
    points, resampled, without = (list_figures(average_precision(table, each))[:, :most] for each in rows)
    count = len(set(groups)) if groups is not None else images
    bounds = estimate_intervals(points[0], resampled, without, count)
    figures = [Figure(float(v), float(low), float(high)) for v, (low, high) in zip(points[0], bounds, strict=True)]
    if limits is None:
        return figures
    p_values = estimate_p_values(points[0], resampled, without, count, limits)
    return [replace(figure, p_value=float(p_value)) for figure, p_value in zip(figures, p_values, strict=True)]


def list_figures(precision: NDArray[np.float64]) -> NDArray[np.float64]:
    """What is reported of average precisions.

    Args:
        precision: shape (rows, classes, 4 areas, 10 thresholds).

    Returns:
        Shape (rows, 5 + 2 classes): mAP50, mAP50-95, mAP50-95 of small, medium and large boxes, then
        mAP50 and mAP50-95 of each class. Means are over the classes that have boxes.
    """
    by_class = np.stack((precision[:, :, 0, 0], precision[:, :, 0].mean(axis=2)), axis=2)
    with np.errstate(invalid="ignore"):
        overall = _mean(by_class)
        sizes = _mean(precision[:, :, 1:].mean(axis=3))
    return np.concatenate((overall, sizes, by_class.reshape(len(precision), -1)), axis=1)


def count_needed(table: MatchTable, figures: Figures, groups: Sequence[str] | None = None) -> Needed:
    """How many images like these the split would need where its intervals cannot be relied on.

    Args:
        table: the matches.
        figures: of them.
        groups: of each image; it is they that count then.
    """
    images = len(table.images)
    members = np.arange(images) if groups is None else np.unique(np.array(groups), return_inverse=True)[1]

    def scale(chosen: NDArray[np.bool_], figure: Figure) -> int:
        least = count_enough(LEAST_IMAGES_OF_CLASS, figure.value)
        return scale_up(images, len(np.unique(members[table.box_image[chosen]])), least)

    classes = {
        name: scale((table.box_kind == number) & (table.boxes[:, 0] > 0), figures.classes[name]["mAP50-95"])
        for number, name in enumerate(table.classes)
        if name in figures.classes
    }
    sizes = {
        name: scale(table.boxes[:, number] > 0, figures.sizes[name])
        for number, name in enumerate(AREAS)
        if name in figures.sizes
    }
    overall = figures.overall.get("mAP50-95")
    return Needed(
        split=scale_up(images, len(np.unique(members)), count_enough(LEAST_IMAGES, overall.value if overall else 0)),
        classes={name: count for name, count in classes.items() if count},
        sizes={name: count for name, count in sizes.items() if count},
    )


def count_enough(least: int, score: float) -> int:
    """Images that an interval needs: of weights that miss hardly anything more, so that some misses are among them.

    Args:
        least: for a usual score.
        score: mAP50-95. A perfect one has no interval, which no number of images would change.
    """
    return least if score == 1 else max(least, math.ceil(round(_MISSES / (1 - score), 6)))


def scale_up(images: int, have: int, least: int) -> int:
    """Images of which ``least`` would be such as ``have`` are of these; 0 where there are enough, or none."""
    return -(-least * images // have) if 0 < have < least else 0


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over axis 1 of what is not NaN; NaN where all is."""
    known = ~np.isnan(values)
    means: NDArray[np.float64] = np.where(known, values, 0).sum(axis=1) / known.sum(axis=1)
    return means
