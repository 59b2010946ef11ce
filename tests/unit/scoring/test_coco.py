"""Our scores are those of pycocotools, on random inputs and on those that break scorers."""

import contextlib
import io
from collections.abc import Callable

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from steelyard.scoring.average_precision import RECALLS
from steelyard.scoring.boxes import Boxes
from steelyard.scoring.coco import CocoScores
from steelyard.scoring.coco import score as score_table
from steelyard.scoring.match_table import match_boxes

Pictures = list[Boxes]


def boxes(rows: list[tuple[float, ...]]) -> Boxes:
    """Rows of left, top, right, bottom, class, confidence."""
    values = np.array(rows, dtype=np.float64).reshape(-1, 6)
    return Boxes(values[:, :4], values[:, 4].astype(np.int64), values[:, 5])


NOTHING = boxes([])


def score(truth: Pictures, found: Pictures, names: list[str]) -> CocoScores:
    """By way of the match table."""
    return score_table(match_boxes([f"{number}.png" for number in range(len(truth))], names, truth, found))


def random_pictures(seed: int, pictures: int, classes: int, most: int, levels: int = 0) -> tuple[Pictures, Pictures]:
    """Random boxes and detections near them; with ``levels``, few different confidences."""
    random = np.random.default_rng(seed)
    truth, found = [], []
    for _ in range(pictures):
        count = int(random.integers(0, most + 1))
        corners = random.uniform(0, 400, (count, 2))
        sides = random.uniform(3, 160, (count, 2))
        drawn = np.concatenate((corners, corners + sides), axis=1)
        kinds = random.integers(0, classes, count)
        truth.append(Boxes(drawn, kinds, np.ones(count)))
        again = random.integers(0, count, count * 2) if count else np.zeros(0, dtype=int)
        near = drawn[again] + random.normal(0, 9, (len(again), 4))
        near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 1)
        guessed = np.where(random.random(len(again)) < 0.8, kinds[again], random.integers(0, classes, len(again)))
        confidences = random.random(len(again))
        if levels:
            confidences = np.round(confidences * levels) / levels
        order = np.argsort(-confidences, kind="stable")
        found.append(Boxes(near[order], guessed[order], confidences[order]))
    return truth, found


