"""Intervals: those of scipy where there are many images, wider where there are few, and whole groups are drawn."""

import numpy as np
import pytest
from scipy import stats

from steelyard.scoring.bootstrap import draw_weights, estimate_intervals, find_broken, leave_out


def interval(values: np.ndarray, seed: int = 0, resamples: int = 2000) -> np.ndarray:
    """Of the mean of values that images have."""
    means = (draw_weights(len(values), seed, resamples) @ values) / len(values)
    left = leave_out(len(values), seed)
    without = (left @ values) / left.sum(axis=1)
    return estimate_intervals(np.array([values.mean()]), means[:, None], without[:, None], len(values))[0]


def test_a_resample_has_as_many_images_as_the_split_and_the_same_seed_draws_the_same() -> None:
    weights = draw_weights(30, seed=1, resamples=50)
    assert weights.shape == (50, 30)
    assert (weights.sum(axis=1) == 30).all()
    assert len(np.unique(weights, axis=0)) == 50
    np.testing.assert_array_equal(weights, draw_weights(30, seed=1, resamples=50))
    assert (weights != draw_weights(30, seed=2, resamples=50)).any()


def test_images_of_a_group_are_drawn_together() -> None:
    weights = draw_weights(6, seed=0, resamples=200, groups=["a", "b", "a", "c", "b", "a"])
    np.testing.assert_array_equal(weights[:, 0], weights[:, 2])
    np.testing.assert_array_equal(weights[:, 0], weights[:, 5])
    np.testing.assert_array_equal(weights[:, 1], weights[:, 4])
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()


def test_one_image_or_group_is_left_out_at_a_time_and_of_many_a_block() -> None:
    np.testing.assert_array_equal(leave_out(3, 0), 1 - np.eye(3))
    np.testing.assert_array_equal(leave_out(3, 0, ["a", "b", "a"]), [[0, 1, 0], [1, 0, 1]])
    blocks = leave_out(1000, 0)
    assert blocks.shape == (200, 1000)
    assert ((blocks == 0).sum(axis=0) == 1).all()


def test_of_many_images_it_is_the_bca_interval_of_scipy() -> None:
    values = np.random.default_rng(0).exponential(size=400)
    theirs = stats.bootstrap((values,), np.mean, method="BCa", n_resamples=20_000, random_state=1)
    ours = interval(values, resamples=20_000)
    assert ours == pytest.approx([theirs.confidence_interval.low, theirs.confidence_interval.high], abs=0.01)
    plain = np.quantile(draw_weights(400, 0, 20_000) @ values / 400, [0.025, 0.975])
    assert ours[1] > plain[1] + 0.005  # of so skewed values the plain percentiles lie too low


def test_of_few_images_it_is_wider_than_scipys() -> None:
    values = np.random.default_rng(3).normal(size=12)
    theirs = stats.bootstrap((values,), np.mean, method="BCa", n_resamples=20_000, random_state=1).confidence_interval
    low, high = interval(values, resamples=20_000)
    assert 1.1 < (high - low) / (theirs.high - theirs.low) < 1.3


def test_it_holds_what_is_true_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(5)
    held = sum(low <= 0 <= high for low, high in (interval(random.normal(size=30), seed, 500) for seed in range(400)))
    assert 0.91 < held / 400 < 0.985


def test_what_has_no_figure_has_no_interval() -> None:
    points, resampled = np.array([0.5, np.nan]), np.tile([[0.5, np.nan]], (10, 1))
    bounds = estimate_intervals(points, resampled, np.array([[0.5, np.nan]] * 4), groups=4)
    np.testing.assert_array_equal(bounds, [[0.5, 0.5], [np.nan, np.nan]])
    assert np.isnan(estimate_intervals(points, resampled, resampled, groups=1)).all()


def test_resamples_without_a_box_of_a_class_are_left_out() -> None:
    resampled = np.concatenate((np.linspace(0, 1, 101), [np.nan] * 50))[:, None]
    low, high = estimate_intervals(np.array([0.5]), resampled, np.array([[0.4], [np.nan], [0.6]]), groups=100_000)[0]
    assert (low, high) == pytest.approx((0.025, 0.975), abs=0.01)


def test_holm_lets_fewer_fall_than_each_alone() -> None:
    values = np.array([0.001, 0.013, 0.02, 0.03, np.nan, 0.2])
    # by hand: 0.001 <= 0.05 / 5, 0.013 > 0.05 / 4 = 0.0125: that one and all after it stay
    assert find_broken(values).tolist() == [True, False, False, False, False, False]
    assert find_broken(np.array([0.03, 0.02])).tolist() == [True, True]  # 0.02 <= 0.025, then 0.03 <= 0.05
    assert find_broken(np.array([0.03, 0.026])).tolist() == [False, False]
    assert find_broken(np.array([])).tolist() == []
