"""Thumbnails and crops for the pages: each image is opened once, at no more pixels than are shown."""

import base64
import math
import os
import warnings
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from steelyard.dataset.formats.head import KINDS
from steelyard.dataset.jpeg import MOST_SCANS, count_scans

Region = tuple[int, int, int, int]
THUMBNAIL_PX = 320
CROP_PX = 160
_BYTES_PER_PX = 37  # of the longer side: 11.8 kB a thumbnail, so that 200 pictures stay under 3 MB as base64
_QUALITIES = (80, 65, 50, 35)
_LEAST_PX = 64


@dataclass(frozen=True, slots=True)
class View:
    """What is to be seen of an image.

    Attributes:
        path: the image file.
        region: left, top, right, bottom in px of the image as shown, inside it; None: all of it.
        side: the longer side of the picture, in px, at most; small regions are not enlarged.
    """

    path: Path
    region: Region | None = None
    side: int = THUMBNAIL_PX


@dataclass(frozen=True, slots=True)
class Picture:
    """A view, cut.

    Attributes:
        uri: the picture as a JPEG in a ``data:`` address.
        region: left, top, right, bottom in px of the image as shown.
    """

    uri: str
    region: Region


def cut_views(views: Iterable[View]) -> dict[View, Picture | None]:
    """Cut the views, on all cores; equal ones once.

    Returns:
        The picture of each view; None where the image cannot be decoded.
    """
    by_path: dict[Path, list[View]] = {}
    for view in dict.fromkeys(views):
        by_path.setdefault(view.path, []).append(view)
    # Set once, around all threads: the filters are the process's. What is wrong with an image is a finding.
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        warnings.simplefilter("ignore")
        cut = pool.map(_cut_image, by_path.values())
        return {view: picture for pictures in cut for view, picture in pictures.items()}


def decode(views: Sequence[View]) -> tuple[Image.Image, tuple[int, int]] | None:
    """Decode an image as it is shown: turned by EXIF, RGB, 16 bits stretched to 8.

    Args:
        views: of one image, at least one. A JPEG file is decoded at an eighth, quarter or half of its size where
            that is enough for all of them.

    Returns:
        The picture, and the width and height in px that it has at full size; None where it cannot be decoded, or not
        within bounded time.
    """
    try:
        with Image.open(views[0].path, formats=KINDS) as image:
            if image.info.get("progressive") and count_scans(views[0].path.read_bytes()) > MOST_SCANS:
                return None
            width, height = image.size
            scale = min(1.0, max(view.side / _measure(view.region or (0, 0, width, height)) for view in views))
            image.draft("RGB", (math.ceil(width * scale), math.ceil(height * scale)))
            decoded = image.size
            upright = ImageOps.exif_transpose(image)
            if upright.size != decoded:
                width, height = height, width
            return _convert(upright), (width, height)
    except Exception:  # Pillow's readers also raise struct.error, IndexError and others for what strangers send
        return None


def encode(picture: Image.Image, most_bytes: int) -> bytes:
    """As JPEG, at the best of a few qualities that stays within ``most_bytes``; where none does, also smaller."""
    while True:
        for quality in _QUALITIES:
            stream = BytesIO()
            picture.save(stream, "JPEG", quality=quality, optimize=True)
            if stream.tell() <= most_bytes or max(picture.size) <= _LEAST_PX:
                return stream.getvalue()
        picture = picture.resize((max(1, picture.width * 3 // 4), max(1, picture.height * 3 // 4)))


def make_uri(kind: str, content: bytes) -> str:
    """A ``data:`` address of an image of this kind, such as ``jpeg``."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _cut_image(views: Sequence[View]) -> dict[View, Picture | None]:
    opened = decode(views)
    if opened is None:
        return dict.fromkeys(views)
    image, (width, height) = opened
    across, down = image.width / width, image.height / height
    pictures: dict[View, Picture | None] = {}
    for view in views:
        left, top, right, bottom = region = view.region or (0, 0, width, height)
        # Within the decoded image also where the file was changed since its size was read.
        box = (
            min(left * across, image.width - 1),
            min(top * down, image.height - 1),
            min(right * across, image.width),
            min(bottom * down, image.height),
        )
        wide, high = box[2] - box[0], box[3] - box[1]
        shrink = min(1.0, view.side / max(wide, high))
        size = (max(1, round(wide * shrink)), max(1, round(high * shrink)))
        cut = image.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=2.0)
        pictures[view] = Picture(make_uri("jpeg", encode(cut, _BYTES_PER_PX * view.side)), region)
    return pictures


def _measure(region: Region) -> int:
    return max(region[2] - region[0], region[3] - region[1])


def _convert(image: Image.Image) -> Image.Image:
    if image.mode[0] in "IF":  # 16 and 32 bits: Pillow would cut them off at 255
        values = np.nan_to_num(np.asarray(image, dtype=np.float32))
        low, high = float(values.min()), float(values.max())
        return Image.fromarray(((values - low) * (255 / max(high - low, 1e-6))).astype(np.uint8)).convert("RGB")
    return image.convert("RGB")
