"""Which figures become MLflow metrics, and at which confidence a version predicts."""

from steelyard.record.outputs import headline
from steelyard.scoring.scores import Scores, describe_operating_point, describe_too_few, show_map50_95
from tests.unit.records import SPLIT, make_record

BOUNDS = {"low": 0.1, "high": 0.2}
POINT = {"rule": "recall", "wanted": 0.9, "confidence": 0.3, "precision": 0.4, "recall": 0.5, "f1": 0.44}
WITH_INTERVALS = {**SPLIT, "mAP50-95": 0.15, "intervals": {"mAP50": BOUNDS, "mAP50-95": BOUNDS}, "images_needed": 20}


def test_figures_are_named_by_split_and_null_is_left_out() -> None:
    metrics = headline(make_record("c" * 40).scores)
    assert metrics["test/mAP50"] == 0.125
    assert metrics["val/ultralytics/recall"] == 0.25
    assert len(metrics) == 2 * 2 * 3


def test_intervals_calibration_and_the_operating_point_are_figures_too() -> None:
    split = {**WITH_INTERVALS, "calibration": {"error": 0.03}}
    metrics = headline(Scores.model_validate({"val": SPLIT, "test": split, "operating_point": POINT}))
    assert (metrics["test/mAP50-95/low"], metrics["test/mAP50-95/high"]) == (0.1, 0.2)
    assert metrics["test/calibration_error"] == 0.03
    assert metrics["confidence"] == 0.3
    assert "val/mAP50/low" not in metrics


def test_a_version_predicts_at_its_operating_point_or_as_it_was_set_before_there_was_one() -> None:
    record = make_record("c" * 40)
    before = record.model_copy(update={"params": {"register": {"confidence": 0.25}}})
    assert before.confidence() == 0.25
    scores = Scores.model_validate({"val": SPLIT, "test": SPLIT, "operating_point": POINT})
    assert before.model_copy(update={"scores": scores}).confidence() == 0.3


def test_scores_are_shown_with_their_interval() -> None:
    scores = Scores.model_validate({"val": SPLIT, "test": WITH_INTERVALS, "operating_point": POINT})
    assert show_map50_95(scores.val) == "none"
    assert show_map50_95(scores.test) == "0.150 (0.100 to 0.200?)"
    assert describe_too_few("val", scores.val) == []
    (sentence,) = describe_too_few("test", scores.test)
    assert sentence == "test: 1 images are too few for an interval that can be relied on; about 20 would do"


def test_a_recall_that_is_not_reached_is_said() -> None:
    scores = Scores.model_validate({"val": SPLIT, "test": SPLIT, "operating_point": POINT})
    assert scores.operating_point is not None
    sentence = describe_operating_point(scores.operating_point)
    assert sentence.endswith("on val; the recall of 0.9 that is wanted is not reached there")
    reached = scores.operating_point.model_copy(update={"recall": 0.95})
    assert describe_operating_point(reached).endswith("on val")
