"""Which annotation file is whose, where both have one name: in one folder, in folders side by side, or anywhere.

A wrong pair teaches the model somebody else's boxes and nobody sees it, so what is not sure is no pair.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from steelyard.dataset.annotation import name_some
from steelyard.errors import DatasetError


class Pairs(NamedTuple):
    """Who belongs together; each file stands in one pair at most.

    Attributes:
        labels: the annotation file of each image that has one.
        shared: the annotation file of each image that could have one, were it not as well that of another.
    """

    labels: dict[str, str]
    shared: dict[str, str]


def pair_by_name(images: Sequence[str], labels: Sequence[str]) -> Pairs:
    """Pair images and annotation files of the same name without suffix.

    An image gets the file beside it; else one in a folder next to its own (``Annotations`` next to
    ``JPEGImages``); else one anywhere, if no other image has that name. Where annotations lie beside
    their images, none is for an image of another folder.

    Args:
        images: paths below the source's folder, with ``/``.
        labels: the same of the annotation files.

    Raises:
        DatasetError: one image has several.
    """
    names = defaultdict(list)
    for image in images:
        names[stem(image)].append(image)
    pairs = Pairs({}, {})
    _claim(images, labels, _is_beside, pairs)
    beside = {parent(label) for label in pairs.labels.values()}
    elsewhere = [label for label in labels if parent(label) not in beside]
    _claim(images, elsewhere, _is_side_by_side, pairs)
    _claim([image for image in images if len(names[stem(image)]) == 1], elsewhere, lambda *_: True, pairs)
    return pairs


def stem(path: str) -> str:
    """The file name without suffix."""
    return PurePosixPath(path).stem


def parent(path: str) -> str:
    """The folder; empty at the top."""
    return path.rpartition("/")[0]


def _claim(images: Iterable[str], labels: Iterable[str], is_near: Callable[[str, str], bool], pairs: Pairs) -> None:
    """Add the pairs of those that are near to each other and still free."""
    taken = {*pairs.labels.values(), *pairs.shared.values()}
    by_stem = defaultdict(list)
    for label in labels:
        if label not in taken:
            by_stem[stem(label)].append(label)
    claims = defaultdict(list)
    for image in images:
        if image in pairs.labels or image in pairs.shared:
            continue
        near = [label for label in by_stem.get(stem(image), ()) if is_near(image, label)]
        if len(near) > 1:
            raise DatasetError(f"image {image}: has several annotations: {name_some(near)}; keep one")
        for label in near:
            claims[label].append(image)
    for label, claimants in claims.items():
        (pairs.labels if len(claimants) == 1 else pairs.shared).update(dict.fromkeys(claimants, label))


def _is_beside(image: str, label: str) -> bool:
    return parent(image) == parent(label)


def _is_side_by_side(image: str, label: str) -> bool:
    above, other = parent(image), parent(label)
    return bool(above and other) and parent(above) == parent(other)
