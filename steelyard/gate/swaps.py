"""Whether a gain, or a loss, may be luck: a permutation test.

Of two equally good models it is luck which of them did better on an image. So both change places on
images drawn by lot, and the gain is measured again: where the images bear many gains as high as the true
assignment's, it says nothing. The level is exact for any number of images, where the bootstrap is bold on
few of them and on rare classes (J. Hemerik, J. Goeman, Exact Testing with Random Permutations, 2018).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.scoring.average_precision import average_precision
from steelyard.scoring.match_table import MatchTable

SWAPS = 1000
MOST_LUCK = 0.035
"""Less than 5 %, so that of 1,000 equally good models at most 50 are promoted, the chance of such a count included."""
_COLUMNS = ("kind", "confidence", "rank", "hits", "ignored")


def find_p_values(
    candidate: MatchTable, champion: MatchTable, groups: Sequence[str], seed: int, swaps: int = SWAPS
) -> tuple[float, float]:
    """Share of swaps in which the gain in mAP50-95 is at least the candidate's over the champion, and at most it.

    Args:
        candidate: of the version that is weighed.
        champion: of the same images and classes, in the same order.
        groups: of each image; images of one group change places together.
        seed: the same one draws the same.
        swaps: how many, the true assignment among them; each counts with its opposite.

    Returns:
        0 to 1, at least 1 / (2 * swaps): one-sided p-values of a gain and of a loss; NaN where there is no box.
    """
    members = np.unique(np.array(groups), return_inverse=True)[1]
    stays = np.random.default_rng(seed).random((swaps, members.max() + 1))[:, members] < 0.5
    stays[0] = True
    both = _lay_side_by_side(candidate, champion)

    def measure(is_first: NDArray[np.bool_]) -> NDArray[np.float64]:
        precision = average_precision(both, np.concatenate((is_first, ~is_first), axis=1).astype(np.float32))[:, :, 0]
        known = ~np.isnan(precision).any(axis=(0, 2))
        means: NDArray[np.float64] = precision[:, known].mean(axis=(1, 2)) if known.any() else np.full(swaps, np.nan)
        return means

    gains = measure(stays) - measure(~stays)
    if np.isnan(gains[0]):
        return np.nan, np.nan
    both_ways, digit = np.concatenate((gains, -gains)), 1e-12  # another order of summing differs in the last digit
    return float(np.mean(both_ways >= gains[0] - digit)), float(np.mean(both_ways <= gains[0] + digit))


def _lay_side_by_side(one: MatchTable, other: MatchTable) -> MatchTable:
    """Every image twice, once with the detections of each; boxes of all sizes only, so that nothing else is scored."""
    images = len(one.images)
    image = np.concatenate((one.image, other.image + images))
    # Of equal confidences the order must not tell who found them.
    order = np.argsort(image % images, kind="stable")
    columns: dict[str, Any] = {
        name: np.concatenate((getattr(one, name), getattr(other, name)))[order] for name in _COLUMNS
    }
    boxes = np.concatenate((one.boxes, one.boxes))
    boxes[:, 1:] = 0
    return replace(
        one,
        images=(*one.images, *(f"{name} again" for name in one.images)),
        image=image[order],
        box_image=np.concatenate((one.box_image, one.box_image + images)),
        box_kind=np.concatenate((one.box_kind, one.box_kind)),
        boxes=boxes,
        corners=None,
        **columns,
    )
