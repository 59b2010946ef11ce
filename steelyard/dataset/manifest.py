"""What the data set is: counts, origin and the hash of each file, as ``data/dataset.json``.

Without dates or paths of this machine, so that the same data gives the same bytes everywhere.
"""

import hashlib
import json
import operator
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
OWN_COLUMNS = ("photograph", "group", "brightness", "sharpness")
"""What images are told apart by without anybody's file about them; see steelyard/scoring/columns.py."""


class Frozen(BaseModel):
    """No unknown keys, and nothing changes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ImageRecord(Frozen):
    """One image of the data set."""

    path: str = Field(description="below data/dataset, such as images/train/a.png")
    split: Split
    group: str = Field(
        default="",
        exclude_if=operator.not_,
        description="images of one group are alike and never part: the key of fetch.split.group, or the photograph of "
        "a tile",
    )
    origin: str = Field(description="image of the source that it is, or was cut from")
    region: tuple[int, int, int, int] | None = Field(
        description="x, y, width, height in the origin, in px; null: the whole image, byte for byte"
    )
    width: int = Field(gt=0, description="px, as shown (after the EXIF orientation)")
    height: int = Field(gt=0, description="px, as shown")
    boxes: int = Field(ge=0)
    sha256: str = Field(description="of the image file")
    labels_sha256: str = Field(description="of the label file")
    columns: dict[str, str] = Field(
        default={}, exclude_if=operator.not_, description="what fetch.about.csv says about it, by column"
    )


class Problem(Frozen):
    """Something in the source that is not used as it is; the stage check judges it."""

    model_config = ConfigDict(allow_inf_nan=False)  # JSON would have null for it, which no reader takes

    id: str = Field(description="of the check; see steelyard/checks/catalogue.py")
    file: str = Field(description="image, label file or list, below the source's folder")
    detail: str = Field(default="", description="what was found there")
    box: tuple[float, float, float, float] | None = Field(
        default=None, description="left, top, right, bottom in px of the image, where it is about a box"
    )


class SplitCounts(Frozen):
    """One split in numbers."""

    images: int
    backgrounds: int = Field(description="images without a box")
    boxes: int
    boxes_per_class: dict[str, int]


class Changes(Frozen):
    """What is not as the source has it, in numbers."""

    images_not_included: int = Field(default=0, description="left out by fetch.include")
    images_in_no_split: int = Field(default=0, description="in none of the published lists")
    bad_boxes_dropped: int = Field(default=0, description="outside the image, inverted or without area")
    duplicate_boxes_dropped: int = Field(default=0, description="same class and place as another")
    boxes_clipped: int = Field(default=0, description="partly outside the image")
    boxes_of_dropped_classes: int = Field(default=0, description="left out by fetch.drop")
    boxes_in_no_tile: int = Field(default=0, description="in a margin, or cut too small by tiles' edges")
    exif_rotated: int = Field(default=0, description="images that are shown rotated; boxes refer to that")
    jpeg_ends_added: int = Field(
        default=0, description="JPEG files that got an end mark, without which Ultralytics rewrites them"
    )


class DatasetManifest(Frozen):
    """The data set that a model was trained and scored on."""

    schema_version: Literal[1]
    source: str
    source_sha256: str = Field(description="of the downloaded file; empty for a local source without one")
    licence: str
    origin: str = Field(description="what the source says about where it comes from (its SOURCE.txt)")
    format: str
    classes: tuple[str, ...]
    tile: int = Field(description="side of the tiles, in px; 0: not cut")
    splits: dict[Split, SplitCounts]
    changes: Changes
    images: tuple[ImageRecord, ...]
    problems: tuple[Problem, ...] = Field(default=(), description="of the source, in its order")
    fingerprint: str = Field(description="sha256 over paths, hashes and classes; see compute_fingerprint")

    def write(self, path: Path) -> None:
        """Write as JSON, whole or not at all."""
        new = path.with_name(f".{path.name}.new")
        new.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")
        new.replace(path)


def compute_fingerprint(images: Iterable[ImageRecord], classes: Sequence[str]) -> str:
    """One hash for images, labels and classes, whatever order the images come in.

    Returns:
        sha256, in hex, over compact JSON of ``[classes, [[path, image sha256, labels sha256], ...]]``
        with the paths sorted.
    """
    rows = sorted([image.path, image.sha256, image.labels_sha256] for image in images)
    text = json.dumps([list(classes), rows], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
