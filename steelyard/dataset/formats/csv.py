"""CSV: one row per box, with the image's path, the corners in px and the class.

    image,xmin,ymin,xmax,ymax,label[,split][,width,height]

The columns may stand in any order and have other usual names; without a header the order is that of
RetinaNet, ``path,x1,y1,x2,y2,class``. A row without numbers is an image without a box.
"""

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from steelyard.dataset.annotation import (
    IMAGE_SUFFIXES,
    SPLIT_NAMES,
    AnnotatedImage,
    Annotations,
    Box,
    find_split,
    list_files,
)
from steelyard.dataset.formats.entries import Entry, read_entries
from steelyard.dataset.formats.files import list_source, name_split, show
from steelyard.dataset.formats.pictures import copy_pictures, format_px
from steelyard.errors import DatasetError

MOST_BYTES = 500_000_000
HEADER = ("image", "xmin", "ymin", "xmax", "ymax", "label", "split", "width", "height")
NAMES = {
    "image": ("image", "image_path", "filename", "file_name", "image_name", "img_path", "file", "path"),
    "xmin": ("xmin", "x_min", "x1", "left"),
    "ymin": ("ymin", "y_min", "y1", "top"),
    "xmax": ("xmax", "x_max", "x2", "right"),
    "ymax": ("ymax", "y_max", "y2", "bottom"),
    "label": ("label", "class", "class_name", "label_name", "name", "category"),
    "split": ("split", "set", "subset"),
    "width": ("width", "image_width", "img_width"),
    "height": ("height", "image_height", "img_height"),
}
"""What the columns are called, the usual name first."""

CORNERS = ("xmin", "ymin", "xmax", "ymax")
_HEAD_BYTES = 4096


class _Form(NamedTuple):
    """How a file is written: its delimiter, and the place of each column; of the first row, whether it is a header."""

    delimiter: str
    columns: Mapping[str, int]
    has_header: bool


def recognise(folder: Path) -> bool:
    """Whether a CSV file with columns for image, corners and label lies below."""
    return any(_find_form(path) for path in list_files(folder, (".csv",)))


def read(folder: Path, include: Sequence[str], classes: Sequence[str]) -> Annotations:
    """Read all images and boxes below a folder.

    Args:
        folder: of the source.
        include: patterns of image file names to use; empty: all.
        classes: not used; the names stand in the CSV files.

    Raises:
        DatasetError: there is no such CSV file, one cannot be understood, or several annotate one image.
    """
    files = list_source(folder, include)
    forms = {origin: form for origin in files.list_others(".csv") if (form := _find_form(folder / origin))}
    if not forms:
        raise DatasetError(f"there is no CSV file with the columns {', '.join(HEADER[:6])}")
    entries = [entry for origin, form in forms.items() for entry in _read_file(folder, origin, form)]
    images, problems = read_entries(files, entries, include)
    return Annotations(images, (), len(files.images) - len(files.chosen), problems)


def write(images: Sequence[AnnotatedImage], classes: Sequence[str], folder: Path) -> None:
    """Write ``images/SPLIT`` and annotations.csv.

    Args:
        images: with boxes in px; their file names without suffix must differ.
        classes: not used; the names stand in the rows.
        folder: an empty folder.
    """
    with (folder / "annotations.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        for image, path in copy_pictures(images, folder, lambda split: f"images/{split}" if split else "images"):
            about = (image.split or "", image.width, image.height)
            for box in image.boxes:
                corners = map(format_px, (box.left, box.top, box.right, box.bottom))
                writer.writerow((path, *corners, box.name, *about))
            if not image.boxes:
                writer.writerow((path, "", "", "", "", "", *about))


def _read_file(folder: Path, where: str, form: _Form) -> list[Entry]:
    size = (folder / where).stat().st_size
    if size > MOST_BYTES:
        raise DatasetError(f"{where}: has {size:,} bytes; at most {MOST_BYTES:,} are read. Give one file per split")
    by_name = name_split(PurePosixPath(where).stem) or find_split(PurePosixPath(where))
    entries: dict[tuple[str, str], Entry] = {}
    has_fractions = has_px = False
    for line, row in _iterate(folder / where, where, form):
        values = {name: row[place].strip() if place < len(row) else "" for name, place in form.columns.items()}
        split = values.get("split", "")
        entry = entries.get((values["image"], split))
        if entry is None:
            entry = Entry(where, values["image"], SPLIT_NAMES.get(split.lower(), by_name))
            entries[values["image"], split] = entry
            if split and split.lower() not in SPLIT_NAMES:
                entry.fault = f"line {line}: split = {show(split)[:40]!r}; must be train, val or test"
        try:
            box = _read_box(values)
            entry.width, entry.height = (_number(values, side) if values.get(side) else 0 for side in HEADER[7:])
        except DatasetError as error:
            entry.fault = entry.fault or f"line {line}: {error}"
            continue
        if box is not None:
            entry.boxes.append(box)
            corners = (box.left, box.top, box.right, box.bottom)
            has_px = has_px or max(corners) > 1
            has_fractions = has_fractions or not all(map(float.is_integer, corners))
    if has_fractions and not has_px:
        raise DatasetError(f"{where}: no corner is above 1, so they are shares of the image; they must be px")
    return list(entries.values())


def _read_box(values: Mapping[str, str]) -> Box | None:
    if not any(values[corner] for corner in CORNERS):
        return None
    if not values["label"]:
        raise DatasetError("has no label")
    return Box(values["label"], *(_number(values, corner) for corner in CORNERS))


def _number(values: Mapping[str, str], column: str) -> float:
    try:
        number = float(values[column])
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise DatasetError(f"{column} = {show(values[column])[:40]!r}; a number of px must stand there")
    return number


def _iterate(path: Path, where: str, form: _Form) -> Iterator[tuple[int, list[str]]]:
    """The rows with the line that each ends on, without the header and empty ones."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=form.delimiter, strict=True)
            if form.has_header:
                next(reader)
            for row in reader:
                if any(row):
                    yield reader.line_num, row
    except (csv.Error, UnicodeDecodeError) as error:
        raise DatasetError(f"{where}: cannot be understood near line {reader.line_num + 1}: {error}") from None


def _find_form(path: Path) -> _Form | None:
    with path.open("rb") as file:
        lines = file.read(_HEAD_BYTES).decode("utf-8-sig", errors="replace").splitlines()
    for delimiter in ",;\t":
        row = next(csv.reader(lines[:1], delimiter=delimiter), [])
        words = [word.strip().lower() for word in row]
        places = {column: [words.index(name) for name in names if name in words] for column, names in NAMES.items()}
        if all(places[column] for column in HEADER[:6]):
            return _Form(delimiter, {column: found[0] for column, found in places.items() if found}, has_header=True)
        if len(words) == 6 and words[0].endswith(IMAGE_SUFFIXES) and all(map(_is_coordinate, words[1:5])):
            return _Form(delimiter, {column: place for place, column in enumerate(HEADER[:6])}, has_header=False)
    return None


def _is_coordinate(word: str) -> bool:
    return not word or word.lstrip("-").replace(".", "", 1).isdigit()
