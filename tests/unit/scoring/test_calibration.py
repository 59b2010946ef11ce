"""What confidences are worth, and where prediction cuts."""

from dataclasses import replace

import numpy as np
import pytest

from steelyard.scoring.calibration import EDGES, choose_operating_point, measure_reliability
from steelyard.scoring.match_table import MatchTable


def make_table(confidences: list[float], right: list[int], boxes: int, images: int = 40) -> MatchTable:
    """One class; detections go to the images in turn, the boxes lie on the first image."""
    count = len(confidences)
    hits = np.zeros((count, 4), np.uint16)
    hits[:, 0] = right
    return MatchTable(
        images=tuple(f"{number}.png" for number in range(images)),
        classes=("thing",),
        image=(np.arange(count) % images).astype(np.int32),
        kind=np.zeros(count, np.int32),
        confidence=np.array(confidences, float),
        rank=np.zeros(count, np.int32),
        hits=hits,
        ignored=np.zeros((count, 4), np.uint16),
        box_image=np.zeros(1, np.int32),
        box_kind=np.zeros(1, np.int32),
        boxes=np.full((1, 4), boxes, np.int32),
    )


def draw(bias: float, count: int = 20_000) -> MatchTable:
    """Detections that are right as often as their confidence says, plus ``bias``."""
    random = np.random.default_rng(0)
    confidences = random.uniform(0.1, 0.9, count)
    return make_table(confidences.tolist(), (random.random(count) < confidences + bias).astype(int).tolist(), count)


def test_detections_that_are_right_as_often_as_they_say_have_no_error() -> None:
    found = measure_reliability(draw(0.0))
    assert found.error is not None
    assert found.error.value < 0.01
    np.testing.assert_allclose(found.shares[:-1], found.confidences[:-1], atol=0.03)
    assert found.counts.sum() == 20_000


@pytest.mark.parametrize("bias", [-0.1, 0.1])
def test_the_error_is_how_far_they_are_off_and_lies_in_its_interval(bias: float) -> None:
    error = measure_reliability(draw(bias)).error
    assert error is not None
    assert error.value == pytest.approx(0.1, abs=0.012)
    assert error.low < error.value < error.high < error.low + 0.05


def test_detections_nobody_uses_and_ignored_ones_do_not_count() -> None:
    table = make_table([0.05, 0.5, 0.95], [0, 1, 0], 3)
    assert measure_reliability(table).counts.tolist() == [0, 0, 0, 0, 1, 0, 0, 0, 1]
    ignored = table.ignored.copy()
    ignored[2, 0] = 1
    assert measure_reliability(replace(table, ignored=ignored)).counts.sum() == 1


def test_without_a_detection_there_is_no_error() -> None:
    found = measure_reliability(make_table([], [], 3))
    assert (found.error, found.counts.sum()) == (None, 0)
    assert len(EDGES) == len(found.counts) + 1


# By falling confidence: right, right, wrong, right, wrong, right, wrong; six boxes.
TABLE = make_table([0.2, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4], [0, 1, 1, 0, 1, 0, 1], 6)


@pytest.mark.parametrize(
    ("rule", "wanted", "confidence", "precision", "recall"),
    [
        ("f1", 0.5, 0.3, 4 / 6, 4 / 6),
        ("precision", 0.75, 0.55, 3 / 4, 3 / 6),
        ("precision", 0.8, 0.75, 1, 2 / 6),
        ("recall", 0.5, 0.55, 3 / 4, 3 / 6),
        ("recall", 0.99, 0.3, 4 / 6, 4 / 6),
        ("confidence", 0.65, 0.65, 2 / 3, 2 / 6),
        ("confidence", 0.95, 0.95, None, 0),
    ],
)
def test_prediction_cuts_where_it_is_wanted(rule, wanted, confidence, precision, recall) -> None:
    point = choose_operating_point(TABLE, rule, wanted, least=0.001)
    assert (point.confidence, point.precision, point.recall) == pytest.approx((confidence, precision, recall), abs=1e-6)
    assert point.wanted == (None if rule == "f1" else wanted)


def test_equal_confidences_are_not_parted() -> None:
    point = choose_operating_point(make_table([0.9, 0.9, 0.5], [1, 0, 1], 2), "precision", 1.0, least=0.001)
    assert (point.confidence, point.precision) == pytest.approx((0.2505, 2 / 3), abs=1e-6)


def test_without_a_detection_all_would_be_returned() -> None:
    point = choose_operating_point(make_table([], [], 2), "f1", 0.5, least=0.001)
    assert (point.confidence, point.precision, point.recall, point.f1) == (0.001, None, 0, 0)
