"""COCO: JSON files of images, categories and boxes as ``[x, y, width, height]`` in px.

One file per split, beside its images (``train/_annotations.coco.json``) or in ``annotations/``
(``instances_train2017.json``), or one file for all. Category ids may begin anywhere and have holes; the
classes are in their order. pycocotools reads with Python's json, which nests until Python gives up, and
prints; a test compares the boxes with its.
"""

import math
import mmap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, TypeGuard

import numpy as np
import orjson

from steelyard.dataset.annotation import AnnotatedImage, Annotations, Box, find_split, list_files
from steelyard.dataset.formats.entries import Entry, read_entries
from steelyard.dataset.formats.files import list_source, name_split, show
from steelyard.dataset.formats.pictures import copy_pictures
from steelyard.dataset.manifest import Problem, Split
from steelyard.errors import DatasetError

MOST_BYTES = 500_000_000  # COCO's own 860,000 boxes with their polygons have 470 MB
MOST_BRACKETS = 20_000_000  # each object or list takes a hundred bytes of memory
_CHUNK_BYTES = 1 << 24
_TAIL_BYTES = 4096
_KEYS = (b'"images"', b'"annotations"', b'"categories"')
_FIRST_KEYS = (*_KEYS, b'"info"', b'"licenses"')


class _File(NamedTuple):
    entries: list[Entry]
    categories: list[Mapping[str, Any]]
    used: set[str]
    problems: list[Problem]


def recognise(folder: Path) -> bool:
    """Whether a JSON file with images, annotations and categories lies below."""
    return any(_looks_like_coco(path) for path in list_files(folder, (".json",)))


def read(folder: Path, include: Sequence[str], classes: Sequence[str]) -> Annotations:
    """Read all images and boxes below a folder.

    Args:
        folder: of the source.
        include: patterns of image file names to use; empty: all.
        classes: not used; the names stand in the JSON files.

    Raises:
        DatasetError: there is no such JSON file, one cannot be understood, or several annotate one image.
    """
    files = list_source(folder, include)
    names = [origin for origin in files.list_others(".json") if _looks_like_coco(folder / origin)]
    # COCO's own name for boxes: person_keypoints and panoptic speak of the same images.
    names = [origin for origin in names if origin.rpartition("/")[2].startswith("instances_")] or names
    if not names:
        raise DatasetError('there is no COCO JSON file, with "images", "annotations" and "categories"')
    read_files = [_read_file(folder, origin) for origin in names]
    images, problems = read_entries(files, [entry for file in read_files for entry in file.entries], include)
    return Annotations(
        images,
        _list_classes(read_files),
        len(files.images) - len(files.chosen),
        (*problems, *(problem for file in read_files for problem in file.problems)),
    )


def write(images: Sequence[AnnotatedImage], classes: Sequence[str], folder: Path) -> None:
    """Write ``SPLIT/`` and ``annotations/instances_SPLIT.json``; what is in no split is ``all``.

    Args:
        images: with boxes in px; their file names without suffix must differ.
        classes: names in the order of their numbers; ids begin at 1, as COCO's do.
        folder: an empty folder.
    """
    ids = {name: number for number, name in enumerate(classes, start=1)}
    parts: dict[str, dict[str, list[Any]]] = {}
    for image, path in copy_pictures(images, folder, lambda split: split or "all"):
        part = parts.setdefault(image.split or "all", {"images": [], "annotations": []})
        image_id = len(part["images"]) + 1
        name = PurePosixPath(path).name
        part["images"].append({"id": image_id, "file_name": name, "width": image.width, "height": image.height})
        for box in image.boxes:
            width, height = box.right - box.left, box.bottom - box.top
            bbox = [round(value, 6) for value in (box.left, box.top, width, height)]
            part["annotations"].append(
                {
                    "id": len(part["annotations"]) + 1,
                    "image_id": image_id,
                    "category_id": ids[box.name],
                    "bbox": bbox,
                    "area": round(width * height, 6),
                    "segmentation": [],
                    "iscrowd": 0,
                }
            )
    categories = [{"id": number, "name": name} for name, number in ids.items()]
    (folder / "annotations").mkdir()
    for name, part in parts.items():
        content = orjson.dumps({"info": {}, "licenses": [], **part, "categories": categories})
        (folder / "annotations" / f"instances_{name}.json").write_bytes(content)


def _read_file(folder: Path, where: str) -> _File:
    try:
        content = _load(folder / where)
        images, annotations, categories = (_list(content, key) for key in ("images", "annotations", "categories"))
        names = _name_categories(categories)
        by_id, entries = _list_entries(images, where)
    except DatasetError as error:
        raise DatasetError(f"{where}: {error}") from None
    used: set[str] = set()
    problems = []
    for place, annotation in enumerate(annotations):
        shown = f"annotation {show(str(annotation.get('id', place)))[:40]}"
        image_id = annotation.get("image_id")
        entry = by_id.get(image_id) if _is_id(image_id) else None
        if entry is None:
            detail = f"{shown} is for the image {show(str(image_id))[:40]}, which is not in the list of images"
            problems.append(Problem(id="label-without-image", file=where, detail=detail))
            continue
        number = annotation.get("category_id")
        name = names.get(number) if _is_id(number) else None
        try:
            box = _read_box(annotation, name or show(str(number))[:40])
        except DatasetError as error:
            entry.fault = entry.fault or f"{shown}: {error}"
            continue
        if annotation.get("iscrowd"):
            entry.left_out.append(("crowd-left-out", box.name, box))
        elif name is None:
            entry.left_out.append(("class-unknown", f"{shown} has the category id {box.name}", box))
        else:
            used.add(name)
            entry.boxes.append(box)
    return _File(entries, categories, used, problems)


