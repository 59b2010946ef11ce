"""What a run says of itself when it has ended."""

import io

import pytest
from rich.console import Console

from steelyard.gate.verdict import Latency
from steelyard.summary import Summary
from tests.unit.gate.pairs import BAD, GOOD, draw_pair, weigh
from tests.unit.records import make_record


def make_summary(trained=False, registered=False, scores=None, role="champion", verdict=None):
    record = make_record("0" * 40)
    ran = {"fetch": False, "finetune": trained, "register": True}
    return Summary(record, role, registered, scores or record.scores, ran, verdict, {}, {})


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


def test_the_verdict_stands_beside_the_scores():
    latency = Latency(candidate_ms=12, champion_ms=10, ratio=1.2, low=1.1, high=1.3, images=40, device="cpu")
    verdict = weigh(*draw_pair(GOOD, BAD), latency=latency).model_copy(update={"uses": 3})
    summary = make_summary(verdict=verdict)
    figure = verdict.figures.overall["mAP50-95"]
    row = f"| mAP50-95 | {figure.candidate:.3f} | {figure.champion:.3f} | {figure.show()} | 60 |"
    assert row in summary.markdown()
    assert f"| verdict | {verdict.sentence()} |" in summary.markdown()
    assert r"| ms an image \(cpu\) | 12.0 | 10.0 | 1.20 times (1.10 to 1.30) | 40 |" in summary.markdown()
    assert "| ✓ | gain | mAP50-95 +" in summary.markdown()
    console = Console(record=True, width=120, file=io.StringIO())
    console.print(summary.table())
    text = " ".join(console.export_text().split())
    assert f"mAP50-95 {figure.candidate:.3f}, was {figure.champion:.3f}: {figure.show()}" in text
    # 1 - 0.95 ** 3
    assert "this test split has decided 3 times" in text
    assert "with up to 14%" in text


def test_of_a_random_start_no_parent_weights_are_named():
    summary = make_summary()
    record = summary.record
    assert "yolo11n, sha256:" in summary.markdown()
    assert record.base.source in summary.markdown()
    training = record.training.model_copy(update={"pretrained": False})
    random = Summary(record.model_copy(update={"training": training}), "", False, record.scores, {}, None, {}, {})
    assert "yolo11n, random" in random.markdown()
    assert record.base.source not in random.markdown()
