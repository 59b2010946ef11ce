"""Reads ``data/dataset`` back: images with boxes in px, without opening an image."""

from pathlib import Path

from steelyard.dataset.annotation import AnnotatedImage
from steelyard.dataset.formats.yolo import label_path, parse_rows
from steelyard.dataset.manifest import DatasetManifest
from steelyard.errors import DatasetError


def read_dataset(folder: Path, manifest: DatasetManifest) -> tuple[AnnotatedImage, ...]:
    """Read the labels of every image.

    Args:
        folder: ``data/dataset``.
        manifest: its ``dataset.json``; sizes, splits and classes stand there.

    Returns:
        One image for each record, in the manifest's order; its ``origin`` is the record's ``path``,
        ``is_rotated`` is False and ``kind`` "", since nobody looked.

    Raises:
        DatasetError: a label file is missing, or is not the one that the manifest speaks of.
    """
    images = []
    for record in manifest.images:
        where = folder / label_path(record.path)
        try:
            rows = parse_rows(where.read_text(encoding="utf-8"))
            boxes = tuple(row.place(manifest.classes[row.number], record.width, record.height) for row in rows)
        except FileNotFoundError:
            raise DatasetError(f"{where}: not found; bring the data set back with dvc checkout") from None
        except (DatasetError, UnicodeDecodeError, IndexError) as error:
            raise DatasetError(
                f"{where}: is not what dataset.json speaks of ({error}); bring the data set back with dvc checkout"
            ) from None
        images.append(
            AnnotatedImage(
                folder / record.path, record.path, record.width, record.height, boxes, record.split, is_rotated=False
            )
        )
    return tuple(images)
