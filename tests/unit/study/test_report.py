"""What a study finds: every figure is one of its members' curves and detections."""

from dataclasses import replace
from io import StringIO

import pytest

from steelyard.study.files import list_figures, write_report
from steelyard.study.report import Report, weigh
from steelyard.study.table import describe_settings, draw_markdown, draw_table, list_rows
from steelyard.study.verdict import judge, list_doubts
from tests.conftest import ROOT
from tests.unit.study.outcomes import RANDOM, TUNED, break_detections, make_outcome, make_sample

SLOW, FAST = (0.0, 0.02, 0.1), (0.2, 0.35, 0.4)


def make_report(outcomes, settings=None, split="test", common=None):
    settings = settings or {"random": RANDOM, "tuned": TUNED}
    return weigh("key", "c" * 40, split, 0.9, settings, outcomes, common or {})


def make_outcomes(low=0.3, high=0.8, seeds=(0, 1, 2)):
    return [
        *(make_outcome("random", seed, low, SLOW) for seed in seeds),
        *(make_outcome("tuned", seed, high, FAST, epoch_seconds=(1.0, 2.0, 3.0)) for seed in seeds),
    ]


def test_transfer_pays():
    report = make_report(make_outcomes())
    random, tuned = report.arms
    moved = report.difference("tuned", "random")
    assert moved.value == pytest.approx(tuned.score.value - random.score.value, abs=2e-6)
    assert 0 < moved.low < moved.value < moved.high
    assert judge(report) == (
        f"transfer pays: tuned gives {moved.value:+.3f} ({moved.low:+.3f} to {moved.high:+.3f}) over random in "
        "mAP50-95 on test (3 seeds, 30 images)"
    )
    assert list_doubts(report) == []


def test_transfer_does_not_pay():
    alike = make_report(make_outcomes(0.5, 0.5))
    assert judge(alike).startswith("transfer does not pay: tuned gives ")
    assert judge(alike).endswith("; the interval holds 0")
    worse = make_report(make_outcomes(0.8, 0.3))
    assert judge(worse).startswith("transfer does not pay: tuned gives -0.")
    assert "holds 0" not in judge(worse)


def test_other_arms_are_not_about_transfer():
    settings = {"random": {}, "tuned": {"finetune": {"nbs": 64}}}
    assert judge(make_report(make_outcomes(), settings)).startswith("tuned is better than random: tuned gives +0.")
    assert judge(make_report(make_outcomes(0.8, 0.3), settings)).startswith("no arm is better than random: the best")
    assert judge(make_report(make_outcomes(0.5, 0.5), settings)).startswith("no arm is surely better than random: ")


def test_the_best_arm_is_chosen_on_val():
    lucky, good = make_sample(0.95, 1), make_sample(0.6, 1)
    outcomes = [
        *(make_outcome("random", seed, 0.3, SLOW) for seed in (0, 1)),
        *(make_outcome("lucky on test", seed, val=make_sample(0.4, seed), final=lucky) for seed in (0, 1)),
        *(make_outcome("good on val", seed, val=make_sample(0.9, seed), final=good) for seed in (0, 1)),
    ]
    settings = {"random": RANDOM, "lucky on test": TUNED, "good on val": {}}
    assert "good on val gives" in judge(make_report(outcomes, settings))
    on_val = [replace(outcome, final=outcome.val) for outcome in outcomes]
    assert "the best of several on these very images" in judge(make_report(on_val, settings, "val"))


def test_epochs_and_seconds_to_the_target():
    report = make_report(make_outcomes())
    assert report.target == pytest.approx(0.36)
    assert {seed.epochs_to_target for seed in report.arm("random").seeds} == {None}
    assert {(s.epochs_to_target, s.seconds_to_target) for s in report.arm("tuned").seeds} == {(3, 6.0)}
    assert report.arm("tuned").curve.seconds == (1.0, 3.0, 6.0)
    rows = dict(zip(("random", "tuned"), list_rows(report), strict=True))
    assert rows["random"][-3:] == ["not reached", "not reached", "6 (6 to 6)"]
    assert rows["tuned"][-3:] == ["3 (3 to 3)", "6 (6 to 6)", "6 (6 to 6)"]


def test_nothing_was_learned():
    report = make_report([make_outcome(arm, seed, 0.0, (0.0, 0.0)) for arm in ("random", "tuned") for seed in (0, 1)])
    assert report.target is None
    assert "no target" in draw_markdown(report)


def test_broken_weights_of_one_member_move_the_table():
    outcomes = make_outcomes()
    whole = make_report(outcomes)
    broken = make_report([*outcomes[:-1], break_detections(outcomes[-1])])
    assert broken.arm("random") == whole.arm("random")
    assert broken.arm("tuned").score.by_seed == (*whole.arm("tuned").score.by_seed[:2], 0.0)
    assert broken.difference("tuned", "random").value < whole.difference("tuned", "random").value - 0.1
    assert broken.difference("tuned", "random").seeds_error > whole.difference("tuned", "random").seeds_error
    assert list_rows(broken)[1] != list_rows(whole)[1]


