from pathlib import Path

import pytest

from steelyard.dataset import voc as voc_format
from steelyard.dataset import yolo as yolo_format
from steelyard.dataset.annotation import Box
from steelyard.dataset.build import find_format
from steelyard.errors import DatasetError


def read_voc(folder: Path, *include: str):
    return voc_format.read(folder, include, ())


def read_yolo(folder: Path, *classes: str):
    return yolo_format.read(folder, (), classes)


def splits_of(found) -> dict[str, str | None]:
    return {Path(image.origin).stem: image.split for image in found.images}


def test_finds_out_the_format(voc: Path, yolo: Path, tmp_path: Path) -> None:
    assert find_format(voc) == "voc"
    assert find_format(yolo) == "yolo"
    with pytest.raises(DatasetError, match=r"could be voc or yolo; set fetch\.format"):
        find_format(tmp_path)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.json").touch()
    with pytest.raises(DatasetError, match=r"none of voc, yolo; its files: 1 \.json"):
        find_format(tmp_path / "other")


def test_voc_keeps_coordinates_as_written(paint, write_xml, tmp_path: Path) -> None:
    paint(tmp_path / "JPEGImages/a.jpg")
    write_xml(tmp_path / "Annotations/a.xml", [("cat", 1, 2, 64, 47.5)])
    assert read_voc(tmp_path).images[0].boxes == (Box("cat", 1, 2, 64, 47.5),)


def test_voc_reads_published_lists(voc: Path) -> None:
    for name, lines in (("train", "00\n01\n"), ("val", "02 \n"), ("test", "03"), ("trainval", "00\n01\n02\n")):
        path = voc / "ImageSets" / "Main" / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(lines)
    splits = splits_of(read_voc(voc))
    assert {name: split for name, split in splits.items() if split} == {
        "00": "train",
        "01": "train",
        "02": "val",
        "03": "test",
    }
    (voc / "ImageSets/Main/test.txt").write_text("02\n")
    with pytest.raises(DatasetError, match="image 02 is in"):
        read_voc(voc)
    (voc / "ImageSets/Main/test.txt").write_text("99\n")
    with pytest.raises(DatasetError, match="1 names have no image: 99"):
        read_voc(voc)


