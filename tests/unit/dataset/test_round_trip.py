"""Boxes survive every conversion."""

import io
import tempfile
from collections import Counter
from functools import lru_cache
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from steelyard.archive import unpack
from steelyard.checks.reading import read_dataset
from steelyard.dataset.annotation import AnnotatedImage, Annotations, Box
from steelyard.dataset.boxes import clean_all
from steelyard.dataset.build import FORMATS, build_dataset, find_format
from steelyard.dataset.manifest import SPLITS
from steelyard.errors import DatasetError
from steelyard.history.export import export_dataset
from steelyard.scoring import coco
from steelyard.scoring.boxes import Boxes
from steelyard.scoring.match_table import match_boxes

MOST_MOVED_PX = 0.01  # half a pixel is the promise; six decimals of a share are less in images up to 6,000 px
COUNTS = {
    "bccd": ({"RBC": 4155, "WBC": 372, "Platelets": 361}, {"train": 205, "val": 87, "test": 72}),
    "foosball": ({"ball": 128, "hand": 502, "figure": 2726}, {"train": 106, "val": 21, "test": 14}),
}


@lru_cache
def draw(width: int, height: int) -> bytes:
    stream = io.BytesIO()
    Image.new("1", (width, height)).save(stream, "PNG")
    return stream.getvalue()


@st.composite
def drawn_images(strategy) -> list[tuple[str, int, int, str | None, list[tuple[str, list[float]]]]]:
    letters = st.characters(exclude_categories=("Cc", "Cs", "Cn", "Zl", "Zp"))
    name = st.text(letters, min_size=1, max_size=12).map(str.strip).filter(bool)
    classes = strategy(st.lists(name, min_size=1, max_size=4, unique=True))
    images = []
    for number in range(strategy(st.integers(1, 4))):
        width, height = strategy(st.integers(10, 3000)), strategy(st.integers(10, 3000))
        xs, ys = (st.floats(-0.1 * side, 1.1 * side, allow_subnormal=False) for side in (width, height))
        corners = st.tuples(xs, ys, xs, ys)  # also inverted, without area, outside: what was written is kept
        boxes = strategy(st.lists(st.tuples(st.sampled_from(classes), corners), max_size=6))
        split = strategy(st.sampled_from((*SPLITS, None)))
        images.append((f"picture {number}.png", width, height, split, boxes))
    # CSV and VOC name no class that has no box, and corners up to 1 alone would be taken for shares.
    images[0][4].append((classes[0], (1.0, 2.0, 5.0, 9.0)))
    return images


def convert(found: Annotations | list[AnnotatedImage], classes: tuple[str, ...], name: str, out: Path) -> Annotations:
    """Write in a format and read that again."""
    out.mkdir(parents=True)
    FORMATS[name].write(found, classes, out)
    return FORMATS[name].read(out, (), classes)


def check_same(before: list[AnnotatedImage], after: Annotations) -> None:
    mine = {Path(image.origin).name: image for image in after.images}
    assert not [problem for problem in after.problems if problem.id != "background-without-label"]
    assert len(mine) == len(before)
    for image in before:
        other = mine[Path(image.origin).name]
        assert (other.width, other.height, other.split) == (image.width, image.height, image.split)
        assert [box.name for box in other.boxes] == [box.name for box in image.boxes]
        for one, two in zip(image.boxes, other.boxes, strict=True):
            for edge in ("left", "top", "right", "bottom"):
                assert abs(getattr(one, edge) - getattr(two, edge)) < MOST_MOVED_PX


@pytest.mark.parametrize(("first", "second"), list(product(FORMATS, FORMATS)))
@settings(max_examples=15, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=drawn_images())
def test_no_corner_moves(first: str, second: str, drawn) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        images = []
        for name, width, height, split, boxes in drawn:
            (folder / name).write_bytes(draw(width, height))
            placed = tuple(Box(label, *corners) for label, corners in boxes)
            images.append(AnnotatedImage(folder / name, name, width, height, placed, split, is_rotated=False))
        classes = tuple(sorted({box.name for image in images for box in image.boxes}))
        once = convert(images, classes, first, folder / "once")
        check_same(images, once)
        twice = convert(list(once.images), classes, second, folder / "twice")
        check_same(images, twice)
        assert twice.classes in ((), classes)
        assert find_format(folder / "twice") == second


def score(truth: list[Boxes], found: list[Boxes], classes: tuple[str, ...]) -> coco.CocoScores:
    """Scores of one split."""
    return coco.score(match_boxes([str(number) for number in range(len(truth))], classes, truth, found))


def to_boxes(images: tuple[AnnotatedImage, ...] | list[AnnotatedImage], classes: tuple[str, ...]) -> list[Boxes]:
    found = []
    for image in sorted(images, key=lambda image: Path(image.origin).name):
        corners = np.array([(box.left, box.top, box.right, box.bottom) for box in image.boxes]).reshape(-1, 4)
        numbers = np.array([classes.index(box.name) for box in image.boxes], dtype=np.int64)
        found.append(Boxes(corners, numbers, np.ones(len(numbers))))
    return found


