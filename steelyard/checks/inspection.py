"""Everything that is checked, in order: what reading met, each image, each box, classes, splits, copies."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steelyard.checks.boxes import check_boxes, list_boxes
from steelyard.checks.classes import check_classes, check_shift, compute_half_width, count_splits
from steelyard.checks.duplicates import check_duplicates
from steelyard.checks.images import check_image, compare_images
from steelyard.checks.pixels import MINIATURE_SIDE, examine_all
from steelyard.checks.prints import compute_prints, shrink
from steelyard.checks.report import Example, Findings, Report
from steelyard.dataset.annotation import AnnotatedImage, follow
from steelyard.dataset.manifest import Problem


class Appearance(NamedTuple):
    """What one picture looks like, in two figures."""

    brightness: float  # mean grey level, 0 to 255
    sharpness: float  # see Pixels


@dataclass(frozen=True, slots=True)
class Inspection:
    """What the checks found.

    Attributes:
        report: the findings.
        prints: perceptual hash of each image that can be decoded, by origin: 16 hex digits, of which
            few differ between images that look alike.
        appearances: of the same images.
    """

    report: Report
    prints: dict[str, str]
    appearances: dict[str, Appearance]


def inspect(
    images: Sequence[AnnotatedImage],
    classes: Sequence[str],
    problems: Sequence[Problem],
    imgsz: int,
    say: Callable[[str], None],
) -> Inspection:
    """Check a data set; each image is decoded once.

    Args:
        images: with boxes that were cleaned and have names from ``classes``. Where none has a split,
            the checks of splits are left out.
        classes: names in the order of their numbers.
        problems: what reading the source met.
        imgsz: training size, px.
        say: gets one line for each fact.

    Raises:
        DatasetError: a process that decodes images died.
    """
    findings = Findings()
    for problem in problems:
        findings.add(problem.id, Example(file=problem.file, detail=problem.detail, box=problem.box))
    seen, miniatures, sharpness = _look(images, imgsz, findings)
    prints = compute_prints(miniatures)
    check_duplicates(seen, prints, shrink(miniatures), findings)
    table = list_boxes(images, classes)
    check_boxes(table, imgsz, findings)
    splits = count_splits(images, classes)
    check_classes(splits, classes, findings)
    if "all" not in splits:
        check_shift(table, findings)
        for image in images:
            if image.split is None:
                findings.add("image-in-no-split", Example(file=image.origin))
    say(f"decoded {len(seen)} of {len(images)} images, looked at {len(table.image)} boxes")
    report = Report(
        images=len(images),
        classes=tuple(classes),
        splits=splits,
        imgsz=imgsz,
        map_half_width=round(compute_half_width(splits["test"].images), 4) if "test" in splits else None,
        findings=findings.collect(),
    )
    origins, brightness = [image.origin for image in seen], miniatures.mean(axis=(1, 2)).tolist()
    return Inspection(
        report,
        {origin: f"{print_:016x}" for origin, print_ in zip(origins, prints.tolist(), strict=True)},
        {origin: Appearance(*both) for origin, *both in zip(origins, brightness, sharpness, strict=True)},
    )


def _look(
    images: Sequence[AnnotatedImage], imgsz: int, findings: Findings
) -> tuple[list[AnnotatedImage], NDArray[np.uint8], list[float]]:
    """Decode every image; the images that can be, the (n, 32, 32) miniature of each, and its sharpness."""
    looks, seen, miniatures, sharpness = [], [], [], []
    decoded = examine_all([image.path for image in images])
    for image, pixels in zip(follow(images, "look at images"), decoded, strict=True):
        look = check_image(image, pixels, imgsz, findings)
        if look:
            looks.append(look)
        if pixels.miniature:
            seen.append(image)
            miniatures.append(pixels.miniature)
            sharpness.append(pixels.sharpness)
    compare_images(looks, findings)
    levels = np.frombuffer(b"".join(miniatures), np.uint8)
    return seen, levels.reshape(-1, MINIATURE_SIDE, MINIATURE_SIDE), sharpness
