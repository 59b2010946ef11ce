from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.detectors import World
from steelyard.gate.comparison import compare, restrict
from steelyard.scoring.average_precision import average_precision
from steelyard.scoring.figures import measure
from tests.unit.gate.pairs import BAD, GOOD, draw_pair
from tests.unit.scoring.splits import draw_case


def test_figures_are_those_of_each_table_alone():
    candidate, champion = draw_pair(GOOD, BAD, world=World((2.0, 1.0)))
    comparison = compare(candidate, champion, resamples=50)
    for side, table in ((comparison.candidate, candidate), (comparison.champion, champion)):
        alone = measure(table)
        values = dict(zip(comparison.names, side, strict=True))
        assert values["mAP50-95"] == pytest.approx(alone.overall["mAP50-95"].value)
        assert values["mAP50"] == pytest.approx(alone.overall["mAP50"].value)
        assert [values[name] for name in table.classes] == pytest.approx(
            [alone.classes[name]["mAP50-95"].value for name in table.classes]
        )


def test_sizes_are_compared():
    case, other = draw_case(0, images=30), draw_case(1, images=30)
    mixed = replace(other, truth=case.truth, crowds=case.crowds)
    comparison = compare(case.table(), mixed.table(), resamples=20)
    alone = measure(case.table()).sizes
    for name in ("small", "medium", "large"):
        assert comparison.candidate[comparison.names.index(name)] == pytest.approx(alone[name].value)


def test_the_interval_of_a_difference_is_narrower_where_both_meet_the_same_images():
    world = World(spread=2.0)
    candidate, champion = draw_pair(GOOD, replace(GOOD, skill=1.9), images=200, world=world)
    place = compare(candidate, champion, resamples=300).names.index("mAP50-95")
    paired = np.ptp(compare(candidate, champion, resamples=300).bounds[place])
    single = np.ptp([measure(candidate).overall["mAP50-95"].low, measure(candidate).overall["mAP50-95"].high])
    assert paired < 1.2 * single  # unpaired it would be 1.41 times as wide


def test_a_table_beside_itself_is_the_same():
    candidate, _ = draw_pair(GOOD, BAD)
    comparison = compare(candidate, candidate, resamples=20)
    assert comparison.is_same
    assert comparison.spread == 0
    assert comparison.find_smallest_gain() is None
    moved = replace(candidate, confidence=candidate.confidence * 0.99)
    assert not compare(candidate, moved, resamples=20).is_same


def test_other_images_or_classes_are_refused():
    candidate, champion = draw_pair(GOOD, BAD)
    with pytest.raises(ValueError, match="same images and classes"):
        compare(candidate, replace(champion, images=champion.images[::-1]))
    with pytest.raises(ValueError, match="same images and classes"):
        compare(candidate, replace(champion, classes=("other",)))


def test_groups_are_resampled_whole():
    candidate, champion = draw_pair(GOOD, BAD, images=60)
    groups = [str(number // 6) for number in range(60)]
    comparison = compare(candidate, champion, groups, resamples=100)
    assert comparison.groups == 10
    assert comparison.images[0] == 10
    assert np.ptp(comparison.bounds[1]) != np.ptp(compare(candidate, champion, resamples=100).bounds[1])


@given(seed=st.integers(0, 1000))
def test_a_restricted_table_scores_as_if_there_were_only_these_images_and_classes(seed):
    table = draw_case(seed, images=8, classes=3).table()
    random = np.random.default_rng(seed)
    images = [table.images[place] for place in random.permutation(8)[:5]]
    classes = [table.classes[place] for place in random.permutation(3)[:2]]
    part = restrict(table, images, classes)
    weights = np.isin(table.images, images).astype(np.float32)[None]
    places = [table.classes.index(name) for name in classes]
    np.testing.assert_allclose(average_precision(part), average_precision(table, weights)[:, places], atol=1e-12)
    assert (part.images, part.classes) == (tuple(images), tuple(classes))


def test_the_smallest_gain_shrinks_with_images_by_the_root():
    few = compare(*draw_pair(GOOD, GOOD, images=100), resamples=400).find_smallest_gain()
    many = compare(*draw_pair(GOOD, GOOD, images=1600), resamples=400).find_smallest_gain()
    assert few / many == pytest.approx(4, rel=0.3)


def test_p_values_agree_with_the_intervals():
    comparison = compare(*draw_pair(GOOD, BAD, images=80), resamples=1000)
    place = comparison.names.index("mAP50-95")
    above, below = comparison.bounds_one_sided[place]
    (p_value,) = comparison.find_p_values(below, [place])
    assert p_value == pytest.approx(0.05, abs=0.01)
    (p_value,) = comparison.find_p_values(above, [place])
    assert p_value == pytest.approx(0.95, abs=0.01)
    assert comparison.find_p_values(-1, [place])[0] > 0.998
    assert comparison.find_p_values(1, [place])[0] < 0.003
