"""Intervals that hold the chance of images and that of seeds."""

import numpy as np
import pytest

from steelyard.study.estimate import estimate

T_2 = 4.302653  # Student's t, 2 degrees of freedom, 95 %


def still(points):
    """Resamples that do not move."""
    return np.repeat(np.array(points)[:, None], 50, axis=1)


def test_only_seeds_move():
    points = [0.2, 0.3, 0.4]
    found = estimate(np.array(points), still(points), groups=20, least=0)
    assert found.images_error == 0
    assert found.seeds_error == pytest.approx(0.1 / 3**0.5, abs=1e-6)
    assert (found.low, found.high) == pytest.approx((0.3 - T_2 * 0.1 / 3**0.5, 0.3 + T_2 * 0.1 / 3**0.5), abs=1e-5)
    assert found.by_seed == (0.2, 0.3, 0.4)


def test_only_images_move():
    resampled = np.array([[0.4, 0.6] * 500])
    found = estimate(np.array([0.5]), resampled, groups=21, least=0)
    assert found.seeds_error is None
    assert found.images_error == pytest.approx(0.1 * (21 / 20) ** 0.5, abs=1e-6)
    assert found.high - found.value == pytest.approx(2.085963 * found.images_error, rel=1e-4)


def test_the_interval_ends_where_the_figure_does():
    points = np.array([0.01, 0.2])
    assert estimate(points, still(points), groups=20, least=0).low == 0
    assert estimate(points, still(points), groups=20, least=-1).low < 0
    assert estimate(1 - points, still(1 - points), groups=20, least=0).high == 1


def test_where_there_is_no_interval():
    same = np.array([0.5, 0.5])
    assert estimate(same, still(same), groups=20, least=0).low is None
    one_image = estimate(np.array([0.4, 0.5]), still([0.4, 0.5]), groups=1, least=0)
    assert (one_image.low, one_image.high) == (None, None)
    assert estimate(np.array([0.4, np.nan]), still([0.4, np.nan]), groups=20, least=0) is None


def test_a_resample_without_a_box_is_left_out():
    resampled = np.array([[0.4, np.nan, 0.6]])
    assert estimate(np.array([0.5]), resampled, 20, 0).images_error == pytest.approx(0.1 * (20 / 19) ** 0.5, abs=1e-6)


@pytest.mark.parametrize(("of_seeds", "of_images", "of_both"), [(1, 0, 0), (0, 5, 0), (1, 5, 2), (0.3, 5, 5)], ids=str)
def test_ninety_five_of_a_hundred_hold_what_is_true(of_seeds, of_images, of_both):
    """Figures that are 0 in truth, of 3 seeds and 40 images; the figure is a mean over images."""
    random = np.random.default_rng(0)
    trials, held = 600, 0
    for _ in range(trials):
        seeds = random.normal(0, of_seeds, (3, 1))
        values = seeds + random.normal(0, of_images, (1, 40)) + random.normal(0, of_both, (3, 40))
        weights = random.multinomial(40, np.full(40, 1 / 40), size=200)
        found = estimate(values.mean(axis=1) / 100, values @ weights.T / 40 / 100, groups=40, least=-1)
        held += found.low <= 0 <= found.high
    assert held / trials > 0.93
