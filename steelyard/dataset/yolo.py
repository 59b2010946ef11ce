"""YOLO: one text file per image in ``labels/`` beside ``images/``, classes and splits in data.yaml.

Rows are ``class x y width height`` as shares of the image, or ``class x1 y1 x2 y2 ...``, a polygon,
which becomes the box around it (as Ultralytics does). An image without a text file is a background.
"""

import math
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from steelyard.dataset.annotation import (
    IMAGE_SUFFIXES,
    SPLIT_NAMES,
    AnnotatedImage,
    Annotations,
    Box,
    find_split,
    follow,
    is_included,
    list_files,
    name_some,
    read_size,
)
from steelyard.dataset.manifest import Split
from steelyard.errors import DatasetError


def recognise(folder: Path) -> bool:
    """Whether a data.yaml with class names, or a ``labels`` folder with text files, lies below."""
    if _find_yaml(folder) is not None:
        return True
    return any("labels" in path.relative_to(folder).parts for path in list_files(folder, (".txt",)))


def read(folder: Path, include: Sequence[str], classes: Sequence[str]) -> Annotations:
    """Read all images and boxes below a folder.

    Args:
        folder: of the source.
        include: patterns of image file names to use; empty: all.
        classes: names in the order of their numbers, where there is neither data.yaml nor classes.txt.

    Raises:
        DatasetError: data.yaml or a label file cannot be understood, an image is in two splits, or a
            label file has no image.
    """
    found = _find_yaml(folder)
    path, values = found if found else (folder / "data.yaml", {})
    names = _read_names(path, values) if found else _read_classes_txt(folder) or dict(enumerate(classes))
    if not names:
        raise DatasetError(
            "the labels are numbers, and there is neither data.yaml nor classes.txt with names; list them in "
            "fetch.classes, in the order of the numbers"
        )
    splits = _read_splits(folder, path, values)
    images = sorted(splits) if splits else list_files(folder, IMAGE_SUFFIXES)
    chosen = [image for image in images if is_included(image.name, include)]
    _refuse_lone_labels(folder, list_files(folder, IMAGE_SUFFIXES) if splits else images)
    annotated = []
    for image in follow(chosen, "read labels"):
        origin = image.relative_to(folder)
        width, height, is_rotated = read_size(image, str(origin))
        boxes = _read_labels(folder / label_path(origin), folder, names, width, height)
        split = splits[image] if splits else find_split(origin)
        annotated.append(AnnotatedImage(image, origin.as_posix(), width, height, boxes, split, is_rotated))
    return Annotations(tuple(annotated), tuple(names[number] for number in sorted(names)), len(images) - len(chosen))


def label_path(image: Path) -> Path:
    """Where the labels of an image lie: the last folder called images becomes labels.

    Args:
        image: path below the data set's folder.
    """
    parts = list(image.parts)
    if "images" in parts[:-1]:
        place = len(parts) - 2 - parts[:-1][::-1].index("images")
        parts[place] = "labels"
    return Path(*parts).with_suffix(".txt")


