"""Defects, each as a function that plants it into a folder of the clean data set."""

import json
import shutil
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from tests.unit.checks.clean import HEIGHT, WIDTH, encode


def image_of(folder: Path, name: str) -> Path:
    (path,) = folder.rglob(f"{name}.*g")
    return path


def labels_of(folder: Path, name: str) -> Path:
    (path,) = folder.glob(f"labels/*/{name}.txt")
    return path


def write(name, content, suffix=None):
    """Replace a picture; ``content`` makes the bytes of a new one from the old."""

    def plant(folder):
        path = image_of(folder, name)
        with Image.open(path) as old:
            new = content(old.convert("RGB"))
        path.unlink()
        path.with_suffix(suffix or path.suffix).write_bytes(new)

    return plant


def scale(levels, offset):
    return write("train10", lambda old: encode(old.point(lambda level: level * levels + offset), "JPEG"))


def add(name, *rows):
    """Add rows to a label file."""

    def plant(folder):
        with labels_of(folder, name).open("a") as file:
            file.writelines(f"{row}\n" for row in rows)

    return plant


def change_labels(split, change):
    """Change the lines of a split's label files; ``change`` gets number and lines."""

    def plant(folder):
        for number, path in enumerate(sorted(folder.glob(f"labels/{split}/*.txt"))):
            path.write_text("".join(f"{line}\n" for line in change(number, path.read_text().splitlines())))

    return plant


def unlink(*names):
    def plant(folder):
        for name in names:
            for path in list(folder.rglob(f"{name}.*")):
                path.unlink()

    return plant


def row(kind, left, top, right, bottom):
    x, y = (left + right) / 2 / WIDTH, (top + bottom) / 2 / HEIGHT
    return f"{kind} {x:.6f} {y:.6f} {(right - left) / WIDTH:.6f} {(bottom - top) / HEIGHT:.6f}"


def make_bomb(_):
    """A PNG of some bytes that says it has 60,000 x 60,000 px."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000)))


def make_16bit(old):
    done, content = cv2.imencode(".png", np.asarray(old)[..., ::-1].astype(np.uint16) * 257)
    assert done
    return content.tobytes()


def make_clear(old):
    old.putalpha(Image.linear_gradient("L").resize(old.size))
    return encode(old, "PNG")


def make_animated(old):
    return encode(old, "WEBP", save_all=True, append_images=[old.rotate(180)], duration=100, lossless=True)


def turn(orientation):
    def content(old):
        exif = Image.Exif()
        exif[274] = orientation
        return encode(old, "JPEG", quality=92, exif=exif)

    return content


def stretch(width, height):
    """A picture of another form; its boxes as they are in px, as far as they fit."""

    def plant(folder):
        write("train10", lambda old: encode(old.resize((width, height)), "JPEG", quality=92))(folder)
        labels_of(folder, "train10").write_text(f"0 0.5 0.5 {30 / width} {27 / height}\n")

    return plant


def rename(name, new):
    def plant(folder):
        for path in list(folder.rglob(f"{name}.*")):
            path.rename(path.with_name(new + path.suffix))

    return plant


def link_outside(folder):
    path = image_of(folder, "train10")
    outside = folder.parent / "elsewhere.jpg"
    path.rename(outside)
    path.symlink_to(outside)


def copy(source, target, content=None):
    """Another image becomes a copy of ``source``."""

    def plant(folder):
        old = image_of(folder, source)
        if content is None:
            shutil.copyfile(old, image_of(folder, target))
        else:
            with Image.open(old) as picture:
                image_of(folder, target).write_bytes(content(picture))

    return plant


def compress(old):
    return encode(old.resize((WIDTH * 2, HEIGHT * 2)).point(lambda level: level * 0.8), "JPEG", quality=50)


def change_xml(name, old, new):
    def plant(folder):
        path = folder / "Annotations" / f"{name}.xml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return plant


def change_list(split, change):
    def plant(folder):
        path = folder / "ImageSets/Main" / f"{split}.txt"
        path.write_text("".join(f"{line}\n" for line in change(path.read_text().split())))

    return plant


def add_crowd(folder):
    path = folder / "annotations/instances_train.json"
    content = json.loads(path.read_text())
    content["annotations"][7]["iscrowd"] = 1
    path.write_text(json.dumps(content))


def fill_with_boxes(number, lines):
    """So many cats and dogs in each image that the owls are fewer than one in a hundred."""
    cats_and_dogs = [row((x + y) % 2, x, y, x + 30, y + 27) for x in range(3, 120, 7) for y in range(3, 80, 6)]
    return cats_and_dogs + [line for line in lines if line[0] == "2"]


CROWD = [
    row((0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 2)[(x + y) % 17], x, y, x + 30, y + 27)
    for x in range(3, 123, 6)
    for y in range(3, 90, 5)
][:301]
