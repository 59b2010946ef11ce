"""Curves of several seeds."""

import numpy as np
import pytest

from steelyard.study.curves import average_curves, find_epoch, find_target


def test_the_band_is_the_t_interval_of_the_mean():
    mean, low, high = average_curves([[0.1, 0.5], [0.2, 0.5], [0.3, 0.5, 0.9]])
    assert mean == pytest.approx([0.2, 0.5])
    reach = 4.302653 * 0.1 / np.sqrt(3)  # Student's t for 2 degrees of freedom
    assert high == pytest.approx([0.2 + reach, 0.5])
    assert low == pytest.approx([0, 0.5])  # no score is below 0


def test_a_single_seed_has_no_band():
    mean, low, high = average_curves([[0.1, 0.2]])
    assert (list(mean), low, high) == ([0.1, 0.2], None, None)


def test_the_target_is_a_share_of_the_best_mean():
    means = [np.array([0.1, 0.4, 0.3]), np.array([0.2, 0.2, 0.2])]
    assert find_target(means, 0.5) == pytest.approx(0.2)
    assert find_target([np.zeros(3)], 0.9) is None
    assert find_epoch([0.1, 0.4, 0.3], 0.2) == 2
    assert find_epoch([0.1, 0.2, 0.3], 0.2) == 2
    assert find_epoch([0.1, 0.1], 0.2) is None
