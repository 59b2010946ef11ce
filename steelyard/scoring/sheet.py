"""A contact sheet: the best, median and worst pictures of a split, ground truth beside predictions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from PIL import Image, ImageOps

from steelyard.scoring.boxes import Boxes
from steelyard.scoring.matches import CONFIDENCE, IOU, Matches
from steelyard.scoring.plots import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Apart in hue and in brightness, and from grass, blood and tables; what went wrong is dashed, too.
_FOUND, _MISSED, _HIT, _FALSE = "#56c1ff", "#ff4fb0", "#ffe94a", "#ff6b1a"
_PANEL_INCHES = 3.3
_LABEL_INCHES = 0.62


def choose(ranked: Sequence[Matches], count: int) -> dict[str, list[Matches]]:
    """The best, median and worst pictures; none stands in two groups.

    Args:
        ranked: from best to worst.
        count: how many for each group; where there are too few pictures the best come first, then
            the worst.

    Returns:
        By group name, each from better to worse; without the groups that stay empty.
    """
    best = list(ranked[:count])
    rest = list(ranked[count:])
    worst = rest[-count:] if count else []
    middle = rest[: len(rest) - len(worst)]
    # The median of all, not of the middle; the groups at both ends are equally long, or it is empty.
    start = max(0, (len(middle) - count + 1) // 2)
    groups = {"best": best, "median": middle[start : start + count], "worst": worst}
    return {name: group for name, group in groups.items() if group}


def draw_sheet(groups: dict[str, list[Matches]], classes: Sequence[str], title: str) -> "Figure":
    """Draw the pictures, two pairs to a row: left the boxes that people drew, right the detections.

    Args:
        groups: from :func:`choose`, not empty.
        classes: the class names; they stand at the boxes when there are several.
        title: stands above it.
    """
    from matplotlib.figure import Figure  # heavy: 0.5 s
    from matplotlib.lines import Line2D

    pairs = min(2, max(len(group) for group in groups.values()))
    rows = [
        (name, group[start : start + pairs]) for name, group in groups.items() for start in range(0, len(group), pairs)
    ]
    width = _LABEL_INCHES + 2 * pairs * _PANEL_INCHES
    heights = [_PANEL_INCHES * max(_aspect(each) for each in row) + 0.32 for _, row in rows]
    head = 0.92
    figure = Figure(figsize=(width, sum(heights) + head), dpi=110)
    total = sum(heights) + head
    figure.text(0.5, 1 - 0.24 / total, title, ha="center", va="center", fontsize=13, fontweight="bold", color=INK)
    entries: tuple[tuple[str, str, Literal["-", "--"]], ...] = (
        ("ground truth, found", _FOUND, "-"),
        ("ground truth, missed", _MISSED, "--"),
        ("prediction, right", _HIT, "-"),
        ("prediction, wrong", _FALSE, "--"),
    )
    legend = figure.legend(
        [Line2D([], [], color=color, linestyle=style, linewidth=2.5) for _, color, style in entries],
        [label for label, _, _ in entries],
        title=f"confidence above {CONFIDENCE:g}, IoU above {IOU:g}",
        loc="center",
        bbox_to_anchor=(0.5, 1 - 0.62 / total),
        ncols=4 if pairs == 2 else 2,
        fontsize=8,
        title_fontsize=8,
        frameon=False,
        handlelength=3.2,
    )
    legend.get_title().set_color(INK)
    top = total - head
    for (name, row), height in zip(rows, heights, strict=True):
        figure.text(
            0.2 / width,
            (top - height / 2) / total,
            name,
            rotation=90,
            ha="center",
            va="center",
            fontsize=12,
            fontweight="bold",
            color=INK,
        )
        for place, each in enumerate(row):
            left = _LABEL_INCHES / 2 + 2 * place * _PANEL_INCHES
            for side in (0, 1):
                panel = figure.add_axes(
                    (
                        (left + side * _PANEL_INCHES + 0.04) / width,
                        (top - height + 0.03) / total,
                        (_PANEL_INCHES - 0.08) / width,
                        (height - 0.3) / total,
                    )
                )
                _draw_panel(panel, each, classes, predictions=bool(side))
        top -= height
    return figure


def _draw_panel(axes: "Axes", each: Matches, classes: Sequence[str], predictions: bool) -> None:
    with Image.open(each.picture.path) as image:
        axes.imshow(ImageOps.exif_transpose(image).convert("RGB"), interpolation="antialiased")
    limits = axes.get_xlim(), axes.get_ylim()
    if predictions:
        _draw_boxes(axes, each.false, classes, _FALSE, "--", confidences=True)
        _draw_boxes(axes, each.hits, classes, _HIT, "-", confidences=True)
        text = f"{len(each.hits)} right, {len(each.false)} wrong, F1 {each.f1:.2f}"
    else:
        missed = {tuple(corners) for corners in each.missed.corners.tolist()}
        truth = each.picture.truth
        is_missed = [tuple(corners) in missed for corners in truth.corners.tolist()]
        found = [not one for one in is_missed]
        _draw_boxes(axes, truth.keep(found), classes, _FOUND, "-", confidences=False)
        _draw_boxes(axes, truth.keep(is_missed), classes, _MISSED, "--", confidences=False)
        text = f"{_shorten(each.picture.path.stem)}: {len(truth)} boxes, {len(each.missed)} missed"
    axes.set_title(text, fontsize=8, color=INK, pad=3)
    axes.set(xlim=limits[0], ylim=limits[1])
    axes.set_axis_off()


def _draw_boxes(axes: "Axes", boxes: Boxes, classes: Sequence[str], color: str, style: str, confidences: bool) -> None:
    from matplotlib.patches import Rectangle  # heavy: 0.5 s

    for (left, top, right, bottom), index, confidence in zip(
        boxes.corners, boxes.classes, boxes.confidences, strict=True
    ):
        axes.add_patch(
            Rectangle(
                (left, top),
                right - left,
                bottom - top,
                fill=False,
                edgecolor=color,
                linestyle=style,
                linewidth=1.3,
            )
        )
        words = [classes[index]] if len(classes) > 1 else []
        words += [f"{confidence:.2f}"] if confidences else []
        if words:
            axes.text(
                left,
                top,
                " ".join(words),
                fontsize=5.5,
                color="black",
                va="bottom",
                clip_on=True,
                bbox={"facecolor": color, "edgecolor": "none", "pad": 0.6, "alpha": 0.8},
            )


def _aspect(each: Matches) -> float:
    """Height over width of the picture, kept within 1:2 and 2:1 so that no row runs away."""
    with Image.open(each.picture.path) as image:
        width, height = ImageOps.exif_transpose(image).size
    return min(max(height / width, 0.5), 2.0)


def _shorten(name: str, most: int = 26) -> str:
    return name if len(name) <= most else f"{name[:8]}...{name[-(most - 11) :]}"
