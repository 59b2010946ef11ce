"""What is the same for every format: finding it out, files and their heads, what a path means."""

import os
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from steelyard.dataset.build import FORMATS, find_format
from steelyard.dataset.formats.files import describe_absent, list_source, name_split
from steelyard.dataset.formats.head import Head, read_head
from steelyard.dataset.formats.yolo import read as read_yolo
from steelyard.errors import DatasetError


def test_finds_out_the_format(voc: Path, yolo: Path, tmp_path: Path) -> None:
    assert find_format(voc) == "voc"
    assert find_format(yolo) == "yolo"
    with pytest.raises(DatasetError, match=r"could be voc or yolo; set fetch\.format"):
        find_format(tmp_path)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.json").touch()
    with pytest.raises(DatasetError, match=r"none of coco, csv, voc, yolo; its files: 1 \.json"):
        find_format(tmp_path / "other")


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_is_found_out_as_it_is_written(name: str, yolo: Path, tmp_path: Path) -> None:
    found = read_yolo(yolo, (), ())
    (tmp_path / "out").mkdir()
    FORMATS[name].write(found.images, found.classes, tmp_path / "out")
    assert find_format(tmp_path / "out") == name


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("package.json", '{"name": "images", "version": "1", "categories": ["a"]}'),
        ("notes.json", '{"categories": [{"id": 0, "name": "cat"}], "info": {"year": 2024}}'),  # Label Studio's
        ("a.json", '{"version": "5.0", "shapes": [], "imagePath": "a.png"}'),  # LabelMe's
        ("results.json", '[{"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 1}]'),
        ("captions.json", '{"info": {}, "images": [], "annotations": []}'),
        ("metadata.csv", "image,width,height\na.png,64,48\n"),
        ("openimages.csv", "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax\n1,a,b,1,0,1,0,1\n"),
        ("compose.yaml", "services:\n  web:\n    names: [a]\n"),
        ("broken.yaml", "names: [a\n"),
        ("labels/readme.txt", "These are the labels of our data set.\n"),
        ("00.txt", "a photograph of a cat\n"),
        ("annotations.xml", "<annotations><version>1.1</version></annotations>"),  # CVAT's own
    ],
)
def test_what_others_left_there_is_no_second_format(voc: Path, file: str, content: str) -> None:
    (voc / file).parent.mkdir(exist_ok=True)
    (voc / file).write_text(content)
    assert find_format(voc) == "voc"
    assert len(FORMATS["voc"].read(voc, (), ()).images) == 20


