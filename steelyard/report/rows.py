"""The rows of the forest plot: a figure of a version and of the champion, and their difference."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from steelyard.gate.table import MOST_CLASSES
from steelyard.gate.verdict import Difference, Figures
from steelyard.scoring.scores import ClassScores, Interval, SizeScores, SplitScores, show_score

_ROUNDED = 2e-6  # figures are kept to six decimals


class Mark(NamedTuple):
    """A figure with its 95 % interval, which may be missing."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes:
        label: what the figure is of.
        candidate: mAP50-95 of the version; None where there is none.
        champion: the same; None also where nothing was weighed.
        difference: candidate minus champion.
        too_few: whether there are too few images for the interval to be relied on.
        numbers: candidate, champion and difference as text.
        is_heading: whether it is but a heading.
    """

    label: str
    candidate: Mark | None = None
    champion: Mark | None = None
    difference: Mark | None = None
    too_few: bool = False
    numbers: tuple[str, str, str] = ("", "", "")
    is_heading: bool = False


class Parts(NamedTuple):
    """Scores of a split, the whole and its parts."""

    whole: ClassScores
    classes: Mapping[str, ClassScores]
    sizes: Mapping[str, SizeScores]


def take_parts(scores: SplitScores) -> Parts:
    """The parts that a record or a run's scores have."""
    return Parts(scores, scores.classes, scores.sizes)


def is_same(one: float | None, other: float | None) -> bool:
    """Whether two figures are one, up to the decimals that are kept."""
    return one is not None and other is not None and abs(one - other) < _ROUNDED


def list_rows(candidate: Parts, figures: Figures | None, champion: Parts | None) -> list[Row]:
    """All of them, overall first.

    An interval is shown where it is of the same figure: scores of other images (or classes) have another one.

    Args:
        candidate: scores of the version on test.
        figures: of the verdict; None where nothing was weighed: then the version's scores stand alone.
        champion: scores of the champion on these images, where they are known.
    """
    return list(_list_pairs(figures, candidate, champion) if figures else _list_alone(candidate))


def _list_pairs(figures: Figures, candidate: Parts, champion: Parts | None) -> Iterator[Row]:
    whole = figures.overall["mAP50-95"]
    yield _make("all", whole, candidate.whole, champion and champion.whole)
    if figures.sizes:
        yield Row("by size of boxes", is_heading=True)
        for name, each in figures.sizes.items():
            yield _make(name, each, candidate.sizes.get(name), champion and champion.sizes.get(name))
    if len(figures.classes) > 1:
        changed = sorted(figures.classes, key=lambda name: -abs(figures.classes[name].gain or 0))[:MOST_CLASSES]
        left = len(figures.classes) - len(changed)
        yield Row(f"by class{f', the {len(changed)} that changed most' if left else ''}", is_heading=True)
        for name in (name for name in figures.classes if name in changed):
            parts = candidate.classes.get(name), champion and champion.classes.get(name)
            yield _make(name, figures.classes[name], *parts)


def _list_alone(scores: Parts) -> Iterator[Row]:
    yield _make_alone("all", scores.whole)
    if scores.sizes:
        yield Row("by size of boxes", is_heading=True)
        for name, size in scores.sizes.items():
            yield _make_alone(name, size)
    known = {name: one for name, one in scores.classes.items() if one.map50_95 is not None}
    if len(known) > 1:
        weakest = sorted(known, key=lambda name: known[name].map50_95 or 0)[:MOST_CLASSES]
        left = len(known) - len(weakest)
        yield Row(f"by class{f', the {len(weakest)} weakest' if left else ''}", is_heading=True)
        for name in (name for name in known if name in weakest):
            yield _make_alone(name, known[name])


def _make(
    label: str,
    each: Difference,
    candidate: ClassScores | SizeScores | None,
    champion: ClassScores | SizeScores | None,
) -> Row:
    gain = None if each.gain is None else Mark(each.gain, each.low, each.high)
    numbers = (show_score(each.candidate), show_score(each.champion), each.show())
    marks = _mark(each.candidate, candidate), _mark(each.champion, champion)
    return Row(label, *marks, gain, each.too_few, numbers)


def _make_alone(label: str, scores: ClassScores | SizeScores) -> Row:
    interval = _find_interval(scores)
    doubt = "?" if interval and scores.images_needed else ""
    bounds = f"{interval.low:.3f} to {interval.high:.3f}{doubt}" if interval else ""
    numbers = (show_score(scores.map50_95), "", bounds)
    return Row(label, _mark(scores.map50_95, scores), too_few=bool(scores.images_needed), numbers=numbers)


def _mark(value: float | None, scores: ClassScores | SizeScores | None) -> Mark | None:
    if value is None:
        return None
    interval = _find_interval(scores) if scores and is_same(scores.map50_95, value) else None
    return Mark(value, interval.low, interval.high) if interval else Mark(value)


def _find_interval(scores: ClassScores | SizeScores) -> Interval | None:
    return scores.interval if isinstance(scores, SizeScores) else scores.intervals.get("mAP50-95")
