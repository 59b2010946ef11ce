"""The forest plot: rows of figures that belong together, and where they are drawn."""

import numpy as np
import pytest

from steelyard.gate.verdict import Difference
from steelyard.report.forest import DIFFERENCES, VALUES, draw_forest
from steelyard.report.rows import Mark, Parts, Row, list_rows, take_parts
from steelyard.scoring.scores import ClassScores, Interval

RATES = {"precision": 0.5, "recall": 0.5, "mAP50": 0.5}


def make_class(value, low=None, high=None, needed=None):
    intervals = {"mAP50-95": Interval(low=low, high=high)} if low is not None else {}
    return ClassScores(**RATES, map50_95=value, images=30, boxes=30, intervals=intervals, images_needed=needed)


def list_sample(sample):
    return list_rows(take_parts(sample.record.scores.test), sample.verdict.figures, sample.material.champion)


def test_rows_say_what_the_verdict_says(better):
    rows = {row.label: row for row in list_sample(better)}
    figures = better.verdict.figures
    for name, each in {"all": figures.overall["mAP50-95"], **figures.classes, **figures.sizes}.items():
        row = rows[name]
        assert (row.candidate.value, row.champion.value) == (each.candidate, each.champion)
        assert row.difference == Mark(each.gain, each.low, each.high)
        assert row.numbers[2] == each.show()
    assert [row.label for row in list_sample(better) if row.is_heading] == ["by size of boxes", "by class"]


def test_intervals_are_those_of_both_records(better):
    (whole, *_) = list_sample(better)
    for mark, record in ((whole.candidate, better.record), (whole.champion, better.champion)):
        bounds = record.scores.test.intervals["mAP50-95"]
        assert mark[1:] == (bounds.low, bounds.high)


def test_an_interval_of_another_figure_is_not_shown(better):
    parts = take_parts(better.record.scores.test)
    other = Parts(make_class(0.123, 0.1, 0.2), parts.classes, parts.sizes)
    (whole, *_) = list_rows(other, better.verdict.figures, better.material.champion)
    assert whole.candidate == Mark(better.verdict.figures.overall["mAP50-95"].candidate)


def test_without_a_verdict_the_version_stands_alone(better):
    rows = list_rows(take_parts(better.record.scores.test), None, None)
    assert all(row.champion is None and row.difference is None for row in rows)
    assert rows[0].numbers[0] == f"{better.record.scores.test.map50_95:.3f}"


def test_of_many_classes_those_that_changed_most_are_shown(better):
    names = [f"class {number:02}" for number in range(20)]
    gains = np.random.default_rng(0).permutation(20) / 100
    classes = {
        name: Difference(candidate=0.5 + gain, champion=0.5, low=0, high=0.3, images=30)
        for name, gain in zip(names, gains, strict=True)
    }
    figures = better.verdict.figures.model_copy(update={"classes": classes})
    rows = list_rows(take_parts(better.record.scores.test), figures, None)
    shown = [row.label for row in rows if row.label in classes]
    assert shown == [name for name, gain in zip(names, gains, strict=True) if gain >= 0.08]
    assert "by class, the 12 that changed most" in [row.label for row in rows]


def test_of_many_classes_the_weakest_are_shown_where_nothing_was_weighed():
    classes = {f"class {number:02}": make_class(number / 100) for number in range(20)}
    rows = list_rows(Parts(make_class(0.5), classes, {}), None, None)
    assert [row.label for row in rows if row.label in classes] == list(classes)[:12]
    assert "by class, the 12 weakest" in [row.label for row in rows]


def test_places_are_in_proportion():
    rows = [
        Row("all", Mark(0.4, 0.3, 0.5), Mark(0.2, 0.1, 0.3), Mark(0.2, 0.1, 0.3)),
        Row("few", Mark(0.6, 0.2, 0.8), Mark(0.7), Mark(-0.1, -0.4, 0.2), too_few=True),
    ]
    forest = draw_forest(rows, 0.05)
    ticks = {float(tick.text): tick.at for tick in forest.ticks}
    gains = {float(tick.text): tick.at for tick in forest.difference_ticks}
    for values, places, edges in ((ticks, forest.ticks, VALUES), (gains, forest.difference_ticks, DIFFERENCES)):
        assert all(edges[0] <= tick.at <= edges[1] for tick in places)
        scale = np.polyfit(list(values), list(values.values()), 1)
        assert scale[0] > 0
        for line, row in zip(forest.lines, rows, strict=True):
            marks = (row.candidate, row.champion) if edges == VALUES else (row.difference,)
            dots = [dot for dot in line.dots if edges[0] <= dot.x <= edges[1]]
            for dot, mark in zip(dots, marks, strict=True):
                ends = (mark.value if mark.low is None else mark.low, mark.value if mark.high is None else mark.high)
                assert (dot.x, dot.left, dot.right) == pytest.approx(np.polyval(scale, (mark.value, *ends)), abs=0.3)
    assert [mark.text for mark in forest.marks] == ["0", "least gain +0.05"]
    assert forest.marks[0].at == gains[0.0]
    assert [dot.is_hollow for line in forest.lines for dot in line.dots] == [False] * 3 + [True] * 3


def test_a_difference_is_called_more_or_less_only_where_its_interval_says_so():
    looks = {}
    for name, difference in {"up": (0.2, 0.1, 0.3), "down": (-0.2, -0.3, -0.1), "open": (0.2, -0.1, 0.5)}.items():
        (line,) = draw_forest([Row(name, Mark(0.5), Mark(0.3), Mark(*difference))], None).lines
        looks[name] = line.dots[-1].look
    assert looks == {"up": "more", "down": "less", "open": "same"}


def test_a_single_figure_can_be_drawn():
    forest = draw_forest([Row("all", Mark(0.0))], None)
    assert len(forest.ticks) >= 1
    assert forest.difference_ticks == ()
    assert draw_forest([Row("all")], None).lines[0].dots == ()
