"""By what images are told apart: their photograph, their group, what they look like, what a file says of them."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from steelyard.dataset.manifest import DatasetManifest, ImageRecord
from steelyard.errors import DatasetError

THIRDS = {"brightness": ("dark", "middle", "bright"), "sharpness": ("blurred", "middle", "sharp")}
"""What the thirds of a figure of data/pixels.csv are called, the least first."""


@dataclass(frozen=True)
class Column:
    """What tells images apart.

    Attributes:
        values: by path of the image; one without a value is in no slice.
        limits: where values are thirds of a figure, from how much on and below how much it is, by value in their
            order; None: no limit.
    """

    values: Mapping[str, str]
    limits: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)


def read_pixels(path: Path) -> dict[str, dict[str, float]]:
    """Read ``data/pixels.csv``: brightness (mean grey level, 0 to 255) and sharpness, each by path of the image.

    Raises:
        DatasetError: the file is missing, or is not what stage check writes.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        return {name: {row["path"]: float(row[name]) for row in rows} for name in THIRDS}
    except FileNotFoundError:
        raise DatasetError(f"{path}: not found; run the stage check first (dvc repro check)") from None
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"{path}: is not what stage check writes ({error}); dvc repro -f check") from None


def list_columns(manifest: DatasetManifest, pixels: Mapping[str, Mapping[str, float]]) -> dict[str, Column]:
    """Every column of the images that are scored, those of val and test.

    Args:
        manifest: of the data set.
        pixels: figures by name and path, as ``data/pixels.csv`` has them.
    """
    records = [record for record in manifest.images if record.split != "train"]
    columns: dict[str, dict[str, str]] = {"photograph": {}, "group": {}}
    for record in records:
        if record.region:
            columns["photograph"][record.path] = record.origin
        if record.group not in ("", record.origin):
            columns["group"][record.path] = record.group
        for name, value in record.columns.items():
            columns.setdefault(name, {})[record.path] = value
    thirds = {name: cut_thirds(_choose(pixels[name], records), names) for name, names in THIRDS.items()}
    return {name: Column(values) for name, values in columns.items() if values} | thirds


def cut_thirds(figures: Mapping[str, float], names: tuple[str, str, str]) -> Column:
    """Three values with as many images each, or about as many where figures are the same.

    Args:
        figures: by path; of all splits, so that a value means the same in each.
        names: of the thirds, the least first.
    """
    if not figures:
        return Column({})
    levels = np.sort(np.array(list(figures.values())))
    # Many images may look alike; there are some below the first limit all the same.
    above = levels[levels > levels[0]]
    first, second = (float(f"{limit:.4g}") for limit in np.quantile(levels, (1 / 3, 2 / 3)))
    first = max(first, float(above[0]) if len(above) else first)
    second = max(first, second)
    values = {path: names[(figure >= first) + (figure >= second)] for path, figure in figures.items()}
    return Column(values, dict(zip(names, ((None, first), (first, second), (second, None)), strict=True)))


def _choose(figures: Mapping[str, float], records: Iterable[ImageRecord]) -> dict[str, float]:
    return {record.path: figures[record.path] for record in records if record.path in figures}