def _find_yaml(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    found = []
    for path in list_files(folder, (".yaml", ".yml")):
        try:
            values = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
        except (YAMLError, UnicodeDecodeError) as error:
            if path.stem == "data":
                said = " ".join(str(error).split())
                raise DatasetError(f"{path.relative_to(folder)}: is not YAML ({said})") from None
            continue  # somebody else's file; data.yaml alone must be readable
        if isinstance(values, dict) and "names" in values:
            found.append((path, values))
    named = [each for each in found if each[0].stem == "data"] or found
    if len(named) > 1:
        names = [str(path.relative_to(folder)) for path, _ in named]
        raise DatasetError(f"several files could be data.yaml: {name_some(names)}; give a source with one")
    return named[0] if named else None


def _read_names(path: Path, values: dict[str, Any]) -> dict[int, str]:
    names = values["names"]
    pairs = list(names.items() if isinstance(names, dict) else enumerate(names) if isinstance(names, list) else ())
    try:
        numbered = {int(number): str(name) for number, name in pairs}
    except ValueError:
        numbered = {}
    if sorted(numbered) != list(range(len(pairs))) or len(set(numbered.values())) != len(pairs) or not pairs:
        raise DatasetError(
            f"{path.name}: names = {names!r}: must be a list, or pairs of 0, 1, 2, ... and a name, each name once"
        )
    return numbered


def _read_classes_txt(folder: Path) -> dict[int, str]:
    files = [path for path in list_files(folder, (".txt",)) if path.name == "classes.txt"]
    lines = files[0].read_text(encoding="utf-8").splitlines() if files else []
    return dict(enumerate(line.strip() for line in lines if line.strip()))


def _read_splits(folder: Path, path: Path, values: dict[str, Any]) -> dict[Path, Split]:
    """Split of each image that data.yaml names; empty where it names none."""
    splits: dict[Path, Split] = {}
    for key in sorted(values.keys() & SPLIT_NAMES.keys()):
        entries = values[key] if isinstance(values[key], list) else [values[key]]
        for entry in entries:
            # A split that data.yaml names and that is not there is one that the source lacks.
            place = _find_tail(folder, path.parent, str(entry)) if entry else None
            for image in _list_images(folder, place) if place else ():
                if splits.setdefault(image, SPLIT_NAMES[key]) != SPLIT_NAMES[key]:
                    raise DatasetError(
                        f"{path.name}: image {image.relative_to(folder)} is in {splits[image]} and in "
                        f"{SPLIT_NAMES[key]}; what is tested must not be trained on"
                    )
    return splits


def _list_images(folder: Path, place: Path) -> list[Path]:
    if place.is_dir():
        return list_files(place, IMAGE_SUFFIXES)
    images = []
    for line in place.read_text(encoding="utf-8").splitlines():
        if line.strip():
            image = _find_tail(folder, place.parent, line.strip())
            if image is None or not image.is_file():
                raise DatasetError(f"{place.relative_to(folder)}: image {line.strip()!r} is not there")
            images.append(image)
    return images


def _find_tail(folder: Path, start: Path, written: str) -> Path | None:
    """The file or folder that a path of data.yaml means on this machine.

    Such paths were written for another place: with ``../``, with the absolute path of somebody's
    disk. The longest end of it that exists below ``start``, or below ``folder``, is meant; so
    nothing outside of the source can be named.
    """
    parts = [part for part in PurePosixPath(written.replace("\\", "/")).parts if part not in ("/", "..", ".")]
    for skipped in range(len(parts)):
        for base in (start, folder):
            path = base.joinpath(*parts[skipped:])
            if path.exists():
                return path
    return None


def _refuse_lone_labels(folder: Path, images: list[Path]) -> None:
    known = {label_path(image.relative_to(folder)) for image in images}
    labels = [path.relative_to(folder) for path in list_files(folder, (".txt",))]
    lone = [str(path) for path in labels if "labels" in path.parts[:-1] and path not in known]
    lone = [name for name in lone if Path(name).name != "classes.txt"]
    if lone:
        raise DatasetError(f"{len(lone)} label files have no image: {name_some(lone)}; add the images, or remove them")


def _read_labels(path: Path, folder: Path, names: dict[int, str], width: int, height: int) -> tuple[Box, ...]:
    if not path.is_file():
        return ()
    boxes = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        if not line.strip():
            continue
        where = f"{path.relative_to(folder)}: line {number}"
        try:
            kind, *values = (float(word) for word in line.split())
        except ValueError:
            raise DatasetError(f"{where}: {line.strip()[:60]!r} are not numbers") from None
        if not all(math.isfinite(value) for value in values) or len(values) < 4 or len(values) % 2:
            raise DatasetError(
                f"{where}: has {len(values)} numbers after the class; a box has 4 finite ones, a polygon 6, 8, ..."
            )
        if kind not in names:
            raise DatasetError(f"{where}: class {kind:g}, but the names are numbered 0 to {len(names) - 1}")
        if len(values) == 4:
            x, y, w, h = values
            left, top, right, bottom = x - w / 2, y - h / 2, x + w / 2, y + h / 2
        else:
            left, right, top, bottom = (
                min(values[::2]),
                max(values[::2]),
                min(values[1::2]),
                max(values[1::2]),
            )
        boxes.append(Box(names[int(kind)], left * width, top * height, right * width, bottom * height))
    return tuple(boxes)