def turn(path: Path, orientation: int, **save) -> Path:
    """Save a picture of 40 x 20 px that EXIF turns."""
    exif = Image.Exif()
    exif[274] = orientation
    pixels = np.random.default_rng(0).integers(0, 255, (20, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, exif=exif, **save)
    return path


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp", "late.png"])
def test_the_head_says_the_size_that_opencv_shows(tmp_path: Path, suffix: str, orientation: int) -> None:
    path = turn(tmp_path / f"a.{suffix}", orientation)
    if suffix == "late.png":  # EXIF may come after the pixels
        data = path.read_bytes()
        start = data.index(b"eXIf") - 4
        end = start + 12 + struct.unpack(">I", data[start : start + 4])[0]
        place = data.index(b"IEND") - 4
        path.write_bytes(data[:start] + data[end:place] + data[start:end] + data[place:])
    # As Ultralytics reads; imread of OpenCV 5.0.0 fails for a TIFF that is turned by a quarter.
    shown = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    head = read_head(path, "a")
    assert isinstance(head, Head)
    assert (head.height, head.width) == shown.shape[:2]
    assert (head.is_rotated, head.is_turned) == (orientation != 1, orientation in (6, 8))
    assert head.kind == {"jpg": "JPEG", "tif": "TIFF", "webp": "WEBP"}.get(suffix, "PNG")


def test_a_head_costs_no_decoding(tmp_path: Path, paint) -> None:
    paint(tmp_path / "a.png", 640, 480, compress_level=0)
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(data[:-2000])
    head = read_head(tmp_path / "a.png", "a")
    assert isinstance(head, Head)
    assert head[:2] == (640, 480)


@pytest.mark.parametrize(
    ("content", "check"),
    [
        (b"", "image-empty"),
        (b"not a picture", "image-unreadable"),
        (b"\xff\xd8\xff\xe0", "image-unreadable"),
        (b"GIF89a" + bytes(20), "image-unreadable"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "image-unreadable"),
        (b"BM" + bytes(12) + struct.pack("<IiiHHIIiiII", 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0), "image-huge"),
    ],
)
def test_images_that_cannot_be_used_are_problems(yolo: Path, content: bytes, check: str, find_problems) -> None:
    (yolo / "train/images/train1.jpg").write_bytes(content)
    found = read_yolo(yolo, (), ())
    assert find_problems(found) == [(check, "train/images/train1.jpg")]
    assert len(found.images) == 8
    assert str(yolo) not in found.problems[0].detail


def test_damaged_heads_of_every_kind_end_in_a_size_or_a_problem(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    for suffix in ("jpg", "png", "tif", "webp", "bmp"):
        path = tmp_path / f"a.{suffix}"
        turn(path, 6)
        whole = np.frombuffer(path.read_bytes(), np.uint8)
        for _ in range(300):
            damaged = whole.copy()
            damaged[draw.integers(0, min(200, len(whole)), 4)] = draw.integers(0, 255, 4)
            path.write_bytes(damaged[: draw.integers(0, len(whole))].tobytes())
            assert read_head(path, "a")


@pytest.mark.parametrize("name", ["a\nb.jpg", "a\u2028b.jpg", b"a\xff.jpg", "a\x07.jpg"])
def test_names_that_cannot_be_written_down_are_problems(yolo: Path, name: str | bytes, find_problems) -> None:
    (yolo / "train/images/train1.jpg").rename(yolo / "train/images" / os.fsdecode(name))
    (yolo / "train/labels/train1.txt").unlink()
    found = read_yolo(yolo, (), ())
    (problem,) = found.problems
    assert problem.id == "file-name"
    assert problem.file.isprintable()
    assert problem.model_dump_json()
    assert len(found.images) == 8
    assert read_yolo(yolo, ("train*",), ()).problems == ()


def test_names_in_every_writing_can_be_used(yolo: Path) -> None:
    name = "Bild\u202f12:30 - \u732b \U0001f431 'x'.jpg"  # macOS writes U+202F before PM
    (yolo / "train/images/train1.jpg").rename(yolo / "train/images" / name)
    (yolo / "train/labels/train1.txt").rename(yolo / "train/labels" / f"{name[:-4]}.txt")
    found = read_yolo(yolo, (), ())
    assert not found.problems
    assert f"train/images/{name}" in {image.origin for image in found.images}


def test_links_out_of_the_source_are_not_followed(yolo: Path, paint, tmp_path: Path, find_problems) -> None:
    paint(tmp_path / "secret/a.jpg")
    (yolo / "train/images/a.jpg").symlink_to(tmp_path / "secret/a.jpg")
    (yolo / "train/images/folder").symlink_to(tmp_path / "secret")
    (yolo / "train/images/gone.jpg").symlink_to(yolo / "nothing")
    (yolo / "train/images/within.jpg").symlink_to(yolo / "train/images/train1.jpg")
    (yolo / "train/images/folder.jpg").symlink_to(yolo / "valid")
    (yolo / "train/labels/within.txt").symlink_to(yolo / "nothing")
    (yolo / "README.md").symlink_to(tmp_path / "secret/a.jpg")
    (yolo / "more").symlink_to(yolo / "valid")
    found = read_yolo(yolo, (), ())
    assert find_problems(found) == [
        ("background-without-label", "train/images/within.jpg"),
        ("image-unreadable", "train/images/folder.jpg"),
        ("image-unreadable", "train/images/gone.jpg"),
        ("label-unreadable", "train/labels/within.txt"),
        ("path-outside", "train/images/a.jpg"),
        ("path-outside", "train/images/folder"),
    ]
    assert {image.origin for image in found.images} >= {"train/images/within.jpg"}
    # A folder that is itself a link, and DVC's links into its cache, are the user's own.
    (tmp_path / "linked").symlink_to(yolo)
    assert len(read_yolo(tmp_path / "linked", (), ()).images) == len(found.images)
    cached = tmp_path / "cache/files/md5/ab" / ("0" * 30)
    cached.parent.mkdir(parents=True)
    (yolo / "train/images/train2.jpg").rename(cached)
    (yolo / "train/images/train2.jpg").symlink_to(cached)
    assert len(read_yolo(yolo, (), ()).images) == len(found.images)


def test_finds_the_image_that_a_path_means(tmp_path: Path, paint) -> None:
    for name in ("a.png", "images/train/a.png", "images/val/a.png", "images/val/b.png", "x/c.png", "y/c.png"):
        paint(tmp_path / name)
    files = list_source(tmp_path, ())
    assert files.find_image("a.png") == ("a.png", True)
    assert files.find_image("../images/val/a.png", "annotations") == ("images/val/a.png", True)
    assert files.find_image("a.png", "images/train") == ("images/train/a.png", True)
    assert files.find_image("a.png", "annotations", "val") == ("images/val/a.png", True)
    assert files.find_image("C:\\me\\val\\b.png") == ("images/val/b.png", False)
    assert files.find_image("c.png", "annotations") is None
    assert files.find_image("x/c.png", "annotations") == ("x/c.png", True)
    assert files.find_image("/etc/passwd") is None
    assert files.find_image("..") is None
    assert describe_absent("a.csv", "/etc/d.png").id == "path-outside"
    assert describe_absent("a.csv", "x\\..\\d.png").id == "path-outside"
    assert describe_absent("a.csv", "12:30.png").id == "label-without-image"


@pytest.mark.parametrize(
    ("name", "split"),
    [("instances_train2017", "train"), ("_annotations.coco", None), ("Validation", "val"), ("trainval", None),
     ("train_val", None), ("latest", None), ("test", "test")],
)  # fmt: skip
def test_a_split_is_read_from_a_file_name(name: str, split: str | None) -> None:
    assert name_split(name) == split
