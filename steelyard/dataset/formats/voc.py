"""Pascal VOC: one XML file per image, beside it or in ``Annotations/`` next to ``JPEGImages/``.

Coordinates are kept as written. VOC's own files count pixels from 1, most tools' files from 0, and
none of them says which; the difference is one pixel. Published splits are ``ImageSets/Main/*.txt``
(or ``ImageSets/*.txt``), or folders called train, val and test.
"""

import math
import re
import xml.etree.ElementTree as ET
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
from steelyard.dataset.formats.pairs import Pairs, pair_by_name, parent, stem
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
    unusable = [problem.file for problem in files.problems if problem.file.lower().endswith(IMAGE_SUFFIXES)]
    pairs = pair_by_name([*files.chosen, *unusable], xmls)
    problems = [*files.problems, *problems, *_list_lone(files, xmls, pairs, include)]
    images = []
    for origin in follow(files.chosen, "read annotations"):
        xml = pairs.labels.get(origin)
        if xml is None:
            problems.append(_describe_unlabelled(origin, pairs))
            continue
        found = _read_image(folder, origin, xml)
        if isinstance(found, Problem):
            problems.append(found)
            continue
        split = splits.get(origin) if splits else find_split(PurePosixPath(origin))
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
        xml = folder / "Annotations" / f"{stem(path)}.xml"
        xml.write_text(ET.tostring(root, encoding="unicode") + "\n", encoding="utf-8")
    lists = folder / "ImageSets" / "Main"
    for split in SPLITS:
        if names := [stem(image.origin) for image in images if image.split == split]:
            lists.mkdir(parents=True, exist_ok=True)
            (lists / f"{split}.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


def _list_lone(files: Files, xmls: Sequence[str], pairs: Pairs, include: Sequence[str]) -> Iterator[Problem]:
    # The XML file of an image that fetch.include leaves out is not missing anything.
    left_out = {stem(origin) for origin in set(files.images) - set(files.chosen)}
    used = {*pairs.labels.values(), *pairs.shared.values()}
    for xml in xmls:
        name = stem(xml)
        if xml in used or name in left_out or not _can_be_included(name, include):
            continue
        if _is_annotation(files.folder / xml):
            yield Problem(id="label-without-image", file=xml, detail="has no image of the same name that it is for")


def _describe_unlabelled(origin: str, pairs: Pairs) -> Problem:
    detail = "has no XML file of the same name beside it or in a folder next to its own"
    if origin in pairs.shared:
        others = [other for other, xml in pairs.shared.items() if xml == pairs.shared[origin] and other != origin]
        detail = f"{pairs.shared[origin]} could as well be for {name_some(others)}; leave one out with fetch.include"
    return Problem(id="image-without-label", file=origin, detail=detail)


def _read_splits(files: Files, include: Sequence[str]) -> tuple[dict[str, Split], list[Problem]]:
    """The split of each image in the lists of its tree; of several it is test before val before train."""
    lists: dict[Split, list[str]] = {split: [] for split in SPLITS}
    texts = files.list_others(".txt")
    for origin in texts:
        folder, named = parent(origin), SPLIT_NAMES.get(stem(origin).lower())
        has_main = any(text.startswith(f"{folder}/Main/") for text in texts)
        if named and f"/{folder}".endswith(("/ImageSets/Main", "/ImageSets")) and not has_main:
            lists[named].append(origin)
    trees = _list_trees(files, [origin for each in lists.values() for origin in each])
    splits: dict[str, Split] = {}
    problems = []
    for split in SPLITS[::-1]:
        for origin in lists[split]:
            for name in _read_list(files.folder, origin):
                listed = trees[origin].get(name, [])
                if not listed and _can_be_included(name, include):
                    detail = f"names {show(name)[:200]}, which is no image"
                    problems.append(Problem(id="label-without-image", file=origin, detail=detail))
                for image in listed:
                    if splits.setdefault(image, split) != split:
                        detail = f"in {split} and in {splits[image]}, by ImageSets"
                        problems.append(Problem(id="image-in-two-splits", file=image, detail=detail))
    return splits, problems


def _list_trees(files: Files, lists: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    """The images that each list can name, by their stem: those below the folder that holds its ImageSets."""
    folders = {parent(image) for image in files.mentionable}
    tops = {}
    for origin in lists:
        top = f"/{parent(origin)}".removesuffix("/Main").removesuffix("/ImageSets").lstrip("/")
        while top and not any(f"{folder}/".startswith(f"{top}/") for folder in folders):
            top = parent(top)
        tops[origin] = top
    trees: dict[str, dict[str, list[str]]] = {top: {} for top in tops.values()}
    for image in sorted(files.mentionable):
        top = parent(image)
        while top and top not in trees:
            top = parent(top)
        if top in trees:
            trees[top].setdefault(stem(image), []).append(image)
    return {origin: trees[top] for origin, top in tops.items()}


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


def _can_be_included(name: str, include: Sequence[str]) -> bool:
    return any(is_included(name + suffix, include) for suffix in IMAGE_SUFFIXES)
