"""The stage fetch: source, format, boxes, tiles and splits, chained."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from steelyard.dataset import voc, yolo
from steelyard.dataset.annotation import AnnotatedImage, Annotations, list_files, name_some
from steelyard.dataset.boxes import BoxCounts, clean_boxes, refuse_bad_boxes
from steelyard.dataset.layout import make_folder, write_layout
from steelyard.dataset.manifest import Changes, DatasetManifest, compute_fingerprint
from steelyard.dataset.plan import count_splits, plan_pieces
from steelyard.errors import DatasetError
from steelyard.params import FetchParams
from steelyard.source import open_source


class Format(Protocol):
    """What the module of a format has."""

    def recognise(self, folder: Path) -> bool:
        """Whether a folder looks like it."""

    def read(self, folder: Path, include: Sequence[str], classes: Sequence[str]) -> Annotations:
        """Read it, or raise DatasetError."""


FORMATS: dict[str, Format] = {
    "voc": voc,
    "yolo": yolo,
}


def build_dataset(
    params: FetchParams, root: Path, out: Path, manifest_out: Path, say: Callable[[str], None]
) -> DatasetManifest:
    """Make ``data/dataset`` and its manifest.

    Args:
        params: section fetch of params.yaml.
        root: folder that a local source is relative to.
        out: the folder to make, or to replace.
        manifest_out: the JSON file to make, or to replace.
        say: gets one line for each fact.

    Returns:
        The manifest, as written.

    Raises:
        SourceError: the source cannot be had.
        DatasetError: the data cannot be used as it is.
    """
    say(f"source: {params.source}")
    with open_source(params.source, params.sha256, root, watched="data/raw") as folder, make_folder(out) as new:
        if not folder.is_dir():
            raise DatasetError(f"source {params.source!r}: is neither a folder nor a zip or tar archive")
        name = find_format(folder) if params.format == "auto" else params.format
        say(f"format: {name}" + (" (found out)" if params.format == "auto" else ""))
        found = FORMATS[name].read(folder, params.include, params.classes)
        if not found.images:
            raise DatasetError(
                f"source {params.source!r}: no image to use ({found.not_included} left out by fetch.include)"
            )
        counts = BoxCounts()
        images = [clean_boxes(image, counts) for image in found.images]
        if params.bad_boxes == "refuse":
            refuse_bad_boxes(counts.bad)
        classes = choose_classes(images, params.classes, found.classes)
        pieces, in_no_tile = plan_pieces(images, params)
        records, ends_added = write_layout(pieces, classes, new)
        manifest = DatasetManifest(
            schema_version=1,
            source=params.source,
            source_sha256=params.sha256,
            licence=params.licence,
            origin=_read_origin(folder),
            format=name,
            classes=classes,
            tile=params.tile,
            splits=count_splits(pieces, classes),
            changes=Changes(
                images_not_included=found.not_included,
                images_in_no_split=len(images) - len({piece.image.origin for piece in pieces}),
                bad_boxes_dropped=len(counts.bad),
                duplicate_boxes_dropped=counts.duplicates,
                boxes_clipped=counts.clipped,
                boxes_in_no_tile=in_no_tile,
                exif_rotated=sum(image.is_rotated for image in images),
                jpeg_ends_added=ends_added,
            ),
            images=tuple(records),
            fingerprint=compute_fingerprint(records, classes),
        )
    manifest.write(manifest_out)
    _say_counts(manifest, say)
    return manifest


def find_format(folder: Path) -> str:
    """Find out the annotation format.

    Raises:
        DatasetError: none fits, or more than one.
    """
    fitting = [name for name, module in FORMATS.items() if module.recognise(folder)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise DatasetError(f"the source could be {' or '.join(fitting)}; set fetch.format to one of them")
    suffixes = Counter(path.suffix.lower() for path in folder.rglob("*") if path.is_file())
    there = ", ".join(f"{count} {suffix or 'without suffix'}" for suffix, count in suffixes.most_common(6))
    raise DatasetError(
        f"the annotation format of the source is none of {', '.join(FORMATS)}; its files: {there or 'none'}"
    )


def choose_classes(
    images: Sequence[AnnotatedImage], wanted: Sequence[str], published: Sequence[str]
) -> tuple[str, ...]:
    """Class names in the order of their numbers.

    Args:
        images: with all boxes that are to be used.
        wanted: fetch.classes; empty: as published, or else the sorted names of the boxes.
        published: the source's list; may be empty.

    Raises:
        DatasetError: a box has a name that is not wanted, or there is no box at all.
    """
    found = Counter(box.name for image in images for box in image.boxes)
    if not found:
        raise DatasetError(f"there is no box in {len(images)} images")
    classes = tuple(wanted) or tuple(published) or tuple(sorted(found))
    if len(set(classes)) != len(classes):
        raise DatasetError(f"fetch.classes = {list(classes)}: each name may stand there once")
    unknown = [f"{name} ({count} boxes)" for name, count in sorted(found.items()) if name not in classes]
    if unknown:
        raise DatasetError(
            f"classes that are not in fetch.classes = {list(classes)}: {name_some(unknown, 10)}; add "
            "them, or choose images without them by fetch.include"
        )
    return classes


def _read_origin(folder: Path) -> str:
    files = [path for path in list_files(folder, (".txt",)) if path.name == "SOURCE.txt"]
    return files[0].read_text(encoding="utf-8", errors="replace").strip()[:2000] if files else ""


def _say_counts(manifest: DatasetManifest, say: Callable[[str], None]) -> None:
    say(f"classes: {', '.join(manifest.classes)}")
    for split, counts in manifest.splits.items():
        say(f"{split}: {counts.images} images ({counts.backgrounds} without a box), {counts.boxes} boxes")
    changed = [f"{count} {name.replace('_', ' ')}" for name, count in manifest.changes.model_dump().items() if count]
    say(f"changed: {', '.join(changed) or 'nothing'}")
