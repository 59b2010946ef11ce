"""The one form that every annotation format is read into: images with boxes in px."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePath
from typing import TypeVar

from PIL import Image
from rich.console import Console
from rich.progress import track

from steelyard.dataset.manifest import Split
from steelyard.errors import DatasetError

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
SPLIT_NAMES: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
T = TypeVar("T")
EXIF_ORIENTATION = 274
ROTATED_BY_A_QUARTER = (5, 6, 7, 8)


@dataclass(frozen=True, slots=True)
class Box:
    """A labelled rectangle; coordinates in px from the image's left top corner, not rounded."""

    name: str
    left: float
    top: float
    right: float
    bottom: float

    @property
    def area(self) -> float:
        """In px², 0 for an inverted box."""
        return max(0.0, self.right - self.left) * max(0.0, self.bottom - self.top)


@dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """An image of the source.

    Attributes:
        path: the file.
        origin: its path below the source's folder, with ``/``.
        width: px, as shown: after the EXIF orientation, which Ultralytics follows as well.
        height: px, as shown.
        boxes: as written in the source, good or bad.
        split: as published; None where the source does not say.
        is_rotated: whether it has an EXIF orientation other than the normal one.
    """

    path: Path
    origin: str
    width: int
    height: int
    boxes: tuple[Box, ...]
    split: Split | None
    is_rotated: bool


@dataclass(frozen=True, slots=True)
class Annotations:
    """A source, read.

    Attributes:
        images: sorted by origin.
        classes: in the source's order; empty where it has no list of them.
        not_included: images that the patterns left out.
    """

    images: tuple[AnnotatedImage, ...]
    classes: tuple[str, ...]
    not_included: int


def list_files(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """Files with one of these (lower case) suffixes in all folders below, sorted, without hidden ones."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in suffixes and not _is_hidden(path.relative_to(folder)) and path.is_file()
    )


def is_included(name: str, include: Sequence[str]) -> bool:
    """Whether an image's file name matches one of the patterns; no patterns match all."""
    return not include or any(fnmatch(name, pattern) for pattern in include)


def find_split(path: PurePath) -> Split | None:
    """The split that a folder of a relative path names, such as ``valid/images/a.jpg``."""
    found = {SPLIT_NAMES[part.lower()] for part in path.parts[:-1] if part.lower() in SPLIT_NAMES}
    return found.pop() if len(found) == 1 else None


def read_size(path: Path, origin: str) -> tuple[int, int, bool]:
    """Read an image's size from its head.

    Returns:
        Width and height in px, as shown, and whether EXIF rotates it.

    Raises:
        DatasetError: it is not an image, or larger than Pillow's limit against decompression bombs.
    """
    with refuse_undecodable(origin), Image.open(path) as image:
        orientation = image.getexif().get(EXIF_ORIENTATION, 1)
        width, height = image.size
    if orientation in ROTATED_BY_A_QUARTER:
        width, height = height, width
    return width, height, orientation not in (0, 1)


@contextmanager
def refuse_undecodable(origin: str) -> Iterator[None]:
    """Turn everything that Pillow raises for a bad file into one sentence."""
    try:
        with warnings.catch_warnings():
            # Pillow warns above 89 Mpx, usual for aerial photographs, and refuses above twice that.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            yield
    except Image.DecompressionBombError:
        raise DatasetError(
            f"image {origin}: has more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} px; cut it into smaller ones"
        ) from None
    except (OSError, SyntaxError, ValueError) as error:  # Pillow: SyntaxError for a broken PNG
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DatasetError(
            f"image {origin}: cannot be decoded ({error}); replace it, or leave it out with fetch.include"
        ) from None
    except ImportError:  # where Ultralytics was imported: its Image.open then looks for a HEIF plugin
        raise DatasetError(
            f"image {origin}: cannot be decoded (no known format); replace it, or leave it out with fetch.include"
        ) from None


def follow(items: Sequence[T], text: str) -> Iterator[T]:
    """Go through the items with a progress bar on stderr, where this is a terminal."""
    console = Console(stderr=True)
    return iter(track(items, text, console=console, transient=True, disable=not console.is_terminal))


def name_some(names: Sequence[str], most: int = 5) -> str:
    """A few names for an error message: ``a, b, c and 7 more``."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
