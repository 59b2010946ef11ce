"""What a version's scores do not say, and where it is weak: computed from its record, sentence by sentence."""

from collections.abc import Iterator

from steelyard.record.earlier import describe_trained_on
from steelyard.record.record import Record
from steelyard.scoring.scores import (
    ClassScores,
    Interval,
    SizeScores,
    SplitScores,
    describe_too_few,
    show_interval,
    show_map50_95,
    show_score,
)
from steelyard.scoring.weakness import describe_few, is_weak, sort_slices

NEAR_PERFECT = 0.9
"""mAP50-95 from which docs/scores.md found intervals that hold what is true less often than they say."""


def list_limits(record: Record) -> list[str]:
    """Sentences about the test split of a version; none where there is nothing to say."""
    test = record.scores.test
    return [
        *_list_missing(test),
        *describe_too_few("test", test),
        *_list_perfect(test),
        *_list_weak(test),
        *_list_weak_slices(test),
        *_list_leaks(record),
        *_list_training(record),
    ]


def is_below(value: float | None, interval: Interval | None, images_needed: int | None, whole: float | None) -> bool:
    """Whether a part of a split is clearly below the whole of it.

    A part of which nothing is found has no interval, since no resample moves it.
    """
    if is_weak(interval, images_needed, whole):
        return True
    return value == 0 and not interval and not images_needed and bool(whole)


def _list_missing(test: SplitScores) -> Iterator[str]:
    if not test.boxes:
        yield "the test split holds no box, so nothing is known of how good the weights are"
    unseen = [name for name, one in test.classes.items() if not one.boxes]
    if unseen and test.boxes:
        yield f"test: no box of {', '.join(unseen)}, so nothing is known of how good the weights are there"
    if test.map50_95 is not None and "mAP50-95" not in test.intervals:
        yield "test: mAP50-95 has no interval, since no resample of the images moves it, or it was not measured"


def _list_perfect(test: SplitScores) -> Iterator[str]:
    if test.map50_95 is not None and test.map50_95 >= NEAR_PERFECT and test.images_needed:
        yield (
            f"test: mAP50-95 {show_score(test.map50_95)} is nearly perfect; on so few images the interval of such "
            "weights is too short, and lies too high when it misses (docs/scores.md): the few images on which they "
            "fail are in the sample or are not"
        )


def _list_weak(test: SplitScores) -> Iterator[str]:
    parts: list[tuple[str, ClassScores | SizeScores, Interval | None]] = []
    if len(test.classes) > 1:
        parts += [(name, one, one.intervals.get("mAP50-95")) for name, one in test.classes.items()]
    parts += [(f"{name} boxes", size, size.interval) for name, size in test.sizes.items()]
    for name, part, interval in parts:
        if is_below(part.map50_95, interval, part.images_needed, test.map50_95):
            bounds = f" ({show_interval(interval)})" if interval else ""
            found = f"{show_score(part.map50_95)}{bounds}"
            yield f"test: weak on {name}: mAP50-95 {found}, {show_score(test.map50_95)} on all"


def _list_weak_slices(test: SplitScores) -> Iterator[str]:
    for each in sort_slices(test):
        one = each.scores
        if one.weak:
            yield (
                f"test: weak where {each.name()}: mAP50-95 {show_map50_95(one)} on {one.images} images, "
                f"{show_score(test.map50_95)} on all"
            )
    if few := describe_few("test", test):
        yield few


def _list_leaks(record: Record) -> Iterator[str]:
    if sentence := describe_trained_on(record.dataset.test_trained_on, record.dataset.images["test"]):
        yield f"versions {sentence}"
    accepted = record.params.get("check", {}).get("accept", [])
    if accepted:
        yield f"check.accept: {', '.join(accepted)}: findings of these checks stopped nothing"
    agreed = record.params.get("register", {}).get("gate", {}).get("accept", [])
    if agreed:
        yield f"register.gate.accept: {', '.join(agreed)}: such differences from the champion's data are agreed to"


def _list_training(record: Record) -> Iterator[str]:
    if not record.training.resume_exact:
        yield "the training went on after a kill in a way that may give other weights than an unbroken one"
    if record.training.best_epoch == record.training.epochs_run:
        yield f"on val the last of {record.training.epochs_run} epochs was the best"
