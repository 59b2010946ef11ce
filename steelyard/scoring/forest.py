"""The forest plot: mAP50-95 of a split and of its parts, each with its interval."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from steelyard.scoring.plots import INK
from steelyard.scoring.scores import ClassScores, Interval, SliceScores, SplitScores, show_interval
from steelyard.scoring.weakness import Slice, is_weak

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_USUAL, _WEAK, _FEW, _QUIET = "#2f7ebc", "#c8442e", "#9aa3ad", "#68727d"
_MOST_CLASSES = 20
_ROW_INCHES, _LABEL_INCHES, _PANEL_INCHES, _NUMBERS_INCHES = 0.22, 2.9, 3.2, 2.3
_TOP_INCHES, _BOTTOM_INCHES = 1.0, 0.6
_MOST_CHARACTERS = 38

Key = tuple[str, str]
"""Heading and name of a row."""


class _Mark(NamedTuple):
    """What stands in a row.

    Attributes:
        value: mAP50-95.
        interval: of it.
        needed: images that the split would need, None or 0 where there are enough.
        images: of the part; None: not counted.
        weak: clearly below the whole.
    """

    value: float
    interval: Interval | None
    needed: int | None
    images: int | None
    weak: bool


def draw_forest(scores: Mapping[str, SplitScores], title: str) -> "Figure":
    """One panel for each split: a row for the whole, each size, each class and each slice.

    A line marks the whole. What lies clearly below it is red, what has too few images to say is grey and
    hollow. Of more than 20 classes the 20 weakest are drawn.

    Args:
        scores: by split.
        title: stands above it.
    """
    from matplotlib.figure import Figure  # heavy: 0.5 s

    marks = {split: _list_marks(each) for split, each in scores.items()}
    places = _place([key for found in marks.values() for key in found])
    rows = max(places.values(), default=0) + 1
    height = _TOP_INCHES + _BOTTOM_INCHES + rows * _ROW_INCHES
    width = _LABEL_INCHES + len(marks) * (_PANEL_INCHES + _NUMBERS_INCHES)
    figure = Figure(figsize=(width, height), dpi=110)
    left = 0.2 / width
    figure.text(left, 1 - 0.3 / height, title, color=INK, fontsize=13, fontweight="bold", va="center")
    about = "red: clearly below the whole (dashed line); grey, hollow: too few images to say"
    figure.text(left, 1 - 0.57 / height, about, color=_QUIET, fontsize=9, va="center")
    highest = [
        each.interval.high if each.interval else each.value for found in marks.values() for each in found.values()
    ]
    for number, (split, found) in enumerate(marks.items()):
        begin = (_LABEL_INCHES + number * (_PANEL_INCHES + _NUMBERS_INCHES)) / width
        axes = figure.add_axes(
            (begin, _BOTTOM_INCHES / height, _PANEL_INCHES / width, rows * _ROW_INCHES / height),
        )
        axes.set(xlim=(0, min(1.02, max(highest, default=1) * 1.06 + 0.01)), ylim=(rows - 0.2, -0.8))
        axes.set_xlabel(f"mAP50-95 on {split}")
        _draw_panel(axes, found, places, scores[split].map50_95)
        _label(axes, places if number == 0 else {})
    return figure


def _list_marks(scores: SplitScores) -> dict[Key, _Mark]:
    """The rows of a split that have a figure, in their order."""
    whole = scores.map50_95

    def mark(part: ClassScores) -> _Mark | None:
        return _mark(part, is_weak(part.intervals.get("mAP50-95"), part.images_needed, whole))

    marks = {("whole split", "all"): mark(scores)}
    for name, size in scores.sizes.items():
        is_below = is_weak(size.interval, size.images_needed, whole)
        marks["size of boxes", name] = _Mark(size.map50_95, size.interval, size.images_needed, None, is_below)
    if len(scores.classes) > 1:
        classes = [(name, found) for name, one in scores.classes.items() if (found := mark(one))]
        for name, found in sorted(classes, key=lambda each: each[1].value)[:_MOST_CLASSES]:
            marks["class of boxes", name] = found
    for column, values in scores.slices.items():
        for value, part in values.items():
            marks[column, Slice(column, value, part).name().removeprefix(f"{column} = ")] = _mark(part, part.weak)
    return {key: found for key, found in marks.items() if found}


def _mark(scores: ClassScores | SliceScores, weak: bool) -> _Mark | None:
    if scores.map50_95 is None:
        return None
    return _Mark(scores.map50_95, scores.intervals.get("mAP50-95"), scores.images_needed, scores.images, weak)


def _place(keys: Iterable[Key]) -> dict[Key, float]:
    """How far down each row stands, in rows; the rows of one heading together, below it."""
    headings: dict[str, dict[str, None]] = {}
    for heading, name in keys:
        headings.setdefault(heading, {})[name] = None
    places, place = {}, 0.0
    for heading, names in headings.items():
        for name in names:
            places[heading, name] = place
            place += 1
        place += 1.3  # room for the next heading
    return places


def _draw_panel(axes: "Axes", marks: Mapping[Key, _Mark], places: Mapping[Key, float], whole: float | None) -> None:
    if whole is not None:
        axes.axvline(whole, color=INK, linewidth=0.9, linestyle="--", zorder=1)
    beside = axes.get_yaxis_transform()  # across in shares of the panel, down in rows
    for key, (value, interval, needed, images, is_below) in marks.items():
        place = places[key]
        color = _WEAK if is_below else _FEW if needed else _USUAL
        if interval:
            axes.plot([interval.low, interval.high], [place, place], color=color, linewidth=2.2 if is_below else 1.5)
        face = "white" if needed else color
        size = 6.5 if is_below else 5
        axes.plot([value], [place], "o", color=color, markerfacecolor=face, markersize=size, clip_on=False, zorder=3)
        said = f"{value:.3f}" + (f" ({show_interval(interval)}{'?' if needed else ''})" if interval else "")
        style: dict[str, Any] = {
            "color": color if is_below or needed else INK,
            "fontsize": 8,
            "va": "center",
            "transform": beside,
        }
        axes.text(1.03, place, said, fontweight="bold" if is_below else "normal", **style)
        axes.text(1.62, place, "" if images is None else str(images), ha="right", **style)
    axes.text(1.62, -0.9, "images", ha="right", fontsize=8, color=_QUIET, va="bottom", transform=beside)
    axes.grid(axis="x", color="#e4e7eb", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _label(axes: "Axes", places: Mapping[Key, float]) -> None:
    """The names of the rows, and above those of one heading the heading."""
    axes.set_yticks(list(places.values()), [_shorten(name) for _, name in places], fontsize=8.5)
    axes.tick_params(axis="y", length=0)
    beside, said = axes.get_yaxis_transform(), set()
    for (heading, _), place in places.items():
        if heading not in said and heading != "whole split":
            text = _shorten(heading)
            axes.text(
                -0.02, place - 0.95, text, ha="right", va="center", fontsize=8.5, fontweight="bold", transform=beside
            )
        said.add(heading)


def _shorten(name: str) -> str:
    short = name if len(name) <= _MOST_CHARACTERS else f"{name[:12]}...{name[15 - _MOST_CHARACTERS :]}"
    return short.replace("$", r"\$")  # what stands between two of them would be a formula
