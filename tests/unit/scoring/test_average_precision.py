"""Average precision from the match table is that of pycocotools, on random inputs and on those that break scorers."""

import contextlib
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from steelyard.scoring.average_precision import average_precision, average_recall, precision_curves
from steelyard.scoring.boxes import Boxes
from tests.unit.scoring.splits import NOTHING, Case, boxes, draw_case

MOST = (1, 10, 100)


def evaluate(case: Case) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """By pycocotools: precision (10 thresholds, 101 recalls, classes, 4 areas, 3) and recall (10, classes, 4, 3)."""
    with contextlib.redirect_stdout(io.StringIO()):
        sides = []
        for pictures, crowds in ((case.truth, case.crowds), (case.found, [])):
            side = COCO()
            annotations = [
                {
                    "image_id": number + 1,
                    "category_id": int(each.classes[row]),
                    "bbox": [left, top, right - left, bottom - top],
                    "area": (right - left) * (bottom - top),
                    "iscrowd": int(crowds[number][row]) if crowds else 0,
                    "score": float(each.confidences[row]),
                }
                for number, each in enumerate(pictures)
                for row, (left, top, right, bottom) in enumerate(each.corners.tolist())
            ]
            side.dataset = {
                "images": [{"id": number + 1} for number in range(len(case.truth))],
                "categories": [{"id": number} for number in range(case.classes)],
                "annotations": [{"id": number, **each} for number, each in enumerate(annotations, 1)],
            }
            side.createIndex()
            sides.append(side)
        evaluation = COCOeval(*sides, iouType="bbox")
        evaluation.params.maxDets = list(MOST)
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval["precision"], evaluation.eval["recall"]


def compare(case: Case) -> None:
    """Every figure of the table beside that of pycocotools."""
    precision, recall = evaluate(case)
    table = case.table()
    known = precision[:, 0, :, :, 2] > -1  # thresholds, classes, areas
    expected = np.where(known, precision[:, :, :, :, 2].mean(axis=1), np.nan).transpose(1, 2, 0)
    np.testing.assert_allclose(average_precision(table)[0], expected, rtol=0, atol=1e-9)
    for place, most in enumerate(MOST):
        expected = np.where(recall[..., place] > -1, recall[..., place], np.nan).transpose(1, 2, 0)
        np.testing.assert_allclose(average_recall(table, most), expected, rtol=0, atol=1e-9)
    curves = np.where(known[0, :, 0], precision[0, :, :, 0, 2], np.nan).T
    np.testing.assert_allclose(precision_curves(table), curves, rtol=0, atol=1e-9)


CASES = {
    "like blood cells": draw_case(0, images=40, most=20, crowd=0),
    "crowds": draw_case(1, crowd=0.5),
    "a thousand classes": draw_case(2, images=60, classes=1000, most=40),
    "equal confidences": draw_case(3, levels=3),
    "one confidence": draw_case(4, levels=1),
    "one image": draw_case(5, images=1),
    "whole numbers": draw_case(6, whole=True),
    "more than 100 detections": draw_case(7, images=3, classes=1, most=140),
    "no detection": draw_case(8, detections=0),
    "only crowds": draw_case(9, crowd=1),
    "no ground truth": Case(2, [NOTHING] * 12, draw_case(10, classes=2).found),
    "nothing at all": Case(2, [NOTHING] * 2, [NOTHING] * 2),
    "a class without boxes": Case(3, [boxes((0, 0, 9, 9, 0, 1))], [boxes((0, 0, 9, 9, 1, 0.9), (0, 0, 9, 9, 0, 0.8))]),
    "the same box twice": Case(
        1,
        [boxes((0, 0, 9, 9, 0, 1), (0, 0, 9, 9, 0, 1))],
        [boxes((0, 0, 9, 9, 0, 0.9), (0, 0, 9, 8, 0, 0.9), (0, 0, 9, 9, 0, 0.2))],
    ),
    "an overlap of just one half": Case(1, [boxes((0, 0, 10, 10, 0, 1))], [boxes((0, 0, 10, 5, 0, 0.9))]),
    "boxes without area": Case(
        1,
        [boxes((5, 5, 5, 9, 0, 1), (0, 0, 4, 4, 0, 1))],
        [boxes((5, 5, 5, 9, 0, 0.9), (0, 0, 4, 4, 0, 0.8))],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_average_precision_and_recall_are_those_of_pycocotools(name: str) -> None:
    compare(CASES[name])


@settings(max_examples=60, deadline=None)
@given(
    st.builds(
        draw_case,
        seed=st.integers(0, 2**32 - 1),
        images=st.integers(1, 8),
        classes=st.integers(1, 5),
        most=st.integers(0, 15),
        levels=st.sampled_from([0, 1, 2, 10]),
        detections=st.sampled_from([0, 0.5, 2, 6]),
        crowd=st.sampled_from([0, 0.3]),
        whole=st.booleans(),
    )
)
def test_any_split_scores_as_by_pycocotools(case: Case) -> None:
    compare(case)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 3), min_size=6, max_size=6).filter(any), st.booleans())
def test_an_image_that_weighs_twice_is_there_twice(seed: int, times: list[int], whole: bool) -> None:
    case = draw_case(seed, images=6, whole=whole)  # of equal confidences the order is arbitrary
    weighed = average_precision(case.table(), np.array([times], np.float32))
    np.testing.assert_allclose(weighed, average_precision(case.repeat(times).table()), rtol=0, atol=1e-9)


def test_rows_of_weights_do_not_mix() -> None:
    table = draw_case(11, images=9).table()
    rows = np.random.default_rng(0).integers(0, 4, (130, 9)).astype(np.float32)
    together = average_precision(table, rows)
    assert together.shape == (130, 3, 4, 10)
    for number in (0, 49, 50, 129):
        np.testing.assert_array_equal(together[number], average_precision(table, rows[number : number + 1])[0])


def test_the_size_of_an_image_does_not_matter_but_its_boxes_do() -> None:
    case = draw_case(12, crowd=0)
    right = average_precision(case.table())
    moved = [Boxes(each.corners + 7, each.classes, each.confidences) for each in case.found]
    assert not np.allclose(right, average_precision(Case(3, case.truth, moved, case.crowds).table()), equal_nan=True)
