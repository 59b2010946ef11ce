"""Images that are there twice: byte for byte, or nearly so by their looks."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from steelyard.checks.report import Example, Findings
from steelyard.dataset.annotation import AnnotatedImage
from steelyard.dataset.manifest import SPLITS

# Measured on photographs, blood cells, video frames and aerial tiles: other images differ in 14 bits or
# more or correlate below 0.98; the same one after scaling, compression or more light in 4 bits, above 0.985.
MOST_BITS = 8
LEAST_CORRELATION = 0.985
LEAST_CONTRAST = 2.0  # standard deviation in grey levels; below it there is nothing to compare
CANDIDATES = 8  # nearest ones that are looked at closer, for each image
CELLS = 1_000_000  # of the table of distances that are in memory at one time


def check_duplicates(
    images: Sequence[AnnotatedImage], prints: NDArray[np.uint64], thumbnails: NDArray[np.uint8], findings: Findings
) -> None:
    """Find copies and near copies, within a split and across splits.

    Every image after the first counts once, as copy of the first; a near copy once within its split
    and once across.

    Args:
        images: those that could be decoded; those without a split are in one together.
        prints: (n,) perceptual hashes.
        thumbnails: (n, cells) grey levels.
        findings: is added to.
    """
    splits = [*SPLITS, None]
    # Train first, so that what is in val or test is the copy.
    order = sorted(range(len(images)), key=lambda place: (splits.index(images[place].split), images[place].origin))
    images, prints, thumbnails = [images[place] for place in order], prints[order], thumbnails[order]
    groups = _group_copies(images, prints, thumbnails)
    for group in groups:
        first = images[group[0]]
        for place, one in enumerate(group[1:], start=1):
            twins = (images[other] for other in group[:place] if images[other].split == images[one].split)
            twin = next(twins, None)
            _add("duplicate" if twin else "duplicate-across-splits", images[one], twin or first, "", findings)
    firsts = np.array([group[0] for group in groups if thumbnails[group[0]].std() >= LEAST_CONTRAST], np.int64)
    names = np.array([str(image.split) for image in images])
    for one, other, correlation in _find_near(prints[firsts], thumbnails[firsts], names[firsts]):
        image, twin = images[firsts[one]], images[firsts[other]]
        across = image.split != twin.split
        check = "near-duplicate-across-splits" if across else "near-duplicate"
        _add(check, image, twin, f"{correlation:.1%} alike", findings)


def _add(check: str, one: AnnotatedImage, other: AnnotatedImage, likeness: str, findings: Findings) -> None:
    splits = f"{one.split} and {other.split}" if one.split != other.split else ""
    detail = ", ".join(filter(None, (splits, likeness)))
    findings.add(check, Example(file=one.origin, other=other.origin, detail=detail))


def _group_copies(
    images: Sequence[AnnotatedImage], prints: NDArray[np.uint64], thumbnails: NDArray[np.uint8]
) -> list[list[int]]:
    """Groups of the same bytes, in the order of their first ones. Only what looks the same is read."""
    alike: dict[tuple[int, bytes], list[int]] = {}
    for place, print_ in enumerate(prints.tolist()):
        alike.setdefault((print_, thumbnails[place].tobytes()), []).append(place)
    groups: dict[tuple[int, str], list[int]] = {}
    for several in alike.values():
        for place in several:
            sha256 = _sha256(images[place].path) if len(several) > 1 else ""
            groups.setdefault((several[0], sha256), []).append(place)
    return sorted(groups.values())


def _find_near(
    prints: NDArray[np.uint64], thumbnails: NDArray[np.uint8], splits: NDArray[np.str_]
) -> Iterator[tuple[int, int, float]]:
    """For each image the earlier one that is most like it, in its own split and in others."""
    rows = max(1, CELLS // max(1, len(prints)))
    for start in range(0, len(prints), rows):
        stop = min(start + rows, len(prints))
        bits = np.bitwise_count(prints[start:stop, None] ^ prints[None, :stop])
        bits[np.arange(start, stop)[:, None] <= np.arange(stop)] = 64
        for row in np.flatnonzero((bits <= MOST_BITS).any(axis=1)).tolist():
            is_own = splits[:stop] == splits[start + row]
            for group in (is_own, ~is_own):
                near = np.flatnonzero(group & (bits[row] <= MOST_BITS))
                near = near[np.argsort(bits[row, near], kind="stable")[:CANDIDATES]]
                if near.size:
                    likeness = _correlate(thumbnails[start + row], thumbnails[near])
                    best = int(np.argmax(likeness))
                    if likeness[best] >= LEAST_CORRELATION:
                        yield start + row, int(near[best]), float(likeness[best])


def _correlate(one: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.float64]:
    first = one - one.mean()
    rest = others - others.mean(axis=1, keepdims=True)
    return np.asarray(rest @ first / (np.linalg.norm(rest, axis=1) * np.linalg.norm(first)))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
