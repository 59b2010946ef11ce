"""A split of ``data/dataset``: its pictures and labels as they lie on the disk, checked."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from steelyard.errors import DatasetError
from steelyard.scoring.boxes import Boxes

SPLITS = ("val", "test")

# What OpenCV, with which Ultralytics reads them, and Pillow both decode.
_SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}

# Ultralytics allows as much beyond the edges, since labels are rounded.
_TOLERANCE = 0.01


@dataclass(frozen=True)
class LabelledImage:
    """An image file and its label file.

    Attributes:
        path: the image.
        height: in pixels, as decoded (EXIF orientation applied).
        width: in pixels, as decoded.
        labels: shape (n, 5): class index, centre x, centre y, width, height; the last four as
            shares of the image's width and height. A row that stands twice is here twice.
    """

    path: Path
    height: int
    width: int
    labels: NDArray[np.float64]

    def truth(self) -> Boxes:
        """The labels as boxes in pixels."""
        centres, halves = self.labels[:, 1:3], self.labels[:, 3:5] / 2
        corners = np.concatenate((centres - halves, centres + halves), axis=1)
        return Boxes(
            corners * (self.width, self.height, self.width, self.height),
            self.labels[:, 0].astype(np.int64),
            np.ones(len(self.labels)),
        )


def read_classes(dataset: Path) -> tuple[str, ...]:
    """Read the class names, in their order, from ``data.yaml``.

    Raises:
        DatasetError: there is no such file, or it has no ``names``.
    """
    path = dataset / "data.yaml"
    try:
        values = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DatasetError(f"{path}: not found; run the stage fetch first (dvc repro fetch)") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: is not YAML: {' '.join(str(error).split())}") from None
    names = values.get("names") if isinstance(values, dict) else None
    if isinstance(names, dict) and sorted(names) == list(range(len(names))):
        names = [names[index] for index in range(len(names))]
    if not isinstance(names, list) or not names:
        raise DatasetError(f"{path}: names = {names!r}: must list the class names, such as names: [Tree]")
    return tuple(str(name) for name in names)


def read_split(dataset: Path, split: str, class_count: int) -> list[LabelledImage]:
    """Read and check all images and labels of one split, sorted by path.

    Every image is decoded once here, since OpenCV hands out half a file as a half grey picture.
    An image without a label file shows nothing to find.

    Args:
        dataset: folder in YOLO layout.
        split: ``val`` or ``test``.
        class_count: how many classes there are.

    Raises:
        DatasetError: no images, an image that cannot be decoded, or a label that is not one.
    """
    folder = dataset / "images" / split
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    if not paths:
        raise DatasetError(
            f"{folder}: holds no images; {split} needs at least one: add pictures or change fetch.split in params.yaml"
        )
    return [_read_image(path, dataset, split, class_count) for path in paths]


def _read_image(path: Path, dataset: Path, split: str, class_count: int) -> LabelledImage:
    try:
        with Image.open(path) as image:
            width, height = ImageOps.exif_transpose(image).size  # decodes all of it, as image.size would not
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DatasetError(f"{path}: cannot be decoded ({error}); mend or remove it at the source") from None
    except ImportError:  # from Ultralytics, whose import replaces Image.open: it looks for a HEIF plugin then
        raise DatasetError(f"{path}: cannot be decoded (no known format); mend or remove it at the source") from None
    inside = path.relative_to(dataset / "images" / split)
    labels = dataset / "labels" / split / inside.with_suffix(".txt")
    return LabelledImage(path, height, width, _read_labels(labels, class_count))


def _read_labels(path: Path, class_count: int) -> NDArray[np.float64]:
    if not path.is_file():
        return np.zeros((0, 5))
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise DatasetError(f"{path}: is not text; a label file holds one box a line") from None
    rows = [
        _read_label(line, f"{path}: line {number}", class_count) for number, line in enumerate(lines, 1) if line.strip()
    ]
    return np.array(rows, dtype=np.float64).reshape(-1, 5)


def _read_label(line: str, where: str, class_count: int) -> list[float]:
    try:
        values = [float(part) for part in line.split()]
    except ValueError:
        values = []
    if len(values) != 5:
        raise DatasetError(f"{where} is {line!r}: must be five numbers: class, centre x and y, width, height")
    if values[0] not in range(class_count):
        raise DatasetError(
            f"{where}: class {line.split()[0]}: must be a whole number from 0 to {class_count - 1}, "
            "as data.yaml names the classes"
        )
    if not all(0 <= value <= 1 + _TOLERANCE for value in values[3:]) or not all(
        -_TOLERANCE <= value <= 1 + _TOLERANCE for value in values[1:3]
    ):
        raise DatasetError(f"{where} is {line!r}: centre, width and height must be shares from 0 to 1 of the image")
    return values
