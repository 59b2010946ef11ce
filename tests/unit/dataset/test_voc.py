from pathlib import Path

import pytest
from PIL import Image

from steelyard.dataset.annotation import Box
from steelyard.dataset.formats import voc as voc_format
from steelyard.errors import DatasetError


def read(folder: Path, *include: str):
    return voc_format.read(folder, include, ())


def test_keeps_coordinates_as_written(paint, write_xml, tmp_path: Path) -> None:
    paint(tmp_path / "JPEGImages/a.jpg")
    write_xml(tmp_path / "Annotations/a.xml", [("cat", 1, 2, 64, 47.5)])
    assert read(tmp_path).images[0].boxes == (Box("cat", 1, 2, 64, 47.5),)


def write_lists(folder: Path, **lists: str) -> None:
    for name, lines in lists.items():
        path = folder / "ImageSets" / "Main" / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(lines)


def test_reads_published_lists(voc: Path, find_splits) -> None:
    write_lists(voc, train="00\n01.png\n", val="02 \n", test="03", trainval="00\n01\n02\n")
    found = read(voc)
    assert {name: split for name, split in find_splits(found).items() if split} == {
        "00": "train",
        "01": "train",
        "02": "val",
        "03": "test",
    }
    assert not found.problems


def test_lists_that_contradict_are_problems(voc: Path, find_splits, find_problems) -> None:
    write_lists(voc, train="00\n01\n", val="00\n02\n", test="02\n99\n../../secret\n")
    found = read(voc)
    assert find_problems(found) == [
        ("image-in-two-splits", "00.png"),
        ("image-in-two-splits", "02.png"),
        ("label-without-image", "ImageSets/Main/test.txt"),
        ("label-without-image", "ImageSets/Main/test.txt"),
    ]
    assert [find_splits(found)[name] for name in ("00", "01", "02")] == ["val", "train", "test"]
    assert find_problems(read(voc, "00*")) == [("image-in-two-splits", "00.png"), ("image-in-two-splits", "02.png")]


def test_reads_splits_from_folders(paint, write_xml, tmp_path: Path, find_splits) -> None:
    for split in ("train", "valid", "test"):
        paint(tmp_path / split / f"{split}.jpg")
        write_xml(tmp_path / split / f"{split}.xml", [])
    assert find_splits(read(tmp_path)) == {"train": "train", "valid": "val", "test": "test"}


def test_what_has_no_other_half_is_a_problem(voc: Path, find_problems) -> None:
    (voc / "03.xml").unlink()
    (voc / "04.png").unlink()
    found = read(voc)
    assert find_problems(found) == [("image-without-label", "03.png"), ("label-without-image", "04.xml")]
    assert len(found.images) == 18
    assert not read(voc, "1*").problems
    assert len(read(voc, "1*").images) == 10


def test_prefers_the_annotation_beside_the_image(paint, write_xml, tmp_path: Path, find_problems) -> None:
    for folder in ("one", "two"):
        paint(tmp_path / folder / "a.jpg")
        write_xml(tmp_path / folder / "a.xml", [(folder, 1, 2, 3, 4)])
    assert [image.boxes[0].name for image in read(tmp_path).images] == ["one", "two"]
    (tmp_path / "one/a.jpg").rename(tmp_path / "a.jpg")
    found = read(tmp_path)
    assert [(image.origin, image.boxes[0].name) for image in found.images] == [("two/a.jpg", "two")]
    assert find_problems(found) == [("image-without-label", "a.jpg"), ("label-without-image", "one/a.xml")]
    for path in tmp_path.glob("two/a.*"):
        path.unlink()
    write_xml(tmp_path / "three/a.xml", [])
    with pytest.raises(DatasetError, match=r"image a\.jpg: has several annotations: one/a\.xml, three/a\.xml"):
        read(tmp_path)
    (tmp_path / "three/a.xml").unlink()
    assert [image.boxes[0].name for image in read(tmp_path).images] == ["one"]


def test_without_any_annotation_is_refused(voc: Path, paint, tmp_path: Path) -> None:
    paint(tmp_path / "other/a.png")
    (tmp_path / "other/a.xml").write_text("<annotations/>")
    with pytest.raises(DatasetError, match="none of 1 XML files is a Pascal VOC annotation"):
        read(tmp_path / "other")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("<annotation>", "is not XML"),
        ("<html/>", "its first tag is <html>"),
        ('<!DOCTYPE a [<!ENTITY b "ha">]><annotation>&b;</annotation>', "has a DOCTYPE"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotation/>', "has a DOCTYPE"),
        ('<?xml version="1.0" encoding="klingon"?><annotation/>', "is not XML"),
        ("<annotation><object><bndbox/></object></annotation>", "has no <name>"),
        ("<annotation><object><name>a</name></object></annotation>", "bndbox/xmin = None"),
        (
            "<annotation><object><name>a</name><bndbox><xmin>nan</xmin></bndbox></object></annotation>",
            "xmin = 'nan'",
        ),
        ("<annotation><size><width>1e999</width></size></annotation>", "size/width = '1e999'"),
    ],
)
def test_a_file_that_cannot_be_understood_is_a_problem(voc: Path, content: str, says: str, find_problems) -> None:
    (voc / "05.xml").write_text(content)
    found = read(voc)
    assert find_problems(found) == [("label-unreadable", "05.xml")]
    assert says in found.problems[0].detail
    assert len(found.images) == 19


def test_a_doctype_is_refused_in_every_encoding(voc: Path) -> None:
    text = '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [<!ENTITY b "ha">]><annotation>&b;</annotation>'
    (voc / "05.xml").write_bytes(text.encode("utf-16"))
    assert "has a DOCTYPE" in read(voc).problems[0].detail


