"""The one form that every annotation format is read into: images with boxes in px."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePath
from typing import TypeVar

from rich.console import Console
from rich.progress import track

from steelyard.dataset.manifest import Problem, Split

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
        kind: Pillow's name of the file's format, such as "JPEG" ("MPO" for a JPEG of several
            pictures), whatever its suffix says; "" where the file was not looked at.
    """

    path: Path
    origin: str
    width: int
    height: int
    boxes: tuple[Box, ...]
    split: Split | None
    is_rotated: bool
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Annotations:
    """A source, read.

    Attributes:
        images: sorted by origin.
        classes: in the source's order; empty where it has no list of them.
        not_included: images that the patterns left out.
        problems: files and boxes that cannot be used; they are not among the images.
    """

    images: tuple[AnnotatedImage, ...]
    classes: tuple[str, ...]
    not_included: int
    problems: tuple[Problem, ...] = ()


def list_files(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """Files with one of these (lower case) suffixes in all folders below, sorted, without hidden ones."""
    paths = (folder / origin for origin in walk_files(folder) if origin.lower().endswith(tuple(suffixes)))
    return sorted(path for path in paths if path.is_file())


def walk_files(folder: Path) -> Iterator[str]:
    """Paths, relative to the folder and with ``/``, of the files in all folders below.

    Hidden ones are left out. Links are not followed but given, wherever they lead.
    """
    stack = [""]
    while stack:
        below = stack.pop()
        with os.scandir(folder / below) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name == "__MACOSX":
                    continue
                if entry.is_dir(follow_symlinks=False):
                    stack.append(f"{below}{entry.name}/")
                elif entry.is_file(follow_symlinks=False) or entry.is_symlink():
                    yield f"{below}{entry.name}"


def is_included(name: str, include: Sequence[str]) -> bool:
    """Whether an image's file name matches one of the patterns; no patterns match all."""
    return not include or any(fnmatch(name, pattern) for pattern in include)


def find_split(path: PurePath) -> Split | None:
    """The split that a folder of a relative path names: ``valid/images/a.jpg``, ``train2017/a.jpg``."""
    folders = [part.lower().rstrip("0123456789_-") for part in path.parts[:-1]]
    found = {SPLIT_NAMES[folder] for folder in folders if folder in SPLIT_NAMES}
    return found.pop() if len(found) == 1 else None


def follow(items: Sequence[T], text: str) -> Iterator[T]:
    """Go through the items with a progress bar on stderr, where this is a terminal."""
    console = Console(stderr=True)
    return iter(track(items, text, console=console, transient=True, disable=not console.is_terminal))


def name_some(names: Sequence[str], most: int = 5) -> str:
    """A few names for an error message: ``a, b, c and 7 more``."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
