"""The reliability diagram: confidence against truth."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from steelyard.scoring.calibration import EDGES, Reliability
from steelyard.scoring.plots import FAINT, INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_RIGHT, _COUNT = "#2f7ebc", "#c9d3dd"


def draw_reliability(reliability: Mapping[str, Reliability], title: str) -> "Figure":
    """The share of right detections over their confidence, one panel per split, and how many there are of each.

    Args:
        reliability: by split.
        title: stands above it.
    """
    from matplotlib.figure import Figure  # heavy: 0.5 s

    figure = Figure(figsize=(5.2 * len(reliability), 5.6), dpi=110, layout="constrained")
    figure.suptitle(title, color=INK, fontsize=13, fontweight="bold")
    panels = figure.subplots(2, len(reliability), squeeze=False, sharex=True, height_ratios=(4, 1))
    for (above, below), (split, each) in zip(panels.T, reliability.items(), strict=True):
        _draw_shares(above, each)
        error = "no detection above it" if each.error is None else f"calibration error {each.error.value:.3f}"
        above.set_title(f"{split}: {error}", color=INK, fontsize=11)
        below.bar(EDGES[:-1], each.counts, np.diff(EDGES), align="edge", color=_COUNT, edgecolor="white")
        below.set(xlabel="confidence", ylabel="detections", xlim=(0, 1))
        for axes in (above, below):
            axes.spines[["top", "right"]].set_visible(False)
    return figure


def _draw_shares(axes: "Axes", each: Reliability) -> None:
    axes.plot([0, 1], [0, 1], color=FAINT, linestyle="--", linewidth=1)
    axes.text(0.98, 0.03, "below the line: overconfident", ha="right", color="#68727d", fontsize=8)
    filled = each.counts > 0
    low, high = (np.nan_to_num(bound, nan=0) for bound in (each.bounds[:, 0], each.bounds[:, 1]))
    has_bounds = ~np.isnan(each.bounds[:, 0])
    reach = np.where(has_bounds, [each.shares - low, high - each.shares], 0)[:, filled]
    axes.errorbar(
        each.confidences[filled],
        each.shares[filled],
        yerr=np.maximum(reach, 0),
        fmt="o-",
        color=_RIGHT,
        ecolor=_RIGHT,
        elinewidth=1.2,
        capsize=3,
        markersize=5,
        linewidth=1.4,
    )
    axes.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="share that is right, at IoU 0.5")
