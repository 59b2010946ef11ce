"""Limits of a version, computed from its record."""

import pytest

from steelyard.report.limits import is_below, list_limits
from steelyard.scoring.scores import Interval, Scores


def with_test(record, **values):
    tree = record.scores.model_dump(by_alias=True)
    tree["test"].update(values)
    return record.model_copy(update={"scores": Scores.model_validate(tree)})


def class_of(record, name, **values):
    tree = record.scores.model_dump(by_alias=True)["test"]["classes"]
    return with_test(record, classes={**tree, name: {**tree[name], **values}})


def test_a_version_without_limits_says_none(better):
    assert list_limits(better.record) == []


def test_a_class_on_too_few_images_is_named(worse):
    assert "test: triangle is on 5 images, too few for an interval that can be relied on; about 50 in all would do" in (
        list_limits(worse.record)
    )


def test_a_test_split_that_is_too_small_is_named(better):
    (limit,) = list_limits(with_test(better.record, images_needed=80))
    assert limit.startswith("test: 60 images are too few")
    assert limit.endswith("about 80 would do")


def test_a_weak_class_is_named_where_its_interval_is_below_the_whole(better):
    bounds = {"mAP50-95": {"low": 0.1, "high": 0.3}}
    weak = class_of(better.record, "disc", **{"mAP50-95": 0.2, "intervals": bounds})
    assert list_limits(weak) == ["test: weak on disc: mAP50-95 0.200 (0.100 to 0.300), 0.710 on all"]
    wide = {"mAP50-95": {"low": 0.1, "high": 0.8}}
    assert list_limits(class_of(better.record, "disc", **{"mAP50-95": 0.2, "intervals": wide})) == []


def test_a_class_of_which_nothing_is_found_is_weak_without_an_interval(better):
    blind = class_of(better.record, "disc", **{"mAP50-95": 0, "intervals": {}})
    assert list_limits(blind) == ["test: weak on disc: mAP50-95 0.000, 0.710 on all"]


@pytest.mark.parametrize(
    ("value", "interval", "needed", "whole", "below"),
    [
        (0.2, Interval(low=0.1, high=0.3), None, 0.5, True),
        (0.2, Interval(low=0.1, high=0.3), 30, 0.5, False),
        (0.2, Interval(low=0.1, high=0.6), None, 0.5, False),
        (0.2, None, None, 0.5, False),
        (0.0, None, None, 0.5, True),
        (0.0, None, None, 0.0, False),
        (0.0, None, 30, 0.5, False),
        (None, None, None, 0.5, False),
        (0.2, None, None, None, False),
    ],
)
def test_what_is_clearly_below(value, interval, needed, whole, below):
    assert is_below(value, interval, needed, whole) is below


def test_weak_slices_are_named_and_those_on_few_images_counted(better):
    def slice_of(value, low, high, needed=None, weak=False):
        bounds = {"mAP50-95": {"low": low, "high": high}}
        scores = {"mAP50": 0.5, "mAP50-95": value, "images": 20, "boxes": 40}
        return {**scores, "intervals": bounds, "images_needed": needed, "weak": weak}

    fog, sun, snow = slice_of(0.3, 0.2, 0.4, weak=True), slice_of(0.8, 0.7, 0.9), slice_of(0, 0, 0.1, needed=90)
    slices = {"weather": {"fog": fog, "sun": sun, "snow": snow}}
    limits = list_limits(with_test(better.record, slices=slices))
    assert limits[0] == "test: weak where weather = fog: mAP50-95 0.300 (0.200 to 0.400) on 20 images, 0.710 on all"
    assert limits[1].startswith("test: 1 of 3 slices have too few images for an interval that can be relied on")
    assert len(limits) == 2


def test_a_class_without_boxes_is_named(better):
    unseen = class_of(better.record, "disc", boxes=0, images=0, **{"mAP50-95": None, "mAP50": None, "intervals": {}})
    assert list_limits(unseen) == ["test: no box of disc, so nothing is known of how good the weights are there"]


def test_scores_that_are_nearly_perfect_are_doubted(better):
    bounds = {"mAP50-95": {"low": 0.94, "high": 0.97}}
    perfect = with_test(better.record, **{"mAP50-95": 0.95, "intervals": bounds, "classes": {}, "sizes": {}})
    assert not any("nearly perfect" in limit for limit in list_limits(perfect))
    few = with_test(perfect, images_needed=100)
    assert any("mAP50-95 0.950 is nearly perfect" in limit for limit in list_limits(few))


def test_a_perfect_score_has_no_interval(better):
    perfect = with_test(better.record, **{"mAP50-95": 1, "intervals": {}, "classes": {}, "sizes": {}})
    assert any("mAP50-95 has no interval" in limit for limit in list_limits(perfect))


def test_leaks_that_were_accepted_are_named(better):
    record = better.record
    data = record.dataset.model_copy(update={"test_trained_on": {1: 4}})
    gate = {**record.params["register"]["gate"], "accept": ["seen"]}
    params = {**record.params, "check": {"accept": ["duplicate-across-splits"]}, "register": {"gate": gate}}
    limits = list_limits(record.model_copy(update={"dataset": data, "params": params}))
    assert any("v1 (on 4 of its 60 images)" in limit for limit in limits)
    assert any(limit.startswith("check.accept: duplicate-across-splits") for limit in limits)
    assert any(limit.startswith("register.gate.accept: seen") for limit in limits)


def test_an_older_record_has_its_limits_too(better):
    record = better.record.model_copy(update={"params": {"finetune": {"epochs": 1}}})
    assert list_limits(record) == []
