"""``python -m benchmarks.pictures FOLDER COUNT WIDTH HEIGHT``: a data set of any size to read.

JPEG files with the grain of photographs (55 kB at 640x480 px) and about 8 boxes each, in YOLO's layout.
"""

import io
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("car", "person", "sign")
SPLITS = ("train", "train", "train", "val", "test")
# Grain from coarse to fine: side of a grid's cells in px, and how far its values reach (of 255).
GRAINS = ((240, 90.0), (80, 50.0), (24, 36.0), (8, 20.0))
NOISE = 4.5
QUALITY = 85


def make_pictures(folder: Path, count: int, width: int, height: int) -> None:
    """Make a data set of three classes and published splits; the same files each time.

    Args:
        folder: to make.
        count: number of images.
        width: of each, px; above 160.
        height: of each, px; above 160.
    """
    for kind in ("images", "labels"):
        for split in set(SPLITS):
            (folder / kind / split).mkdir(parents=True)
    lines = [f"{split}: images/{split}" for split in sorted(set(SPLITS))] + [f"names: [{', '.join(CLASSES)}]"]
    (folder / "data.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with ProcessPoolExecutor() as pool:
        for _ in pool.map(partial(_make_one, folder, width, height), range(count), chunksize=50):
            pass


def _make_one(folder: Path, across: int, down: int, number: int) -> None:
    random = np.random.default_rng(number)
    picture = _paint(random, across, down)
    rows = []
    for _ in range(random.integers(5, 12)):
        width, height = random.integers(16, 160, 2)
        left, top = random.integers(0, across - width), random.integers(0, down - height)
        kind = random.choice(len(CLASSES), p=(0.5, 0.3, 0.2))
        picture[top : top + height, left : left + width] *= random.uniform(0.4, 0.8, 3)
        shares = ((left + width / 2) / across, (top + height / 2) / down, width / across, height / down)
        rows.append(" ".join([str(kind), *(f"{share:.6f}" for share in shares)]))
    split, name = SPLITS[number % len(SPLITS)], f"{number:06}"
    file = io.BytesIO()
    Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=QUALITY)
    (folder / "images" / split / f"{name}.jpg").write_bytes(file.getvalue())
    (folder / "labels" / split / f"{name}.txt").write_text("\n".join(rows) + "\n", encoding="utf-8")


def _paint(random: np.random.Generator, width: int, height: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    picture = np.full((height, width, 3), random.uniform(90, 160, 3), np.float32)
    for cell, reach in GRAINS:
        grid = random.uniform(-1, 1, (height // cell + 2, width // cell + 2)).astype(np.float32)
        light = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)
        picture += reach * np.asarray(light)[..., None] * random.uniform(0.6, 1, 3).astype(np.float32)
    picture += random.normal(0, NOISE, (height, width, 1)).astype(np.float32)
    return picture


if __name__ == "__main__":
    make_pictures(Path(sys.argv[1]), *map(int, sys.argv[2:5]))
