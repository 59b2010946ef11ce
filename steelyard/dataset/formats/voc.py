"""Pascal VOC: one XML file per image, beside it or in ``Annotations/`` next to ``JPEGImages/``.

Coordinates are kept as written. VOC's own files count pixels from 1, most tools' files from 0, and
none of them says which; the difference is one pixel. Published splits are ``ImageSets/Main/*.txt``
(or ``ImageSets/*.txt``), or folders called train, val and test.
"""

import math
import re
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import NoReturn

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
)
from steelyard.dataset.formats.files import Files, list_source, read_bytes, read_text, show
from steelyard.dataset.formats.head import compare_size, read_head
from steelyard.dataset.formats.pictures import copy_pictures, format_px
from steelyard.dataset.manifest import SPLITS, Problem, Split
from steelyard.errors import DatasetError

MOST_TAGS = 1_000_000  # each takes a hundred bytes of memory; a thousand boxes have ten thousand
_ROOT = re.compile(rb"<annotation[\s>/]")


def recognise(folder: Path) -> bool:
    """Whether XML files with ``<annotation>`` lie somewhere below."""
    return any(_is_annotation(path) for path in islice(list_files(folder, (".xml",)), 20))


def read(folder: Path, include: Sequence[str], classes: Sequence[str]) -> Annotations:
    """Read all images and boxes below a folder.

    Args:
        folder: of the source.
        include: patterns of image file names to use; empty: all.
        classes: not used; the names stand in the XML files.

    Raises:
        DatasetError: there is no annotation, one image has several, or a list of ImageSets cannot be read.
    """
    files = list_source(folder, include)
    xmls = files.list_others(".xml")
    if not any(_is_annotation(folder / xml) for xml in xmls):
        raise DatasetError(f"none of {len(xmls)} XML files is a Pascal VOC annotation, with <annotation> as first tag")
    splits, problems = _read_splits(files, include)
    problems = [*files.problems, *problems, *_list_lone(files, xmls, include)]
    images = []
    for origin, xml in follow(_pair(files, xmls), "read annotations"):
        if xml is None:
            problems.append(Problem(id="image-without-label", file=origin, detail="has no XML file of the same name"))
            continue
        found = _read_image(folder, origin, xml)
        if isinstance(found, Problem):
            problems.append(found)
            continue
        split = splits.get(_stem(origin)) if splits else find_split(PurePosixPath(origin))
        images.append(replace(found, split=split))
    return Annotations(tuple(images), (), len(files.images) - len(files.chosen), tuple(problems))


def write(images: Sequence[AnnotatedImage], classes: Sequence[str], folder: Path) -> None:
    """Write ``JPEGImages``, ``Annotations`` and ``ImageSets/Main``; what is in no split is in none of the lists.

    Args:
        images: with boxes in px; their file names without suffix must differ.
        classes: not used; the names stand in the XML files.
        folder: an empty folder.

    Raises:
        DatasetError: two file names are the same, or XML cannot hold a class name.
    """
    if bad := [name for name in classes if show(name) != name]:
        raise DatasetError(f"XML cannot hold the class name {bad[0]!r}; rename it with fetch.rename")
    (folder / "Annotations").mkdir()
    for image, path in copy_pictures(images, folder, lambda _: "JPEGImages"):
        root = ET.Element("annotation")
        ET.SubElement(root, "folder").text = "JPEGImages"
        ET.SubElement(root, "filename").text = PurePosixPath(path).name
        size = ET.SubElement(root, "size")
        for tag, number in (("width", image.width), ("height", image.height), ("depth", 3)):
            ET.SubElement(size, tag).text = str(number)
        for box in image.boxes:
            thing = ET.SubElement(root, "object")
            for tag, text in (("name", box.name), ("pose", "Unspecified"), ("truncated", "0"), ("difficult", "0")):
                ET.SubElement(thing, tag).text = text
            corners = ET.SubElement(thing, "bndbox")
            edges = (("xmin", box.left), ("ymin", box.top), ("xmax", box.right), ("ymax", box.bottom))
            for tag, edge in edges:
                ET.SubElement(corners, tag).text = format_px(edge)
        ET.indent(root)
        xml = folder / "Annotations" / f"{_stem(path)}.xml"
        xml.write_text(ET.tostring(root, encoding="unicode") + "\n", encoding="utf-8")
    lists = folder / "ImageSets" / "Main"
    for split in SPLITS:
        if stems := [_stem(image.origin) for image in images if image.split == split]:
            lists.mkdir(parents=True, exist_ok=True)
            (lists / f"{split}.txt").write_text("".join(f"{stem}\n" for stem in stems), encoding="utf-8")


def _pair(files: Files, xmls: Sequence[str]) -> list[tuple[str, str | None]]:
    by_stem: dict[str, list[str]] = defaultdict(list)
    for xml in xmls:
        by_stem[_stem(xml)].append(xml)
    pairs: list[tuple[str, str | None]] = []
    for origin in files.chosen:
        found = by_stem.get(_stem(origin), [])
        parent = _parent(origin)
        beside = [xml for xml in found if _parent(xml) == parent]
        cousin = [xml for xml in found if parent and _parent(xml) and _parent(_parent(xml)) == _parent(parent)]
        match beside or cousin or found:
            case []:
                pairs.append((origin, None))
            case [xml]:
                pairs.append((origin, xml))
            case several:
                raise DatasetError(f"image {origin}: has several annotations: {name_some(several)}; keep one")
    return pairs


