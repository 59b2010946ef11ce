"""How sure a figure is: the bootstrap over images.

A split is a sample of the images that the weights will meet. Resamples of it, drawn with replacement,
show how far a figure would move if others had been drawn.

The interval is BCa, bias-corrected and accelerated (B. Efron, Better Bootstrap Confidence Intervals, 1987),
with its quantiles put farther out for few images (T. Hesterberg, What Teachers Should Know about the
Bootstrap, 2015, section 5.2: percentiles are too narrow by the factor between the normal and Student's t
distribution), and with half of the bias correction: images that are drawn twice flatter average precision
a little, which the split itself does not. ``benchmarks/coverage.py`` counts how often it holds what is true.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
LEVEL = 0.95
_BIAS = 0.5  # all of it leaves 92 % for near perfect weights, none 93 % for a rare class on 50 images
_MOST_BLOCKS = 200  # left out one at a time; more say the same of the skewness


def draw_weights(
    images: int, seed: int, resamples: int = RESAMPLES, groups: Sequence[str] | None = None
) -> NDArray[np.float32]:
    """Draw resamples of a split.

    Args:
        images: of the split, at least one.
        seed: the same one draws the same.
        resamples: how many.
        groups: of each image; those of one group (the frames of a video, the tiles of a photograph)
            are alike, so that whole groups are drawn. None: each image is one.

    Returns:
        Shape (resamples, images): how often each image is in each resample.
    """
    members, count = _number(images, groups)
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    weights: NDArray[np.float32] = drawn[:, members].astype(np.float32)
    return weights


def leave_out(images: int, seed: int, groups: Sequence[str] | None = None) -> NDArray[np.float32]:
    """The split without one group at a time; of more than 200 groups, without one of 200 blocks of them.

    Returns:
        Shape (groups or blocks, images): 0 for the images that are left out, else 1.
    """
    members, count = _number(images, groups)
    blocks = np.arange(count)
    if count > _MOST_BLOCKS:
        blocks = np.random.default_rng(seed).permutation(count) % _MOST_BLOCKS
    weights: NDArray[np.float32] = (np.arange(blocks.max() + 1)[:, None] != blocks[members]).astype(np.float32)
    return weights


def estimate_intervals(
    points: NDArray[np.float64],
    resampled: NDArray[np.float64],
    without: NDArray[np.float64],
    groups: int,
    level: float = LEVEL,
) -> NDArray[np.float64]:
    """Confidence intervals of figures.

    Args:
        points: shape (figures,), of the split itself.
        resampled: shape (resamples, figures); NaN where a resample has no box to score.
        without: shape (blocks, figures), see :func:`leave_out`; NaN likewise.
        groups: number of groups of the split (images, where there are no groups).
        level: of confidence, 0 to 1.

    Returns:
        Shape (figures, 2): low and high; NaN where there is no point, no resample with one, or only one group.
    """
    from scipy.special import ndtr, ndtri, stdtrit  # heavy: 0.1 s

    found = np.full((len(points), 2), np.nan)
    if groups < 2:
        return found
    far = np.sqrt(groups / (groups - 1)) * stdtrit(groups - 1, (1 + level) / 2)
    tails = np.array([-far, far])
    for number, point in enumerate(points):
        values = resampled[:, number]
        values = values[~np.isnan(values)]
        if np.isnan(point) or not len(values):
            continue
        bias, skew = _BIAS * ndtri(_share_below(values, point)), _skew(without[:, number])
        found[number] = np.quantile(values, ndtr(bias + (bias + tails) / (1 - skew * (bias + tails))))
    return found


def estimate_p_values(
    points: NDArray[np.float64],
    resampled: NDArray[np.float64],
    without: NDArray[np.float64],
    groups: int,
    limit: float | NDArray[np.float64],
) -> NDArray[np.float64]:
    """How well the images fit with figures that are truly at the limit or above it.

    The interval turned round: where the one-sided interval of level 1 - p ends just at the limit. No
    smaller than one resample can tell.

    Args:
        points: as in :func:`estimate_intervals`.
        resampled: the same.
        without: the same.
        groups: the same.
        limit: of all figures, or shape (figures,).

    Returns:
        Shape (figures,), 0 to 1; NaN as in :func:`estimate_intervals`.
    """
    from scipy.special import ndtri, stdtr  # heavy: 0.1 s

    found = np.full(len(points), np.nan)
    if groups < 2:
        return found
    limits = np.broadcast_to(limit, points.shape)
    for number, point in enumerate(points):
        values = resampled[:, number]
        values = values[~np.isnan(values)]
        if np.isnan(point) or not len(values):
            continue
        bias, skew = _BIAS * ndtri(_share_below(values, point)), _skew(without[:, number])
        away = ndtri(_share_below(values, limits[number])) - bias
        deviations = away / (1 + skew * away) - bias
        found[number] = stdtr(groups - 1, -deviations / np.sqrt(groups / (groups - 1)))
    return found


def find_broken(p_values: NDArray[np.float64], level: float = 1 - LEVEL) -> NDArray[np.bool_]:
    """Which of several hypotheses fall, so that in 95 of 100 cases none falls wrongly.

    S. Holm, A Simple Sequentially Rejective Multiple Test Procedure, 1979.

    Args:
        p_values: shape (hypotheses,); NaN never falls.
        level: share of cases in which a true one may fall.
    """
    order = np.argsort(np.where(np.isnan(p_values), np.inf, p_values), kind="stable")
    tests = int((~np.isnan(p_values)).sum())
    falls = np.zeros(len(p_values), np.bool_)
    for place, number in enumerate(order[:tests]):
        if p_values[number] > level / (tests - place):
            break
        falls[number] = True
    return falls


def _share_below(values: NDArray[np.float64], point: float) -> float:
    """Of the resampled values, half of the equal ones with them; neither 0 nor 1."""
    below = np.mean(values < point) + np.mean(values == point) / 2
    return float(np.clip(below, 1 / len(values), 1 - 1 / len(values)))


def _skew(left: NDArray[np.float64]) -> float:
    """Of a figure, by what the groups that are left out change: the acceleration of BCa."""
    moves = np.nanmean(left) - left[~np.isnan(left)] if not np.isnan(left).all() else np.zeros(1)
    spread = float((moves**2).sum()) ** 1.5
    return float((moves**3).sum()) / (6 * spread) if spread else 0.0


def _number(images: int, groups: Sequence[str] | None) -> tuple[NDArray[np.int64], int]:
    """The number of each image's group, and how many groups there are."""
    if groups is None:
        return np.arange(images), images
    names, members = np.unique(np.array(groups), return_inverse=True)
    return members, len(names)
