"""Pascal VOC: one XML file per image, beside it or in ``Annotations/`` next to ``JPEGImages/``.

Coordinates are kept as written. VOC's own files count pixels from 1, most tools' files from 0, and
none of them says which; the difference is one pixel. Published splits are ``ImageSets/Main/*.txt``
(or ``ImageSets/*.txt``), or folders called train, val and test.
"""

import math
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
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
    read_size,
)
from steelyard.dataset.manifest import Split
from steelyard.errors import DatasetError


def recognise(folder: Path) -> bool:
    """Whether XML files with ``<annotation>`` lie somewhere below."""
    return any(b"<annotation" in _head(path) for path in islice(list_files(folder, (".xml",)), 20))


def read(folder: Path, include: Sequence[str], classes: Sequence[str]) -> Annotations:
    """Read all images and boxes below a folder.

    Args:
        folder: of the source.
        include: patterns of image file names to use; empty: all.
        classes: not used; the names stand in the XML files.

    Raises:
        DatasetError: an image without an annotation or the reverse, a file that is not VOC's XML, a
            size that is not the image's, or lists of splits that contradict the images.
    """
    images = list_files(folder, IMAGE_SUFFIXES)
    chosen = [image for image in images if is_included(image.name, include)]
    pairs = _pair(folder, chosen, images, include)
    splits = _read_splits(folder, {image.stem for image in images})
    annotated = [_read_image(folder, image, xml, splits) for image, xml in follow(pairs, "read annotations")]
    return Annotations(tuple(annotated), (), len(images) - len(chosen))


def _pair(folder: Path, chosen: list[Path], images: list[Path], include: Sequence[str]) -> list[tuple[Path, Path]]:
    by_stem: dict[str, list[Path]] = {}
    xmls = list_files(folder, (".xml",))
    for xml in xmls:
        by_stem.setdefault(xml.stem, []).append(xml)
    pairs, bare = [], []
    for image in chosen:
        found = by_stem.get(image.stem, [])
        beside = [xml for xml in found if xml.parent == image.parent]
        cousin = [xml for xml in found if xml.parent.parent == image.parent.parent]
        match beside or cousin or found:
            case []:
                bare.append(str(image.relative_to(folder)))
            case [xml]:
                pairs.append((image, xml))
            case several:
                names = [str(xml.relative_to(folder)) for xml in several]
                raise DatasetError(f"image {image.name}: has several annotations: {name_some(names)}; keep one")
    if bare:
        raise DatasetError(
            f"{len(bare)} images have no annotation (an XML file of the same name): {name_some(bare)}; add "
            "them (without <object> where there is nothing to see), or choose images with fetch.include"
        )
    stems = {image.stem for image in images}
    lone = [xml for xml in xmls if xml.stem not in stems and b"<annotation" in _head(xml)]
    lone = [xml for xml in lone if any(is_included(xml.stem + end, include) for end in IMAGE_SUFFIXES)]
    if lone:
        names = [str(xml.relative_to(folder)) for xml in lone]
        raise DatasetError(
            f"{len(lone)} annotations have no image of the same name: {name_some(names)}; add the images, or "
            "choose others with fetch.include"
        )
    return pairs


def _read_splits(folder: Path, stems: set[str]) -> dict[str, Split]:
    splits: dict[str, Split] = {}
    for sets in sorted(path for path in folder.rglob("ImageSets") if path.is_dir()):
        lists = sets / "Main" if (sets / "Main").is_dir() else sets
        for path in sorted(lists.glob("*.txt")):
            if path.stem.lower() not in SPLIT_NAMES:
                continue
            split = SPLIT_NAMES[path.stem.lower()]
            for line in path.read_text(encoding="utf-8").splitlines():
                name = line.strip()
                if name and splits.setdefault(name, split) != split:
                    raise DatasetError(f"{path.name}: image {name} is in {splits[name]} and in {split}; keep one")
    absent = sorted(splits.keys() - stems)
    if absent:
        raise DatasetError(f"ImageSets: {len(absent)} names have no image: {name_some(absent)}")
    return splits


def _read_image(folder: Path, image: Path, xml: Path, splits: dict[str, Split]) -> AnnotatedImage:
    origin = image.relative_to(folder)
    where = xml.relative_to(folder)
    width, height, is_rotated = read_size(image, str(origin))
    root = _parse(xml, where)
    stated = tuple(_number(root, f"size/{side}", where, default=0) for side in ("width", "height"))
    if all(stated) and stated != (width, height):
        raise DatasetError(
            f"{where}: says that its image has {stated[0]:g} x {stated[1]:g} px, but {origin} has {width} x "
            f"{height} as shown; the boxes would lie elsewhere. Annotate the image as it is"
        )
    boxes = []
    for thing in root.findall("object"):
        name = (thing.findtext("name") or "").strip()
        if not name:
            raise DatasetError(f"{where}: an <object> has no <name>")
        corners = [_number(thing, f"bndbox/{edge}", where) for edge in ("xmin", "ymin", "xmax", "ymax")]
        boxes.append(Box(name, *corners))
    split = splits.get(image.stem) if splits else find_split(origin)
    return AnnotatedImage(image, origin.as_posix(), width, height, tuple(boxes), split, is_rotated)


class _Builder(ET.TreeBuilder):
    """Refuses the one part of XML that can name other files or grow without bound."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> NoReturn:
        raise DatasetError("has a DOCTYPE, which an annotation does not need; remove it")


def _parse(xml: Path, where: Path) -> ET.Element:
    try:
        root = ET.fromstring(xml.read_bytes(), ET.XMLParser(target=_Builder()))  # noqa: S314 (_Builder)
    except ET.ParseError as error:
        raise DatasetError(f"{where}: is not XML ({error})") from None
    except DatasetError as error:
        raise DatasetError(f"{where}: {error}") from None
    if root.tag != "annotation":
        raise DatasetError(f"{where}: is not a Pascal VOC file; its first tag is <{root.tag}>, not <annotation>")
    return root


def _number(parent: ET.Element, tag: str, where: Path, default: float | None = None) -> float:
    text = parent.findtext(tag)
    if text is None and default is not None:
        return default
    try:
        number = float(text or "")
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise DatasetError(f"{where}: <{parent.tag}> has {tag} = {text!r}; a number of px must stand there")
    return number


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(500)
