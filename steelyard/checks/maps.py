"""Sizes of images, and where in them the boxes lie."""

import math
from collections import Counter
from dataclasses import dataclass
from io import BytesIO
from typing import NamedTuple

import numpy as np
from PIL import Image

from steelyard.checks.charts import BASE, LEFT, RIGHT, TOP, WIDTH, Floats, Measures, Tick, place_levels
from steelyard.checks.pictures import make_uri

_CELLS = 40  # of a heat map, each way
_BLUE = (59, 118, 214)
_MOST_LISTED = 4
_FRAMES_HEIGHT = 110
_MOST_DOTS = 80  # more sizes are gathered in a grid
_GRID = 24


class Dot(NamedTuple):
    """Images of one size, in units of the SVG."""

    x: float
    y: float
    radius: float
    title: str


@dataclass(frozen=True, slots=True)
class Sizes:
    """Widths and heights of the images: as a list where there are few, or else as dots.

    Attributes:
        listed: size and how many images have it, most first.
        frames: width and height of each listed size and of the training image, in units of the SVG.
        height: of their drawing.
        dots: their areas are as the counts.
        ticks: widths.
        levels: heights.
    """

    listed: tuple[tuple[str, int], ...] = ()
    frames: tuple[tuple[float, float], ...] = ()
    height: int = 0
    dots: tuple[Dot, ...] = ()
    ticks: tuple[Tick, ...] = ()
    levels: tuple[Tick, ...] = ()


@dataclass(frozen=True, slots=True)
class HeatMap:
    """A picture of up to 40 x 40 cells, clear where there is nothing, blue where there is most."""

    title: str
    note: str
    uri: str
    aspect: float


def draw_sizes(measures: Measures, imgsz: int) -> Sizes:
    """The sizes of the images; few ones as frames around each other, the last that of the training image."""
    counts = Counter((int(width), int(height)) for width, height in measures.sizes)
    common = counts.most_common()
    if len(common) <= _MOST_LISTED:
        frames = [*sorted(counts, reverse=True), (imgsz, imgsz)]
        widest, highest = (max(sides) for sides in zip(*frames, strict=True))
        scale = min((WIDTH - 2) / widest, _FRAMES_HEIGHT / highest)
        return Sizes(
            listed=tuple((f"{width:,} x {height:,}", count) for (width, height), count in common),
            frames=tuple((width * scale, height * scale) for width, height in frames),
            height=math.ceil(highest * scale) + 2,
        )
    widths, heights = (place_levels(float(most)) for most in measures.sizes.max(axis=0))
    groups: Counter[tuple[float, float]] = Counter({(float(x), float(y)): count for (x, y), count in counts.items()})
    if len(common) > _MOST_DOTS:
        cells = np.array([widths[-1], heights[-1]]) / _GRID
        groups = Counter((x, y) for x, y in ((measures.sizes // cells + 0.5) * cells).tolist())
    most = max(groups.values())
    return Sizes(
        dots=tuple(
            Dot(
                LEFT + width / widths[-1] * (RIGHT - LEFT),
                BASE - height / heights[-1] * (BASE - TOP),
                max(2.0, 11 * (count / most) ** 0.5),
                f"about {width:,.0f} x {height:,.0f} px: {count:,} images",
            )
            for (width, height), count in sorted(groups.items(), key=lambda item: -item[1])
        ),
        ticks=tuple(Tick(LEFT + each / widths[-1] * (RIGHT - LEFT), f"{each:,.0f}") for each in widths),
        levels=tuple(Tick(BASE - each / heights[-1] * (BASE - TOP), f"{each:,.0f}") for each in heights),
    )


def draw_centres(measures: Measures) -> HeatMap:
    """Where the centres of the boxes lie."""
    left, top, right, bottom = _find_shares(measures).T
    side = min(max(round((len(left) / 4) ** 0.5), 8), _CELLS)  # about four boxes in a cell, lest it is all chance
    cells, _, _ = np.histogram2d((top + bottom) / 2, (left + right) / 2, side, ((0, 1), (0, 1)))
    return _draw_map("Centres of boxes", f"{side} x {side} cells; most in one: {cells.max():,.0f}", cells, measures)


def draw_coverage(measures: Measures) -> HeatMap:
    """How many boxes lie over each place of an image, on average."""
    left, top, right, bottom = _find_shares(measures).T * _CELLS
    x, y = np.floor(left).astype(int), np.floor(top).astype(int)
    x_end, y_end = np.maximum(np.ceil(right).astype(int), x + 1), np.maximum(np.ceil(bottom).astype(int), y + 1)
    # The second sums of +1 and -1 at the corners of a rectangle are 1 inside it and 0 elsewhere.
    corners = np.zeros((_CELLS + 2, _CELLS + 2))
    for rows, columns, sign in ((y, x, 1), (y, x_end, -1), (y_end, x, -1), (y_end, x_end, 1)):
        np.add.at(corners, (rows, columns), sign)
    cells = corners.cumsum(axis=0).cumsum(axis=1)[:_CELLS, :_CELLS] / max(len(measures.sizes), 1)
    return _draw_map("Places covered by boxes", f"at most {cells.max():.2g} boxes an image", cells, measures)


def _find_shares(measures: Measures) -> Floats:
    """Corners as shares of their images' sides, within 0 to 1."""
    sizes = np.maximum(measures.sizes, 1)[measures.owners]
    shares: Floats = (measures.corners / np.hstack((sizes, sizes))).clip(0, 1 - 1e-9)
    return shares


def _draw_map(title: str, note: str, cells: Floats, measures: Measures) -> HeatMap:
    pixels = np.empty((*cells.shape, 4), dtype=np.uint8)
    pixels[..., :3] = _BLUE
    pixels[..., 3] = np.rint(255 * np.sqrt(cells / max(cells.max(), 1e-9)))  # the root: faint places are seen, too
    stream = BytesIO()
    Image.fromarray(pixels, "RGBA").save(stream, "PNG", optimize=True)
    width, height = np.median(measures.sizes, axis=0) if len(measures.sizes) else (1, 1)
    return HeatMap(title, note, make_uri("png", stream.getvalue()), float(np.clip(width / max(height, 1), 0.5, 2.5)))
