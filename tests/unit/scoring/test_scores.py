import json
from pathlib import Path

import pytest

from steelyard.errors import DatasetError
from steelyard.scoring.scores import ClassScores, Rates, Scores, SplitScores, read_scores, write_scores

NULL = Rates(precision=None, recall=None, map50=None, map50_95=None)
SPLIT = SplitScores(
    precision=0.123456789,
    recall=1,
    map50=0.5,
    map50_95=0.25,
    images=2,
    boxes=3,
    classes={
        "cat": ClassScores(precision=1, recall=1, map50=1, map50_95=1, images=1, boxes=3),
        "dog": ClassScores(**dict(NULL), images=0, boxes=0),
    },
    ultralytics=NULL,
)


def test_scores_are_written_under_the_names_of_the_field_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    write_scores(Scores(val=SPLIT, test=SPLIT), path)
    values = json.loads(path.read_text())
    assert list(values) == ["val", "test"]
    assert list(values["test"]) == [
        *["precision", "recall", "mAP50", "mAP50-95", "images", "boxes", "classes", "ultralytics"]
    ]
    assert values["val"]["precision"] == 0.123457
    assert values["val"]["classes"]["dog"]["mAP50"] is None
    assert read_scores(path) == Scores(val=SPLIT, test=SPLIT)


@pytest.mark.parametrize(
    ("key", "value"), [("mAP50", 1.5), ("mAP50", -1), ("mAP50", float("nan")), ("images", -1), ("more", 1)]
)
def test_scores_that_cannot_be_are_refused(tmp_path: Path, key: str, value: float) -> None:
    path = tmp_path / "scores.json"
    write_scores(Scores(val=SPLIT, test=SPLIT), path)
    values = json.loads(path.read_text())
    values["val"][key] = value
    path.write_text(json.dumps(values))
    with pytest.raises(DatasetError, match=f"scores.json: val.{key}: .*dvc repro -f validate"):
        read_scores(path)


def test_missing_scores_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="run the stage validate first"):
        read_scores(tmp_path / "scores.json")
