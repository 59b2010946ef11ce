"""A figure that several seeds gave on one sample of images, with an interval that holds both sources of chance.

Another sample of images would give another figure: that is the variance of the bootstrap's resamples. Another
seed would, too: that is the variance between the seeds, divided by their number. The two are added, and the
degrees of freedom of Student's t distribution are those of the sum (F. E. Satterthwaite, An Approximate
Distribution of Estimates of Variance Components, 1946). What images and seeds do together is in both, so the
interval errs on the wide side. Resampling seeds instead would be too narrow: of three, a resample holds few.
"""

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from steelyard.scoring.bootstrap import LEVEL


class Estimate(BaseModel):
    """A mean over seeds.

    Attributes:
        value: of all images, mean over seeds.
        low: of the 95 % interval; None where there is none: a single group of images, or nothing that moves.
        high: the same.
        images_error: standard error that comes from the sample of images.
        seeds_error: the one that comes from the seeds; None for a single seed, whose interval holds images only.
        by_seed: the figure of each seed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float
    low: float | None
    high: float | None
    images_error: float
    seeds_error: float | None
    by_seed: tuple[float, ...]


def estimate(points: NDArray[np.float64], resampled: NDArray[np.float64], groups: int, least: float) -> Estimate | None:
    """Estimate a figure, or a difference of two.

    Args:
        points: shape (seeds,), of all images.
        resampled: shape (seeds, resamples), of the same resamples for each seed; NaN where one has no box.
        groups: of images that are drawn together; images, where there are no groups.
        least: that the figure can be: 0, or -1 for a difference; the interval ends there, and at 1.

    Returns:
        None where there is no figure (no box at all).
    """
    from scipy.special import stdtrit  # heavy: 0.1 s

    if np.isnan(points).any():
        return None
    seeds = len(points)
    means = resampled.mean(axis=0)
    means = means[~np.isnan(means)]
    # A bootstrap's variance lacks the factor between n and n - 1.
    by_images = float(means.var()) * groups / (groups - 1) if groups > 1 and len(means) else 0.0
    by_seeds = float(points.var(ddof=1)) / seeds if seeds > 1 else 0.0
    value, variance = float(points.mean()), by_images + by_seeds
    low = high = None
    if variance > 0 and groups > 1:
        freedom = variance**2 / (by_images**2 / (groups - 1) + by_seeds**2 / max(seeds - 1, 1))
        reach = float(stdtrit(freedom, (1 + LEVEL) / 2)) * variance**0.5
        low, high = round(max(value - reach, least), 6), round(min(value + reach, 1), 6)
    return Estimate(
        value=round(value, 6),
        low=low,
        high=high,
        images_error=round(by_images**0.5, 6),
        seeds_error=round(by_seeds**0.5, 6) if seeds > 1 else None,
        by_seed=tuple(round(float(point), 6) for point in points),
    )
