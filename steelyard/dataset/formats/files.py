"""The files of a source, listed once: which can be used, and which one an annotation means by a path."""

import os
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from steelyard.dataset.annotation import IMAGE_SUFFIXES, SPLIT_NAMES, find_split, is_included, walk_files
from steelyard.dataset.manifest import Problem, Split
from steelyard.errors import DatasetError

LABEL_SUFFIXES = (".csv", ".data", ".json", ".labels", ".names", ".txt", ".xml", ".yaml", ".yml")
MOST_TEXT_BYTES = 1 << 24
"""Of a label file or a list: a hundred thousand boxes have a tenth of it."""

# Control characters, line ends of Unicode, and what Python makes of bytes that are not UTF-8.
_UNUSABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# With `cache.type: symlink` DVC links each file of a folder into its cache.
_DVC_OBJECT = re.compile(r"/files/md5/[0-9a-f]{2}/[0-9a-f]{30}$")


@dataclass(frozen=True)
class Files:
    """The files below a source's folder, by their paths below it (with ``/``), sorted.

    Attributes:
        folder: of the source.
        images: by their suffix, without those that cannot be used.
        chosen: those of them that ``include`` matches.
        others: all other files, without those that cannot be used.
        problems: names that nobody can write down, links out of the source.
    """

    folder: Path
    images: tuple[str, ...]
    chosen: tuple[str, ...]
    others: tuple[str, ...]
    problems: tuple[Problem, ...]

    def list_others(self, suffix: str) -> list[str]:
        """Those that end so, in lower or upper case."""
        return [origin for origin in self.others if origin.lower().endswith(suffix)]

    def find_image(self, written: str, start: str = "", split: Split | None = None) -> tuple[str, bool] | None:
        """The image that a path in an annotation means.

        Such paths were written for another place: with ``../``, with the absolute path of somebody's
        disk. The image that shares the longest end with it is meant; so nothing outside of the source
        can be named.

        Args:
            written: the path.
            start: folder of the annotation.
            split: of the annotation: of several images the one whose folder names it is taken.

        Returns:
            The image, and whether all of the path fits; None where there is no image of that file
            name, or several that fit as well.
        """
        parts = split_path(written)
        whole = "/".join(parts)
        if f"{start}/{whole}".lstrip("/") in self._known:
            return f"{start}/{whole}".lstrip("/"), True
        by_fit: dict[tuple[int, bool, int], list[str]] = defaultdict(list)
        for origin in self._by_name.get(parts[-1] if parts else "", ()):
            there = origin.split("/")
            names_split = split is not None and find_split(PurePosixPath(origin)) == split
            fit = _count_common(parts[::-1], there[::-1]), names_split, _count_common(start.split("/"), there)
            by_fit[fit].append(origin)
        best = by_fit[max(by_fit)] if by_fit else []
        return (best[0], max(by_fit)[0] == len(parts)) if len(best) == 1 else None

    @cached_property
    def mentionable(self) -> frozenset[str]:
        """Images that are there, whether they can be used or not."""
        return frozenset((*self.images, *(problem.file for problem in self.problems)))

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.images)

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for origin in self.images:
            found[origin.rpartition("/")[2]].append(origin)
        return found


def list_source(folder: Path, include: Sequence[str]) -> Files:
    """List a source.

    Args:
        folder: of the source.
        include: patterns of image file names to use; empty: all.
    """
    images: list[str] = []
    chosen: list[str] = []
    others: list[str] = []
    problems: list[Problem] = []
    for origin in sorted(walk_files(folder)):
        is_image = origin.lower().endswith(IMAGE_SUFFIXES)
        is_chosen = is_image and is_included(origin.rpartition("/")[2], include)
        problem = _find_fault(folder, origin) if is_chosen or not is_image else None
        if problem is not None:
            if is_chosen or problem.id != "file-name":
                problems.append(problem)
        elif is_image:
            images.append(origin)
            if is_chosen:
                chosen.append(origin)
        else:
            others.append(origin)
    return Files(folder, tuple(images), tuple(chosen), tuple(others), tuple(problems))


def read_text(folder: Path, origin: str) -> str:
    """Read a label file or a list.

    Args:
        folder: of the source.
        origin: path below it, one of those that were listed.

    Raises:
        DatasetError: what is wrong with it, without its name: it is not UTF-8, or has more than
            ``MOST_TEXT_BYTES``.
    """
    try:
        return read_bytes(folder, origin).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(f"is not UTF-8 text ({error.reason} at byte {error.start})") from None


def read_bytes(folder: Path, origin: str) -> bytes:
    """The same as bytes."""
    with open(f"{folder}/{origin}", "rb") as file:  # noqa: PTH123 (for each file; a Path takes as long as its reading)
        content = file.read(MOST_TEXT_BYTES + 1)
    if len(content) > MOST_TEXT_BYTES:
        raise DatasetError(f"has more than {MOST_TEXT_BYTES >> 20} MiB, too many for a list or the labels of an image")
    return content


def split_path(written: str) -> list[str]:
    """The parts of a path that somebody wrote on some system, without ``..``, ``.`` and the root."""
    return [part for part in written.replace("\\", "/").split("/") if part not in ("", ".", "..")]


def leads_outside(written: str) -> bool:
    """Whether a path is absolute, on any system, or goes up."""
    path = written.replace("\\", "/")
    return path.startswith("/") or ".." in path.split("/") or bool(re.match(r"[A-Za-z]:/|[a-z0-9]+://", path))


def describe_absent(file: str, written: str) -> Problem:
    """The problem of a path that names no image of the source.

    Args:
        file: that names it.
        written: the path.
    """
    check = "path-outside" if leads_outside(written) else "label-without-image"
    return Problem(id=check, file=show(file), detail=f"names {show(written)[:200]}, which is not there")


def name_split(text: str) -> Split | None:
    """The split that a file name such as ``instances_train2017.json`` names, if it names just one."""
    words = re.split(r"[^a-z]+", text.lower())
    found = {SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES}
    return found.pop() if len(found) == 1 else None


def show(text: str) -> str:
    """A name as it can be written into JSON, lists and pages: what cannot is escaped."""
    return _UNUSABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _find_fault(folder: Path, origin: str) -> Problem | None:
    if _UNUSABLE.search(origin):
        return Problem(id="file-name", file=show(origin))
    path = f"{folder}/{origin}"
    if not os.path.islink(path):  # noqa: PTH114 (for each file; a Path takes longer than the question)
        return None
    target = Path(path).resolve()
    is_image, is_label = (origin.lower().endswith(suffixes) for suffixes in (IMAGE_SUFFIXES, LABEL_SUFFIXES))
    if not (is_image or is_label or target.is_dir()):
        return None
    if not target.is_relative_to(folder.resolve()) and not _DVC_OBJECT.search(str(target)):
        return Problem(id="path-outside", file=origin, detail="a link that leads out of the source")
    if target.is_file() or not (is_image or is_label):
        return None
    return Problem(
        id="image-unreadable" if is_image else "label-unreadable", file=origin, detail="a link that leads to no file"
    )


def _count_common(one: Sequence[str], other: Sequence[str]) -> int:
    pairs = list(zip(one, other, strict=False))
    return next((place for place, (a, b) in enumerate(pairs) if a != b), len(pairs))