def test_another_curve_moves_the_curve():
    outcomes = make_outcomes()
    report = make_report([*outcomes[:-1], replace(outcomes[-1], curve=(0.2, 0.35, 0.1))])
    assert report.arm("tuned").curve.mean[2] == pytest.approx((0.4 + 0.4 + 0.1) / 3, abs=1e-6)


def test_pairing_on_the_same_images_makes_the_difference_surer():
    """Weights of both arms fail on the same images: the difference knows more than the two figures."""
    shared = [make_sample(0.5, seed=7) for _ in range(2)]
    alike = [make_outcome(arm, seed, final=shared[seed]) for arm in ("random", "tuned") for seed in (0, 1)]
    moved = make_report(alike).difference("tuned", "random")
    assert (moved.value, moved.low, moved.images_error) == (0.0, None, 0.0)
    assert make_report(alike).arm("tuned").score.images_error > 0.01


def test_other_images_are_not_compared():
    outcomes = make_outcomes()
    elsewhere = [
        replace(outcome, final=make_sample(0.8, 1, fingerprint="other")) if outcome.arm == "tuned" else outcome
        for outcome in outcomes
    ]
    report = make_report(elsewhere)
    assert report.differences == ()
    assert judge(report).startswith("nothing can be said: tuned and random cannot be compared on test, since their im")
    assert "scored on other images than random, so not compared: tuned" in list_doubts(report)
    assert list_rows(report)[1][3] == "other images"


def test_doubts():
    single = make_report(make_outcomes(seeds=(0,)))
    assert any(doubt.startswith("a single seed") for doubt in list_doubts(single))
    few = [
        make_outcome(arm, seed, final=make_sample(0.5, seed, images=5))
        for arm in ("random", "tuned")
        for seed in (0, 1)
    ]
    assert any("5 images (or groups of them) are few" in doubt for doubt in list_doubts(make_report(few)))
    outcomes = make_outcomes()
    training = outcomes[0].training.model_copy(update={"cpu": "another", "resumed_at": (3,)})
    doubts = list_doubts(make_report([replace(outcomes[0], training=training), *outcomes[1:]]))
    assert [doubt.split(":")[0] for doubt in doubts] == [
        "seconds of different machines",
        "some trainings were killed and went on",
    ]


def test_the_files(tmp_path):
    report = make_report(make_outcomes())
    json, markdown, picture = write_report(report, tmp_path / "studies/x")
    assert Report.model_validate_json(json.read_bytes()) == report
    assert judge(report) in markdown.read_text()
    assert picture.read_bytes().startswith(b"\x89PNG")
    first = picture.read_bytes()
    write_report(report, tmp_path / "studies/x")
    assert picture.read_bytes() == first
    write_report(make_report(make_outcomes(0.4)), tmp_path / "studies/x")
    assert picture.read_bytes() != first
    assert len(list((tmp_path / "studies/x").iterdir())) == 3


def test_the_terminal_shows_every_row():
    from rich.console import Console

    report = make_report(make_outcomes())
    console = Console(width=200, file=StringIO())
    console.print(draw_table(report))
    text = console.file.getvalue()
    assert all(part in text for row in list_rows(report) for cell in row for part in cell.split(" ("))


def test_figures_for_mlflow():
    report = make_report(make_outcomes())
    figures = list_figures(report)
    assert figures["val curve/tuned"] == list(FAST)
    assert figures["test/random"] == [report.arm("random").score.value]
    assert figures["over random/tuned/low"] == [report.difference("tuned", "random").low]


def test_settings_of_all_arms_are_said():
    report = make_report(make_outcomes(), common={"finetune": {"epochs": 3}})
    assert "all arms with finetune.epochs=3; seeds 0 to 2" in draw_markdown(report)
    assert "all arms" not in draw_markdown(make_report(make_outcomes()))


def test_settings_are_shown_as_they_are_typed():
    settings = {"finetune": {"pretrained": False, "freeze": 0}, "fetch": {"split": {"seed": 4}}}
    assert describe_settings(settings) == "finetune.pretrained=false finetune.freeze=0 fetch.split.seed=4"


def test_the_page_shows_the_report_that_lies_beside_it():
    report = Report.model_validate_json((ROOT / "docs/gain-transfer.json").read_bytes())
    page = (ROOT / "docs/gain.md").read_text()
    shown = page.partition("<!-- report -->\n")[2].partition("<!-- /report -->")[0]
    assert shown == draw_markdown(report)
    moved = report.difference("all layers free", "backbone frozen")
    assert f"{moved.value:.3f} ({moved.low:.3f} to {moved.high:.3f}) higher than with the backbone frozen" in page
    seconds = [seed.seconds[-1] for seed in report.arm("random start").seeds]
    assert f"20 epochs took from {min(seconds):.0f} to {max(seconds):.0f} s" in page
