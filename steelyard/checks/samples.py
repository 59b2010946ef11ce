"""A small sheet of pictures with their boxes, for pages that show markdown."""

import math
import statistics
import warnings
from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw

from steelyard.checks.figures import COLORS, get_corners, order_corners
from steelyard.checks.page import spread
from steelyard.checks.pictures import View, decode, encode
from steelyard.dataset.annotation import AnnotatedImage

_CELL_HEIGHT = 225
_GAP = 6
_COLUMNS = 4
_GROUND, _EMPTY = "#11151a", "#97a2af"
_MOST_BYTES = 150_000


def draw_samples(images: Sequence[AnnotatedImage], most: int = 8) -> bytes:
    """Draw a few images, equally far apart in their order, with their boxes in the colours of their classes.

    Args:
        images: of a data set, at least one.
        most: how many to draw.

    Returns:
        A JPEG of at most 1,600 px width and about 150 kB; an image that cannot be decoded is an empty place in it.
    """
    chosen = [images[number] for number in spread(len(images), most)]
    names = sorted({box.name for image in images for box in image.boxes})
    colors = {name: COLORS[number % len(COLORS)] for number, name in enumerate(names)}
    aspect = statistics.median(image.width / max(image.height, 1) for image in chosen)
    wide, high = round(_CELL_HEIGHT * min(max(aspect, 0.75), 1.75)), _CELL_HEIGHT
    columns = min(_COLUMNS, len(chosen))
    rows = math.ceil(len(chosen) / columns)
    sheet = Image.new("RGB", (columns * (wide + _GAP) - _GAP, rows * (high + _GAP) - _GAP), _GROUND)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is wrong with an image is a finding
        for place, image in enumerate(chosen):
            cell = _draw_cell(image, (wide, high), colors)
            sheet.paste(cell, (place % columns * (wide + _GAP), place // columns * (high + _GAP)))
    return encode(sheet, _MOST_BYTES)


def _draw_cell(image: AnnotatedImage, cell_size: tuple[int, int], colors: Mapping[str, str]) -> Image.Image:
    cell = Image.new("RGB", cell_size, _GROUND)
    draw = ImageDraw.Draw(cell)
    opened = decode([View(image.path, side=max(cell_size))])
    if opened is None:
        draw.text((cell.width / 2, cell.height / 2), "cannot be decoded", _EMPTY, anchor="mm", font_size=14)
        return cell
    picture, (width, height) = opened
    scale = min(cell.width / width, cell.height / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    x, y = (cell.width - size[0]) // 2, (cell.height - size[1]) // 2
    cell.paste(picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0), (x, y))
    for box in image.boxes:
        left, top, right, bottom = order_corners(get_corners(box))
        corners = (x + left * scale, y + top * scale, x + right * scale, y + bottom * scale)
        draw.rectangle(corners, outline=colors[box.name], width=2)
    return cell
