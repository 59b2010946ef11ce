"""What a run says of itself when it has ended."""

import pytest

from steelyard.summary import Summary
from tests.unit.records import make_record


def make_summary(trained=False, registered=False, scores=None, role="champion"):
    record = make_record("0" * 40)
    ran = {"fetch": False, "finetune": trained, "register": True}
    return Summary(record, role, registered, scores or record.scores, ran, {}, {})


@pytest.mark.parametrize(
    ("trained", "registered", "says"),
    [
        (True, True, "trained and registered: trees@v1.0.0"),
        (False, True, "trained nothing and registered: trees@v1.0.0"),
        (True, False, "trained to the same weights again: trees@v1.0.0"),
        (False, False, "trained nothing: the data, the parent weights and the settings are those of trees@v1.0.0"),
    ],
)
def test_the_headline_says_what_this_run_did(trained, registered, says):
    assert make_summary(trained, registered).headline() == says


def test_scores_are_those_of_this_run_and_the_records_stand_beside_them():
    old = make_record("0" * 40).scores
    new = old.model_copy(update={"test": old.test.model_copy(update={"map50": 0.75})})
    assert make_summary().score_rows() == [
        ("test", "0.125", "none", "0.500", "0.250"),
        ("val", "0.125", "none", "0.500", "0.250"),
    ]
    summary = make_summary(scores=new)
    assert summary.headline() == "trained nothing, scored anew: trees@v1.0.0"
    rows = {split: map50 for split, map50, *_ in summary.score_rows()}
    assert rows == {"test": "0.750", "val": "0.125", "test, as v1": "0.125", "val, as v1": "0.125"}
    assert "| test, as v1 | 0.125 |" in summary.markdown()
