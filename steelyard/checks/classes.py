"""What is wrong with classes and splits: too few, too rare, unlike each other."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from steelyard.checks.boxes import BoxTable, Ints
from steelyard.checks.report import Findings
from steelyard.dataset.annotation import AnnotatedImage, name_some
from steelyard.dataset.manifest import SPLITS, Split, SplitCounts

FEWEST_TO_LEARN, FEWEST_TO_SCORE = 10, 5  # boxes of a class in train, in test
IMBALANCE = 100  # boxes of the most frequent class for one of a rare one
SHIFT = 0.1  # total variation distance: share of boxes that would have to be of another class
DRAWS, CHANCE = 1000, 0.001  # as many splits are drawn, and at most this share may differ as much
MOST_BACKGROUNDS = 0.5  # share of a split's images
WIDEST_INTERVAL = 0.15  # half of it, in mAP

Counts = dict[Split | Literal["all"], SplitCounts]


def count_splits(images: Sequence[AnnotatedImage], classes: Sequence[str]) -> Counts:
    """Each split in numbers; one called "all" where no image has a split.

    Images without a split beside others that have one are in no count.
    """
    splits: Counts = {}
    names: list[Split | None] = list(SPLITS) if any(image.split for image in images) else [None]
    for split in names:
        mine = [image for image in images if image.split == split]
        found = Counter(box.name for image in mine for box in image.boxes)
        if mine:
            splits[split or "all"] = SplitCounts(
                images=len(mine),
                backgrounds=sum(not image.boxes for image in mine),
                boxes=found.total(),
                boxes_per_class={name: found[name] for name in classes},
            )
    return splits


def compute_half_width(images: int) -> float:
    """Half of the 95 % interval of mAP on so many test images, at most.

    1.96 standard errors of a mean of n values: what lies between 0 and 1 has a standard deviation of
    0.5 at most (Popoviciu's inequality), so 1.96 * 0.5 / sqrt(n). Each image is taken for one value,
    since the things in one image are found or missed together; mAP is no plain mean, which makes this
    a rule of thumb. Weights that find nearly everything are known more firmly.
    """
    return 0.98 / math.sqrt(images)


def check_classes(splits: Counts, classes: Sequence[str], findings: Findings) -> None:
    """Judge how many boxes each class has, and how many images test has.

    Args:
        splits: in numbers.
        classes: all names.
        findings: is added to.
    """
    boxes = {split: counts.boxes_per_class for split, counts in splits.items()}
    _tell(
        "class-without-box",
        [f"{name} in {split}" for split in splits for name in classes if not boxes[split][name]],
        findings,
    )
    fewest: dict[str, int] = {"train": FEWEST_TO_LEARN, "test": FEWEST_TO_SCORE}
    _tell(
        "class-rare",
        [
            f"{name} ({boxes[split][name]} in {split})"
            for split in splits
            for name in classes
            if 0 < boxes[split][name] < fewest.get(split, 0)
        ],
        findings,
    )
    total = Counter({name: sum(each[name] for each in boxes.values()) for name in classes})
    most = max(total.values(), default=0)
    _tell(
        "class-imbalance",
        [f"{name} ({total[name]} of {most})" for name in classes if 0 < total[name] * IMBALANCE < most],
        findings,
    )
    many = {split: one for split, one in splits.items() if one.backgrounds > MOST_BACKGROUNDS * one.images}
    if many:
        words = [f"{one.backgrounds} of {one.images} in {split}" for split, one in many.items()]
        findings.tell("backgrounds-many", sum(one.backgrounds for one in many.values()), ", ".join(words))
    test = splits.get("test")
    if test and compute_half_width(test.images) > WIDEST_INTERVAL:
        findings.tell("few-images", test.images, f"mAP50 may be off by {compute_half_width(test.images):.2f}")


def check_shift(table: BoxTable, findings: Findings) -> None:
    """Compare the classes of val and of test with those of train.

    By total variation distance, and only where chance does not explain it: images are drawn from both
    splits anew, whole ones, since the boxes of one image are not independent of each other.
    """
    split_of = np.array([str(image.split) for image in table.images])
    phrases = []
    for split in ("val", "test"):
        is_either = (split_of == "train") | (split_of == split)
        rows = is_either[table.image]
        image, kind = table.image[rows], table.kind[rows]
        images = np.flatnonzero(is_either)
        distance = _measure_distance(image, kind, split_of == split)
        if distance < SHIFT:
            continue
        random = np.random.default_rng(0)
        as_far = 0
        for _ in range(DRAWS):
            drawn = np.zeros(len(split_of), bool)
            drawn[random.choice(images, int((split_of == split).sum()), replace=False)] = True
            as_far += _measure_distance(image, kind, drawn) >= distance
            if as_far > CHANCE * DRAWS:
                break
        else:
            phrases.append(f"{split} by {distance:.0%}")
    _tell("class-shift", phrases, findings)


def _measure_distance(image: Ints, kind: Ints, is_chosen: NDArray[np.bool_]) -> float:
    """Total variation distance between the classes of the chosen images and of the others, 0 to 1."""
    total = np.bincount(kind)
    inside = np.bincount(kind[is_chosen[image]], minlength=len(total))
    outside = total - inside
    if not inside.any() or not outside.any():
        return 0.0
    return float(np.abs(inside / inside.sum() - outside / outside.sum()).sum() / 2)


def _tell(check: str, phrases: Sequence[str], findings: Findings) -> None:
    if phrases:
        findings.tell(check, len(phrases), name_some(phrases))
