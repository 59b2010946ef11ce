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


def test_prefers_the_annotation_beside_the_image(paint, write_xml, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        paint(tmp_path / folder / "a.jpg")
        write_xml(tmp_path / folder / "a.xml", [(folder, 1, 2, 3, 4)])
    assert [image.boxes[0].name for image in read(tmp_path).images] == ["one", "two"]
    (tmp_path / "one/a.jpg").rename(tmp_path / "a.jpg")
    with pytest.raises(DatasetError, match=r"image a\.jpg: has several annotations: one/a\.xml, two/a\.xml"):
        read(tmp_path)


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
