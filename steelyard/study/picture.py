"""The picture of a study: scores on val over epochs and over seconds.

Made without pyplot and saved without version or date, as the plots of a validation are.
"""

import textwrap
from typing import TYPE_CHECKING

from steelyard.scoring.plots import FAINT, INK
from steelyard.study.report import ArmResult, Report
from steelyard.study.verdict import judge, show_estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's, told apart by the colour-blind as well; more arms begin anew with dashes.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_DASHES = ("-", "--", ":")


def draw_picture(report: Report) -> "Figure":
    """Two panels; a thin line for each seed, a thick one for the mean, a band for its 95 % t-interval."""
    from matplotlib.figure import Figure  # heavy: 0.5 s
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(11, 5.4), dpi=110, layout="constrained")
    figure.suptitle("\n".join(textwrap.wrap(judge(report), 100)), color=INK, fontsize=11, fontweight="bold")
    left, right = figure.subplots(1, 2, sharey=True)
    for number, arm in enumerate(report.arms):
        color = _COLORS[number % len(_COLORS)]
        dash = _DASHES[number // len(_COLORS) % len(_DASHES)]
        epochs = [float(epoch) for epoch in range(1, len(arm.curve.mean) + 1)]
        _draw_mean(left, arm, epochs, color, dash)
        _draw_mean(right, arm, list(arm.curve.seconds), color, dash)
        for seed in arm.seeds:
            left.plot(range(1, len(seed.curve) + 1), seed.curve, color=color, linewidth=0.7, alpha=0.6)
            right.plot(seed.seconds, seed.curve, color=color, linewidth=0.7, alpha=0.6)
    for axes in (left, right):
        axes.set_ylim(bottom=0)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#e4e7eb", linewidth=0.8)
        if report.target is not None:
            axes.axhline(report.target, color=FAINT, linewidth=1, linestyle="--")
    if report.target is not None:
        text = f"target {report.target:.3f}"
        left.annotate(text, (0.3, report.target), color="#5c6570", fontsize=8, va="bottom")
    left.set_ylabel("mAP50-95 on val (Ultralytics' validator)")
    left.set_xlabel("epochs")
    where = textwrap.fill(f"on {'; '.join(report.machines)}", 70)
    right.set_xlabel(f"seconds of training and validation\n{where}")
    count = len(report.arms[0].seeds)
    band = "; band: 95 % t-interval of the mean" if count > 1 else ""
    title = f"final mAP50-95 on {report.split} (95 % interval)\nthick: mean of {count} seeds{band}"
    legend = figure.legend(
        *left.get_legend_handles_labels(), loc="outside lower center", ncols=min(3, len(report.arms)), fontsize=9,
        title=title, title_fontsize=8, frameon=False,
    )  # fmt: skip
    legend.get_title().set_multialignment("center")
    return figure


def _draw_mean(axes: "Axes", arm: ArmResult, places: list[float], color: str, dash: str) -> None:
    label = f"{arm.name}  {show_estimate(arm.score)}"
    marker = "o" if len(places) == 1 else None  # a line of one point is none
    axes.plot(places, arm.curve.mean, color=color, linestyle=dash, linewidth=2.4, label=label, marker=marker)
    if arm.curve.low is not None and arm.curve.high is not None:
        axes.fill_between(places, arm.curve.low, arm.curve.high, color=color, alpha=0.15, linewidth=0)
