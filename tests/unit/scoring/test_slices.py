"""Slices: the split with no weight on the other images, each moved by its own images alone."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.detectors import Detector, World, detect, draw_images
from steelyard.scoring.average_precision import average_precision
from steelyard.scoring.columns import Column
from steelyard.scoring.figures import measure, measure_overall
from steelyard.scoring.match_table import MatchTable
from steelyard.scoring.slices import choose_columns, cut_out, score_slices
from tests.unit.scoring.splits import draw_case


def make_column(table: MatchTable, *values: str) -> Column:
    """The values by turns."""
    return Column({image: values[number % len(values)] for number, image in enumerate(table.images)})


@pytest.mark.parametrize("seed", range(8))
def test_a_slice_is_the_split_with_no_weight_on_other_images(seed: int) -> None:
    table = draw_case(seed, images=15, classes=4, levels=seed % 3 * 4).table()
    chosen = np.random.default_rng(seed).random(15) < 0.4
    chosen[0] = True
    weights = np.stack((chosen, 3 * chosen)).astype(np.float32)
    again = np.stack((np.ones(chosen.sum()), np.full(chosen.sum(), 3))).astype(np.float32)
    expected = average_precision(table, weights)
    assert not np.isnan(expected).all()
    np.testing.assert_array_equal(average_precision(cut_out(table, chosen), again), expected)


def test_figures_and_intervals_are_those_of_the_images_as_a_split_of_their_own() -> None:
    case = draw_case(1, images=60, crowd=0)
    table = case.table()
    alone = case.repeat([1, 0, 0] * 20).table()
    figures = measure(alone)
    slices = score_slices(table, {"site": make_column(table, "a", "b", "c")})["site"]
    assert list(slices) == ["a", "b", "c"]
    assert slices["a"].map50_95 == pytest.approx(figures.overall["mAP50-95"].value, abs=1e-6)
    for name, interval in slices["a"].intervals.items():
        assert interval.low == pytest.approx(figures.overall[name].low, abs=1e-6)
        assert interval.high == pytest.approx(figures.overall[name].high, abs=1e-6)
    assert (slices["a"].images, slices["a"].boxes) == (20, int(alone.boxes[:, 0].sum()))
    assert sum(each.boxes for each in slices.values()) == int(table.boxes[:, 0].sum())
    assert measure_overall(alone) == figures.overall


def test_what_breaks_on_one_slice_moves_its_figure_and_no_other() -> None:
    table = draw_case(2, images=60, crowd=0).table()
    columns = {"site": make_column(table, "a", "b", "c"), "half": make_column(table, "x", "y")}
    before = score_slices(table, columns)
    is_hurt = table.image % 3 == 1
    after = score_slices(replace(table, hits=np.where(is_hurt[:, None], 0, table.hits).astype(np.uint16)), columns)
    assert after["site"]["b"].map50_95 == 0
    assert (after["site"]["a"], after["site"]["c"]) == (before["site"]["a"], before["site"]["c"])
    for half in ("x", "y"):  # both have images of site b
        assert (after["half"][half].map50_95 or 0) < (before["half"][half].map50_95 or 0) - 0.05


def test_a_slice_is_weak_where_the_images_say_so_in_spite_of_how_many_slices_there_are() -> None:
    """Each of ten alike slices looks bad by chance now and then; one that is broken still stands out."""
    names = [str(number) for number in range(10)]
    chance, found = 0, 0
    for seed in range(25):
        random = np.random.default_rng(seed)
        table = detect(random, Detector(), draw_images(random, World(), 250))
        columns = {"site": make_column(table, *names)}
        chance += any(each.weak for each in score_slices(table, columns)["site"].values())
        hurt = (table.image % 10 == 0)[:, None] & (random.random((len(table.image), 1)) < 0.8)
        broken = replace(table, hits=np.where(hurt, 0, table.hits).astype(np.uint16))
        found += [value for value, each in score_slices(broken, columns)["site"].items() if each.weak] == ["0"]
    assert chance <= 4  # 5 % of 25, and some
    assert found >= 20


def test_groups_are_drawn_together_and_it_is_they_that_count() -> None:
    case = draw_case(0, images=24, crowd=0)
    copies = case.repeat([4] * 24).table()
    groups = [str(number // 4) for number in range(96)]
    column = Column({image: "ab"[number // 4 % 2] for number, image in enumerate(copies.images)})
    blind = score_slices(copies, {"site": column})["site"]["a"]
    grouped = score_slices(copies, {"site": column}, groups)["site"]["a"]
    assert (blind.map50_95, blind.images_needed) == (grouped.map50_95, None)
    assert grouped.images_needed == 160  # 12 of 96 images' groups are here, and 20 are wanted
    widths = [each.intervals["mAP50-95"].high - each.intervals["mAP50-95"].low for each in (blind, grouped)]
    assert widths[0] < 0.65 * widths[1]
    one = Column({image: "ab"[number > 3] for number, image in enumerate(copies.images)})
    assert score_slices(copies, {"site": one}, groups)["site"]["a"].intervals == {}


def test_images_without_boxes_or_without_a_value() -> None:
    case = draw_case(3, images=30, crowd=0)
    nothing = replace(
        case, truth=[*case.truth[:10], *(case.found[n].keep([]) for n in range(10, 20)), *case.truth[20:]]
    )
    nothing = replace(nothing, crowds=[np.zeros(len(each), np.bool_) for each in nothing.truth])
    table = nothing.table()
    values = {image: "empty" if 10 <= number < 20 else "full" for number, image in enumerate(table.images)}
    values.pop(table.images[0])
    slices = score_slices(table, {"site": Column(values)})["site"]
    assert (slices["empty"].map50_95, slices["empty"].boxes, slices["empty"].images) == (None, 0, 10)
    assert slices["empty"].intervals == {}
    assert slices["full"].images == 19


def test_columns_of_one_value_and_of_too_many_are_left_out_and_said() -> None:
    images = [f"{number}.png" for number in range(40)]
    columns = {
        "site": Column(dict.fromkeys(images, "one")),
        "video": Column({image: str(number // 3) for number, image in enumerate(images)}),
        "month": Column({image: str(number % 12) for number, image in enumerate(images)}),
        "weather": Column({"elsewhere.png": "fog"}),
    }
    chosen, left_out = choose_columns(columns, images)
    assert list(chosen) == ["month"]
    assert left_out == ["site has a single value", "video has 14 values, of at most 12", "weather has no value"]
