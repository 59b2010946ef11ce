"""Splits to score: boxes that people drew, and detections on them."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from steelyard.scoring.boxes import Boxes
from steelyard.scoring.match_table import MatchTable, match_boxes


def boxes(*rows: tuple[float, ...]) -> Boxes:
    """Rows of left, top, right, bottom, class, confidence."""
    values = np.array(rows, dtype=np.float64).reshape(-1, 6)
    return Boxes(values[:, :4], values[:, 4].astype(np.int64), values[:, 5])


NOTHING = boxes()


@dataclass(frozen=True)
class Case:
    """A split with crowds: one entry for each image."""

    classes: int
    truth: list[Boxes]
    found: list[Boxes]
    crowds: list[NDArray[np.bool_]] = field(default_factory=list)

    def table(self) -> MatchTable:
        """Its match table."""
        names = [f"class {number}" for number in range(self.classes)]
        images = [f"{number}.png" for number in range(len(self.truth))]
        return match_boxes(images, names, self.truth, self.found, self.crowds)

    def repeat(self, times: list[int]) -> "Case":
        """With each image as often as said."""
        chosen = np.repeat(np.arange(len(times)), times)
        return Case(self.classes, *([side[n] for n in chosen] for side in (self.truth, self.found, self.crowds)))


def draw_case(
    seed: int,
    images: int = 12,
    classes: int = 3,
    most: int = 12,
    levels: int = 0,
    detections: float = 2,
    crowd: float = 0.15,
    whole: bool = False,
) -> Case:
    """Random boxes of every size, and detections near them.

    Args:
        seed: of the case.
        images: how many.
        classes: how many.
        most: boxes on an image.
        levels: of confidence; 0: all differ.
        detections: for each box.
        crowd: share of the boxes that stand for many.
        whole: whether all corners are whole numbers, so that areas and overlaps hit limits exactly.
    """
    random = np.random.default_rng(seed)
    truth, found, crowds = [], [], []
    for _ in range(images):
        count = int(random.integers(0, most + 1))
        corners = random.uniform(0, 300, (count, 2))
        sides = np.exp(random.uniform(np.log(4), np.log(200), (count, 2)))
        if whole:
            sides = random.choice([8, 16, 32, 64, 96, 128], (count, 2))
        drawn = np.concatenate((corners, corners + sides), axis=1)
        kinds = random.integers(0, classes, count)
        again = random.integers(0, count, round(count * detections)) if count else np.zeros(0, np.int64)
        near = drawn[again] + random.normal(0, 0.12, (len(again), 4)) * np.tile(sides[again], 2)
        if whole:
            drawn, near = drawn.round(), (near / 4).round() * 4
        near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 1)
        guessed = np.where(random.random(len(again)) < 0.85, kinds[again], random.integers(0, classes, len(again)))
        confidences = random.random(len(again))
        if levels:
            confidences = np.ceil(confidences * levels) / levels
        truth.append(Boxes(drawn.astype(float), kinds, np.ones(count)))
        found.append(Boxes(near.astype(float), guessed, confidences))
        crowds.append(random.random(count) < crowd)
    return Case(classes, truth, found, crowds)
