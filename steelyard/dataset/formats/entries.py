"""Annotations that name their images, as COCO's and CSV's do: from what is written to the images that are there."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from steelyard.dataset.annotation import AnnotatedImage, Box, find_split, follow, is_included, name_some
from steelyard.dataset.formats.files import Files, describe_absent, split_path
from steelyard.dataset.formats.head import compare_size, read_head
from steelyard.dataset.manifest import SPLITS, Problem, Split
from steelyard.errors import DatasetError


@dataclass(slots=True)
class Entry:
    """What an annotation file says about one image.

    Attributes:
        where: the file, below the source's folder.
        written: path of the image, as it stands there.
        split: as the file says; None: by the image's folder.
        width: of the image, px; 0: it does not say.
        height: of the image, px; 0: it does not say.
        boxes: in px.
        fault: why the boxes are not known; empty: they are.
        left_out: boxes that are not used: id of the check, what was found, the box.
    """

    where: str
    written: str
    split: Split | None
    width: float = 0
    height: float = 0
    boxes: list[Box] = field(default_factory=list)
    fault: str = ""
    left_out: list[tuple[str, str, Box]] = field(default_factory=list)


def read_entries(
    files: Files, entries: Sequence[Entry], include: Sequence[str]
) -> tuple[tuple[AnnotatedImage, ...], tuple[Problem, ...]]:
    """Find the image of each entry and read its head.

    Returns:
        The images that can be used, and the problems of all others.

    Raises:
        DatasetError: several files annotate the same image, and no split tells which one counts.
    """
    claims, problems = _find_images(files, entries, include)
    images = []
    for origin in follow(files.chosen, "read images"):
        if origin not in claims:
            problems.append(Problem(id="image-without-label", file=origin))
            continue
        entry = _choose(origin, claims[origin], problems)
        if entry.fault:
            problems.append(Problem(id="label-unreadable", file=entry.where, detail=f"{origin}: {entry.fault}"))
            continue
        head = read_head(files.folder / origin, origin)
        if isinstance(head, Problem):
            problems.append(head)
            continue
        if problem := compare_size(head, origin, entry.width, entry.height, entry.where):
            problems.append(problem)
            continue
        for check, detail, box in entry.left_out:
            corners = (box.left, box.top, box.right, box.bottom)
            problems.append(Problem(id=check, file=origin, detail=detail, box=corners))
        split = entry.split or find_split(PurePosixPath(origin))
        images.append(
            AnnotatedImage(
                files.folder / origin,
                origin,
                head.width,
                head.height,
                tuple(entry.boxes),
                split,
                head.is_rotated,
                head.kind,
            )
        )
    return tuple(images), (*files.problems, *problems)


def _find_images(
    files: Files, entries: Sequence[Entry], include: Sequence[str]
) -> tuple[dict[str, list[Entry]], list[Problem]]:
    """The entries of each image, and what names none."""
    whole: dict[str, list[Entry]] = defaultdict(list)
    partly: dict[str, list[Entry]] = defaultdict(list)
    absent = []
    for entry in entries:
        name = (split_path(entry.written) or [""])[-1]
        if not is_included(name, include):
            continue
        found = files.find_image(entry.written, entry.where.rpartition("/")[0], entry.split)
        if found is None:
            absent.append(entry)
        else:
            (whole if found[1] else partly)[found[0]].append(entry)
    for origin, others in partly.items():
        # The end of a path is enough where nothing else claims the image: 0001.jpg of another folder is another.
        if origin in whole or len({entry.written for entry in others}) > 1:
            absent.extend(others)
        else:
            whole[origin] = others
    return whole, [describe_absent(entry.where, entry.written) for entry in absent]


def _choose(origin: str, entries: Sequence[Entry], problems: list[Problem]) -> Entry:
    if len(entries) == 1:
        return entries[0]
    by_split = {entry.split: entry for entry in entries}
    if None not in by_split and len(by_split) == len(entries):
        names = [split for split in SPLITS[::-1] if split in by_split]
        detail = f"in {' and in '.join(names)}, by {name_some(sorted({entry.where for entry in entries}))}"
        problems.append(Problem(id="image-in-two-splits", file=origin, detail=detail))
        return by_split[names[0]]
    files = sorted({entry.where for entry in entries})
    if len(files) > 1:
        raise DatasetError(f"image {origin}: has several annotations: {name_some(files)}; give a source with one")
    entries[0].fault = f"stands there {len(entries)} times"
    return entries[0]
