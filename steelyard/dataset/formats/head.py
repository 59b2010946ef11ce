"""What the head of an image file says, without decoding a pixel."""

import warnings
from pathlib import Path
from typing import IO, NamedTuple

from PIL import Image, ImageFile, UnidentifiedImageError

from steelyard.dataset.manifest import Problem

KINDS = ("BMP", "JPEG", "PNG", "TIFF", "WEBP")
"""What Pillow and OpenCV both decode. For some others, such as EPS, Pillow would start a program."""

EXIF_ORIENTATION = 274
QUARTER_TURNS = (5, 6, 7, 8)


class Head(NamedTuple):
    """What the head says.

    Attributes:
        width: px, as shown: after the EXIF orientation, which OpenCV and so Ultralytics follow.
        height: px, as shown.
        is_rotated: whether it has an orientation other than the normal one.
        is_turned: whether this turns it by a quarter, so that the file has width and height swapped.
        kind: Pillow's name of the format; "MPO" for a JPEG of several pictures.
    """

    width: int
    height: int
    is_rotated: bool
    is_turned: bool
    kind: str


def read_head(path: Path, origin: str) -> Head | Problem:
    """Read the head of an image.

    Args:
        path: the file.
        origin: its path below the source's folder.

    Returns:
        The head; or what is wrong, where it is empty, is no image, or is larger than Pillow's limit
        against decompression bombs.

    Raises:
        OSError: the disk or a permission, rather than what the file holds.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns above 89 Mpx, usual for aerial photographs, and of damage that it can read around.
            warnings.simplefilter("ignore")
            with Image.open(path, formats=KINDS) as image:
                orientation = _read_orientation(image)
                (width, height), kind = image.size, image.format or ""
    except Image.DecompressionBombError:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        return Problem(id="image-huge", file=origin, detail=f"has more than {most:,} px")
    except Exception as error:  # Pillow's readers also raise struct.error, IndexError and others
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno is not None):
            raise
        if path.stat().st_size == 0:
            return Problem(id="image-empty", file=origin)
        # ImportError: where Ultralytics was imported, its Image.open then looks for a HEIF plugin.
        is_unknown = isinstance(error, UnidentifiedImageError | ImportError)
        return Problem(
            id="image-unreadable",
            file=origin,
            detail=f"none of {', '.join(KINDS)}" if is_unknown else str(error).replace(str(path), origin),
        )
    is_turned = orientation in QUARTER_TURNS
    if is_turned and kind != "TIFF":  # Pillow gives a TIFF's size as shown
        width, height = height, width
    return Head(width, height, orientation not in (0, 1), is_turned, kind)


def compare_size(head: Head, origin: str, width: float, height: float, where: str) -> Problem | None:
    """What is wrong where an annotation says another size than the image has.

    Args:
        head: of the image.
        origin: its path below the source's folder.
        width: as the annotation says, px; 0: it does not say.
        height: as the annotation says, px; 0: it does not say.
        where: the annotation's path below the source's folder.
    """
    if not width or not height or (width, height) == (head.width, head.height):
        return None
    lies_unturned = head.is_turned and (height, width) == (head.width, head.height)
    return Problem(
        id="exif-against-boxes" if lies_unturned else "size-mismatch",
        file=origin,
        detail=f"{where} says {width:g} x {height:g} px, but it has {head.width} x {head.height} as shown",
    )


def _read_orientation(image: ImageFile.ImageFile) -> int:
    if image.format != "PNG":
        return int(image.getexif().get(EXIF_ORIENTATION, 1))
    # Pillow's getexif decodes a whole PNG to see whether EXIF comes after the pixels.
    exif = Image.Exif()
    exif.load(image.info.get("exif") or _find_late_exif(image.fp))
    return int(exif.get(EXIF_ORIENTATION, 1))


def _find_late_exif(file: IO[bytes] | None) -> bytes:
    """The eXIf chunk of an open PNG file, going from chunk to chunk; empty without one."""
    if file is None:
        return b""
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length = int.from_bytes(head[:4], "big")
        if head[4:] == b"eXIf":
            return file.read(length)
        file.seek(length + 4, 1)
    return b""
