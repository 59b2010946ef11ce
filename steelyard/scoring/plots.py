"""The plots of one validation: precision over recall, and the confusion matrix.

Figures are made without pyplot, so that nothing global is touched, and saved without version or
date, so that the same numbers give the same bytes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from steelyard.scoring.average_precision import RECALLS
from steelyard.scoring.coco import CocoScores
from steelyard.scoring.matches import CONFIDENCE, IOU
from steelyard.scoring.tables import BACKGROUND

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, FAINT = "#222222", "#b8bec6"
_MOST_LINES = 8
_MOST_NUMBERS = 20


def draw_pr(scores: Mapping[str, CocoScores], title: str) -> "Figure":
    """Precision over recall at IoU 0.5, one panel per split.

    Up to 8 classes have a colour each; of more only the mean is named. A dot marks the best F1 of
    each class, the point whose precision and recall are reported.
    """
    from matplotlib.figure import Figure  # heavy: 0.5 s

    figure = Figure(figsize=(5.2 * len(scores), 5.2), dpi=110, layout="constrained")
    figure.suptitle(title, color=INK, fontsize=13, fontweight="bold")
    panels = figure.subplots(1, len(scores), squeeze=False)[0]
    for axes, (split, each) in zip(panels, scores.items(), strict=True):
        _draw_f1_lines(axes)
        _draw_curves(axes, each)
        map50 = "no boxes" if each.overall.map50 is None else f"mAP50 {each.overall.map50:.3f}"
        axes.set_title(f"{split}: {map50}, {each.overall.boxes} boxes", color=INK, fontsize=11)
        axes.set(xlim=(0, 1.005), ylim=(0, 1.02), xlabel="recall", ylabel="precision", aspect="equal")
        axes.spines[["top", "right"]].set_visible(False)
        if each.curves:
            axes.legend(loc="lower left", fontsize=8, framealpha=0.9, edgecolor="none")
    return figure


def draw_confusion(counts: NDArray[np.int64], classes: Sequence[str], title: str) -> "Figure":
    """The confusion matrix, actual by predicted: counts, shaded by their share of each actual class.

    Background has no share: nobody can count the places where nothing is. Of more than 20 classes only
    those that occur, as actual or as predicted, are drawn.

    Args:
        counts: shape (classes + 1, classes + 1), predicted by actual; the last is background.
        classes: the class names.
        title: stands above it.
    """
    from matplotlib.figure import Figure  # heavy: 0.5 s

    about = f"confidence above {CONFIDENCE:g}, IoU above {IOU:g}"
    if len(classes) > _MOST_NUMBERS:
        occurring = [index for index in range(len(classes)) if counts[index].any() or counts[:, index].any()]
        about += f"; the {len(occurring)} of {len(classes)} classes that occur"
        classes = [classes[index] for index in occurring]
        counts = counts[np.ix_([*occurring, -1], [*occurring, -1])]
    by_actual = counts.T
    shares = by_actual / np.maximum(by_actual.sum(axis=1, keepdims=True), 1)
    shares[-1] = 0
    names = [*classes, BACKGROUND]
    side = float(np.clip(3.2 + 0.75 * len(names), 4.8, 15))
    figure = Figure(figsize=(side, side), dpi=110, layout="constrained")
    figure.suptitle(title, color=INK, fontsize=13, fontweight="bold")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_title(about, color=INK, fontsize=9)
    size = 9 if len(classes) <= _MOST_NUMBERS else 6
    axes.set_xticks(range(len(names)), names, fontsize=size)
    if len(names) > 3:
        for label in axes.get_xticklabels():
            label.set(rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names, fontsize=size)
    axes.set(xlabel="predicted", ylabel="actual")
    axes.tick_params(length=0)
    axes.set_xticks(np.arange(len(names) - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(len(names) - 1) + 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=2)
    axes.tick_params(which="minor", length=0)
    axes.spines[:].set_visible(False)
    if len(classes) <= _MOST_NUMBERS:
        for (row, column), count in np.ndenumerate(by_actual):
            share = f"\n{shares[row, column]:.0%}" if count and row < len(classes) else ""
            axes.text(
                column,
                row,
                "" if row == column == len(classes) else f"{count}{share}",
                ha="center",
                va="center",
                fontsize=9,
                color="white" if shares[row, column] > 0.55 else INK,
            )
    return figure


def save_figure(figure: "Figure", path: Path) -> None:
    """Write a figure as PNG, the same bytes for the same figure."""
    figure.savefig(path, format="png", metadata={"Software": None})


def _draw_curves(axes: "Axes", scores: CocoScores) -> None:
    few = len(scores.curves) <= _MOST_LINES
    for index, (name, curve) in enumerate(scores.curves.items()):
        each = scores.classes[name]
        color = f"C{index}" if few else FAINT
        axes.plot(
            RECALLS,
            curve,
            color=color,
            linewidth=1.8 if few else 0.8,
            label=f"{name}  {each.map50:.3f}" if few else None,
        )
        if each.recall is not None and each.precision is not None:
            axes.plot(each.recall, each.precision, "o", color=color, markersize=6 if few else 3)
    if len(scores.curves) > 1:
        mean = np.mean(list(scores.curves.values()), axis=0)
        label = f"mean of {len(scores.curves)} classes  {scores.overall.map50:.3f}"
        axes.plot(RECALLS, mean, color=INK, linewidth=2.2, linestyle="--" if few else "-", label=label)


def _draw_f1_lines(axes: "Axes") -> None:
    for f1 in (0.2, 0.4, 0.6, 0.8):
        recall = np.linspace(f1 / (2 - f1), 1, 60)
        axes.plot(recall, f1 * recall / (2 * recall - f1), color="#e4e7eb", linewidth=0.8, zorder=0)
        axes.text(0.995, f1 / (2 - f1), f"F1 {f1:g}", ha="right", va="bottom", fontsize=7, color="#9aa1a9")
