"""YOLO: one text file per image, in ``labels/`` beside ``images/`` or beside the image itself.

Rows are ``class x y width height`` as shares of the image, or ``class x1 y1 x2 y2 ...``, a polygon, which
becomes the box around it (as Ultralytics does). An image without a text file is a background. Names and
splits stand in data.yaml or in older forms of it.
"""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from steelyard.dataset.annotation import (
    IMAGE_SUFFIXES,
    AnnotatedImage,
    Annotations,
    Box,
    find_split,
    follow,
    is_included,
)
from steelyard.dataset.formats.data_yaml import NAME_FILES, find_description, read_splits
from steelyard.dataset.formats.files import Files, list_source, read_text, show
from steelyard.dataset.formats.head import read_head
from steelyard.dataset.formats.pictures import copy_pictures
from steelyard.dataset.manifest import SPLITS, Problem, Split
from steelyard.errors import DatasetError

MOST = 1_000_000
"""Of shares of an image and of numbers of classes: times a width in px it must still be a number."""


class Row(NamedTuple):
    """One line of a label file; edges as shares of the image's width and height."""

    number: int
    left: float
    top: float
    right: float
    bottom: float

    def place(self, name: str, width: int, height: int) -> Box:
        """The box in px of an image of this size."""
        return Box(name, self.left * width, self.top * height, self.right * width, self.bottom * height)


def recognise(folder: Path) -> bool:
    """Whether class names in a data.yaml or obj.data, or text files with rows of numbers, lie below."""
    files = list_source(folder, ())
    if (found := find_description(files)) and found.where != "fetch.classes":
        return True
    heads = [
        _read_head(folder / label) for label in islice(dict.fromkeys(_find_labels(files, files.images).values()), 20)
    ]
    return any(map(_looks_like_rows, heads)) or (bool(heads) and not any(heads))


def read(folder: Path, include: Sequence[str], classes: Sequence[str]) -> Annotations:
    """Read all images and boxes below a folder.

    Images that data.yaml's lists and folders do not name are in no split; without a label file they
    are problems, and not taken for backgrounds.

    Args:
        folder: of the source.
        include: patterns of image file names to use; empty: all.
        classes: names in the order of their numbers, where the source has none.

    Raises:
        DatasetError: there are no names, data.yaml cannot be understood, or no image has labels.
    """
    files = list_source(folder, include)
    description = find_description(files, classes)
    if description is None:
        raise DatasetError(
            "the labels are numbers, and there is neither data.yaml nor classes.txt with names; list them in "
            "fetch.classes, in the order of the numbers"
        )
    splits, problems = read_splits(files, description)
    labels = _find_labels(files, files.images)
    if not labels:
        raise DatasetError(
            f"none of {len(files.images)} images has a label file (labels/a.txt for images/a.jpg, or a.txt for "
            "a.jpg); add them"
        )
    problems = [*files.problems, *problems, *_list_lone_labels(files, include)]
    images = []
    for origin in follow(files.chosen, "read labels"):
        label = labels.get(origin)
        if splits and label is None and origin not in splits:
            detail = "no list or folder names it, and it has no label file (an empty one says that it shows nothing)"
            problems.append(Problem(id="image-in-no-split", file=origin, detail=detail))
            continue
        head = read_head(folder / origin, origin)
        if isinstance(head, Problem):
            problems.append(head)
            continue
        if label is None:
            problems.append(Problem(id="background-without-label", file=origin))
        try:
            rows = parse_rows(read_text(folder, label), description.has_keypoints) if label else []
        except DatasetError as error:
            problems.append(Problem(id="label-unreadable", file=label or origin, detail=str(error)))
            continue
        boxes = []
        for row in rows:
            if row.number < len(description.names):
                boxes.append(row.place(description.names[row.number], head.width, head.height))
            else:
                box = row.place(str(row.number), head.width, head.height)
                detail = f"class {row.number}, but the names are numbered 0 to {len(description.names) - 1}"
                corners = (box.left, box.top, box.right, box.bottom)
                problems.append(Problem(id="class-unknown", file=origin, detail=detail, box=corners))
        split = splits.get(origin) if splits else find_split(PurePosixPath(origin))
        images.append(
            AnnotatedImage(
                folder / origin, origin, head.width, head.height, tuple(boxes), split, head.is_rotated, head.kind
            )
        )
    return Annotations(tuple(images), description.names, len(files.images) - len(files.chosen), tuple(problems))


