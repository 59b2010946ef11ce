"""Boxes are cleaned once, before anything is cut or counted."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from steelyard.dataset.annotation import AnnotatedImage, Box, name_some
from steelyard.errors import DatasetError

LEAST_SIDE_PX = 0.01  # less is a rounding of the format's decimals, not a thing in the picture


@dataclass
class BoxCounts:
    """What cleaning found."""

    bad: list[str] = field(default_factory=list)
    clipped: int = 0
    duplicates: int = 0


def clip_box(box: Box, left: float, top: float, right: float, bottom: float) -> Box | None:
    """The part of a box inside a rectangle; None where nothing is left (or was there) of it.

    Coordinates stay relative to the image.
    """
    inside = Box(box.name, max(box.left, left), max(box.top, top), min(box.right, right), min(box.bottom, bottom))
    has_area = inside.right - inside.left >= LEAST_SIDE_PX and inside.bottom - inside.top >= LEAST_SIDE_PX
    return inside if has_area else None


def clean_boxes(image: AnnotatedImage, counts: BoxCounts) -> AnnotatedImage:
    """Drop bad and duplicate boxes and clip the ones that reach over the image's edge.

    Args:
        image: with boxes as the source has them.
        counts: is added to; ``bad`` gets one text for each bad box.
    """
    kept: dict[Box, None] = {}
    for box in image.boxes:
        inside = clip_box(box, 0, 0, image.width, image.height)
        if inside is None:
            corners = ", ".join(f"{edge:g}" for edge in (box.left, box.top, box.right, box.bottom))
            counts.bad.append(f"{image.origin} ({box.name} {corners})")
            continue
        if inside in kept:
            counts.duplicates += 1
            continue
        moved = (
            inside.left - box.left,
            inside.top - box.top,
            box.right - inside.right,
            box.bottom - inside.bottom,
        )
        counts.clipped += max(moved) > LEAST_SIDE_PX
        kept[inside] = None
    return replace(image, boxes=tuple(kept))


def refuse_bad_boxes(bad: Sequence[str]) -> None:
    """Refuse data with boxes that no picture can have.

    Raises:
        DatasetError: there is one.
    """
    if bad:
        raise DatasetError(
            f"{len(bad)} bad boxes (outside their image, inverted or without area; left, top, right, bottom "
            f"in px): {name_some(bad)}; mend the labels, or set fetch.bad_boxes to drop"
        )
