"""The weakest slice in what people read of a version: its page in MLflow, and what a run ends with."""

from rich.console import Console

from steelyard.record.registry import _describe
from steelyard.scoring.scores import Scores
from steelyard.summary import Summary
from tests.unit.records import SPLIT, make_record

FOG = {"mAP50": 0.2, "mAP50-95": 0.1, "images": 30, "boxes": 50, "intervals": {"mAP50-95": {"low": 0.05, "high": 0.15}}}
CLEAR = {**FOG, "mAP50-95": 0.3, "intervals": {"mAP50-95": {"low": 0.25, "high": 0.35}}}
WHOLE = {**SPLIT, "mAP50-95": 0.2, "images": 90}
SENTENCE = "test is weakest where site = [x]: mAP50-95 0.100 (0.050 to 0.150) on 30 images, 0.200 on all 90"


def make_scores(**slices: dict[str, object]) -> Scores:
    return Scores.model_validate({"val": SPLIT, "test": {**WHOLE, "slices": {"site": slices}}})


def make_summary(scores: Scores) -> Summary:
    return Summary(make_record("0" * 40), "champion", False, scores, {"finetune": False}, None, {}, {})


def show(summary: Summary) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(summary.table())
    return " ".join(capture.get().split())


def test_it_stands_on_the_page_of_the_version_and_at_the_end_of_a_run() -> None:
    weak = make_scores(**{"[x]": {**FOG, "weak": True}, "clear": CLEAR})
    escaped = r"site = \[x\]: mAP50-95 0.100 \(0.050 to 0.150\) on 30 images"
    assert escaped in _describe(make_record("0" * 40).model_copy(update={"scores": weak}))
    assert escaped in make_summary(weak).markdown()
    assert SENTENCE in show(make_summary(weak))


def test_nothing_is_said_where_no_slice_is_clearly_weak() -> None:
    fair = make_scores(clear=CLEAR)
    assert "weakest" not in _describe(make_record("0" * 40).model_copy(update={"scores": fair}))
    assert "weakest" not in make_summary(fair).markdown()
    assert "weakest" not in show(make_summary(fair))


def test_scores_from_before_there_were_slices_stay_as_they_were() -> None:
    before = make_record("0" * 40).scores
    assert "slices" not in before.model_dump_json(by_alias=True)
    assert Scores.model_validate_json(before.model_dump_json(by_alias=True)) == before
    after = make_scores(clear=CLEAR)
    assert Scores.model_validate_json(after.model_dump_json(by_alias=True)) == after
