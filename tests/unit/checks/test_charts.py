import base64
import re
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from steelyard.checks.charts import BASE, TOP, draw_box_shapes, draw_box_sizes, draw_crowding, measure, place_levels
from steelyard.checks.maps import draw_centres, draw_coverage, draw_sizes
from steelyard.dataset.annotation import AnnotatedImage, Box

SPLITS = ("train", "val", "test")


def make_image(split, *corners, width=640, height=480) -> AnnotatedImage:
    boxes = tuple(Box("cat", *each) for each in corners)
    return AnnotatedImage(Path("a.jpg"), "a.jpg", width, height, boxes, split, is_rotated=False)


def find_bins(histogram, *numbers):
    """Titles of the bins that count these numbers for train, val and test."""
    words = ", ".join(f"{split} {number}" for split, number in zip(SPLITS, numbers, strict=True))
    return [each.title.removesuffix(f": {words}") for each in histogram.bins if each.title.endswith(f": {words}")]


def read_alpha(heat_map) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(base64.b64decode(heat_map.uri.split(",")[1]))))[..., 3]


def test_box_sizes_are_those_at_the_training_size():
    # Trained at 320 px, a box of 40 px in an image of 640 px is one of 20 px.
    images = [make_image("train", (0, 0, 40, 40), (0, 0, 42, 38)), make_image("test", (0, 0, 2, 2))]
    histogram = draw_box_sizes(measure(images, SPLITS), 320)
    assert find_bins(histogram, 2, 0, 0) == ["16 to 22.6 px"]
    assert find_bins(histogram, 0, 0, 1) == ["1 to 1.41 px"]
    assert "1 under 8 px" in histogram.note
    assert [mark.text for mark in histogram.marks] == ["stride 8", "16", "32"]


def test_box_shapes_and_numbers_of_boxes():
    images = [make_image("train", (0, 0, 42, 20)), make_image("val", (0, 0, 10, 500)), make_image("val")]
    measures = measure(images, SPLITS)
    shapes = draw_box_shapes(measures)
    assert find_bins(shapes, 1, 0, 0) == ["width 2.00 to 2.38 of the height"]
    assert find_bins(shapes, 0, 1, 0) == ["width 0.12 to 0.15 of the height"], "what lies outside is counted at the end"
    crowding = draw_crowding(measures)
    assert find_bins(crowding, 0, 1, 0) == ["0 boxes"]
    assert find_bins(crowding, 1, 1, 0) == ["1 boxes"]
    many = draw_crowding(measure([make_image("train", *[(0, 0, 9, 9)] * 100)], SPLITS))
    assert find_bins(many, 1, 0, 0) == ["91 to 103 boxes"]


def test_each_split_is_drawn_as_shares_of_its_own():
    images = [make_image("train", *[(0, 0, 40, 40)] * 100), make_image("test", (0, 0, 40, 40))]
    histogram = draw_box_sizes(measure(images, SPLITS), 320)
    heights = {}
    for steps in histogram.steps:
        heights[steps.split] = min(float(number) for number in re.findall(r"V([\d.]+)", steps.path))
    assert heights == {"train": TOP, "val": BASE, "test": TOP}
    assert [level.text for level in histogram.levels] == ["50 %", "100 %"]


@pytest.mark.parametrize(
    ("most", "end"), [(0.93, 1), (0.41, 0.5), (0.2, 0.2), (7, 8), (0, 1), (4000, 4000), (0.012, 0.02)]
)
def test_axes_end_at_a_round_number(most, end):
    assert place_levels(most) == pytest.approx((end / 2, end))


def test_maps_show_where_boxes_are():
    measures = measure([make_image("train", (320, 0, 640, 240)), make_image("train", (320, 0, 640, 480))], SPLITS)
    alpha = read_alpha(draw_coverage(measures))
    assert (alpha[:20, 20:] == 255).all(), "in both images"
    assert (alpha[20:, 20:] == round(255 * 0.5**0.5)).all(), "in one of two"
    assert (alpha[:, :20] == 0).all()
    assert "at most 1 boxes an image" in draw_coverage(measures).note
    centres = draw_centres(measure([make_image("train", (0, 0, 600, 60)), make_image("val", (0, 0, 600, 60))], SPLITS))
    assert np.argwhere(read_alpha(centres)).tolist() == [[0, 3]]
    assert "most in one: 2" in centres.note


def test_coverage_counts_each_cell_that_a_box_touches():
    random = np.random.default_rng(0)
    corners = np.sort(random.integers(0, 4000, (50, 2, 2)), axis=1).reshape(50, 4) / 10
    corners = corners[(corners[:, 2:] > corners[:, :2]).all(axis=1)]
    images = [make_image("train", *corners.tolist(), width=400, height=400)]
    expected = np.zeros((40, 40))
    for left, top, right, bottom in corners:
        expected[int(top // 10) : int(np.ceil(bottom / 10)), int(left // 10) : int(np.ceil(right / 10))] += 1
    alpha = read_alpha(draw_coverage(measure(images, SPLITS)))
    assert np.abs(alpha - np.rint(255 * np.sqrt(expected / expected.max()))).max() <= 1


def test_sizes_are_listed_or_drawn():
    few = draw_sizes(measure([make_image("train")] * 3 + [make_image("val", width=100)], SPLITS), 320)
    assert few.listed == (("640 x 480", 3), ("100 x 480", 1))
    assert few.frames[0][0] == pytest.approx(few.frames[-1][0] * 2), "640 px beside 320"
    some = draw_sizes(measure([make_image("train", width=100 + side) for side in range(50)], SPLITS), 320)
    assert len(some.dots) == 50
    images = [make_image("train", width=100 + side, height=100 + side * 7 % 300) for side in range(2000)]
    many = draw_sizes(measure(images, SPLITS), 320)
    assert 10 < len(many.dots) <= 24 * 24


def test_a_data_set_without_anything_has_charts():
    for images in ([], [make_image(None)]):
        measures = measure(images, ["all"])
        assert draw_box_sizes(measures, 320).bins
        assert draw_box_shapes(measures).bins
        assert draw_crowding(measures).bins
        assert (read_alpha(draw_coverage(measures)) == 0).all()
        assert (read_alpha(draw_centres(measures)) == 0).all()
        assert draw_sizes(measures, 320) is not None