def test_voc_reads_splits_from_folders(paint, write_xml, tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        paint(tmp_path / split / f"{split}.jpg")
        write_xml(tmp_path / split / f"{split}.xml", [])
    assert splits_of(read_voc(tmp_path)) == {"train": "train", "valid": "val", "test": "test"}


def test_voc_wants_pairs(voc: Path) -> None:
    (voc / "03.xml").unlink()
    with pytest.raises(DatasetError, match=r"1 images have no annotation.*: 03\.png"):
        read_voc(voc)
    assert len(read_voc(voc, "1*").images) == 10
    (voc / "03.png").unlink()
    (voc / "04.png").unlink()
    with pytest.raises(DatasetError, match=r"1 annotations have no image of the same name: 04\.xml"):
        read_voc(voc)
    assert len(read_voc(voc, "1*").images) == 10


def test_voc_prefers_the_annotation_beside_the_image(paint, write_xml, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        paint(tmp_path / folder / "a.jpg")
        write_xml(tmp_path / folder / "a.xml", [(folder, 1, 2, 3, 4)])
    assert [image.boxes[0].name for image in read_voc(tmp_path).images] == ["one", "two"]
    (tmp_path / "one/a.jpg").rename(tmp_path / "a.jpg")
    with pytest.raises(DatasetError, match=r"image a\.jpg: has several annotations"):
        read_voc(tmp_path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("<annotation>", "is not XML"),
        ("<html/>", "its first tag is <html>"),
        ('<!DOCTYPE a [<!ENTITY b "ha">]><annotation>&b;</annotation>', "has a DOCTYPE"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotation/>', "has a DOCTYPE"),
        ("<annotation><object><bndbox/></object></annotation>", "has no <name>"),
        ("<annotation><object><name>a</name></object></annotation>", "bndbox/xmin = None"),
        (
            "<annotation><object><name>a</name><bndbox><xmin>nan</xmin></bndbox></object></annotation>",
            "xmin = 'nan'",
        ),
        (
            "<annotation><size><width>48</width><height>64</height></size></annotation>",
            "says that its image has 48 x 64",
        ),
    ],
)
def test_voc_says_which_file_is_wrong(voc: Path, content: str, says: str) -> None:
    (voc / "05.xml").write_text(content)
    with pytest.raises(DatasetError, match=f"05.xml: .*{says}"):
        read_voc(voc)


def test_a_doctype_is_refused_in_every_encoding(voc: Path) -> None:
    text = '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [<!ENTITY b "ha">]><annotation>&b;</annotation>'
    (voc / "05.xml").write_bytes(text.encode("utf-16"))
    with pytest.raises(DatasetError, match="has a DOCTYPE"):
        read_voc(voc)


def test_reads_sizes_as_shown(paint, write_xml, tmp_path: Path) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[274] = 6
    paint(tmp_path / "a.jpg", exif=exif)
    write_xml(tmp_path / "a.xml", [], 48, 64)
    image = read_voc(tmp_path).images[0]
    assert (image.width, image.height, image.is_rotated) == (48, 64, True)
    write_xml(tmp_path / "a.xml", [], 64, 48)
    with pytest.raises(DatasetError, match="has 48 x 64 as shown"):
        read_voc(tmp_path)


def test_yolo_reads_roboflows_export(yolo: Path) -> None:
    found = read_yolo(yolo)
    assert found.classes == ("cat", "dog")
    assert list(splits_of(found).values()).count("val") == 3
    assert found.images[0].origin == "test/images/test0.jpg"
    assert found.images[0].boxes == (Box("cat", 24, 12, 40, 36),)


@pytest.mark.parametrize(
    ("yaml", "splits"),
    [
        ("path: ../datasets/x\ntrain: images/train\nval: images/val\ntest:\nnames: {1: dog, 0: cat}", "train val None"),
        ("path: /home/me/x\ntrain: [images/train, images/val]\nval: images/test\nnames: [cat, dog]", "train train val"),
        ("train: train.txt\nval: images/val\ntest: ./images/test\nnames:\n  0: cat\n  1: dog", "train val test"),
        ("names: [cat, dog]", "train val test"),
    ],
)
def test_yolo_reads_ultralytics_habits(paint, tmp_path: Path, yaml: str, splits: str) -> None:
    for split in ("train", "val", "test"):
        paint(tmp_path / "images" / split / f"{split}.jpg")
    (tmp_path / "labels/train").mkdir(parents=True)
    (tmp_path / "labels/train/train.txt").write_text("1 0.5 0.5 1 1\n")
    (tmp_path / "train.txt").write_text("/home/me/x/images/train/train.jpg\n")
    (tmp_path / "data.yaml").write_text(yaml)
    found = read_yolo(tmp_path)
    wanted = {
        name: split for name, split in zip(("train", "val", "test"), splits.split(), strict=True) if split != "None"
    }
    assert splits_of(found) == wanted
    assert {image.path.stem: len(image.boxes) for image in found.images}["train"] == 1
    assert found.classes == ("cat", "dog")


def test_yolo_cannot_be_led_outside(paint, yolo: Path) -> None:
    paint(yolo.parent / "secret" / "a.jpg")
    (yolo / "data.yaml").write_text(f"train: ../secret\nval: {yolo.parent}/secret\nnames: [cat, dog]\n")
    assert all("secret" not in image.origin for image in read_yolo(yolo).images)


def test_yolo_without_a_yaml_takes_the_names_from_the_settings(yolo: Path) -> None:
    (yolo / "data.yaml").unlink()
    with pytest.raises(DatasetError, match=r"neither data\.yaml nor classes\.txt"):
        read_yolo(yolo)
    assert read_yolo(yolo, "a", "b").classes == ("a", "b")
    (yolo / "classes.txt").write_text("x\ny\n")
    assert read_yolo(yolo).classes == ("x", "y")
    (yolo / "test/images/test0.jpg").unlink()
    with pytest.raises(DatasetError, match=r"1 label files have no image: test/labels/test0\.txt"):
        read_yolo(yolo)


def test_yolo_turns_a_polygon_into_the_box_around_it(yolo: Path) -> None:
    (yolo / "test/labels/test0.txt").write_text("0 0.5 0.25 0.75 0.5 0.25 1\n")
    assert read_yolo(yolo).images[0].boxes == (Box("cat", 16, 12, 48, 48),)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("0 a 0 0 0", "are not numbers"),
        ("0 0.5 0.5 0.5", "has 3 numbers after the class"),
        ("0 0.5 0.5 0.5 0.5 0.5", "has 5 numbers after the class"),
        ("0 nan 0.5 0.5 0.5", "finite"),
        ("2 0.5 0.5 0.5 0.5", "class 2, but the names are numbered 0 to 1"),
        ("0.5 0.5 0.5 0.5 0.5", r"class 0\.5"),
    ],
)
def test_yolo_says_which_line_is_wrong(yolo: Path, line: str, says: str) -> None:
    (yolo / "test/labels/test1.txt").write_text(f"0 0.5 0.5 0.5 0.5\n\n{line}\n")
    with pytest.raises(DatasetError, match=rf"test/labels/test1\.txt: line 3: .*{says}"):
        read_yolo(yolo)


@pytest.mark.parametrize("names", ["{0: cat, 2: dog}", "[cat, cat]", "{a: 0}", "[]", "cat"])
def test_yolo_refuses_names_that_are_not_numbered(yolo: Path, names: str) -> None:
    (yolo / "data.yaml").write_text(f"names: {names}\n")
    with pytest.raises(DatasetError, match=r"data\.yaml: names = "):
        read_yolo(yolo)


def test_yolo_refuses_an_image_in_two_splits(yolo: Path) -> None:
    (yolo / "data.yaml").write_text("train: train/images\nval: train/images\nnames: [cat, dog]\n")
    with pytest.raises(DatasetError, match="what is tested must not be trained on"):
        read_yolo(yolo)


def test_yolo_refuses_a_broken_or_doubled_yaml(yolo: Path) -> None:
    (yolo / "data.yml").write_text("names: [a]\n")
    with pytest.raises(DatasetError, match=r"several files could be data\.yaml"):
        read_yolo(yolo)
    (yolo / "data.yml").write_text("names: [a\n")
    with pytest.raises(DatasetError, match=r"data\.yml: is not YAML"):
        read_yolo(yolo)
