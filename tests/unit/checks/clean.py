"""A data set without a fault, in each format, into which tests plant theirs."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from steelyard.dataset.annotation import AnnotatedImage, Box
from steelyard.dataset.formats import coco, voc, yolo
from steelyard.dataset.manifest import Split

WIDTH, HEIGHT = 160, 120
CLASSES = ("cat", "dog", "owl")
SIZES: dict[Split, int] = {"train": 80, "val": 48, "test": 48}
FORMATS = {"coco": coco, "voc": voc, "yolo": yolo}
IMGSZ = 160


def draw_texture(random: np.random.Generator, noise: float = 25) -> Image.Image:
    """Blobs of colour with grain: no two alike, neither dark nor bright."""
    blobs = Image.fromarray(random.integers(50, 206, (6, 8, 3), dtype=np.uint8))
    smooth = np.asarray(blobs.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC), np.float32)
    grained = smooth + random.normal(0, noise, smooth.shape)
    return Image.fromarray(np.clip(grained, 0, 255).astype(np.uint8))


def draw_boxes(random: np.random.Generator, has_owl: bool) -> tuple[Box, ...]:
    """Two cats and two dogs, one in each quarter, and an owl in the middle of some."""
    boxes = []
    for number, name in enumerate(("cat", "dog", "dog", "cat")):
        width, height = random.uniform(24, 36), random.uniform(22, 32)
        left = random.uniform(4, 76 - width) + (number % 2) * 80
        top = random.uniform(4, 56 - height) + (number // 2) * 60
        boxes.append(Box(name, left, top, left + width, top + height))
    owl = Box("owl", 66.0, 48.0, 94.0, 72.0)
    return (*boxes, owl) if has_owl else tuple(boxes)


def write_clean(folder: Path, pictures: Path) -> None:
    """Write it as ``folder/coco``, ``folder/voc`` and ``folder/yolo``, from pictures that are drawn first."""
    random = np.random.default_rng(0)
    images = []
    pictures.mkdir(parents=True)
    for split, count in SIZES.items():
        for number in range(count):
            path = pictures / f"{split}{number:02}.jpg"
            draw_texture(random).save(path, quality=92)
            boxes = draw_boxes(random, has_owl=number % 4 == 0)
            images.append(AnnotatedImage(path, path.name, WIDTH, HEIGHT, boxes, split, False))
    for name, module in FORMATS.items():
        (folder / name).mkdir(parents=True)
        module.write(images, CLASSES, folder / name)


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()
