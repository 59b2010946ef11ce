"""The synthetic detectors by which intervals are judged: better ones score higher, and trials are counted."""

import numpy as np
import pytest

from benchmarks import coverage, scoring, slices
from benchmarks.detectors import Detector, World, detect, draw_images
from steelyard.scoring.average_precision import average_precision


def score(detector: Detector, world: World = coverage.ONE) -> float:
    """mAP50-95 on many images."""
    table = detect(np.random.default_rng(0), detector, draw_images(np.random.default_rng(1), world, 4000))
    return float(np.nanmean(average_precision(table)[0, :, 0]))


def test_a_better_detector_scores_higher() -> None:
    usual = score(Detector())
    assert score(Detector(skill=2.5)) > usual + 0.05
    assert score(Detector(sharpness=3.0)) > usual + 0.05
    assert score(Detector(false=6.0)) < usual - 0.05


def test_difficult_images_differ_more_where_they_are_unlike() -> None:
    alike, unlike = (draw_images(np.random.default_rng(0), World(spread=spread), 1000) for spread in (0.0, 2.0))
    assert alike.difficulty.std() == 0
    assert unlike.difficulty.std() == pytest.approx(2, abs=0.1)


# Fewer images and resamples than the benchmark takes: seconds instead of minutes.
def test_trials_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage, "TRUTH_IMAGES", 5000)
    monkeypatch.setattr(coverage, "RESAMPLES", 200)
    found = coverage.measure(coverage.SETTINGS[0], images=30, trials=25)
    assert found["held"] + found["below"] + found["above"] == pytest.approx(1)
    assert found["held"] > 0.7
    assert 0.05 < found["width"] < 0.5
    head, row = coverage.list_lines([{"setting": "a", "images": 30, **found}])
    assert len(head) == len(row)


def test_a_wrong_truth_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage, "TRUTH_IMAGES", 5000)
    monkeypatch.setattr(coverage, "RESAMPLES", 200)
    monkeypatch.setattr(coverage, "_subtract", lambda values: values[0] - 0.4 if np.ndim(values[0]) == 0 else values[0])
    found = coverage.measure(coverage.SETTINGS[0], images=60, trials=10)
    assert (found["held"], found["above"]) == (0, 1)


def test_the_large_split_is_as_large_as_cocos() -> None:
    truth, found = scoring.draw_split()
    assert len(truth) == len(found) == 5000
    assert 35_000 < sum(len(each) for each in truth) < 38_000
    assert {len(each) for each in found} == {100}


# A few trials: the benchmark takes hundreds.
def test_a_slice_of_far_harder_images_is_called_weak_and_one_of_its_like_is_not() -> None:
    found = slices.simulate(slices.Setting(images=120, slices=3, harder=3.0), trials=3)
    assert found == {"false": 0, "found": 1}
    assert slices.simulate(slices.Setting(images=120, slices=3, harder=0), trials=3)["found"] < 1
