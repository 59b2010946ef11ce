from pathlib import Path

import pytest

from steelyard.dataset.annotation import Box
from steelyard.dataset.build import find_format
from steelyard.dataset.formats import csv as csv_format
from steelyard.errors import DatasetError


def read(folder: Path, *include: str):
    return csv_format.read(folder, include, ())


@pytest.fixture
def folder(paint, tmp_path: Path) -> Path:
    for name in ("a", "b", "c"):
        paint(tmp_path / f"{name}.png")
    return tmp_path


def write(folder: Path, *lines: str, name: str = "labels.csv") -> None:
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


ROWS = ("a.png,1,2.5,10,20,cat", "a.png,1,1,9,9,dog", "b.png,,,,,", "c.png,0,0,64,48,cat")


def check(folder: Path) -> None:
    assert find_format(folder) == "csv"
    found = read(folder)
    assert [image.boxes for image in found.images] == [
        (Box("cat", 1, 2.5, 10, 20), Box("dog", 1, 1, 9, 9)),
        (),
        (Box("cat", 0, 0, 64, 48),),
    ]
    assert not found.problems


@pytest.mark.parametrize(
    "header",
    [
        "image,xmin,ymin,xmax,ymax,label",
        "image_path,xmin,ymin,xmax,ymax,label",
        "filename,x1,y1,x2,y2,class",
        '"File_Name", X_min ,y_min,x_max,y_max,"category"',
        "path,left,top,right,bottom,name",
    ],
)
def test_reads_the_usual_headers(folder: Path, header: str) -> None:
    write(folder, header, *ROWS)
    check(folder)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_reads_every_delimiter_with_and_without_a_mark(folder: Path, delimiter: str, mark: str) -> None:
    lines = ["image,xmin,ymin,xmax,ymax,label", *ROWS]
    write(folder, mark + "\r\n".join(line.replace(",", delimiter) for line in lines), "")
    check(folder)


def test_reads_retinanets_rows_without_a_header(folder: Path) -> None:
    write(folder, *ROWS)
    check(folder)
    write(folder, ROWS[2], *ROWS[:2], ROWS[3])
    check(folder)


def test_reads_tensorflows_columns_in_their_order(folder: Path, find_problems) -> None:
    write(
        folder, "filename,width,height,class,xmin,ymin,xmax,ymax", "a.png,64,48,cat,1,2,3,4", "b.png,48,64,cat,1,2,3,4"
    )
    found = read(folder, "[ab]*")
    assert [image.boxes for image in found.images] == [(Box("cat", 1, 2, 3, 4),)]
    assert find_problems(found) == [("size-mismatch", "b.png")]


def test_reads_splits_from_a_column_a_file_name_or_a_folder(folder: Path, paint, find_splits, find_problems) -> None:
    write(folder, "image,xmin,ymin,xmax,ymax,label,set", "a.png,1,1,9,9,x,Train", "b.png,,,,,,valid", "c.png,,,,,,test")
    assert find_splits(read(folder)) == {"a": "train", "b": "val", "c": "test"}
    write(
        folder,
        "image,xmin,ymin,xmax,ymax,label,set",
        "a.png,1,1,9,9,x,train",
        "a.png,2,2,9,9,y,val",
        "b.png,,,,,,later",
    )
    found = read(folder)
    assert find_problems(found) == [
        ("image-in-two-splits", "a.png"),
        ("image-without-label", "c.png"),
        ("label-unreadable", "labels.csv"),
    ]
    assert [(image.split, image.boxes) for image in found.images] == [("val", (Box("y", 2, 2, 9, 9),))]
    (folder / "labels.csv").unlink()
    write(folder, "image,xmin,ymin,xmax,ymax,label", ROWS[0], name="train.csv")
    paint(folder / "test/d.png")
    write(folder / "test", "image,xmin,ymin,xmax,ymax,label", "d.png,1,1,9,9,x", name="_annotations.csv")
    assert find_splits(read(folder, "[ad]*")) == {"a": "train", "d": "test"}


def test_an_image_of_two_files_is_refused(folder: Path) -> None:
    write(folder, "image,xmin,ymin,xmax,ymax,label", ROWS[0])
    write(folder, "image,xmin,ymin,xmax,ymax,label", ROWS[1], name="more.csv")
    with pytest.raises(DatasetError, match=r"image a\.png: has several annotations: labels\.csv, more\.csv"):
        read(folder)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("a.png,1,2,3,four,cat", "ymax = 'four'; a number of px must stand there"),
        ("a.png,1,2,3,,cat", "ymax = ''"),
        ("a.png,1,2,3", "has no label"),
        ("a.png,1,2,3,4,", "has no label"),
        ("a.png,1,2,3,nan,cat", "ymax = 'nan'"),
        ("a.png,1,2,3,1e999,cat", "ymax = '1e999'"),
    ],
)
def test_a_row_that_cannot_be_understood_leaves_out_the_image(folder, row: str, says: str, find_problems) -> None:
    write(folder, "image,xmin,ymin,xmax,ymax,label", *ROWS, row)
    found = read(folder)
    assert find_problems(found) == [("label-unreadable", "labels.csv")]
    assert found.problems[0].detail.startswith("a.png: line 6: ")
    assert says in found.problems[0].detail
    assert [image.origin for image in found.images] == ["b.png", "c.png"]


def test_shares_rather_than_px_are_refused(folder: Path) -> None:
    write(folder, "image,xmin,ymin,xmax,ymax,label", "a.png,0.1,0.2,0.9,1.0,cat", "b.png,,,,,")
    with pytest.raises(DatasetError, match=r"labels\.csv: no corner is above 1, so they are shares"):
        read(folder)


def test_cannot_be_led_outside(folder: Path, paint, find_problems) -> None:
    paint(folder.parent / "secret.png")
    write(folder, *ROWS, "../secret.png,1,1,9,9,cat", f"{folder.parent}/secret.png,1,1,9,9,cat", "d.png,1,1,9,9,cat")
    found = read(folder)
    assert find_problems(found) == [("label-without-image", "labels.csv"), *[("path-outside", "labels.csv")] * 2]
    assert len(found.images) == 3


@pytest.mark.parametrize("content", [b'"a.png\n' * 100_000, b"a.png,1,2,3,4,\xff\xfe\n", b'a.png,1,2,3,4,"cat" x\n'])
def test_a_file_that_cannot_be_understood_is_refused(folder: Path, content: bytes) -> None:
    (folder / "labels.csv").write_bytes(b"image,xmin,ymin,xmax,ymax,label\n" + content)
    with pytest.raises(DatasetError, match=r"labels\.csv: cannot be understood near line \d+: "):
        read(folder)


def test_without_a_file_is_refused(folder: Path) -> None:
    write(folder, "image,width,height", "a.png,64,48")
    with pytest.raises(DatasetError, match="no CSV file with the columns image, xmin, ymin, xmax, ymax, label"):
        read(folder)
