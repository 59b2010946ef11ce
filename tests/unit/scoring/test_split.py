from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from steelyard.errors import DatasetError, WeightsError
from steelyard.scoring.report import check_same_classes
from steelyard.scoring.split import read_classes, read_split


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    for kind in ("images", "labels"):
        (tmp_path / kind / "val").mkdir(parents=True)
    (tmp_path / "data.yaml").write_text("train: images/train\nval: images/val\nnames: [cat, dog]\n")
    noise = np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "images/val/one.jpg")
    (tmp_path / "labels/val/one.txt").write_text("1 0.5 0.5 0.25 0.5\n")
    return tmp_path


def test_labels_become_boxes_in_pixels(dataset: Path) -> None:
    (image,) = read_split(dataset, "val", 2)
    assert (image.width, image.height) == (80, 60)
    truth = image.truth()
    assert truth.corners.tolist() == [[30, 15, 50, 45]]
    assert truth.classes.tolist() == [1]
    assert truth.confidences.tolist() == [1]


def test_a_turned_photograph_is_measured_as_it_is_decoded(dataset: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: a quarter turn
    with Image.open(dataset / "images/val/one.jpg") as image:
        image.save(dataset / "images/val/one.jpg", exif=exif)
    (turned,) = read_split(dataset, "val", 2)
    assert (turned.width, turned.height) == (60, 80)


@pytest.mark.parametrize("content", [None, "", "\n \n"])
def test_an_image_may_show_nothing(dataset: Path, content: str | None) -> None:
    label = dataset / "labels/val/one.txt"
    label.unlink()
    if content is not None:
        label.write_text(content)
    (image,) = read_split(dataset, "val", 2)
    assert len(image.truth()) == 0


@pytest.mark.parametrize("names", ["[cat, dog]", "{0: cat, 1: dog}", "{1: dog, 0: cat}"])
def test_class_names_keep_their_order(dataset: Path, names: str) -> None:
    (dataset / "data.yaml").write_text(f"names: {names}\n")
    assert read_classes(dataset) == ("cat", "dog")


@pytest.mark.parametrize("content", ["names: []", "names: {0: cat, 2: dog}", "nc: 2", "just text", "a: [", ""])
def test_class_names_must_be_there(dataset: Path, content: str) -> None:
    (dataset / "data.yaml").write_text(content)
    with pytest.raises(DatasetError, match=r"data\.yaml"):
        read_classes(dataset)


def test_a_missing_data_yaml_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="not found; run the stage fetch"):
        read_classes(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("0 0.5 0.5 0.1 0.1\n2 0.5 0.5 0.1 0.1", "line 2: class 2: must be a whole number from 0 to 1"),
        ("0.5 0.5 0.5 0.1 0.1", "class 0.5: must be a whole number"),
        ("-1 0.5 0.5 0.1 0.1", "class -1: must be a whole number"),
        ("0 0.5 0.5 0.1", "must be five numbers"),
        ("0 0.1 0.1 0.2 0.2 0.3 0.3", "must be five numbers"),
        ("cat 0.5 0.5 0.1 0.1", "must be five numbers"),
        ("0 40 30 10 10", "must be shares from 0 to 1"),
        ("0 0.5 0.5 -0.1 0.1", "must be shares from 0 to 1"),
        ("0 nan 0.5 0.1 0.1", "must be shares from 0 to 1"),
        ("nan 0.5 0.5 0.1 0.1", "class nan: must be a whole number"),
    ],
)
def test_broken_labels_are_refused(dataset: Path, content: str, message: str) -> None:
    (dataset / "labels/val/one.txt").write_text(content)
    with pytest.raises(DatasetError, match=message) as caught:
        read_split(dataset, "val", 2)
    assert "labels/val/one.txt: line" in str(caught.value)


def test_labels_that_are_not_text_are_refused(dataset: Path) -> None:
    (dataset / "labels/val/one.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DatasetError, match="is not text"):
        read_split(dataset, "val", 2)


def test_a_split_needs_images(dataset: Path) -> None:
    with pytest.raises(DatasetError, match="test: holds no images"):
        read_split(dataset, "test", 2)


@pytest.mark.parametrize("share", [0, 0.5, 0.9])
def test_a_picture_cut_short_is_refused(dataset: Path, share: float) -> None:
    path = dataset / "images/val/one.jpg"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(DatasetError, match=r"one\.jpg: cannot be decoded"):
        read_split(dataset, "val", 2)


def test_classes_of_the_weights_must_be_those_of_the_data() -> None:
    check_same_classes({1: "dog", 0: "cat"}, ("cat", "dog"))
    with pytest.raises(WeightsError, match="class 0 is 'dog' in the weights and 'cat' in the data"):
        check_same_classes({0: "dog", 1: "cat"}, ("cat", "dog"))
    with pytest.raises(WeightsError, match=r"have 1 classes and data\.yaml 2: class 1 is missing in the weights"):
        check_same_classes({0: "cat"}, ("cat", "dog"))
    with pytest.raises(WeightsError, match="class 2 is 'cow' in the weights and missing in the data"):
        check_same_classes({0: "cat", 1: "dog", 2: "cow"}, ("cat", "dog"))
