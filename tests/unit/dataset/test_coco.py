import io
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import orjson
import pytest
from pycocotools.coco import COCO

from steelyard.archive import unpack
from steelyard.dataset.annotation import Box
from steelyard.dataset.build import find_format
from steelyard.dataset.formats import coco as coco_format
from steelyard.errors import DatasetError


def read(folder: Path, *include: str):
    return coco_format.read(folder, include, ())


@pytest.fixture
def write_json(paint) -> Callable[..., None]:
    """Images of 64 x 48 px, and a JSON file of them; a box is (image, category id, x, y, width, height)."""

    def write(path: Path, names: list[str], boxes: list[tuple[Any, ...]], beside: Path | None = None, **more: Any):
        for name in names:
            paint((beside or path.parent) / name)
        content = {
            "images": [{"id": n, "file_name": name, "width": 64, "height": 48} for n, name in enumerate(names)],
            "annotations": [
                {"id": n, "image_id": image, "category_id": category, "bbox": list(bbox), "iscrowd": 0}
                for n, (image, category, *bbox) in enumerate(boxes)
            ],
            "categories": [{"id": 1, "name": "cat"}, {"id": 3, "name": "dog"}],
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(orjson.dumps(content | more))

    return write


def change(path: Path, edit: Callable[[dict[str, Any]], Any]) -> None:
    content = orjson.loads(path.read_bytes())
    edit(content)
    path.write_bytes(orjson.dumps(content))


def test_keeps_coordinates_as_written(write_json, tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", ["a.png", "b.png"], [(0, 3, 1, 2.25, 10, 20.5), (0, 1, 0, 0, 64, 48)])
    found = read(tmp_path)
    assert found.images[0].boxes == (Box("dog", 1, 2.25, 11, 22.75), Box("cat", 0, 0, 64, 48))
    assert found.images[1].boxes == ()
    assert found.classes == ("cat", "dog")
    assert not found.problems
    assert {image.split for image in found.images} == {None}


@pytest.mark.parametrize(
    ("jsons", "folders"),
    [
        ("{}/_annotations.coco.json", "{}"),
        ("annotations/instances_{}2017.json", "{}2017"),
        ("annotations/{}.json", "images/{}"),
        ("annotations/{}.json", "{}/images"),
        ("{}.json", "pictures of {}"),
    ],
)
def test_reads_one_json_per_split(write_json, tmp_path: Path, jsons: str, folders: str, find_splits) -> None:
    for split, names in (("train", ["0.png", "1.png"]), ("valid", ["0.png"]), ("test", ["2.png"])):
        write_json(tmp_path / jsons.format(split), names, [(0, 1, 1, 1, 9, 9)], tmp_path / folders.format(split))
    if "pictures" in folders:  # 0.png of train or of valid? nothing tells
        (tmp_path / "pictures of valid/0.png").rename(tmp_path / "pictures of valid/3.png")
        change(tmp_path / "valid.json", lambda content: content["images"][0].update(file_name="3.png"))
    assert find_format(tmp_path) == "coco"
    found = read(tmp_path)
    assert not found.problems
    assert sorted((image.split, len(image.boxes)) for image in found.images) == [
        ("test", 1),
        ("train", 0),
        ("train", 1),
        ("val", 1),
    ]


def test_one_json_for_all_takes_the_splits_from_folders(write_json, tmp_path: Path, find_splits) -> None:
    write_json(tmp_path / "labels.json", ["train/a.png", "val/a.png", "test/b.png"], [], tmp_path / "images")
    assert [(image.origin, image.split) for image in read(tmp_path).images] == [
        ("images/test/b.png", "test"),
        ("images/train/a.png", "train"),
        ("images/val/a.png", "val"),
    ]


def test_paths_of_another_machine_are_found(write_json, tmp_path: Path, find_problems) -> None:
    write_json(tmp_path / "result.json", ["a.png", "b.png", "c.png"], [], tmp_path / "images")
    written = ["/data/upload/1/a.png", "..\\..\\label-studio\\b.png", "x/images/c.png"]
    change(tmp_path / "result.json", lambda content: [
        image.update(file_name=name) for image, name in zip(content["images"], written, strict=True)
    ])  # fmt: skip
    assert len(read(tmp_path).images) == 3
    # Of another folder's 0001.png the end fits as well: the boxes are not for this one.
    write_json(tmp_path / "result.json", ["one/1.png"], [], tmp_path / "images")
    change(
        tmp_path / "result.json",
        lambda content: content["images"].append({"id": 9, "file_name": "two/1.png", "width": 64, "height": 48}),
    )
    assert find_problems(read(tmp_path, "1*")) == [("label-without-image", "result.json")]
    assert [image.origin for image in read(tmp_path, "1*").images] == ["images/one/1.png"]


def test_cannot_be_led_outside(write_json, paint, tmp_path: Path, find_problems) -> None:
    paint(tmp_path / "secret.png")
    write_json(tmp_path / "in/a.json", ["a.png"], [])
    for name in ("../secret.png", f"{tmp_path}/secret.png", "file:///etc/passwd", "b.png"):
        change(
            tmp_path / "in/a.json", lambda content, name=name: content["images"].append({"id": name, "file_name": name})
        )
    found = read(tmp_path / "in")
    assert [image.origin for image in found.images] == ["a.png"]
    assert find_problems(found) == [("label-without-image", "a.json"), *[("path-outside", "a.json")] * 3]


def test_crowds_and_unknown_categories_are_left_out(write_json, tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", ["a.png"], [(0, 1, 1, 2, 3, 4), (0, 1, 0, 0, 9, 9), (0, 2, 5, 5, 5, 5)])
    change(tmp_path / "a.json", lambda content: content["annotations"][1].update(iscrowd=1))
    found = read(tmp_path)
    assert found.images[0].boxes == (Box("cat", 1, 2, 4, 6),)
    assert [(problem.id, problem.file, problem.box) for problem in found.problems] == [
        ("crowd-left-out", "a.png", (0, 0, 9, 9)),
        ("class-unknown", "a.png", (5, 5, 10, 10)),
    ]
    assert found.problems[1].detail == "annotation 2 has the category id 2"


def test_a_polygon_without_a_box_gets_the_box_around_it(write_json, tmp_path: Path, find_problems) -> None:
    write_json(tmp_path / "a.json", ["a.png", "b.png"], [(0, 1), (1, 1)])
    polygons = [[5, 6, 20.5, 6, 20.5, 30], [1, 10, 7, 10, 7, 12]]
    change(tmp_path / "a.json", lambda content: content["annotations"][0].update(segmentation=polygons))
    found = read(tmp_path)
    assert found.images[0].boxes == (Box("cat", 1, 6, 20.5, 30),)
    assert find_problems(found) == [("label-unreadable", "a.json")]
    assert found.problems[0].detail == "b.png: annotation 1: has neither a bbox nor a polygon"


@pytest.mark.parametrize(
    "bbox", [[1, 2, 3], [1, 2, 3, "4"], [1, 2, 3, None], [1e308, 0, 1e308, 1], {"x": 1}, "1 2 3 4"]
)
def test_a_box_that_cannot_be_understood_leaves_out_the_image(write_json, tmp_path, bbox, find_problems) -> None:
    write_json(tmp_path / "a.json", ["a.png", "b.png"], [(0, 1, 1, 2, 3, 4), (0, 1, 1, 2, 3, 4)])
    change(tmp_path / "a.json", lambda content: content["annotations"][1].update(bbox=bbox))
    found = read(tmp_path)
    assert find_problems(found) == [("label-unreadable", "a.json")]
    assert "a.png: annotation 1: bbox = " in found.problems[0].detail
    assert [image.origin for image in found.images] == ["b.png"]


def test_an_image_without_an_entry_and_the_reverse(write_json, paint, tmp_path: Path, find_problems) -> None:
    write_json(tmp_path / "a.json", ["a.png", "b.png"], [(0, 1, 1, 2, 3, 4), (7, 1, 1, 2, 3, 4)])
    (tmp_path / "b.png").rename(tmp_path / "c.png")
    found = read(tmp_path)
    assert find_problems(found) == [
        ("image-without-label", "c.png"),
        ("label-without-image", "a.json"),
        ("label-without-image", "a.json"),
    ]
    assert "b.png" in found.problems[0].detail
    assert "annotation 1 is for the image 7" in found.problems[2].detail


def test_sizes_are_compared(write_json, tmp_path: Path, find_problems) -> None:
    write_json(tmp_path / "a.json", ["a.png", "b.png"], [])
    change(tmp_path / "a.json", lambda content: content["images"][0].update(width=65))
    change(tmp_path / "a.json", lambda content: content["images"][1].update(width=None))
    found = read(tmp_path)
    assert find_problems(found) == [("size-mismatch", "a.png")]
    assert [image.origin for image in found.images] == ["b.png"]


def test_an_image_of_two_jsons(write_json, tmp_path: Path, find_splits, find_problems) -> None:
    write_json(tmp_path / "train.json", ["a.png", "b.png"], [(0, 1, 1, 2, 3, 4)])
    write_json(tmp_path / "test.json", ["a.png"], [(0, 3, 1, 2, 3, 4)])
    found = read(tmp_path)
    assert find_problems(found) == [("image-in-two-splits", "a.png")]
    assert find_splits(found) == {"a": "test", "b": "train"}
    assert found.images[0].boxes[0].name == "dog"
    (tmp_path / "test.json").rename(tmp_path / "all.json")
    with pytest.raises(DatasetError, match=r"image a\.png: has several annotations: all\.json, train\.json"):
        read(tmp_path)
    (tmp_path / "all.json").rename(tmp_path / "instances_all.json")  # COCO's name for boxes goes before others
    assert find_problems(read(tmp_path)) == [("image-without-label", "b.png")]


def test_an_image_that_stands_twice_in_one_json_is_left_out(write_json, tmp_path: Path, find_problems) -> None:
    write_json(tmp_path / "a.json", ["a.png", "b.png"], [])
    change(tmp_path / "a.json", lambda content: content["images"].append({"id": 9, "file_name": "./a.png"}))
    assert find_problems(read(tmp_path)) == [("label-unreadable", "a.json")]


def test_roboflows_heading_is_no_class(write_json, tmp_path: Path) -> None:
    categories = [
        {"id": 0, "name": "pets", "supercategory": "none"},
        {"id": 2, "name": "dog", "supercategory": "pets"},
        {"id": 1, "name": "cat", "supercategory": "pets"},
    ]
    write_json(tmp_path / "a.json", ["a.png"], [(0, 1, 1, 2, 3, 4)], categories=categories)
    assert read(tmp_path).classes == ("cat", "dog")
    write_json(tmp_path / "a.json", ["a.png"], [(0, 0, 1, 2, 3, 4)], categories=categories)
    assert read(tmp_path).classes == ("pets", "cat", "dog")
    # COCO's person is in the group person: a class, with or without a box.
    categories[0]["supercategory"] = "pets"
    write_json(tmp_path / "a.json", ["a.png"], [(0, 1, 1, 2, 3, 4)], categories=categories)
    assert read(tmp_path).classes == ("pets", "cat", "dog")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"categories": []}, "categories is empty"),
        ({"categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "a "}]}, "stands there twice"),
        ({"categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}, "stands there twice"),
        ({"categories": [{"id": 1, "name": None}]}, "must be a number and a text"),
        ({"categories": [{"id": [1], "name": "a"}]}, "must be a number and a text"),
        ({"images": {"a": 1}}, "images must be a list of objects"),
        ({"annotations": [1]}, "annotations must be a list of objects"),
        ({"images": [{"id": 1}]}, "file_name = None"),
        ({"images": [{"id": 1, "file_name": "a.png"}, {"id": 1, "file_name": "b.png"}]}, "the id 1 stands there twice"),
    ],
)
def test_a_json_that_cannot_be_understood_is_refused(write_json, tmp_path: Path, more, says: str) -> None:
    write_json(tmp_path / "a.json", ["a.png", "b.png"], [], **more)
    with pytest.raises(DatasetError, match=rf"^a\.json: .*{says}"):
        read(tmp_path)


def test_a_json_that_breaks_off_is_refused(write_json, tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", ["a.png"], [])
    whole = (tmp_path / "a.json").read_bytes()
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf" + whole)
    assert len(read(tmp_path).images) == 1
    (tmp_path / "a.json").write_bytes(whole[:-1])
    with pytest.raises(DatasetError, match=r"a\.json: is not JSON \(it breaks off"):
        read(tmp_path)
    (tmp_path / "a.json").write_bytes(whole[:-2] + b",}")
    with pytest.raises(DatasetError, match=r"a\.json: is not JSON \(.* at line 1\)"):
        read(tmp_path)
    (tmp_path / "a.json").write_bytes(b"")
    with pytest.raises(DatasetError, match="there is no COCO JSON file"):
        read(tmp_path)


def test_the_same_boxes_as_pycocotools(shared_datasets: Path, tmp_path: Path) -> None:
    unpack(shared_datasets / "foosball.tar.gz", tmp_path / "foosball")
    found = read(tmp_path / "foosball")
    mine = {image.origin: image.boxes for image in found.images}
    theirs = {}
    for path in (tmp_path / "foosball").rglob("*.json"):
        with redirect_stdout(io.StringIO()):
            api = COCO(path)
        for number, image in api.imgs.items():
            boxes = [
                Box(api.cats[each["category_id"]]["name"], x, y, x + w, y + h)
                for each in api.imgToAnns[number]
                for x, y, w, h in [each["bbox"]]
            ]
            theirs[(path.parent / image["file_name"]).relative_to(tmp_path / "foosball").as_posix()] = tuple(boxes)
    assert mine == theirs
    assert len(mine) == 141


def test_whole_numbers_with_a_point_are_ids(write_json, tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", ["a.png", "b.png"], [(0, 1, 1, 1, 9, 9)])
    expected = read(tmp_path)

    def point(content) -> None:
        for part in ("images", "annotations", "categories"):
            for entry in content[part]:
                for key in {"id", "image_id", "category_id"} & entry.keys():
                    entry[key] = float(entry[key])

    change(tmp_path / "a.json", point)
    assert '"id":1.0' in (tmp_path / "a.json").read_text()
    assert read(tmp_path) == expected
    assert not expected.problems
    change(tmp_path / "a.json", lambda content: content["categories"][0].update(id=1.5))
    with pytest.raises(DatasetError, match=r"categories: id = 1\.5"):
        read(tmp_path)


def test_a_box_that_only_its_sum_makes_endless_leaves_out_the_image(write_json, tmp_path: Path, find_problems) -> None:
    write_json(tmp_path / "a.json", ["a.png", "b.png"], [(0, 1, 1e308, 1, 1e308, 9), (1, 1, 1e308, 1, 1e307, 9)])
    found = read(tmp_path)
    assert find_problems(found) == [("label-unreadable", "a.json")]
    assert "a.png: annotation" in found.problems[0].detail
    assert "must be finite" in found.problems[0].detail