@pytest.mark.parametrize("name", COUNTS)
def test_published_counts_and_perfect_scores(name: str, shared_datasets: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    unpack(shared_datasets / f"{name}.tar.gz", source)
    found = FORMATS[find_format(source)].read(source, (), ())
    of_class, of_split = COUNTS[name]
    assert not found.problems
    assert Counter(box.name for image in found.images for box in image.boxes) == of_class
    assert Counter(image.split for image in found.images) == of_split
    without_area = [box for image in found.images for box in image.boxes if not box.area]
    assert [box.name for box in without_area] == (["RBC", "RBC"] if name == "bccd" else [])
    classes = tuple(of_class)
    cleaned, counts = clean_all(found.images)
    truth = to_boxes(cleaned, classes)
    for other in FORMATS:
        again = convert(cleaned, classes, other, tmp_path / other)
        assert Counter(image.split for image in again.images) == of_split
        boxes = Counter(box.name for image in again.images for box in image.boxes)
        assert sum(boxes.values()) == sum(of_class.values()) - counts.dropped - counts.duplicates
        scores = score(truth, to_boxes(again.images, classes), classes)
        assert scores.overall.map50_95 == pytest.approx(1.0, abs=1e-12)
        assert min(scores.classes[one].map50_95 or 0 for one in classes) == pytest.approx(1.0, abs=1e-12)


def test_the_score_would_tell_of_moved_boxes(shared_datasets: Path, tmp_path: Path) -> None:
    unpack(shared_datasets / "foosball.tar.gz", tmp_path / "in")
    found = FORMATS["coco"].read(tmp_path / "in", (), ())
    truth = to_boxes(found.images, found.classes)
    moved = [Boxes(each.corners + 0.5, each.classes, each.confidences) for each in truth]
    assert (score(truth, moved, found.classes).overall.map50_95 or 0) < 0.999


@pytest.mark.parametrize("name", FORMATS)
def test_the_data_set_is_exported_with_its_splits(name: str, yolo: Path, make_params, tmp_path: Path) -> None:
    dataset = tmp_path / "out/dataset"
    params = make_params(yolo, by="published")
    manifest = build_dataset(params, tmp_path, dataset, tmp_path / "out/dataset.json", lambda _: None)
    images = read_dataset(dataset, manifest)
    assert [image.origin for image in images] == [record.path for record in manifest.images]
    out = tmp_path / "exported"
    out.mkdir()
    export_dataset(dataset, manifest, name, out)
    check_same(list(images), FORMATS[name].read(out, (), manifest.classes))
    copies = {path.name: path.read_bytes() for path in out.rglob("*.jpg")}
    assert copies == {Path(record.path).name: (dataset / record.path).read_bytes() for record in manifest.images}
    with pytest.raises(DatasetError, match="exported: is there and is not empty"):
        export_dataset(dataset, manifest, name, out)
    (dataset / manifest.images[-1].path).unlink()
    with pytest.raises(FileNotFoundError):
        export_dataset(dataset, manifest, name, tmp_path / "half")
    assert {path.name for path in tmp_path.iterdir()} == {"out", "exported", "data"}


def test_an_export_names_what_is_wrong(yolo: Path, make_params, tmp_path: Path) -> None:
    dataset = tmp_path / "out/dataset"
    params = make_params(yolo, by="published")
    manifest = build_dataset(params, tmp_path, dataset, tmp_path / "out/dataset.json", lambda _: None)
    with pytest.raises(DatasetError, match="format 'kitti': is none of coco, csv, voc, yolo"):
        export_dataset(dataset, manifest, "kitti", tmp_path / "new")
    label = dataset / "labels/test/test0.txt"
    label.write_text("7 0.5 0.5 0.5 0.5\n")
    with pytest.raises(DatasetError, match=r"test0\.txt: is not what dataset\.json speaks of .*dvc checkout"):
        read_dataset(dataset, manifest)
    label.unlink()
    with pytest.raises(DatasetError, match=r"test0\.txt: not found; bring the data set back"):
        read_dataset(dataset, manifest)


def test_xml_gets_no_name_that_it_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"XML cannot hold the class name 'a\\x07'"):
        FORMATS["voc"].write([], ("cat", "a\x07"), tmp_path)


def test_two_images_of_one_name_are_not_written_over_each_other(paint, tmp_path: Path) -> None:
    images = []
    for name in ("a/x.png", "b/X.jpg"):
        paint(tmp_path / name)
        images.append(AnnotatedImage(tmp_path / name, name, 64, 48, (), None, is_rotated=False))
    for name, module in FORMATS.items():
        (tmp_path / name).mkdir()
        with pytest.raises(DatasetError, match="1 file names are of several images: x; rename them"):
            module.write(images, ("cat",), tmp_path / name)
