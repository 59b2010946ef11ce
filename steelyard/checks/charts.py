"""Histograms of a data set as SVG: what is laid out here, in units of the drawing, the template only writes down."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steelyard.dataset.annotation import AnnotatedImage

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
WIDTH, HEIGHT = 360, 190  # of a chart, in units of its SVG
LEFT, RIGHT, TOP, BASE = 36.0, 352.0, 16.0, 164.0  # of its plot area
STRIDES = (8, 16, 32)  # px of the training image that a cell of the network's three grids is wide
_MOST_BINS = 40


class Tick(NamedTuple):
    """A place on an axis, in units of the SVG, with its text."""

    at: float
    text: str


class Bin(NamedTuple):
    """One bin of a histogram, for the pointer."""

    x: float
    width: float
    title: str


class Steps(NamedTuple):
    """The histogram of one split: an outline as SVG path data."""

    split: str
    path: str
    is_filled: bool


@dataclass(frozen=True, slots=True)
class Histogram:
    """How a quantity is distributed in each split, as shares of the split."""

    title: str
    note: str
    steps: tuple[Steps, ...]
    bins: tuple[Bin, ...]
    ticks: tuple[Tick, ...]
    levels: tuple[Tick, ...]
    marks: tuple[Tick, ...]


@dataclass(frozen=True, slots=True)
class Measures:
    """The images and boxes of a data set as arrays.

    Attributes:
        splits: names, in the order of their numbers.
        sizes: of the images, width and height in px, shape (images, 2).
        image_splits: number of each image's split, shape (images,).
        corners: of all boxes, left, top, right, bottom in px, shape (boxes, 4).
        owners: number of each box's image, shape (boxes,).
    """

    splits: tuple[str, ...]
    sizes: Floats
    image_splits: Ints
    corners: Floats
    owners: Ints

    @property
    def box_splits(self) -> Ints:
        """Number of each box's split, shape (boxes,)."""
        return self.image_splits[self.owners]


def measure(images: Sequence[AnnotatedImage], splits: Sequence[str]) -> Measures:
    """Gather images and boxes into arrays.

    Args:
        images: of the data set.
        splits: names; an image of none of them counts to the first.
    """
    numbers = {name: number for number, name in enumerate(splits)}
    corners = [(box.left, box.top, box.right, box.bottom) for image in images for box in image.boxes]
    return Measures(
        splits=tuple(splits),
        sizes=np.array([(image.width, image.height) for image in images], dtype=np.float64).reshape(-1, 2),
        image_splits=np.array([numbers.get(image.split or "", 0) for image in images], dtype=np.int64),
        corners=np.array(corners, dtype=np.float64).reshape(-1, 4),
        owners=np.repeat(np.arange(len(images), dtype=np.int64), [len(image.boxes) for image in images]),
    )


def draw_box_sizes(measures: Measures, imgsz: int) -> Histogram:
    """Sides of the boxes in the training image, whose longer side is ``imgsz`` px, on a logarithmic axis."""
    wide, high = _measure_boxes(measures)
    scales = imgsz / measures.sizes.max(axis=1, initial=1)
    sides = np.log2(np.sqrt(wide * high) * scales[measures.owners])
    top = math.ceil(math.log2(imgsz))
    small = f"{np.sum(sides < math.log2(STRIDES[0])):,} under {STRIDES[0]} px"
    return _draw_histogram(
        "Box size",
        f"√area in px at size {imgsz}; {small}",
        _count(sides, measures.box_splits, measures.splits, np.arange(0, top + 0.25, 0.5, dtype=np.float64)),
        [f"{2 ** (step / 2):.3g} to {2 ** ((step + 1) / 2):.3g} px" for step in range(2 * top)],
        {power / top: f"{2**power}" for power in range(top + 1)},
        {math.log2(stride) / top: f"stride {stride}" if stride == STRIDES[0] else f"{stride}" for stride in STRIDES},
    )


def draw_box_shapes(measures: Measures) -> Histogram:
    """Width over height of the boxes, on a logarithmic axis."""
    wide, high = _measure_boxes(measures)
    edges = np.arange(-3, 3.01, 0.25, dtype=np.float64)
    return _draw_histogram(
        "Box shape",
        "width : height",
        _count(np.log2(wide / high), measures.box_splits, measures.splits, edges),
        [f"width {2**low:.2f} to {2 ** (low + 0.25):.2f} of the height" for low in edges[:-1]],
        {(power + 3) / 6: f"{2 ** max(power, 0)}:{2 ** max(-power, 0)}" for power in range(-3, 4)},
        {},
    )


