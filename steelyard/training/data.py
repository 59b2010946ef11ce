"""The data set as a training reads it: through links, unchanged, the same in every epoch.

Importing this module takes 5.6 s (torch, ultralytics); see training.py.
"""

import io
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from ultralytics.data.dataset import YOLODataset
from ultralytics.data.utils import IMG_FORMATS

from steelyard.errors import DatasetError
from steelyard.params import read_yaml


def list_images(dataset: Path, split: str) -> list[Path]:
    folder = dataset / "images" / split
    images = sorted(path for path in folder.glob("*") if path.suffix[1:].lower() in IMG_FORMATS)
    if not images:
        raise DatasetError(f"{folder}: no images for {split}; give it a share in params.yaml: fetch.split")
    return images


def read_classes(dataset: Path) -> tuple[str, ...]:
    names = read_yaml(dataset / "data.yaml")["names"]
    return tuple(str(name) for name in (names.values() if isinstance(names, dict) else names))


def link_dataset(images: dict[str, list[Path]], dataset: Path, scratch: Path) -> None:
    # Ultralytics writes *.cache and *.npy beside what it reads, and a DVC output must stay as it is.
    for split, paths in images.items():
        for kind in ("images", "labels"):
            (scratch / kind / split).mkdir(parents=True)
        for path in paths:
            (scratch / "images" / split / path.name).symlink_to(path.resolve())
            label = dataset / "labels" / split / f"{path.stem}.txt"
            if label.exists():
                (scratch / "labels" / split / label.name).symlink_to(label.resolve())


class TrainingDataset(YOLODataset):  # type: ignore[misc] # ultralytics has no types
    """Labelled images whose order of use leaves no trace in what is drawn later."""

    cache: str | None

    def build_transforms(self, hyp: Any = None) -> Any:
        # Without a cache in memory, mosaic draws from a rolling buffer, which outlives the epoch.
        cache, self.cache = self.cache, "ram"
        try:
            return super().build_transforms(hyp)
        finally:
            self.cache = cache


def open_dataset(
    images: Path, args: Any, data: dict[str, Any], *, augment: bool, batch: int | None, stride: int
) -> TrainingDataset:
    """Read one split, all of it or not at all.

    Args:
        images: folder of links, made by :func:`link_dataset`.
        args: Ultralytics' arguments, of which the dataset takes what it needs.
        data: folders and class names, as Ultralytics' trainer keeps them.
        augment: True for train; otherwise rectangular batches, as for val.
        batch: images per batch.
        stride: largest stride of the network, in px.

    Raises:
        DatasetError: an image or its labels cannot be used.
    """
    # It shows a bar of its own for the cache, whatever its logger is told.
    with redirect_stdout(io.StringIO()):
        dataset = TrainingDataset(
            img_path=str(images), imgsz=args.imgsz, batch_size=batch, augment=augment, hyp=args,
            rect=not augment, cache=args.cache or None, stride=stride, pad=0.0 if augment else 0.5,
            data=data, task="detect",
        )  # fmt: skip
    linked = {path.name for path in images.iterdir() if path.is_symlink()}
    unusable = sorted(linked - {Path(path).name for path in dataset.im_files})
    if unusable:
        raise DatasetError(
            f"{images.name}: {len(unusable)} images cannot be used as they are or as they are labelled, such as "
            f"{unusable[0]}; mend or remove them and make the dataset again"
        )
    return dataset
