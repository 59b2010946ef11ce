from pathlib import Path

import pytest

from steelyard.dataset.annotation import Box
from steelyard.dataset.build import find_format
from steelyard.dataset.formats import yolo as yolo_format
from steelyard.errors import DatasetError


def read(folder: Path, *classes: str):
    return yolo_format.read(folder, (), classes)


def write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def test_reads_roboflows_export(yolo: Path, find_splits) -> None:
    found = read(yolo)
    assert found.classes == ("cat", "dog")
    assert list(find_splits(found).values()).count("val") == 3
    assert found.images[0].origin == "test/images/test0.jpg"
    assert found.images[0].boxes == (Box("cat", 24, 12, 40, 36),)
    assert found.images[0].kind == "JPEG"
    assert not found.problems


@pytest.mark.parametrize(
    ("yaml", "splits"),
    [
        ("path: ../datasets/x\ntrain: images/train\nval: images/val\ntest:\nnames: {1: dog, 0: cat}", "train val -"),
        ("path: /home/me/x\ntrain: [images/train, images/val]\nval: images/test\nnames: [cat, dog]", "train train val"),
        ("train: train.txt\nval: images/val\ntest: ./images/test\nnames:\n  0: cat\n  1: dog", "train val test"),
        ("path: .\ntrain: ../images/train\nvalid: D:\\me\\images\\val\nnames: ['cat', 'dog']", "train val -"),
        ("names: {'0': cat, '1': dog}", "train val test"),
        ("train: images/training\nval: elsewhere/images\ntest: images/test\nnames: [cat, dog]", "- - test"),
    ],
)
def test_reads_ultralytics_habits(paint, tmp_path: Path, yaml: str, splits: str, find_splits) -> None:
    for split in ("train", "val", "test"):
        paint(tmp_path / "images" / split / f"{split}.jpg")
    write(tmp_path / "labels/train/train.txt", "1 0.5 0.5 1 1\n")
    write(tmp_path / "train.txt", "/home/me/x/images/train/train.jpg\n")
    write(tmp_path / "data.yaml", yaml)
    found = read(tmp_path)
    named = {name: split for name, split in zip(("train", "val", "test"), splits.split(), strict=True) if split != "-"}
    # What is in none of the lists belongs to the data set where it has a label file.
    assert find_splits(found) == ({"train": None} | named if "train" not in named else named)
    assert {image.path.stem: len(image.boxes) for image in found.images}["train"] == 1
    assert found.classes == ("cat", "dog")


def test_reads_cvats_exports(paint, tmp_path: Path, find_splits, find_problems) -> None:
    for name in ("a", "b"):
        paint(tmp_path / f"obj_train_data/{name}.jpg")
        write(tmp_path / f"obj_train_data/{name}.txt", "1 0.5 0.5 0.25 0.5\n")
    paint(tmp_path / "obj_valid_data/c.jpg")
    write(tmp_path / "obj_valid_data/c.txt", "")
    write(tmp_path / "train.txt", "data/obj_train_data/a.jpg\ndata/obj_train_data/b.jpg\ndata/obj_train_data/z.jpg\n")
    write(tmp_path / "valid.txt", "data/obj_valid_data/c.jpg\n")
    write(tmp_path / "obj.names", "cat\ndog\n")
    settings = "classes = 2\ntrain = data/train.txt\nvalid = data/valid.txt\nnames = data/obj.names\nbackup = backup/\n"
    write(tmp_path / "obj.data", settings)
    for _ in range(2):
        assert find_format(tmp_path) == "yolo"
        found = read(tmp_path)
        assert find_splits(found) == {"a": "train", "b": "train", "c": "val"}
        assert found.classes == ("cat", "dog")
        assert [len(image.boxes) for image in found.images] == [1, 1, 0]
        assert find_problems(found) == [("label-without-image", "train.txt")]
        # The second form of it: data.yaml rather than obj.data.
        (tmp_path / "obj.data").unlink(missing_ok=True)
        yaml = "names:\n  0: cat\n  1: dog\npath: ./\ntrain: train.txt\nvalid: valid.txt\n"
        write(tmp_path / "data.yaml", yaml)


