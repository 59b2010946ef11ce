"""What is drawn over a picture: the boxes of an image, and the one that a finding is about."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from steelyard.checks.pictures import CROP_PX, Region, View
from steelyard.dataset.annotation import AnnotatedImage, Box

Corners = tuple[float, float, float, float]
# Of classes, apart from each other, from red (findings) and from skin, soil and leaves; more classes begin again.
COLORS = (
    "#12c4e8", "#ff4f9a", "#a9dc1c", "#a678ff", "#ffd23f", "#ff6b4a", "#2fe0a8", "#f2a2ff", "#6f8cff", "#d8a26a",
)  # fmt: skip
MOST_BOXES = 150  # drawn in one picture
_LEAST_SHARE = 0.045  # of the picture's width: a smaller box gets a ring around it
_BEYOND = 0.5  # share of the image's sides that a picture is widened by to show a box outside


class Layer(NamedTuple):
    """Boxes of one look.

    Attributes:
        path: SVG path data, in px of the image.
        look: class of the style sheet.
        title: shown under the pointer.
    """

    path: str
    look: str
    title: str


class Ring(NamedTuple):
    """A circle around a box that is too small to see, in px of the image."""

    x: float
    y: float
    radius: float


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture with boxes.

    Attributes:
        name: of the image, or of the file that has no picture.
        view: what is shown; None where there is no picture.
        tag: a word at the name: the split.
        note: what else is said below it.
        layers: drawn in this order.
        ring: around the box that it is about.
        frame: left, top, right, bottom in px of the image that are shown; None: the picture's.
    """

    name: str
    view: View | None = None
    tag: str = ""
    note: str = ""
    layers: tuple[Layer, ...] = ()
    ring: Ring | None = None
    frame: Corners | None = None


def show_image(image: AnnotatedImage, colors: Mapping[str, int], note: str = "") -> Figure:
    """All of an image, its boxes in the colours of their classes."""
    layers = color_boxes(image.boxes, colors)
    return Figure(image.origin, View(image.path), image.split or "", note, layers)


def show_box(image: AnnotatedImage, corners: Corners, note: str = "") -> Figure:
    """The part of an image around a box, with the others faint; more than the image where the box is outside."""
    left, top, right, bottom = order_corners(corners)
    region = find_region((left, top, right, bottom), image.width, image.height, context=4, least=160, aspect=4 / 3)
    frame = (
        max(min(region[0], left), region[0] - _BEYOND * image.width),
        max(min(region[1], top), region[1] - _BEYOND * image.height),
        min(max(region[2], right), region[2] + _BEYOND * image.width),
        min(max(region[3], bottom), region[3] + _BEYOND * image.height),
    )
    others = [box for box in image.boxes if get_corners(box) != corners and _overlaps(box, region)]
    # A box far outside is cut where nobody sees it: browsers do not draw numbers of any size.
    path = trace([_clip((left, top, right, bottom), (-image.width, -image.height, 2 * image.width, 2 * image.height))])
    layers = (
        Layer(trace(map(get_corners, others[:MOST_BOXES])), "other", "other boxes"),
        Layer(path, "halo", ""),
        Layer(path, "hit", "the box of this finding"),
    )
    ring = None
    if max(right - left, bottom - top) < _LEAST_SHARE * (frame[2] - frame[0]):
        ring = Ring((left + right) / 2, (top + bottom) / 2, _LEAST_SHARE * (frame[2] - frame[0]))
    return Figure(image.origin, View(image.path, region), image.split or "", note, layers, ring, frame)


def show_sample(image: AnnotatedImage, box: Box, colors: Mapping[str, int]) -> Figure:
    """A box with a little of what is around it."""
    region = find_region(order_corners(get_corners(box)), image.width, image.height, context=1.5, least=24)
    size = f"{box.right - box.left:.0f} x {box.bottom - box.top:.0f} px"
    layers = (Layer(trace([get_corners(box)]), f"c{colors.get(box.name, 0)}", f"{box.name}, {size}"),)
    return Figure(image.origin, View(image.path, region, CROP_PX), image.split or "", size, layers)


def color_boxes(boxes: Sequence[Box], colors: Mapping[str, int]) -> tuple[Layer, ...]:
    """One layer for each class, at most 150 boxes in all."""
    by_class: dict[str, list[Corners]] = {}
    for box in boxes[:MOST_BOXES]:
        by_class.setdefault(box.name, []).append(get_corners(box))
    return tuple(Layer(trace(found), f"c{colors.get(name, 0)}", name) for name, found in by_class.items())


def find_region(corners: Corners, width: int, height: int, context: float, least: float, aspect: float = 1.0) -> Region:
    """The part of an image that shows a box.

    Args:
        corners: of the box, in px; may lie outside.
        width: of the image, in px.
        height: of the image, in px.
        context: the region's sides are this many times as long as the longer side of the box ...
        least: ... and at least this many px and 8 % of the image's longer side.
        aspect: width over height of the region, where the image is large enough.

    Returns:
        Left, top, right, bottom in whole px, inside the image and not empty.
    """
    left, top, right, bottom = corners
    side = max(context * (right - left) / aspect, context * (bottom - top), least, 0.08 * max(width, height))
    across, down = min(side * aspect, width), min(side, height)
    x = min(max((left + right - across) / 2, 0), width - across)
    y = min(max((top + bottom - down) / 2, 0), height - down)
    return math.floor(x), math.floor(y), math.ceil(x + across), math.ceil(y + down)


def trace(boxes: Iterable[Corners]) -> str:
    """SVG path data of rectangles, to a tenth of a px."""
    rounded = ([f"{round(edge, 1):.7g}" for edge in corners] for corners in boxes)
    return "".join(f"M{left} {top}H{right}V{bottom}H{left}Z" for left, top, right, bottom in rounded)


def get_corners(box: Box) -> Corners:
    """Left, top, right, bottom in px."""
    return box.left, box.top, box.right, box.bottom


def order_corners(corners: Corners) -> Corners:
    """The same rectangle, where right and bottom are not less than left and top."""
    left, top, right, bottom = corners
    return min(left, right), min(top, bottom), max(left, right), max(top, bottom)


def _clip(corners: Corners, limits: Corners) -> Corners:
    left, top, right, bottom = corners
    return (
        min(max(left, limits[0]), limits[2]),
        min(max(top, limits[1]), limits[3]),
        min(max(right, limits[0]), limits[2]),
        min(max(bottom, limits[1]), limits[3]),
    )


def _overlaps(box: Box, region: Region) -> bool:
    return box.left < region[2] and box.right > region[0] and box.top < region[3] and box.bottom > region[1]
