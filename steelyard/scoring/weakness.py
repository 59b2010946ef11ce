"""Which slices are weak: where the weights do clearly worse than on the whole split."""

from typing import NamedTuple

from steelyard.scoring.scores import Interval, SliceScores, SplitScores, show_map50_95, show_score


class Slice(NamedTuple):
    """One slice of a split."""

    column: str
    value: str
    scores: SliceScores

    def name(self) -> str:
        """``weather = fog``, or ``brightness = dark (below 83.2)``."""
        least, below = self.scores.least, self.scores.below
        limits = ""
        if least is not None:
            limits = f" (from {least:g})" if below is None else f" ({least:g} to {below:g})"
        elif below is not None:
            limits = f" (below {below:g})"
        return f"{self.column} = {self.value}{limits}"


def is_weak(interval: Interval | None, images_needed: int | None, whole: float | None) -> bool:
    """Whether a class or a size of boxes is clearly below the split; a slice says so itself.

    Args:
        interval: of the part's mAP50-95.
        images_needed: as in SliceScores.
        whole: mAP50-95 of the split.
    """
    return interval is not None and not images_needed and whole is not None and interval.high < whole


def sort_slices(scores: SplitScores) -> list[Slice]:
    """The slices with boxes, the weakest first; behind them those that have too few images to say."""
    slices = [Slice(name, value, each) for name, column in scores.slices.items() for value, each in column.items()]
    known = [each for each in slices if each.scores.map50_95 is not None]
    return sorted(known, key=lambda each: (bool(each.scores.images_needed), each.scores.map50_95 or 0))


def find_weakest(scores: SplitScores) -> Slice | None:
    """The slice with the lowest mAP50-95 of those that are clearly below the whole split."""
    weak = (each for each in sort_slices(scores) if each.scores.weak)
    return next(weak, None)


def describe_weakest(split: str, scores: SplitScores) -> str:
    """The weakest slice in a sentence; empty where none is clearly below the whole."""
    weakest = find_weakest(scores)
    if weakest is None:
        return ""
    return (
        f"{split} is weakest where {weakest.name()}: mAP50-95 {show_map50_95(weakest.scores)} on "
        f"{weakest.scores.images} images, {show_score(scores.map50_95)} on all {scores.images}"
    )


def describe_few(split: str, scores: SplitScores) -> str:
    """How many slices have too few images, in a sentence; empty where none has."""
    slices = [each for column in scores.slices.values() for each in column.values()]
    few = sum(bool(each.images_needed) for each in slices)
    if not few:
        return ""
    return (
        f"{split}: {few} of {len(slices)} slices have too few images for an interval that can be relied on; "
        "metrics/scores.json says how many would do"
    )
