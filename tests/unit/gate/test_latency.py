import numpy as np
import pytest

from steelyard.gate.latency import summarise, time_in_turns


def test_who_goes_first_changes_from_picture_to_picture():
    calls = []
    time_in_turns(lambda which, number: calls.append((which, number)) or 1.0, 4)
    assert calls == [(1, 0), (0, 0), (0, 1), (1, 1), (1, 2), (0, 2), (0, 3), (1, 3)]


def test_a_ratio_is_that_of_the_pictures_whatever_the_machine_does():
    random = np.random.default_rng(0)
    busy = random.lognormal(0, 1, (40, 1))  # both meet it
    latency = summarise(busy * [[0.02, 0.01]] * random.normal(1, 0.01, (40, 2)), "cpu")
    assert latency.ratio == pytest.approx(2, abs=0.02)
    assert latency.low < 2 < latency.high
    assert latency.high - latency.low < 0.05
    assert (latency.images, latency.device) == (40, "cpu")
