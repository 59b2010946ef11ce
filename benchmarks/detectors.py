"""Synthetic detectors: images of unlike difficulty, and match tables whose true average precision is known.

Each image has a difficulty of its own, which makes boxes on it harder to find, places them worse and brings
more false detections. So images differ as photographs do, and boxes of one image are alike.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steelyard.scoring.match_table import AREAS, IOUS, MatchTable

TRUTH_IMAGES = 200_000
"""Images of the sample whose average precision is taken as true: its own standard error is about 0.0003."""


@dataclass(frozen=True)
class World:
    """Where images come from.

    Attributes:
        boxes_per_image: mean for each class, above 0.
        spread: standard deviation of the images' difficulty; 0: all are alike.
    """

    boxes_per_image: tuple[float, ...] = (2.0,)
    spread: float = 1.0


@dataclass(frozen=True)
class Detector:
    """What weights do there.

    Attributes:
        skill: logit of finding a box on an image of usual difficulty.
        sharpness: how well what is found is placed; the mean IoU rises with it.
        false: false detections of a class on an image of usual difficulty, mean.
    """

    skill: float = 1.5
    sharpness: float = 1.5
    false: float = 1.5


@dataclass(frozen=True)
class Images:
    """A sample of a world: difficulty (images,), boxes (images, classes)."""

    difficulty: NDArray[np.float64]
    boxes: NDArray[np.int64]


def draw_images(random: np.random.Generator, world: World, count: int) -> Images:
    """Draw images."""
    difficulty = random.normal(0, world.spread, count)
    return Images(difficulty, random.poisson(world.boxes_per_image, (count, len(world.boxes_per_image))))


def detect(random: np.random.Generator, detector: Detector, images: Images) -> MatchTable:
    """Let a detector loose on images."""
    count, classes = images.boxes.shape
    box_image = np.repeat(np.repeat(np.arange(count), classes), images.boxes.ravel())
    box_kind = np.repeat(np.tile(np.arange(classes), count), images.boxes.ravel())
    ease = detector.skill - images.difficulty[box_image] + random.normal(0, 1, len(box_image))
    is_found = random.random(len(box_image)) < _logistic(ease)
    image, kind, ease = box_image[is_found], box_kind[is_found], ease[is_found]
    overlap = 0.5 + 0.5 * _logistic(detector.sharpness + 0.5 * (ease - detector.skill) + random.normal(0, 1, len(ease)))
    reached = np.floor((np.minimum(overlap, 0.9999) - 0.5) / 0.05).astype(int) + 1  # thresholds, 1 to 10
    false = random.poisson(detector.false * np.exp(0.5 * images.difficulty)[:, None], (count, classes))
    false_image = np.repeat(np.repeat(np.arange(count), classes), false.ravel())
    false_kind = np.repeat(np.tile(np.arange(classes), count), false.ravel())
    confidence = np.concatenate(
        (
            _logistic(0.8 * ease + random.normal(0, 0.7, len(ease))),
            _logistic(random.normal(-1.2, 1.2, len(false_image))),
        )
    )
    hits = np.concatenate(((1 << reached) - 1, np.zeros(len(false_image), int))).astype(np.uint16)
    none = np.zeros((len(hits), len(AREAS)), np.uint16)
    every = np.uint16((1 << len(IOUS)) - 1)
    table_hits, ignored = none.copy(), none.copy()
    table_hits[:, 0], ignored[:, 1:] = hits, every  # sizes play no part here
    images_with, kinds_with = np.nonzero(images.boxes)
    boxes = np.zeros((len(images_with), len(AREAS)), np.int32)
    boxes[:, 0] = images.boxes[images_with, kinds_with]
    return MatchTable(
        images=tuple(map(str, range(count))),
        classes=tuple(map(str, range(classes))),
        image=np.concatenate((image, false_image)).astype(np.int32),
        kind=np.concatenate((kind, false_kind)).astype(np.int32),
        confidence=confidence,
        rank=np.zeros(len(hits), np.int32),
        hits=table_hits,
        ignored=ignored,
        box_image=images_with.astype(np.int32),
        box_kind=kinds_with.astype(np.int32),
        boxes=boxes,
    )


def _logistic(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-values))