def test_reads_label_studios_export(yolo: Path, find_problems) -> None:
    for kind in ("images", "labels"):
        (yolo / "train" / kind).rename(yolo / kind)
    for name in ("data.yaml", "test", "valid"):
        path = yolo / name
        path.unlink() if path.is_file() else path.rename(yolo.parent / name)
    write(yolo / "classes.txt", "cat\ndog\n")
    write(yolo / "notes.json", '{"categories": [{"id": 0, "name": "cat"}], "info": {"contributor": "Label Studio"}}')
    assert find_format(yolo) == "yolo"
    found = read(yolo)
    assert (found.classes, len(found.images), found.problems) == (("cat", "dog"), 3, ())
    # LabelImg writes all into one folder.
    for path in [*yolo.glob("images/*"), *yolo.glob("labels/*")]:
        path.rename(yolo / path.name)
    assert find_format(yolo) == "yolo"
    assert [image.boxes for image in read(yolo).images] == [image.boxes for image in found.images]
    write(yolo / "train9.txt", "0 0.5 0.5 0.1 0.1\n")
    write(yolo / "notes.txt", "taken in spring\n")
    assert find_problems(read(yolo)) == [("label-without-image", "train9.txt")]


def test_cannot_be_led_outside(paint, yolo: Path, find_problems) -> None:
    paint(yolo.parent / "secret" / "a.jpg")
    write(yolo / "list.txt", f"../secret/a.jpg\n{yolo.parent}/secret/a.jpg\ntrain/images/train0.jpg\n")
    write(yolo / "data.yaml", f"train: ../secret\nval: {yolo.parent}/secret\ntest: list.txt\nnames: [cat, dog]\n")
    found = read(yolo)
    assert all("secret" not in image.origin for image in found.images)
    assert find_problems(found) == [("path-outside", "list.txt")] * 2


def test_without_a_yaml_takes_the_names_from_the_settings(yolo: Path, find_problems) -> None:
    (yolo / "data.yaml").unlink()
    with pytest.raises(DatasetError, match=r"neither data\.yaml nor classes\.txt"):
        read(yolo)
    assert read(yolo, "a", "b").classes == ("a", "b")
    write(yolo / "classes.txt", "x\ny\n")
    assert read(yolo, "a", "b").classes == ("x", "y")
    write(yolo / "train/labels/classes.txt", "y\nx\n")
    with pytest.raises(DatasetError, match=r"names of the classes differ: classes\.txt, train/labels/classes\.txt"):
        read(yolo)


def test_a_label_file_without_image_and_the_reverse(yolo: Path, find_problems) -> None:
    (yolo / "test/images/test0.jpg").unlink()
    (yolo / "train/labels/train0.txt").unlink()
    found = read(yolo)
    assert find_problems(found) == [
        ("background-without-label", "train/images/train0.jpg"),
        ("label-without-image", "test/labels/test0.txt"),
    ]
    assert {image.origin: image.boxes for image in found.images}["train/images/train0.jpg"] == ()
    assert find_problems(yolo_format.read(yolo, ("valid*",), ())) == []
    for path in yolo.glob("*/labels/*"):
        path.unlink()
    with pytest.raises(DatasetError, match="none of 8 images has a label file"):
        read(yolo)


def test_turns_a_polygon_into_the_box_around_it(yolo: Path) -> None:
    write(yolo / "test/labels/test0.txt", "0 0.5 0.25 0.75 0.5 0.25 1\n")
    assert read(yolo).images[0].boxes == (Box("cat", 16, 12, 48, 48),)