def _load(path: Path) -> dict[str, Any]:
    """Parse from the mapped file: without a copy, and with bounds on what it can become."""
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise DatasetError(f"has {size:,} bytes; at most {MOST_BYTES:,} are read. Give one file per split")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        brackets = 0
        for start in range(0, size, _CHUNK_BYTES):
            part = np.frombuffer(mapped[start : start + _CHUNK_BYTES], np.uint8)
            brackets += int(np.count_nonzero((part | 0x20) == ord("{")))  # [ and { differ in this bit
        if brackets > MOST_BRACKETS:
            raise DatasetError(f"has {brackets:,} objects and lists; at most {MOST_BRACKETS:,} are read")
        with memoryview(mapped) as view, view[3:] as without_mark:
            # orjson's error holds a copy of the whole text, so what was half copied is found before.
            if not bytes(view[-_TAIL_BYTES:]).rstrip().endswith(b"}"):
                raise DatasetError("is not JSON (it breaks off, without a } at its end); copy it again")
            try:
                content = orjson.loads(without_mark if bytes(view[:3]) == b"\xef\xbb\xbf" else view)
            except orjson.JSONDecodeError as error:
                raise DatasetError(f"is not JSON ({error.msg} at line {error.lineno})") from None
    if not isinstance(content, dict):
        raise DatasetError("must be an object with images, annotations and categories")
    return content


def _list(content: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    values = content.get(key)
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise DatasetError(f"{key} must be a list of objects")
    return values


def _name_categories(categories: Sequence[Mapping[str, Any]]) -> dict[float | str, str]:
    names: dict[float | str, str] = {}
    for category in categories:
        number, name = category.get("id"), category.get("name")
        if not _is_id(number) or not isinstance(name, str) or not name.strip():
            raise DatasetError(f"categories: id = {number!r:.40}, name = {name!r:.40}: must be a number and a text")
        if number in names or name.strip() in names.values():
            raise DatasetError(f"categories: id {number!r:.40} or name {name!r:.40} stands there twice")
        names[number] = name.strip()
    if not names:
        raise DatasetError("categories is empty; the names of the classes stand there")
    return names


def _list_entries(images: Sequence[Mapping[str, Any]], where: str) -> tuple[dict[float | str, Entry], list[Entry]]:
    split: Split | None = name_split(PurePosixPath(where).stem) or find_split(PurePosixPath(where))
    by_id: dict[float | str, Entry] = {}
    for image in images:
        number, written = image.get("id"), image.get("file_name")
        if not _is_id(number) or not isinstance(written, str):
            raise DatasetError(f"images: id = {number!r:.40}, file_name = {written!r:.40}: must be a number and a text")
        if number in by_id:
            raise DatasetError(f"images: the id {number!r:.40} stands there twice; whose the boxes are is not known")
        sides = (image.get("width"), image.get("height"))
        width, height = (float(side) if _is_number(side) else 0 for side in sides)
        by_id[number] = Entry(where, written, split, width, height)
    return by_id, list(by_id.values())


def _read_box(annotation: Mapping[str, Any], name: str) -> Box:
    bbox, polygons = annotation.get("bbox"), annotation.get("segmentation")
    if bbox:
        if not isinstance(bbox, list) or len(bbox) != 4 or not all(map(_is_number, bbox)):
            raise DatasetError(f"bbox = {bbox!r:.60}: must be [x, y, width, height]")
        left, top, right, bottom = bbox[0], bbox[1], bbox[0] + bbox[2], bbox[1] + bbox[3]
    elif isinstance(polygons, list) and polygons and all(map(_is_polygon, polygons)):
        xs = [x for polygon in polygons for x in polygon[::2]]
        ys = [y for polygon in polygons for y in polygon[1::2]]
        left, top, right, bottom = min(xs), min(ys), max(xs), max(ys)
    else:
        raise DatasetError("has neither a bbox nor a polygon")
    if not all(map(math.isfinite, (left, top, right, bottom))):
        raise DatasetError(f"bbox = {bbox!r:.60}: must be finite")
    return Box(name, float(left), float(top), float(right), float(bottom))


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_id(value: object) -> TypeGuard[float | str]:
    """Whether it is an id; pandas and others write whole numbers as 1.0."""
    return isinstance(value, int | str) or (isinstance(value, float) and value.is_integer())


def _is_polygon(value: object) -> bool:
    return isinstance(value, list) and len(value) >= 6 and len(value) % 2 == 0 and all(map(_is_number, value))


def _list_classes(files: Iterable[_File]) -> tuple[str, ...]:
    """Names in the order of the ids, file by file.

    Without Roboflow's first category, which is none: without a box, named as the group of the others,
    and itself in no group.
    """
    categories = [category for file in files for category in sorted(file.categories, key=_order)]
    used = {name for file in files for name in file.used}
    groups = {category.get("supercategory") for category in categories}
    names: dict[str, None] = {}
    for category in categories:
        name = str(category["name"]).strip()
        is_heading = name not in used and name in groups and category.get("supercategory") in ("none", "", None)
        if not is_heading:
            names[name] = None
    return tuple(names)


def _order(category: Mapping[str, Any]) -> tuple[bool, Any]:
    return isinstance(category["id"], str), category["id"]


def _looks_like_coco(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(4096)
        if not (head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") and any(key in head for key in _FIRST_KEYS)):
            return False
        if path.stat().st_size > MOST_BYTES:
            return True
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            return all(mapped.find(key) >= 0 for key in _KEYS)
