"""Two match tables of the same images, figure by figure: a paired bootstrap.

Both are resampled together, so that what makes an image hard for both cancels out: the interval of a
difference is much narrower than the two intervals of the figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steelyard.gate.swaps import find_p_values
from steelyard.scoring.average_precision import average_precision
from steelyard.scoring.bootstrap import RESAMPLES, draw_weights, estimate_intervals, estimate_p_values, leave_out
from steelyard.scoring.calibration import calibration_error
from steelyard.scoring.figures import LEAST_IMAGES, LEAST_IMAGES_OF_CLASS, SEED, list_figures
from steelyard.scoring.match_table import AREAS, MatchTable

POWER = 0.8
CONFIDENCE = 0.95
"""Of every rule, one-sided."""


@dataclass(frozen=True)
class Comparison:
    """Candidate minus champion.

    Attributes:
        names: of the figures: mAP50, mAP50-95, the sizes, the classes (mAP50-95), "calibration".
        candidate: shape (figures,).
        champion: shape (figures,).
        bounds: shape (figures, 2), 95 % interval of the difference.
        bounds_one_sided: shape (figures, 2): the bound that it lies above, and the one that it lies
            below, with 95 % confidence each.
        images: shape (figures,): images (or groups of them) that show such a box.
        needed: shape (figures,): how many of these an interval needs to be relied on.
        spread: standard error of the difference in mAP50-95.
        p_values: of a gain in mAP50-95 at least as high as this one between models that are equally good, and of
            one at most as high.
        groups: images, or groups of images that are alike.
        is_grouped: whether there are fewer groups than images.
        is_same: whether both find just the same, with the same confidences.
    """

    names: tuple[str, ...]
    candidate: NDArray[np.float64]
    champion: NDArray[np.float64]
    bounds: NDArray[np.float64]
    bounds_one_sided: NDArray[np.float64]
    images: NDArray[np.int64]
    needed: NDArray[np.int64]
    spread: float
    p_values: tuple[float, float]
    groups: int
    is_grouped: bool
    is_same: bool
    resampled: NDArray[np.float64]
    without: NDArray[np.float64]

    def find_p_values(self, limit: float, chosen: Sequence[int]) -> NDArray[np.float64]:
        """How well the images fit with the chosen differences being truly at the limit or above."""
        return estimate_p_values(
            (self.candidate - self.champion)[chosen],
            self.resampled[:, chosen],
            self.without[:, chosen],
            self.groups,
            limit,
        )

    def find_smallest_gain(self) -> float | None:
        """True difference in mAP50-95 whose one-sided bound lies above zero in 80 of 100 such comparisons.

        The usual power of a test of a mean: the standard error times the sum of both quantiles of
        Student's t distribution.
        """
        from scipy.special import stdtrit  # heavy: 0.1 s

        if self.groups < 2 or not self.spread > 0:
            return None
        return float(self.spread * (stdtrit(self.groups - 1, CONFIDENCE) + stdtrit(self.groups - 1, POWER)))


def compare(
    candidate: MatchTable, champion: MatchTable, groups: Sequence[str] | None = None, resamples: int = RESAMPLES
) -> Comparison:
    """Compare two match tables of the same images and classes, in the same order.

    Args:
        candidate: of the version that is weighed.
        champion: of the one that it may replace.
        groups: of each image, where several are alike; see ``bootstrap.draw_weights``.
        resamples: how many.

    Raises:
        ValueError: images or classes differ.
    """
    if (candidate.images, candidate.classes) != (champion.images, champion.classes):
        raise ValueError("both tables must be of the same images and classes, in the same order")
    images = len(candidate.images)
    members = np.arange(images) if groups is None else np.unique(np.array(groups), return_inverse=True)[1]
    count = len(np.unique(members))
    names = ("mAP50", "mAP50-95", *list(AREAS)[1:], *candidate.classes, "calibration")
    ones = np.ones((1, images), np.float32)
    resampled, without = draw_weights(images, SEED, resamples, groups), leave_out(images, SEED, groups)
    ours, theirs = ([_measure(table, rows) for rows in (ones, resampled, without)] for table in (candidate, champion))
    points, moved, left = (one - other for one, other in zip(ours, theirs, strict=True))
    map50_95 = moved[:, 1][~np.isnan(moved[:, 1])]
    return Comparison(
        names=names,
        candidate=ours[0][0],
        champion=theirs[0][0],
        bounds=estimate_intervals(points[0], moved, left, count),
        bounds_one_sided=estimate_intervals(points[0], moved, left, count, level=2 * CONFIDENCE - 1),
        images=_count_images(candidate, members),
        needed=np.array(
            [LEAST_IMAGES] * 2 + [LEAST_IMAGES_OF_CLASS] * (len(AREAS) - 1 + len(candidate.classes)) + [LEAST_IMAGES]
        ),
        spread=float(map50_95.std() * np.sqrt(count / (count - 1))) if count > 1 and len(map50_95) else 0.0,
        p_values=find_p_values(candidate, champion, [str(member) for member in members], SEED),
        groups=count,
        is_grouped=count < images,
        is_same=_find_same(candidate, champion),
        resampled=moved,
        without=left,
    )


def restrict(table: MatchTable, images: Sequence[str], classes: Sequence[str]) -> MatchTable:
    """The part of a match table that is of some images and classes, in the given order.

    Args:
        table: of a split.
        images: among those of the table.
        classes: the same.
    """
    image_places = _renumber(table.images, images)
    kind_places = _renumber(table.classes, classes)
    kept = (image_places[table.image] >= 0) & (kind_places[table.kind] >= 0)
    drawn = (image_places[table.box_image] >= 0) & (kind_places[table.box_kind] >= 0)
    return MatchTable(
        images=tuple(images),
        classes=tuple(classes),
        image=image_places[table.image[kept]],
        kind=kind_places[table.kind[kept]],
        confidence=table.confidence[kept],
        rank=table.rank[kept],
        hits=table.hits[kept],
        ignored=table.ignored[kept],
        box_image=image_places[table.box_image[drawn]],
        box_kind=kind_places[table.box_kind[drawn]],
        boxes=table.boxes[drawn],
        corners=None if table.corners is None else table.corners[kept],
    )


def _measure(table: MatchTable, weights: NDArray[np.float32]) -> NDArray[np.float64]:
    """Shape (rows, figures), in the order of Comparison.names."""
    figures = list_figures(average_precision(table, weights))
    sizes = 2 + len(AREAS) - 1
    return np.concatenate(
        (figures[:, :sizes], figures[:, sizes + 1 :: 2], calibration_error(table, weights)[:, None]), axis=1
    )


def _count_images(table: MatchTable, members: NDArray[np.int64]) -> NDArray[np.int64]:
    def count(chosen: NDArray[np.bool_]) -> int:
        return len(np.unique(members[table.box_image[chosen]]))

    split = len(np.unique(members))
    sizes = [count(table.boxes[:, number] > 0) for number in range(1, len(AREAS))]
    classes = [count((table.box_kind == number) & (table.boxes[:, 0] > 0)) for number in range(len(table.classes))]
    return np.array([split, split, *sizes, *classes, split])


def _find_same(one: MatchTable, other: MatchTable) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in ("image", "kind", "confidence", "hits")
    )


def _renumber(names: Sequence[str], wanted: Sequence[str]) -> NDArray[np.int32]:
    """For each name its place among the wanted ones, or -1."""
    places = {name: place for place, name in enumerate(wanted)}
    return np.array([places.get(name, -1) for name in names], np.int32)