def _list_lone(files: Files, xmls: Sequence[str], include: Sequence[str]) -> Iterator[Problem]:
    stems = {_stem(origin) for origin in files.mentionable}
    for xml in xmls:
        stem = _stem(xml)
        if stem not in stems and _can_be_included(stem, include) and _is_annotation(files.folder / xml):
            yield Problem(id="label-without-image", file=xml, detail="has no image of the same name")


def _read_splits(files: Files, include: Sequence[str]) -> tuple[dict[str, Split], list[Problem]]:
    """The split of each stem in the lists; of several it is test before val before train."""
    lists: dict[Split, list[str]] = {split: [] for split in SPLITS}
    texts = files.list_others(".txt")
    for origin in texts:
        folder, named = _parent(origin), SPLIT_NAMES.get(_stem(origin).lower())
        has_main = any(text.startswith(f"{folder}/Main/") for text in texts)
        if named and f"/{folder}".endswith(("/ImageSets/Main", "/ImageSets")) and not has_main:
            lists[named].append(origin)
    origins = {_stem(origin): origin for origin in files.mentionable}
    splits: dict[str, Split] = {}
    problems = []
    for split in SPLITS[::-1]:
        for origin in lists[split]:
            for stem in _read_list(files.folder, origin):
                if stem not in origins:
                    if _can_be_included(stem, include):
                        detail = f"names {show(stem)[:200]}, which is no image"
                        problems.append(Problem(id="label-without-image", file=origin, detail=detail))
                elif splits.setdefault(stem, split) != split:
                    detail = f"in {split} and in {splits[stem]}, by ImageSets"
                    problems.append(Problem(id="image-in-two-splits", file=origins[stem], detail=detail))
    return splits, problems


def _read_list(folder: Path, origin: str) -> list[str]:
    try:
        lines = read_text(folder, origin).splitlines()
    except DatasetError as error:
        raise DatasetError(f"{origin}: {error}") from None
    names = [line.strip() for line in lines if line.strip()]
    return [name.rpartition(".")[0] if name.lower().endswith(IMAGE_SUFFIXES) else name for name in names]


def _read_image(folder: Path, origin: str, xml: str) -> AnnotatedImage | Problem:
    try:
        root = _parse(read_bytes(folder, xml))
        width, height = (_number(root, f"size/{side}", default=0) for side in ("width", "height"))
        boxes = []
        for thing in root.findall("object"):
            name = (thing.findtext("name") or "").strip()
            if not name:
                raise DatasetError("an <object> has no <name>")
            boxes.append(Box(name, *(_number(thing, f"bndbox/{edge}") for edge in ("xmin", "ymin", "xmax", "ymax"))))
    except DatasetError as error:
        return Problem(id="label-unreadable", file=xml, detail=str(error))
    head = read_head(folder / origin, origin)
    if isinstance(head, Problem):
        return head
    return compare_size(head, origin, width, height, xml) or AnnotatedImage(
        folder / origin, origin, head.width, head.height, tuple(boxes), None, head.is_rotated, head.kind
    )


class _Builder(ET.TreeBuilder):
    """Refuses the one part of XML that can name other files or grow without bound."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> NoReturn:
        raise DatasetError("has a DOCTYPE, which an annotation does not need; remove it")


def _parse(content: bytes) -> ET.Element:
    if content.count(b"<") > MOST_TAGS:
        raise DatasetError(f"has more than {MOST_TAGS:,} tags")
    try:
        root = ET.fromstring(content, ET.XMLParser(target=_Builder()))  # noqa: S314 (_Builder)
    except (ET.ParseError, ValueError, LookupError) as error:  # the last two: an encoding that Python does not know
        raise DatasetError(f"is not XML ({error})") from None
    if root.tag != "annotation":
        raise DatasetError(f"is not a Pascal VOC file; its first tag is <{root.tag[:60]}>, not <annotation>")
    return root


def _number(parent: ET.Element, tag: str, default: float | None = None) -> float:
    text = parent.findtext(tag)
    if text is None and default is not None:
        return default
    try:
        number = float(text or "")
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        shown = repr(text if text is None else text[:60])
        raise DatasetError(f"<{parent.tag}> has {tag} = {shown}; a number of px must stand there")
    return number


def _is_annotation(path: Path) -> bool:
    with path.open("rb") as file:
        return bool(_ROOT.search(file.read(500)))


def _can_be_included(stem: str, include: Sequence[str]) -> bool:
    return any(is_included(stem + suffix, include) for suffix in IMAGE_SUFFIXES)


def _stem(origin: str) -> str:
    return PurePosixPath(origin).stem


def _parent(origin: str) -> str:
    return origin.rpartition("/")[0]