def write(images: Sequence[AnnotatedImage], classes: Sequence[str], folder: Path) -> None:
    """Write ``images/SPLIT``, ``labels/SPLIT`` and data.yaml; what is in no split lies in ``images`` itself.

    Args:
        images: with boxes in px; their file names without suffix must differ.
        classes: names in the order of their numbers.
        folder: an empty folder.
    """
    numbers = {name: number for number, name in enumerate(classes)}
    for image, path in copy_pictures(images, folder, lambda split: f"images/{split}" if split else "images"):
        label = folder / label_path(path)
        label.parent.mkdir(parents=True, exist_ok=True)
        rows = [format_row(box, numbers[box.name], image.width, image.height) for box in image.boxes]
        label.write_text("".join(rows), encoding="utf-8")
    there = [split for split in SPLITS if any(image.split == split for image in images)]
    (folder / "data.yaml").write_text(format_data_yaml(classes, there), encoding="utf-8")


def label_path(image: str) -> str:
    """Where the labels of an image lie: the last folder called images becomes labels.

    Args:
        image: path below the data set's folder, with ``/``.
    """
    above, _, name = f"/{image}".rpartition("/images/")
    path = f"{above}/labels/{name}".lstrip("/") if _ else image
    return f"{path.rpartition('.')[0]}.txt"


def format_row(box: Box, number: int, width: int, height: int) -> str:
    """One line of a label file, ``class x y width height`` with its line break.

    Args:
        box: in px of the image.
        number: of its class.
        width: of the image, px.
        height: of the image, px.
    """
    x, y = (box.left + box.right) / 2 / width, (box.top + box.bottom) / 2 / height
    w, h = (box.right - box.left) / width, (box.bottom - box.top) / height
    return f"{number} {x:.6f} {y:.6f} {w:.6f} {h:.6f}\n"


def format_data_yaml(classes: Sequence[str], splits: Sequence[Split]) -> str:
    """The text of data.yaml for images in ``images/SPLIT``.

    Without ``path:``, so that it means its own folder, wherever that is.
    """
    lines = [f"{split}: images/{split}" for split in splits] + ["names:"]
    lines += [f"  {number}: {json.dumps(name, ensure_ascii=False)}" for number, name in enumerate(classes)]
    return "\n".join(lines) + "\n"


def parse_rows(text: str, has_keypoints: bool = False) -> list[Row]:
    """Read the rows of a label file.

    Args:
        text: of the file.
        has_keypoints: whether keypoints follow the box; they are not read.

    Raises:
        DatasetError: a row is no box and no polygon; the message begins with the number of its line.
    """
    rows = []
    for line, words in enumerate(map(str.split, text.splitlines()), start=1):
        if not words:
            continue
        try:
            kind, *values = map(float, words)
        except ValueError:
            raise DatasetError(f"line {line}: {show(' '.join(words)[:60])!r} are not numbers") from None
        if has_keypoints:
            values = values[:4]
        if len(values) < 4 or len(values) % 2 or not all(map(math.isfinite, values)):
            raise DatasetError(
                f"line {line}: has {len(values)} numbers after the class; a box has 4 finite ones, a polygon 6, 8, ..."
            )
        if not (0 <= kind <= MOST and kind.is_integer()):
            raise DatasetError(f"line {line}: class {kind:g}; must be a whole number, 0 to {MOST:,}")
        if (largest := max(values, key=abs)) and abs(largest) > MOST:
            raise DatasetError(f"line {line}: {largest:g} is no share of the image; these are 0 to 1")
        if len(values) == 4:
            x, y, w, h = values
            rows.append(Row(int(kind), x - w / 2, y - h / 2, x + w / 2, y + h / 2))
        else:
            xs, ys = values[::2], values[1::2]
            rows.append(Row(int(kind), min(xs), min(ys), max(xs), max(ys)))
    return rows


def _find_labels(files: Files, images: Iterable[str]) -> dict[str, str]:
    """The label file of each image that has one."""
    texts = set(files.list_others(".txt"))
    found = {}
    for origin in images:
        for label in (label_path(origin), f"{origin.rpartition('.')[0]}.txt"):
            if label in texts:
                found[origin] = label
                break
    return found


def _list_lone_labels(files: Files, include: Sequence[str]) -> Iterator[Problem]:
    used = set(_find_labels(files, files.mentionable).values())
    folders = {label.rpartition("/")[0] for label in used}
    for origin in files.list_others(".txt"):
        folder, _, name = origin.rpartition("/")
        is_label = "labels" in folder.split("/") or (
            folder in folders and _looks_like_rows(_read_head(files.folder / origin))
        )
        if origin in used or name in NAME_FILES or not is_label:
            continue
        if any(is_included(name[:-4] + suffix, include) for suffix in IMAGE_SUFFIXES):
            yield Problem(id="label-without-image", file=origin, detail="has no image of the same name")


def _looks_like_rows(head: bytes) -> bool:
    try:
        # The last line may be cut.
        return bool(parse_rows(b"\n".join(head.splitlines()[:1]).decode("utf-8-sig")))
    except (DatasetError, UnicodeDecodeError):
        return False


def _read_head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4096)
