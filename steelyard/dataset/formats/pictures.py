"""Copies of images, as every format's writer places them."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from steelyard.dataset.annotation import AnnotatedImage, follow, name_some
from steelyard.dataset.manifest import Split
from steelyard.errors import DatasetError


def copy_pictures(
    images: Sequence[AnnotatedImage], folder: Path, place: Callable[[Split | None], str]
) -> Iterator[tuple[AnnotatedImage, str]]:
    """Copy images, byte for byte and under their own file names.

    Args:
        images: whose file names without suffix differ, also where case does not count.
        folder: where to.
        place: gives the folder of a split, below that one.

    Yields:
        Each image with the path of its copy below ``folder``.

    Raises:
        DatasetError: two have the same name, so that one would replace the other's image or labels.
    """
    names = [PurePosixPath(image.origin).name for image in images]
    stems = Counter(PurePosixPath(name).stem.casefold() for name in names)
    twice = [stem for stem, count in stems.items() if count > 1]
    if twice:
        raise DatasetError(f"{len(twice)} file names are of several images: {name_some(twice)}; rename them")
    for image, name in follow(list(zip(images, names, strict=True)), "write images"):
        path = f"{place(image.split)}/{name}"
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(image.path, folder / path)
        yield image, path


def format_px(value: float) -> str:
    """A coordinate in px with at most six decimals: 24, 24.5."""
    return str(round(value, 6)).removesuffix(".0")
