"""What a CSV file says about the images of a source: weather, camera, site, by which scores are told.

    image,weather,camera
    site1/0001.jpg,fog,A
    site2/0001.jpg,clear,B

The path is that of the image below the source's folder, or as much of its end as no other image has. An
empty cell, or no row, leaves the image out of what is told by that column.
"""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from steelyard.dataset.annotation import name_some
from steelyard.dataset.formats.csv import NAMES
from steelyard.dataset.formats.files import Files, leads_outside, list_source, show, split_path
from steelyard.dataset.manifest import OWN_COLUMNS, ImageRecord
from steelyard.errors import DatasetError
from steelyard.sections import AboutParams

MOST_BYTES = 100_000_000
MOST_CHARACTERS = 60
"""Of a value: it is a key of scores.json and a label of a plot."""

About = dict[str, dict[str, str]]
"""Values by image (its path below the source's folder) and column."""


def read_about(params: AboutParams, source: Path, root: Path, watched: str) -> About:
    """Read what the file says about each image; nothing where no file is named.

    Args:
        params: names the file and the columns.
        source: the source's folder.
        root: folder that a path in ``watched`` is relative to.
        watched: folder of ``root`` that the stage depends on, such as ``data/raw``.

    Raises:
        DatasetError: there is no such file, no header or no such column; an image is not in the source,
            or stands there twice.
    """
    if not params.csv:
        return {}
    where = f"fetch.about.csv = {params.csv!r}"
    is_beside = params.csv.startswith(f"{watched}/")
    path = (root if is_beside else source) / params.csv
    if leads_outside(params.csv) or not path.is_file():
        raise DatasetError(
            f"{where}: no such file {'in this repository' if is_beside else 'in the source'}; give a path that begins "
            f"with {watched}/, where DVC sees what changes, or one below the source's folder"
        )
    rows = _read_rows(path, where)
    header = [show(name.strip()) for name in next(rows, (0, []))[1]]
    key, columns = _find_columns(header, params.columns, where)
    files, start = list_source(source, ()), "" if is_beside else params.csv.rpartition("/")[0]
    about: About = {}
    unknown, twice = [], []
    for line, row in rows:
        if len(row) != len(header):
            raise DatasetError(f"{where}: line {line} has {len(row)} columns, the header {len(header)}; mend the line")
        origin = _find_image(row[key].strip(), files, start)
        if not origin:
            unknown.append(show(row[key].strip())[:200] or "(empty)")
        elif origin in about:
            twice.append(origin)
        about[origin] = _read_values(row, columns, f"{where}: line {line}")
    if unknown:
        raise DatasetError(
            f"{where}: {len(unknown)} rows name no image of the source, or one of several: {name_some(unknown)}; "
            "write the path below the source's folder, or remove the rows"
        )
    if twice:
        raise DatasetError(
            f"{where}: {len(twice)} images stand there more than once: {name_some(twice)}; one row for each image"
        )
    return about


def add_columns(records: Sequence[ImageRecord], about: About) -> list[ImageRecord]:
    """The records with what is known of their images; tiles have what their photograph has."""
    return [
        record.model_copy(update={"columns": about[record.origin]}) if about.get(record.origin) else record
        for record in records
    ]


def describe_about(records: Sequence[ImageRecord], params: AboutParams) -> str:
    """How many images each column has a value of, in a sentence; empty where no file is named."""
    if not params.csv:
        return ""
    counts = Counter(name for record in records for name in record.columns)
    said = ", ".join(f"{name} of {count}" for name, count in counts.items()) or "nothing"
    return f"{params.csv}: {said} of the {len(records)} images"


def _find_columns(header: Sequence[str], wanted: Sequence[str], where: str) -> tuple[int, Mapping[str, int]]:
    """The place of the image's column, and those of the others."""
    words, shown = [name.lower() for name in header], ", ".join(header)[:200]
    keys = [words.index(name) for name in NAMES["image"] if name in words]
    if not keys:
        raise DatasetError(
            f"{where}: has no header with a column for the image ({', '.join(NAMES['image'])}); its first line is "
            f"{shown!r}; name the columns there"
        )
    places = {name: place for place, name in enumerate(header) if place != keys[0]}
    missing = [name for name in wanted if name not in places]
    if missing:
        raise DatasetError(
            f"{where}: has no column {', '.join(missing)}, which fetch.about.columns names; there are {shown}"
        )
    columns = {name: places[name] for name in wanted or places}
    if not columns:
        raise DatasetError(f"{where}: has no column but that of the image; add one that describes images")
    for name in columns:
        fault = (
            "a column without a name"
            if not name
            else f"the column {name} twice"
            if header.count(name) > 1
            else f"the column {name}, as Steelyard itself calls one ({', '.join(OWN_COLUMNS)})"
            if name in OWN_COLUMNS
            else ""
        )
        if fault:
            raise DatasetError(f"{where}: has {fault}; rename it, or leave it out of fetch.about.columns")
    return keys[0], columns


def _find_image(written: str, files: Files, start: str) -> str:
    """The image that a row means; empty where there is none, or are several.

    A path of which only the file name is here may be that of another image.
    """
    found = files.find_image(written, start)
    origin = found[0] if found and found[1] else "/".join(split_path(written))
    return origin if origin in files.mentionable else ""


def _read_values(row: Sequence[str], columns: Mapping[str, int], where: str) -> dict[str, str]:
    values = {name: show(row[place].strip()) for name, place in columns.items() if row[place].strip()}
    for name, value in values.items():
        if len(value) > MOST_CHARACTERS:
            raise DatasetError(
                f"{where}: {name} has {len(value)} characters, of at most {MOST_CHARACTERS}; images are told apart by "
                "it, so write a word, or leave the column out of fetch.about.columns"
            )
    return values


def _read_rows(path: Path, where: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty, with the line that each ends on; by commas, semicolons or tabs."""
    if path.stat().st_size > MOST_BYTES:
        raise DatasetError(f"{where}: has {path.stat().st_size:,} bytes; at most {MOST_BYTES:,} are read")
    line = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            head = file.readline()
            file.seek(0)
            reader = csv.reader(file, delimiter=max(",;\t", key=head.count), strict=True)
            for row in reader:
                line = reader.line_num
                if any(cell.strip() for cell in row):
                    yield line, row
    except (csv.Error, UnicodeDecodeError) as error:
        raise DatasetError(f"{where}: cannot be understood near line {line + 1}: {error}") from None