def draw_crowding(measures: Measures) -> Histogram:
    """How many boxes an image has."""
    counts = np.bincount(measures.owners, minlength=len(measures.sizes))
    most = int(counts.max(initial=0))
    few = round(2 * len(counts) ** 0.5)  # with more bins than that, a small split is all needles
    width = math.ceil((most + 1) / min(max(few, 8), _MOST_BINS))
    bins = max(5, math.ceil((most + 1) / width))
    every = max(1, round(bins / 6))
    return _draw_histogram(
        "Boxes in an image",
        f"median {np.median(counts):.0f}, most {most:,}" if len(counts) else "no images",
        _count(
            counts.astype(np.float64),
            measures.image_splits,
            measures.splits,
            np.arange(bins + 1, dtype=np.float64) * width,
        ),
        [f"{low * width}" + (f" to {(low + 1) * width - 1}" if width > 1 else "") + " boxes" for low in range(bins)],
        {(low + 0.5 * (width == 1)) / bins: f"{low * width}" for low in range(0, bins, every)},
        {},
    )


def place_levels(most: float) -> tuple[float, ...]:
    """Two round numbers for an axis from 0 to at least ``most``: the half and the end."""
    magnitude = 10.0 ** math.floor(math.log10(most)) if most > 0 else 1.0
    end = next(step * magnitude for step in (1, 2, 4, 5, 6, 8, 10) if step * magnitude >= most * (1 - 1e-9))
    return end / 2, end


def _measure_boxes(measures: Measures) -> tuple[Floats, Floats]:
    sides = (measures.corners[:, 2:] - measures.corners[:, :2]).clip(0.01)
    return sides[:, 0], sides[:, 1]


def _count(values: Floats, splits: Ints, names: Sequence[str], edges: Floats) -> dict[str, Ints]:
    """Values in each bin, by split; what lies outside is counted at the ends."""
    inside = values.clip(edges[0], np.nextafter(edges[-1], -np.inf))
    return {
        name: np.histogram(inside[splits == number], edges)[0].astype(np.int64) for number, name in enumerate(names)
    }


def _draw_histogram(
    title: str,
    note: str,
    counts: Mapping[str, Ints],
    bins: Sequence[str],
    ticks: Mapping[float, str],
    marks: Mapping[float, str],
) -> Histogram:
    """Lay out the shares of each split: the first one filled, the others as lines over it.

    Args:
        title: of the chart.
        note: below the title.
        counts: by split, one for each bin.
        bins: what each bin is.
        ticks: text by place on the axis, from 0 to 1.
        marks: the same for lines across the chart; those beyond 1 are left out.
    """
    shares = {name: each / max(each.sum(), 1) for name, each in counts.items()}
    levels = place_levels(max((float(each.max(initial=0)) for each in shares.values()), default=0))
    width = (RIGHT - LEFT) / len(bins)

    def place(share: float) -> float:
        return LEFT + share * (RIGHT - LEFT)

    def rise(share: float) -> float:
        return BASE - share / levels[-1] * (BASE - TOP)

    return Histogram(
        title,
        note,
        steps=tuple(
            Steps(
                name,
                f"M{LEFT:g} {BASE:g}"
                + "".join(f"V{rise(share):.1f}H{LEFT + (number + 1) * width:.1f}" for number, share in enumerate(each))
                + f"V{BASE:g}",
                is_filled=place_in_row == 0,
            )
            for place_in_row, (name, each) in enumerate(shares.items())
        ),
        bins=tuple(
            Bin(
                LEFT + number * width,
                width,
                f"{text}: " + ", ".join(f"{name} {each[number]:,}" for name, each in counts.items()),
            )
            for number, text in enumerate(bins)
        ),
        ticks=tuple(Tick(place(share), text) for share, text in ticks.items()),
        levels=tuple(Tick(rise(share), f"{share * 100:.3g} %") for share in levels),
        marks=tuple(Tick(place(share), text) for share, text in marks.items() if share <= 1),
    )
