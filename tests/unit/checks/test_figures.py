import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.checks.figures import MOST_BOXES, color_boxes, find_region, show_box, show_sample
from steelyard.dataset.annotation import AnnotatedImage, Box

sides = st.integers(1, 20_000)
edges = st.floats(-1e9, 1e9)


def make_image(*boxes: Box, width: int = 1000, height: int = 500) -> AnnotatedImage:
    return AnnotatedImage(Path("a.jpg"), "a.jpg", width, height, boxes, "train", is_rotated=False)


def read_path(path: str) -> list[tuple[float, float, float, float]]:
    found = re.findall(r"M(\S+) (\S+)H(\S+)V(\S+)H(\S+)Z", path)
    return [(float(left), float(top), float(right), float(bottom)) for left, top, right, bottom, _ in found]


@given(edges, edges, edges, edges, sides, sides)
def test_a_region_is_inside_the_image_and_not_empty(left, top, right, bottom, width, height):
    corners = (min(left, right), min(top, bottom), max(left, right), max(top, bottom))
    region = find_region(corners, width, height, context=4, least=160, aspect=4 / 3)
    assert 0 <= region[0] < region[2] <= width
    assert 0 <= region[1] < region[3] <= height


@given(st.integers(0, 900), st.integers(0, 400), st.integers(0, 100), st.integers(0, 100))
def test_a_region_shows_its_box_whole(left, top, width, height):
    region = find_region((left, top, left + width, top + height), 1000, 500, context=1.5, least=24)
    assert region[0] <= left
    assert region[1] <= top
    assert region[2] >= left + width
    assert region[3] >= top + height


def test_the_box_of_a_finding_stands_out():
    mine, near, far = Box("a", 100, 100, 140, 140), Box("a", 150, 100, 190, 140), Box("a", 900, 400, 940, 440)
    figure = show_box(make_image(mine, near, far), (100, 100, 140, 140))
    looks = {layer.look: read_path(layer.path) for layer in figure.layers}
    assert looks == {
        "other": [(150, 100, 190, 140)],
        "halo": [(100, 100, 140, 140)],
        "hit": [(100, 100, 140, 140)],
    }
    assert figure.ring is None


@pytest.mark.parametrize("corners", [(300, 200, 300, 200), (300, 200, 303, 203)])
def test_a_box_too_small_to_see_gets_a_ring(corners):
    figure = show_box(make_image(), corners)
    assert figure.ring is not None
    assert abs(figure.ring.x - 300) < 2
    assert abs(figure.ring.y - 200) < 2
    assert figure.ring.radius > 5


def test_a_box_outside_is_seen_beside_the_image():
    figure = show_box(make_image(), (1100, 100, 1200, 200))
    assert figure.frame[2] >= 1200
    assert figure.view.region[2] == 1000
    inverted = show_box(make_image(), (200, 200, 100, 100))
    assert read_path(inverted.layers[-1].path) == [(100, 100, 200, 200)]
    absurd = show_box(make_image(), (1e12, 100, 1e30, 200))
    assert max(map(abs, (*absurd.frame, *read_path(absurd.layers[-1].path)[0]))) <= 2000


def test_a_sample_shows_its_box_in_the_colour_of_its_class():
    box = Box("dog", 100, 100, 200, 180)
    figure = show_sample(make_image(box), box, {"cat": 0, "dog": 3})
    (layer,) = figure.layers
    assert layer.look == "c3"
    assert figure.note == "100 x 80 px"


def test_boxes_are_grouped_by_class_and_not_without_end():
    boxes = [Box("cat", 0, 0, 1, 1), Box("dog", 0, 0, 2, 2), Box("cat", 3, 3, 4, 4)]
    layers = color_boxes(boxes, {"cat": 0, "dog": 1})
    assert [(layer.look, len(read_path(layer.path)), layer.title) for layer in layers] == [
        ("c0", 2, "cat"),
        ("c1", 1, "dog"),
    ]
    assert len(read_path(color_boxes([boxes[0]] * 5000, {"cat": 0})[0].path)) == MOST_BOXES
