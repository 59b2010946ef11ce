"""Curves of several seeds: their mean with its interval, and when they reach a target."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from steelyard.scoring.bootstrap import LEVEL

Curve = NDArray[np.float64]


def average_curves(curves: Sequence[Sequence[float]]) -> tuple[Curve, Curve | None, Curve | None]:
    """Mean over seeds, with its 95 % t-interval at each epoch.

    Args:
        curves: one for each seed, values from 0 to 1; a longer one is cut to the shortest.

    Returns:
        mean, low and high, each of shape (epochs,), 0 to 1; low and high are None for a single seed.
    """
    from scipy.special import stdtrit  # heavy: 0.1 s

    shortest = min(len(curve) for curve in curves)
    values = np.array([curve[:shortest] for curve in curves])
    mean: Curve = values.mean(axis=0)
    count = len(values)
    if count < 2:
        return mean, None, None
    reach = stdtrit(count - 1, (1 + LEVEL) / 2) * values.std(axis=0, ddof=1) / np.sqrt(count)
    return mean, np.clip(mean - reach, 0, 1), np.clip(mean + reach, 0, 1)


def find_target(means: Sequence[Curve], share: float) -> float | None:
    """A share of the best mean of all arms and epochs; None where nothing was learned."""
    best = max(float(mean.max()) for mean in means)
    return share * best if best > 0 else None


def find_epoch(curve: Sequence[float], target: float) -> int | None:
    """The first epoch (1 is the first) with at least the target; None where there is none."""
    return next((epoch for epoch, value in enumerate(curve, start=1) if value >= target), None)