def reference(truth: Pictures, found: Pictures, classes: int) -> np.ndarray:
    """Precision of pycocotools: (10 thresholds, 101 recalls, classes), -1 where there is no box."""

    def annotations(pictures: Pictures) -> list[dict]:
        rows = [
            (number, *row)
            for number, each in enumerate(pictures, 1)
            for row in zip(each.corners.tolist(), each.classes.tolist(), each.confidences.tolist(), strict=True)
        ]
        return [
            {
                "id": index,
                "image_id": number,
                "category_id": kind,
                "bbox": [left, top, right - left, bottom - top],
                "area": (right - left) * (bottom - top),
                "iscrowd": 0,
                "score": confidence,
            }
            for index, (number, (left, top, right, bottom), kind, confidence) in enumerate(rows, 1)
        ]

    with contextlib.redirect_stdout(io.StringIO()):
        sides = []
        for pictures in (truth, found):
            side = COCO()
            side.dataset = {
                "images": [{"id": number} for number in range(1, len(truth) + 1)],
                "categories": [{"id": number} for number in range(classes)],
                "annotations": annotations(pictures),
            }
            side.createIndex()
            sides.append(side)
        evaluation = COCOeval(*sides, iouType="bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval["precision"][:, :, :, 0, 2]


CASES: dict[str, Callable[[], tuple[Pictures, Pictures, int]]] = {
    "like blood cells": lambda: (*random_pictures(0, 40, 3, 20), 3),
    "many classes": lambda: (*random_pictures(1, 25, 80, 12), 80),
    "equal confidences": lambda: (*random_pictures(2, 20, 2, 15, levels=3), 2),
    "one confidence": lambda: (*random_pictures(3, 20, 2, 15, levels=1), 2),
    "one image": lambda: (*random_pictures(4, 1, 2, 12), 2),
    "more than 100 detections": lambda: (*random_pictures(5, 3, 1, 140), 1),
    "no detection": lambda: (random_pictures(6, 5, 2, 8)[0], [NOTHING] * 5, 2),
    "no ground truth": lambda: ([NOTHING] * 5, random_pictures(7, 5, 2, 8)[1], 2),
    "nothing at all": lambda: ([NOTHING] * 2, [NOTHING] * 2, 2),
    "a class without boxes": lambda: (
        [boxes([(0, 0, 9, 9, 0, 1)])],
        [boxes([(0, 0, 9, 9, 1, 0.9), (0, 0, 9, 9, 0, 0.8)])],
        3,
    ),
    "the same box twice": lambda: (
        [boxes([(0, 0, 9, 9, 0, 1), (0, 0, 9, 9, 0, 1)])],
        [boxes([(0, 0, 9, 9, 0, 0.9), (0, 0, 9, 8, 0, 0.9), (0, 0, 9, 9, 0, 0.2)])],
        1,
    ),
    "an overlap of just one half": lambda: (
        [boxes([(0, 0, 10, 10, 0, 1)])],
        [boxes([(0, 0, 10, 5, 0, 0.9)])],
        1,
    ),
    "boxes without area": lambda: (
        [boxes([(5, 5, 5, 9, 0, 1), (0, 0, 4, 4, 0, 1)])],
        [boxes([(5, 5, 5, 9, 0, 0.9), (0, 0, 4, 4, 0, 0.8)])],
        1,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_scores_are_those_of_pycocotools(case: str, capfd: pytest.CaptureFixture[str]) -> None:
    truth, found, count = CASES[case]()
    names = [f"class {index}" for index in range(count)]
    ours = score(truth, found, names)
    assert capfd.readouterr().out == ""
    precision = reference(truth, found, count)
    with_boxes = [index for index in range(count) if precision[0, 0, index] > -1]
    assert list(ours.curves) == [names[index] for index in with_boxes]
    for index, name in enumerate(names):
        each = ours.classes[name]
        assert each.boxes == sum(int((one.classes == index).sum()) for one in truth)
        if index not in with_boxes:
            assert (each.precision, each.recall, each.map50, each.map50_95) == (None,) * 4
            continue
        np.testing.assert_allclose(ours.curves[name], precision[0, :, index], atol=1e-9)
        assert each.map50 == pytest.approx(precision[0, :, index].mean(), abs=1e-6)
        assert each.map50_95 == pytest.approx(precision[:, :, index].mean(), abs=1e-6)
    if with_boxes:
        assert ours.overall.map50 == pytest.approx(precision[0, :, with_boxes].mean(), abs=1e-6)
        assert ours.overall.map50_95 == pytest.approx(precision[:, :, with_boxes].mean(), abs=1e-6)
    else:
        assert ours.overall.map50 is None
        assert ours.overall.map50_95 is None


def test_precision_and_recall_stand_where_f1_is_best() -> None:
    four = boxes([(20 * n, 0, 20 * n + 10, 10, 0, 1) for n in range(4)])
    # By falling confidence: right, right, wrong, right, wrong, wrong, wrong, wrong; one is missed.
    right = [(0, 0, 10, 10, 0, 0.9), (20, 0, 30, 10, 0, 0.8), (40, 0, 50, 10, 0, 0.6)]
    wrong = [(0, 90, 10, 99, 0, confidence) for confidence in (0.7, 0.5, 0.4, 0.3, 0.2)]
    ours = score([four], [boxes(sorted(right + wrong, key=lambda row: -row[5]))], ["thing"]).classes["thing"]
    assert (ours.precision, ours.recall) == (0.75, 0.75)
    # The curve: 1 up to recall 0.50 (51 recalls), 0.75 up to 0.75 (25 recalls), 0 beyond.
    assert ours.map50 == pytest.approx((51 + 25 * 0.75) / 101, abs=1e-6)


def test_perfect_detections_score_one() -> None:
    truth, _ = random_pictures(8, 10, 3, 10)
    ours = score(truth, truth, ["a", "b", "c"])
    assert [ours.overall.precision, ours.overall.recall, ours.overall.map50, ours.overall.map50_95] == [1.0] * 4
    assert (ours.overall.images, ours.overall.boxes) == (10, sum(len(each) for each in truth))


def test_no_detection_scores_zero_and_not_null() -> None:
    truth, _ = random_pictures(9, 4, 1, 10)
    ours = score(truth, [NOTHING] * 4, ["a"]).overall
    assert [ours.precision, ours.recall, ours.map50, ours.map50_95] == [0.0] * 4


def test_recalls_are_the_101_of_coco() -> None:
    assert len(RECALLS) == 101
    np.testing.assert_allclose(RECALLS, [number / 100 for number in range(101)], atol=1e-12)
