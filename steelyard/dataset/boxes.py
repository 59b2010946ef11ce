"""Boxes are cleaned once, before anything is cut or counted."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from steelyard.dataset.annotation import AnnotatedImage, Box
from steelyard.dataset.formats.files import show
from steelyard.dataset.manifest import Problem

LEAST_SIDE_PX = 0.01  # less is a rounding of the format's decimals, not a thing in the picture
EDGE_PX = 1.0  # formats that count pixels from 1 reach over the edge by this much


@dataclass
class BoxCounts:
    """What cleaning found and did."""

    problems: list[Problem] = field(default_factory=list)
    dropped: int = 0
    clipped: int = 0
    duplicates: int = 0


def clip_box(box: Box, left: float, top: float, right: float, bottom: float) -> Box | None:
    """The part of a box inside a rectangle; None where nothing is left (or was there) of it.

    Coordinates stay relative to the image.
    """
    if box.right - box.left < LEAST_SIDE_PX or box.bottom - box.top < LEAST_SIDE_PX:
        return None
    if left <= box.left and top <= box.top and box.right <= right and box.bottom <= bottom:
        return box
    inside = Box(box.name, max(box.left, left), max(box.top, top), min(box.right, right), min(box.bottom, bottom))
    has_area = inside.right - inside.left >= LEAST_SIDE_PX and inside.bottom - inside.top >= LEAST_SIDE_PX
    return inside if has_area else None


def clean_boxes(image: AnnotatedImage, counts: BoxCounts) -> AnnotatedImage:
    """Leave out boxes that no picture can have and second copies; clip what reaches over the image's edge.

    Args:
        image: with boxes as the source has them.
        counts: is added to.
    """
    kept: dict[Box, None] = {}
    for box in image.boxes:
        inside = clip_box(box, 0, 0, image.width, image.height)
        if inside is None:
            counts.dropped += 1
            counts.problems.append(describe_box(_name_fault(box), image, box))
            continue
        if inside in kept:
            counts.duplicates += 1
            counts.problems.append(describe_box("box-duplicate", image, box))
            continue
        kept[inside] = None
        if inside is box:
            continue
        beyond = max(inside.left - box.left, inside.top - box.top, box.right - inside.right, box.bottom - inside.bottom)
        counts.clipped += beyond > LEAST_SIDE_PX
        if beyond > EDGE_PX:
            counts.problems.append(describe_box("box-beyond-edge", image, box))
    return replace(image, boxes=tuple(kept))


def clean_all(images: Iterable[AnnotatedImage]) -> tuple[list[AnnotatedImage], BoxCounts]:
    """Clean the boxes of all images."""
    counts = BoxCounts()
    return [clean_boxes(image, counts) for image in images], counts


def describe_box(check: str, image: AnnotatedImage, box: Box) -> Problem:
    """A problem of one box.

    Args:
        check: its id in the catalogue.
        image: that the box is of.
        box: in px of the image, as the source has it.
    """
    corners = (box.left, box.top, box.right, box.bottom)
    shown = ", ".join(f"{edge:g}" for edge in corners)
    return Problem(id=check, file=image.origin, detail=f"{show(box.name)} {shown}", box=corners)


def _name_fault(box: Box) -> str:
    width, height = box.right - box.left, box.bottom - box.top
    if min(width, height) < -LEAST_SIDE_PX:
        return "box-inverted"
    return "box-zero-area" if min(width, height) < LEAST_SIDE_PX else "box-outside"