def test_leaves_keypoints_alone(yolo: Path) -> None:
    write(yolo / "test/labels/test0.txt", "0 0.5 0.5 0.25 0.5 0 0 2 1 1 2\n")
    with (yolo / "data.yaml").open("a") as file:
        file.write("kpt_shape: [2, 3]\n")
    assert read(yolo).images[0].boxes == (Box("cat", 24, 12, 40, 36),)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("0 a 0 0 0", "are not numbers"),
        ("0 0.5 0.5 0.5", "has 3 numbers after the class"),
        ("0 0.5 0.5 0.5 0.5 0.5", "has 5 numbers after the class"),
        ("0 nan 0.5 0.5 0.5", "finite"),
        ("0 1e999 0.5 0.5 0.5", "finite"),
        ("nan 0.5 0.5 0.5 0.5", "class nan"),
        ("inf 0.5 0.5 0.5 0.5", "class inf"),
        ("-1 0.5 0.5 0.5 0.5", "class -1"),
        ("1e308 0.5 0.5 0.5 0.5", "class 1e+308; must be a whole number, 0 to 1,000,000"),
        ("0 0.5 1e308 0.5 0.5", "1e+308 is no share of the image"),
        ("0 0.5 0.5 -1e308 1", "-1e+308 is no share of the image"),
        ("0 0 0 1 1 0 2e6", "2e+06 is no share of the image"),
        ("0.5 0.5 0.5 0.5 0.5", "class 0.5"),
    ],
)
def test_a_line_that_cannot_be_understood_leaves_out_the_image(yolo: Path, line: str, says: str, find_problems) -> None:
    write(yolo / "test/labels/test1.txt", f"0 0.5 0.5 0.5 0.5\n\n{line}\n")
    found = read(yolo)
    assert find_problems(found) == [("label-unreadable", "test/labels/test1.txt")]
    assert found.problems[0].detail.startswith("line 3: ")
    assert says in found.problems[0].detail
    assert len(found.images) == 8


def test_labels_that_are_not_text_leave_out_the_image(yolo: Path, find_problems) -> None:
    (yolo / "test/labels/test1.txt").write_bytes(b"0 0.5 0.5 \xff\xfe")
    (yolo / "test/labels/test2.txt").write_bytes(b"\xef\xbb\xbf0 0.5 0.5 0.25 0.5\r\n")
    found = read(yolo)
    assert find_problems(found) == [("label-unreadable", "test/labels/test1.txt")]
    assert found.images[1].boxes == (Box("cat", 24, 12, 40, 36),)


def test_a_class_without_a_name_leaves_out_the_box(yolo: Path) -> None:
    write(yolo / "test/labels/test1.txt", "0 0.5 0.5 0.5 0.5\n2 0.5 0.5 0.25 0.5\n")
    found = read(yolo)
    (problem,) = found.problems
    assert (problem.id, problem.file, problem.box) == ("class-unknown", "test/images/test1.jpg", (24, 12, 40, 36))
    assert problem.detail == "class 2, but the names are numbered 0 to 1"
    assert len(found.images[1].boxes) == 1


@pytest.mark.parametrize("names", ["{0: cat, 2: dog}", "[cat, cat]", "{a: 0}", "[]", "cat", "[[a], [b]]", "{[a]: b}"])
def test_names_that_are_not_numbered_are_refused(yolo: Path, names: str) -> None:
    write(yolo / "data.yaml", f"names: {names}\n")
    with pytest.raises(DatasetError, match=r"data\.yaml: "):
        read(yolo)


def test_an_image_in_two_splits_is_kept_for_the_test(yolo: Path, find_splits, find_problems) -> None:
    write(
        yolo / "data.yaml", "train: [train/images, test/images]\nval: train/images\ntest: test/images\nnames: [a, b]\n"
    )
    found = read(yolo)
    assert find_problems(found) == [
        ("image-in-two-splits", f"{split}/images/{split}{number}.jpg")
        for split in ("test", "train")
        for number in range(3)
    ]
    splits = find_splits(found)
    assert [splits[name] for name in ("test0", "train0", "valid0")] == ["test", "val", None]


def test_a_broken_or_doubled_yaml_is_refused(yolo: Path) -> None:
    write(yolo / "data.yml", "names: [a]\n")
    with pytest.raises(DatasetError, match=r"several files could be data\.yaml: data\.yaml, data\.yml"):
        read(yolo)
    write(yolo / "data.yml", "names: [a\n")
    with pytest.raises(DatasetError, match=r"data\.yml: is not YAML"):
        read(yolo)


def test_an_image_without_list_and_label_is_told(yolo: Path, paint, find_problems) -> None:
    paint(yolo / "extra/images/a.jpg")
    found = read(yolo)
    assert find_problems(found) == [("image-in-no-split", "extra/images/a.jpg")]
    assert "no label file" in found.problems[0].detail
    write(yolo / "extra/labels/a.txt", "")
    found = read(yolo)
    assert not found.problems  # stage check tells of it
    assert ("extra/images/a.jpg", None) in [(image.origin, image.split) for image in found.images]
