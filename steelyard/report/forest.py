"""A forest plot as SVG: what is laid out here, in units of the drawing, the template only writes down.

Left mAP50-95 of a version and of the champion with their intervals, right the difference with its own.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from steelyard.report.rows import Mark, Row

# Left and right edge of the panels; the drawing is 1120 units wide, px on a laptop's screen.
VALUES, DIFFERENCES, ALONE = (196.0, 520.0), (560.0, 812.0), (196.0, 812.0)
TOP, ROW, HEADING = 46.0, 30.0, 26.0
_FOOT = 26.0
_OFF = 5.0  # of the two marks of a row from its middle
_STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
_MOST_TICKS = 6


class Tick(NamedTuple):
    """A place on an axis, with its text."""

    at: float
    text: str


class Dot(NamedTuple):
    """A figure with its interval, which is a point where there is none.

    Attributes:
        look: class of the style sheet.
        x: of the figure.
        left: of the interval.
        right: of the interval.
        y: of all.
        is_hollow: whether there are too few images for the interval to be relied on.
    """

    look: str
    x: float
    left: float
    right: float
    y: float
    is_hollow: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A row as it is drawn."""

    label: str
    is_heading: bool
    y: float
    dots: tuple[Dot, ...]
    numbers: tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Forest:
    """The drawing."""

    height: float
    bottom: float
    lines: tuple[Line, ...]
    ticks: tuple[Tick, ...]
    difference_ticks: tuple[Tick, ...]
    marks: tuple[Tick, ...]


def draw_forest(rows: Sequence[Row], least_gain: float | None) -> Forest:
    """Lay out the rows.

    Args:
        rows: each a figure of both, or a heading.
        least_gain: marked beside zero in the panel of differences; None: no such mark.
    """
    marks = [mark for row in rows for mark in (row.candidate, row.champion) if mark]
    gains = [row.difference for row in rows if row.difference]
    limits = [0.0, *([least_gain] if least_gain else [])]
    values = _Scale(_list_ends(marks), VALUES if gains else ALONE)
    differences = _Scale([*_list_ends(gains), *limits], DIFFERENCES) if gains else None
    lines, y = [], TOP
    for row in rows:
        height = HEADING if row.is_heading else ROW
        lines.append(_draw_row(row, y + height / 2, values, differences))
        y += height
    words = ["0", *([f"least gain {least_gain:+g}"] if least_gain else [])]
    return Forest(
        height=y + _FOOT,
        bottom=y,
        lines=tuple(lines),
        ticks=values.ticks,
        difference_ticks=differences.ticks if differences else (),
        marks=tuple(Tick(differences.place(each), word) for each, word in zip(limits, words, strict=True))
        if differences
        else (),
    )


class _Scale:
    """Values to places between two edges, with ticks at round numbers."""

    def __init__(self, values: Sequence[float], edges: tuple[float, float]) -> None:
        low, high = (min(values), max(values)) if values else (0.0, 1.0)
        room = max((high - low) * 0.06, 0.005)
        self._low, self._high = low - room, high + room
        self._edges = edges
        span = self._high - self._low
        step = next((step for step in _STEPS if span / step <= _MOST_TICKS), 1.0)
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        first, last = math.ceil(self._low / step - 1e-9), math.floor(self._high / step + 1e-9)
        self.ticks = tuple(
            Tick(self.place(number * step), f"{number * step + 0.0:.{digits}f}") for number in range(first, last + 1)
        )

    def place(self, value: float) -> float:
        left, right = self._edges
        return round(left + (value - self._low) / (self._high - self._low) * (right - left), 1)


def _draw_row(row: Row, y: float, values: _Scale, differences: _Scale | None) -> Line:
    dots = []
    for look, mark, off in (("ours", row.candidate, -_OFF), ("theirs", row.champion, _OFF)):
        if mark:
            dots.append(_draw_dot(look, mark, y + (off if row.champion else 0), values, row.too_few))
    if row.difference and differences:
        low, high = row.difference.low, row.difference.high
        look = "more" if low is not None and low > 0 else "less" if high is not None and high < 0 else "same"
        dots.append(_draw_dot(look, row.difference, y, differences, row.too_few))
    return Line(row.label, row.is_heading, y, tuple(dots), row.numbers)


def _draw_dot(look: str, mark: Mark, y: float, scale: _Scale, is_hollow: bool) -> Dot:
    low, high = (mark.value if end is None else end for end in (mark.low, mark.high))
    return Dot(look, scale.place(mark.value), scale.place(low), scale.place(high), y, is_hollow)


def _list_ends(marks: Iterable[Mark]) -> list[float]:
    return [end for mark in marks for end in (mark.low, mark.value, mark.high) if end is not None]
