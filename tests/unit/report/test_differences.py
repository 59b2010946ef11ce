"""Where two match tables differ most, and which boxes are right, wrong and missed there."""

from dataclasses import replace

import numpy as np
import pytest

from steelyard.report.differences import choose_images, count_right_and_wrong, judge_boxes
from steelyard.scoring.boxes import Boxes
from steelyard.scoring.match_table import match_boxes

CLASSES = ("cat", "dog")
BOXES = [[0, 0, 20, 20], [50, 0, 70, 20], [0, 50, 20, 70]]
TRUTH = Boxes(np.array(BOXES, float), np.array([0, 0, 1]), np.ones(3))
NOTHING = Boxes(np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0))


def find(*rows):
    """Boxes from rows of corners, class, confidence."""
    return Boxes(
        np.array([row[0] for row in rows], float).reshape(-1, 4),
        np.array([row[1] for row in rows], np.int64),
        np.array([row[2] for row in rows], float),
    )


def make_table(*found, images=None):
    images = images or [f"images/test/{number}.png" for number in range(len(found))]
    return match_boxes(images, CLASSES, [TRUTH] * len(found), found)


def test_boxes_are_right_wrong_or_missed():
    found = find((BOXES[0], 0, 0.9), (BOXES[1], 1, 0.8), ([0, 51, 20, 70], 1, 0.7), ([80, 80, 90, 90], 0, 0.6))
    table = make_table(found)
    judged = judge_boxes(table, "images/test/0.png", 0.5, TRUTH)
    assert judged.right.tolist() == [BOXES[0], [0, 51, 20, 70]]
    assert sorted(judged.wrong.tolist()) == sorted([BOXES[1], [80, 80, 90, 90]])
    assert judged.missed.tolist() == [BOXES[1]]
    assert count_right_and_wrong(table, 0.5).tolist() == [[2, 2]]
    assert count_right_and_wrong(table, 0.65).tolist() == [[2, 1]]
    unsure = judge_boxes(table, "images/test/0.png", 0.95, TRUTH)
    assert (len(unsure.right), len(unsure.wrong), len(unsure.missed)) == (0, 0, 3)


def test_each_detection_takes_the_box_that_it_hits():
    truth = Boxes(np.array([[0, 0, 20, 20], [6, 0, 26, 20]], float), np.zeros(2, np.int64), np.ones(2))
    found = find(([5, 0, 25, 20], 0, 0.9))
    table = match_boxes(["a"], CLASSES, [truth], [found])
    assert judge_boxes(table, "a", 0.1, truth).missed.tolist() == [[0, 0, 20, 20]]


def test_the_images_that_differ_most_come_first():
    one, two = find((BOXES[0], 0, 0.9)), find((BOXES[0], 0, 0.9), (BOXES[1], 0, 0.9))
    false = find((BOXES[0], 0, 0.9), ([90, 90, 99, 99], 0, 0.9), ([80, 80, 88, 88], 1, 0.9))
    candidate, champion = make_table(one, two, false, NOTHING, one), make_table(one, one, one, NOTHING, two)
    names = candidate.images
    assert choose_images(candidate, champion, (0.5, 0.5)) == [names[2], names[1], names[4]]
    assert choose_images(candidate, champion, (0.5, 0.5), most=1) == [names[2]]
    assert choose_images(candidate, candidate, (0.5, 0.5)) == []
    # each at its own confidence
    assert choose_images(candidate, candidate, (0.5, 0.95)) == [names[2], names[1], names[0], names[4]]


def test_tables_of_other_images_are_refused():
    with pytest.raises(ValueError, match="same images"):
        choose_images(make_table(NOTHING, images=["a"]), make_table(NOTHING, images=["b"]), (0.5, 0.5))


def test_a_table_without_corners_is_refused():
    table = make_table(find((BOXES[0], 0, 0.9)))
    with pytest.raises(ValueError, match="where its detections are"):
        judge_boxes(replace(table, corners=None), "images/test/0.png", 0.5, TRUTH)


def test_right_and_missed_boxes_are_all_that_people_drew(better):
    for each in better.material.contrasts:
        drawn = {len(judged.right) + len(judged.missed) for judged in (each.candidate, each.champion)}
        assert len(drawn) == 1
