"""What is made of average precision: scores by class and size, null where there is no box, points on the curve."""

import numpy as np
import pytest

from steelyard.scoring.average_precision import RECALLS, average_precision
from steelyard.scoring.coco import score
from tests.unit.scoring.splits import NOTHING, Case, boxes, draw_case


@pytest.mark.parametrize("classes", [1, 3, 80])
def test_scores_are_means_of_average_precision(classes: int, capfd: pytest.CaptureFixture[str]) -> None:
    case = draw_case(0, images=25, classes=classes, crowd=0)
    ours = score(case.table())
    precision = average_precision(case.table())[0]  # equal to pycocotools', as test_average_precision.py finds
    assert capfd.readouterr().out == ""
    assert list(ours.classes) == [f"class {number}" for number in range(classes)]
    for number, (name, each) in enumerate(ours.classes.items()):
        assert each.boxes == sum(int((one.classes == number).sum()) for one in case.truth)
        assert each.images == sum(number in one.classes for one in case.truth)
        if not each.boxes:
            assert (each.precision, each.recall, each.map50, each.map50_95) == (None,) * 4
            assert name not in ours.curves
            continue
        assert each.map50 == pytest.approx(precision[number, 0, 0], abs=1e-6)
        assert each.map50_95 == pytest.approx(precision[number, 0].mean(), abs=1e-6)
    assert ours.overall.map50 == pytest.approx(np.nanmean(precision[:, 0, 0]), abs=1e-6)
    assert ours.overall.map50_95 == pytest.approx(np.nanmean(precision[:, 0]), abs=1e-6)
    for place, (name, size) in enumerate(ours.sizes.items(), start=1):
        assert size.map50_95 == pytest.approx(np.nanmean(precision[:, place]), abs=1e-6), name


def test_without_a_box_there_is_no_score() -> None:
    ours = score(Case(2, [NOTHING] * 5, draw_case(7, images=5, classes=2).found).table())
    assert (ours.overall.map50, ours.overall.map50_95, ours.overall.intervals) == (None, None, {})
    assert (ours.curves, ours.sizes) == ({}, {})


def test_a_score_that_no_resample_moves_has_no_interval() -> None:
    truth = draw_case(8, images=30).truth
    perfect = score(Case(3, truth, truth).table())
    assert (perfect.overall.map50, perfect.overall.intervals) == (1, {})


def test_precision_and_recall_stand_where_f1_is_best() -> None:
    four = boxes(*((20 * n, 0, 20 * n + 10, 10, 0, 1) for n in range(4)))
    # By falling confidence: right, right, wrong, right, wrong, wrong, wrong, wrong; one is missed.
    right = [(0, 0, 10, 10, 0, 0.9), (20, 0, 30, 10, 0, 0.8), (40, 0, 50, 10, 0, 0.6)]
    wrong = [(0, 90, 10, 99, 0, confidence) for confidence in (0.7, 0.5, 0.4, 0.3, 0.2)]
    ours = score(Case(1, [four], [boxes(*right, *wrong)]).table()).classes["class 0"]
    assert (ours.precision, ours.recall) == (0.75, 0.75)
    # The curve: 1 up to recall 0.50 (51 recalls), 0.75 up to 0.75 (25 recalls), 0 beyond.
    assert ours.map50 == pytest.approx((51 + 25 * 0.75) / 101, abs=1e-6)


def test_perfect_detections_score_one() -> None:
    truth = draw_case(8, images=10).truth
    ours = score(Case(3, truth, truth).table())
    assert [ours.overall.precision, ours.overall.recall, ours.overall.map50, ours.overall.map50_95] == [1.0] * 4
    assert (ours.overall.images, ours.overall.boxes) == (10, sum(len(each) for each in truth))


def test_no_detection_scores_zero_and_not_null() -> None:
    ours = score(Case(1, draw_case(9, images=4, classes=1).truth, [NOTHING] * 4).table()).overall
    assert [ours.precision, ours.recall, ours.map50, ours.map50_95] == [0.0] * 4


def test_recalls_are_the_101_of_coco() -> None:
    assert len(RECALLS) == 101
    np.testing.assert_allclose(RECALLS, [number / 100 for number in range(101)], atol=1e-12)
