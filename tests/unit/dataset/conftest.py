"""Small made data sets, in each format."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from steelyard.sections import AboutParams, FetchParams, SplitParams

Corners = tuple[str, float, float, float, float]


def paint(path: Path, width: int = 64, height: int = 48, **save: Any) -> None:
    """A picture in which each pixel tells where it is, different for each name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    blue = sum(path.stem.encode()) % 256
    picture = Image.new("RGB", (width, height))
    picture.putdata([(x % 256, y % 256, blue) for y in range(height) for x in range(width)])
    picture.save(path, **save)


def write_xml(path: Path, boxes: list[Corners], width: int = 64, height: int = 48) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    things = "".join(
        f"<object><name>{name}</name><bndbox><xmin>{left}</xmin><ymin>{top}</ymin>"
        f"<xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>"
        for name, left, top, right, bottom in boxes
    )
    size = f"<size><width>{width}</width><height>{height}</height></size>"
    path.write_text(f"<annotation>{size}{things}</annotation>")


@pytest.fixture(name="paint")
def _paint() -> Callable[..., None]:
    return paint


@pytest.fixture(name="write_xml")
def _write_xml() -> Callable[..., None]:
    return write_xml


@pytest.fixture
def find_problems() -> Callable[[Any], list[tuple[str, str]]]:
    """The id and the file of each problem of what was read, sorted."""
    return lambda found: sorted((problem.id, problem.file) for problem in found.problems)


@pytest.fixture
def find_splits() -> Callable[[Any], dict[str, str | None]]:
    """The split of each image that was read, by its name without suffix."""
    return lambda found: {Path(image.origin).stem: image.split for image in found.images}


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    """Twenty images with XML beside them, one box each."""
    draw = random.Random(0)
    for number in range(20):
        paint(tmp_path / "data/raw/voc" / f"{number:02}.png")
        left, top = draw.randrange(30), draw.randrange(20)
        write_xml(tmp_path / "data/raw/voc" / f"{number:02}.xml", [("cat", left, top, left + 20, top + 10)])
    return tmp_path / "data/raw/voc"


@pytest.fixture
def yolo(tmp_path: Path) -> Path:
    """As Roboflow exports it: valid rather than val, and paths that begin with ``../``."""
    folder = tmp_path / "data/raw/yolo"
    for split in ("train", "valid", "test"):
        for number in range(3):
            paint(folder / split / "images" / f"{split}{number}.jpg")
            labels = folder / split / "labels" / f"{split}{number}.txt"
            labels.parent.mkdir(exist_ok=True)
            labels.write_text(f"{number % 2} 0.5 0.5 0.25 0.5\n")
    (folder / "data.yaml").write_text(
        "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\nnc: 2\nnames: ['cat', 'dog']\n"
    )
    return folder


@pytest.fixture
def make_params() -> Callable[..., FetchParams]:
    """Settings for a local source; what is named is changed."""

    def make(source: Path | str, by: str = "fraction", seed: int = 1, **changes: Any) -> FetchParams:
        values: dict[str, Any] = {
            "source": str(source),
            "sha256": "",
            "licence": "MIT",
            "format": "auto",
            "include": (),
            "classes": (),
            "tile": 0,
            "least_visible": 0.4,
            "rename": {},
            "drop": (),
            "split": SplitParams.model_validate({"by": by, "train": 0.6, "val": 0.2, "seed": seed, "group": ""}),
            "about": AboutParams(csv="", columns=()),
        }
        return FetchParams.model_validate(values | changes)

    return make
