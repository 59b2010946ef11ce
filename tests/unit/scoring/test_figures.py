"""The figures of a split: they move when detections break, and say where images are too few."""

from dataclasses import replace

import numpy as np
import pytest

from steelyard.scoring.average_precision import average_precision
from steelyard.scoring.boxes import Boxes
from steelyard.scoring.figures import Figure, Figures, Needed, count_needed, list_figures, measure
from steelyard.scoring.match_table import MatchTable, match_boxes
from tests.unit.scoring.splits import draw_case


def make_table(images: int, seed: int = 0, quality: float = 0.8, rare: int = 3) -> MatchTable:
    """Two squares of class "often" on each image, one of class "rare" on the first few; some are found."""
    random = np.random.default_rng(seed)
    truth, found = [], []
    for number in range(images):
        kinds = np.array([0, 0, 1][: 2 + (number < rare)])
        lefts, sides = np.arange(len(kinds)) * 200.0, random.choice([20.0, 60.0, 150.0], len(kinds))
        drawn = np.stack((lefts, np.zeros(len(kinds)), lefts + sides, sides), axis=1)
        near = drawn + random.normal(0, 0.04, drawn.shape) * sides[:, None]
        is_found = random.random(len(kinds)) < quality
        truth.append(Boxes(drawn, kinds, np.ones(len(kinds))))
        found.append(Boxes(near[is_found], kinds[is_found], random.random(is_found.sum())))
    return match_boxes([f"{number}.png" for number in range(images)], ["often", "rare", "never"], truth, found)


def test_figures_are_means_of_average_precision() -> None:
    table = make_table(40)
    precision = average_precision(table)[0]
    figures = measure(table)
    assert figures.overall["mAP50"].value == pytest.approx(precision[:2, 0, 0].mean())
    assert figures.overall["mAP50-95"].value == pytest.approx(precision[:2, 0].mean())
    assert figures.classes["rare"]["mAP50-95"].value == pytest.approx(precision[1, 0].mean())
    assert figures.sizes["large"].value == pytest.approx(np.nanmean(precision[:, 3].mean(axis=1)))
    assert list(figures.classes) == ["often", "rare"]
    assert list_figures(average_precision(table)).shape == (1, 11)


def test_each_figure_lies_in_its_interval_and_more_images_make_it_narrower() -> None:
    few, many = measure(make_table(40)), measure(make_table(640, rare=48))
    for figures in (few, many):
        for figure in (*figures.overall.values(), *figures.sizes.values(), *figures.classes["often"].values()):
            assert figure.low < figure.value < figure.high
    widths = [each.overall["mAP50-95"].high - each.overall["mAP50-95"].low for each in (few, many)]
    assert 2.5 < widths[0] / widths[1] < 7  # four, by the square root


def test_four_copies_of_each_image_say_no_more_than_one() -> None:
    case = draw_case(0, images=30, crowd=0)
    copies = case.repeat([4] * 30).table()
    once, blind = measure(case.table()), measure(copies)
    grouped = measure(copies, [str(number // 4) for number in range(120)])
    widths = [each.overall["mAP50"].high - each.overall["mAP50"].low for each in (once, grouped, blind)]
    assert grouped.overall["mAP50"].value == pytest.approx(once.overall["mAP50"].value, abs=0.01)
    assert widths[1] == pytest.approx(widths[0], rel=0.1)
    assert widths[2] < 0.65 * widths[0]


def test_worse_detections_have_lower_figures() -> None:
    good, bad = measure(make_table(60, quality=0.95)), measure(make_table(60, quality=0.3))
    assert bad.overall["mAP50-95"].high < good.overall["mAP50-95"].low


def test_too_few_images_are_counted() -> None:
    table, usual = make_table(40, rare=3), make_figures(0.4, "often", "rare")
    assert count_needed(table, usual) == Needed(0, {"rare": 134}, {})
    assert count_needed(make_table(40, rare=10), usual) == Needed(0, {}, {})
    assert count_needed(make_table(19, rare=12), usual).split == 20
    # Ten groups of four images: as many again are needed, and "rare" is in one of them.
    needed = count_needed(table, usual, [str(number // 4) for number in range(40)])
    assert (needed.split, needed.classes) == (80, {"rare": 400})


def test_too_few_boxes_of_a_size_are_counted() -> None:
    table = make_table(40)
    few = replace(table, boxes=np.where(np.arange(4) == 3, table.boxes * (table.box_image < 4)[:, None], table.boxes))
    assert 100 <= count_needed(few, make_figures(0.4, "often", "rare")).sizes["large"] <= 400


def test_weights_that_hardly_miss_need_more_images() -> None:
    """Five images' worth of misses: 0.95 is 1 in 20."""
    table = make_table(40)
    assert count_needed(table, make_figures(0.95, "often")).split == 100
    assert count_needed(table, make_figures(0.875, "often")).split == 0
    assert count_needed(table, make_figures(0.88, "often")).split == 42
    assert count_needed(table, make_figures(1.0, "often")).split == 0  # has no interval


def make_figures(value: float, *classes: str) -> Figures:
    figure = Figure(value, value - 0.01, value + 0.01)
    both = {"mAP50": figure, "mAP50-95": figure}
    return Figures(both, dict.fromkeys(classes, both), {"large": figure})