def test_a_size_that_is_not_the_images_is_a_problem(voc: Path, write_xml, find_problems) -> None:
    write_xml(voc / "05.xml", [], 48, 64)
    write_xml(voc / "06.xml", [], 64, 0)  # some tools do not say
    found = read(voc)
    assert find_problems(found) == [("size-mismatch", "05.png")]
    assert found.problems[0].detail == "05.xml says 48 x 64 px, but it has 64 x 48 as shown"


def test_exif_against_the_boxes_is_told_from_another_size(paint, write_xml, tmp_path: Path, find_problems) -> None:
    exif = Image.Exif()
    exif[274] = 6
    for name in ("shown", "unturned", "other"):
        paint(tmp_path / f"{name}.jpg", exif=exif)
    write_xml(tmp_path / "shown.xml", [], 48, 64)
    write_xml(tmp_path / "unturned.xml", [], 64, 48)
    write_xml(tmp_path / "other.xml", [], 100, 48)
    found = read(tmp_path)
    assert [(image.width, image.height, image.is_rotated) for image in found.images] == [(48, 64, True)]
    assert find_problems(found) == [("exif-against-boxes", "unturned.jpg"), ("size-mismatch", "other.jpg")]


def test_no_image_gets_the_annotation_of_another(paint, write_xml, tmp_path: Path, find_problems) -> None:
    for name in ("train/1", "train/2", "val/1", "val/3"):
        paint(tmp_path / f"{name}.jpg")
        write_xml(tmp_path / f"{name}.xml", [(name, 1, 2, 3, 4)])
    (tmp_path / "train/1.xml").unlink()
    for missing in ((), ("val/1.jpg",)):  # also where the other image is gone: the XML file was for that
        for name in missing:
            (tmp_path / name).unlink()
        found = read(tmp_path)
        assert all(f"{image.boxes[0].name}.jpg" == image.origin for image in found.images)
        lone = [("label-without-image", "val/1.xml")] if missing else []
        assert find_problems(found) == [("image-without-label", "train/1.jpg"), *lone]


def test_an_annotation_that_could_be_for_two_images_is_for_none(paint, write_xml, tmp_path, find_problems) -> None:
    for name in ("JPEGImages/1.jpg", "JPEGImages/2.jpg", "Masks/1.png"):
        paint(tmp_path / name)
    for name in ("1", "2"):
        write_xml(tmp_path / f"Annotations/{name}.xml", [("cat", 1, 2, 3, 4)])
    found = read(tmp_path)
    assert [image.origin for image in found.images] == ["JPEGImages/2.jpg"]
    assert find_problems(found) == [("image-without-label", "JPEGImages/1.jpg"), ("image-without-label", "Masks/1.png")]
    assert found.problems[0].detail == (
        "Annotations/1.xml could as well be for Masks/1.png; leave one out with fetch.include"
    )
    chosen = read(tmp_path, "*.jpg")
    assert ([image.origin for image in chosen.images], chosen.problems) == (
        ["JPEGImages/1.jpg", "JPEGImages/2.jpg"],
        (),
    )
    (tmp_path / "Annotations/1.xml").rename(tmp_path / "Masks/1.xml")
    assert read(tmp_path, "*.jpg").images[0].origin == "JPEGImages/1.jpg"


def test_an_image_that_cannot_be_used_keeps_its_annotation(paint, write_xml, tmp_path, find_problems) -> None:
    for name in ("data/a/1.jpg", "data/a/2.jpg", "elsewhere/1.jpg"):
        paint(tmp_path / name)
    write_xml(tmp_path / "data/a/2.xml", [("cat", 1, 2, 3, 4)])
    write_xml(tmp_path / "data/b/1.xml", [("cat", 1, 2, 3, 4)])
    (tmp_path / "data/b/1.jpg").symlink_to(tmp_path / "elsewhere/1.jpg")
    assert find_problems(read(tmp_path / "data")) == [("image-without-label", "a/1.jpg"), ("path-outside", "b/1.jpg")]


def test_lists_are_those_of_their_own_tree(paint, write_xml, tmp_path: Path, find_problems) -> None:
    lists = {"A": {"train": "0\n", "val": "1\n", "test": "2\n3\n"}, "B": {"train": "1\n2\n", "val": "0\n"}}
    for tree, named in lists.items():
        for number in range(3):
            paint(tmp_path / tree / f"JPEGImages/{number}.jpg")
            write_xml(tmp_path / tree / f"Annotations/{number}.xml", [(tree, 1, 2, 3, 4)])
        write_lists(tmp_path / tree, **named)
    paint(tmp_path / "B/JPEGImages/3.jpg")
    write_xml(tmp_path / "B/Annotations/3.xml", [("B", 1, 2, 3, 4)])
    found = read(tmp_path)
    assert {image.origin: image.split for image in found.images} == {
        "A/JPEGImages/0.jpg": "train",
        "A/JPEGImages/1.jpg": "val",
        "A/JPEGImages/2.jpg": "test",
        "B/JPEGImages/0.jpg": "val",
        "B/JPEGImages/1.jpg": "train",
        "B/JPEGImages/2.jpg": "train",
        "B/JPEGImages/3.jpg": None,
    }
    assert all(image.boxes[0].name == image.origin[0] for image in found.images)
    assert find_problems(found) == [("label-without-image", "A/ImageSets/Main/test.txt")]


def test_lists_that_lie_in_no_tree_are_those_of_the_next_one_above(voc: Path, find_splits) -> None:
    write_lists(voc / "lists/of me", train="00\n", val="01\n")
    splits = find_splits(read(voc))
    assert {name: split for name, split in splits.items() if split} == {"00": "train", "01": "val"}
