"""Large photographs are cut on a grid; tiles never overlap, so no pixel is in two of them."""

from collections.abc import Sequence
from typing import NamedTuple

from steelyard.dataset.annotation import Box
from steelyard.dataset.boxes import clip_box


class Region(NamedTuple):
    """A rectangle of an image, in px."""

    x: int
    y: int
    width: int
    height: int


def cut_bands(width: int, height: int, tile: int) -> list[list[Region]]:
    """Cut an image into bands of tiles, the bands one after the other along the longer side.

    A strip at the right or lower edge that is narrower than half a tile is left out; a wider one
    gives narrower tiles. A side shorter than half a tile is one tile.

    Args:
        width: px.
        height: px.
        tile: side of a tile, px.
    """
    columns, rows = _cut_side(width, tile), _cut_side(height, tile)
    if height >= width:
        return [[Region(x, y, w, h) for x, w in columns] for y, h in rows]
    return [[Region(x, y, w, h) for y, h in rows] for x, w in columns]


def cut_boxes(boxes: Sequence[Box], region: Region, least_visible: float) -> list[tuple[int, Box]]:
    """The boxes of one tile.

    Args:
        boxes: of the image, inside it, px of the image.
        region: the tile.
        least_visible: a box is kept when at least this share of its area is inside, 0 to 1.

    Returns:
        Each kept box with its place in ``boxes``, clipped to the tile, in px of the tile.
    """
    kept = []
    for place, box in enumerate(boxes):
        inside = clip_box(box, region.x, region.y, region.x + region.width, region.y + region.height)
        if inside is not None and inside.area >= least_visible * box.area:
            left, top = inside.left - region.x, inside.top - region.y
            right, bottom = inside.right - region.x, inside.bottom - region.y
            kept.append((place, Box(box.name, left, top, right, bottom)))
    return kept


def _cut_side(length: int, tile: int) -> list[tuple[int, int]]:
    starts = [(start, tile) for start in range(0, length - tile + 1, tile)]
    rest = length - len(starts) * tile
    if 2 * rest >= tile or not starts:
        starts.append((length - rest, rest))
    return starts
