"""What is wrong with boxes: with single ones, with pairs at one place, and against the others of their class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steelyard.checks.report import Example, Findings
from steelyard.dataset.annotation import AnnotatedImage

WHOLE = 0.99  # share of each side
TINY_PX = 4.0  # root of the area, at the training size
SAME_PLACE = 0.9  # overlap (IoU); two people who annotate one thing agree less
CROWD = 300  # validate.max_det, as it comes
FEWEST_TO_COMPARE = 50
FAR_OFF = 6.0  # standard deviations, robust
LEAST_DEVIATION = 0.2  # of the logarithm: a class whose sizes are all but equal has some room, too
MOST_NEIGHBOURS, MOST_PAIRS = 1000, 100_000  # so that a hostile label file costs seconds, not days
EDGE = 0.01  # of the image's side; a box that touches it shows a part of the thing

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class BoxTable:
    """The boxes of all images, one row each, in the images' order.

    Attributes:
        image: (n,) place of the image in ``images``.
        kind: (n,) place of the class in ``classes``.
        edges: (n, 4) left, top, right, bottom in px.
        shown: (n, 2) width and height of the image in px.
    """

    images: Sequence[AnnotatedImage]
    classes: Sequence[str]
    image: Ints
    kind: Ints
    edges: Floats
    shown: Floats

    @property
    def sides(self) -> Floats:
        """(n, 2) width and height in px."""
        return self.edges[:, 2:] - self.edges[:, :2]

    def show(self, row: int, detail: str) -> Example:
        """One box as example of a finding."""
        left, top, right, bottom = self.edges[row].tolist()
        name = self.classes[self.kind[row]]
        return Example(
            file=self.images[self.image[row]].origin,
            detail=f"{name}, {detail}" if detail else name,
            box=(left, top, right, bottom),
        )


def list_boxes(images: Sequence[AnnotatedImage], classes: Sequence[str]) -> BoxTable:
    """Put the boxes of all images into one table."""
    numbers = {name: number for number, name in enumerate(classes)}
    rows = [
        (place, numbers[box.name], box.left, box.top, box.right, box.bottom, image.width, image.height)
        for place, image in enumerate(images)
        for box in image.boxes
    ]
    table = np.array(rows, np.float64).reshape(-1, 8)
    return BoxTable(
        images, classes, table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2:6], table[:, 6:]
    )


def check_boxes(table: BoxTable, imgsz: int, findings: Findings) -> None:
    """Judge all boxes.

    Args:
        table: boxes that are inside their image and have an area.
        imgsz: training size, px; the longer side of an image is scaled to it.
        findings: is added to.
    """
    width, height = table.sides.T
    is_whole = (table.sides >= WHOLE * table.shown).all(axis=1)
    is_subpixel = table.sides.min(axis=1, initial=np.inf) < 1
    for row in np.flatnonzero(is_whole).tolist():
        findings.add("box-whole-image", table.show(row, ""))
    for row in np.flatnonzero(is_subpixel).tolist():
        findings.add("box-subpixel", table.show(row, f"{width[row]:.2f} x {height[row]:.2f} px"))
    side = np.sqrt(width * height) * imgsz / table.shown.max(axis=1, initial=1)
    tiny = np.flatnonzero((side < TINY_PX) & ~is_subpixel)
    for row in tiny[np.argsort(side[tiny], kind="stable")]:
        findings.add("object-tiny", table.show(row, f"{side[row]:.1f} px at {imgsz} px"))
    _check_pairs(table, findings)
    for place in np.flatnonzero(np.bincount(table.image) > CROWD).tolist():
        image = table.images[place]
        findings.add("boxes-crowded", Example(file=image.origin, detail=f"{len(image.boxes)} boxes"))
    _check_outliers(table, ~is_whole & ~is_subpixel, findings)


def _check_pairs(table: BoxTable, findings: Findings) -> None:
    pairs = find_pairs(table, SAME_PLACE)
    for row, other in pairs:
        if table.kind[row] == table.kind[other]:
            findings.add("box-near-duplicate", table.show(row, ""))
        else:
            findings.add("box-two-classes", table.show(row, f"and {table.classes[table.kind[other]]}"))


def find_pairs(table: BoxTable, overlap: float) -> list[tuple[int, int]]:
    """Pairs of boxes of one image that overlap (IoU) at least so much, each pair once, in order.

    Boxes are sorted by their left edges and compared with their neighbours at growing distance, all
    images at once: which overlap that much have left edges closer than 1 - overlap of the width. After
    MOST_NEIGHBOURS neighbours or MOST_PAIRS pairs no more are looked for.
    """
    order = np.lexsort((table.edges[:, 0], table.image))
    image, edges = table.image[order], table.edges[order]
    reach = (1 - overlap) * (edges[:, 2] - edges[:, 0])
    area = (edges[:, 2] - edges[:, 0]) * (edges[:, 3] - edges[:, 1])
    found: list[tuple[int, int]] = []
    first = np.arange(len(order))
    for step in range(1, MOST_NEIGHBOURS + 1):
        if not first.size or len(found) > MOST_PAIRS:
            break
        first = first[first + step < len(order)]
        second = first + step
        is_near = (image[first] == image[second]) & (edges[second, 0] - edges[first, 0] <= reach[first])
        first, second = first[is_near], second[is_near]
        low, high = np.maximum(edges[first], edges[second]), np.minimum(edges[first], edges[second])
        shared = np.clip(high[:, 2:] - low[:, :2], 0, None).prod(axis=1)
        is_same = shared >= overlap * (area[first] + area[second] - shared)
        found += list(zip(order[first[is_same]].tolist(), order[second[is_same]].tolist(), strict=True))
    return sorted((min(pair), max(pair)) for pair in found)


def _check_outliers(table: BoxTable, is_usual: NDArray[np.bool_], findings: Findings) -> None:
    """Compare size and form, as logarithms, with the median of the class."""
    far = EDGE * table.shown
    is_inside = (table.edges[:, :2] > far).all(axis=1) & (table.edges[:, 2:] < table.shown - far).all(axis=1)
    width, height = table.sides.T
    size = np.sqrt(width * height) / table.shown.max(axis=1, initial=1)
    found: list[tuple[float, int, str]] = []
    for kind in range(len(table.classes)):
        rows = np.flatnonzero((table.kind == kind) & is_inside & is_usual)
        if rows.size < FEWEST_TO_COMPARE:
            continue
        for values, words in ((size, "as large"), (width / height, "as wide for its height")):
            logs = np.log(values[rows])
            off = logs - np.median(logs)
            deviation = max(LEAST_DEVIATION, 1.4826 * float(np.median(np.abs(off))))
            for place in np.flatnonzero(np.abs(off) > FAR_OFF * deviation):
                detail = f"{np.exp(off[place]):.2g} times {words} as the median"
                found.append((-abs(float(off[place])) / deviation, int(rows[place]), detail))
    for _, row, detail in sorted(found):
        findings.add("label-outlier", table.show(row, detail))
