"""``data/dataset`` in another format, for the tools that read that one."""

from pathlib import Path

from steelyard.checks.reading import read_dataset
from steelyard.dataset.build import FORMATS
from steelyard.dataset.layout import make_folder
from steelyard.dataset.manifest import DatasetManifest
from steelyard.errors import DatasetError


def export_dataset(dataset: Path, manifest: DatasetManifest, format: str, out: Path) -> None:
    """Write images and boxes anew; the images byte for byte, with their splits.

    Args:
        dataset: ``data/dataset``.
        manifest: its ``dataset.json``.
        format: one of ``FORMATS``.
        out: the folder to make; it may be there if it is empty. On any failure it is as it was.

    Raises:
        DatasetError: there is no such format, ``out`` holds something, or the data set is not as the
            manifest says.
    """
    if format not in FORMATS:
        raise DatasetError(f"format {format!r}: is none of {', '.join(FORMATS)}")
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise DatasetError(f"{out}: is there and is not empty; name a new folder")
    images = read_dataset(dataset, manifest)
    with make_folder(out) as new:
        FORMATS[format].write(images, manifest.classes, new)
