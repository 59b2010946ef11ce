"""Everything that is checked, in order: what reading met, each image, each box, classes, splits, copies."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Inspection:
    """What the checks found.

    Attributes:
        report: the findings.
        prints: perceptual hash of each image that can be decoded, by origin: 16 hex digits, of which
            few differ between images that look alike.
    """

    report: Report
    prints: dict[str, str]


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
    seen, miniatures = _look(images, imgsz, findings)
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
    return Inspection(
        report, {image.origin: f"{print_:016x}" for image, print_ in zip(seen, prints.tolist(), strict=True)}
    )


def _look(
    images: Sequence[AnnotatedImage], imgsz: int, findings: Findings
) -> tuple[list[AnnotatedImage], NDArray[np.uint8]]:
    """Decode every image; the images that can be, and the (n, 32, 32) miniature of each."""
    looks, seen, miniatures = [], [], []
    decoded = examine_all([image.path for image in images])
    for image, pixels in zip(follow(images, "look at images"), decoded, strict=True):
        look = check_image(image, pixels, imgsz, findings)
        if look:
            looks.append(look)
        if pixels.miniature:
            seen.append(image)
            miniatures.append(pixels.miniature)
    compare_images(looks, findings)
    levels = np.frombuffer(b"".join(miniatures), np.uint8)
    return seen, levels.reshape(-1, MINIATURE_SIDE, MINIATURE_SIDE)
