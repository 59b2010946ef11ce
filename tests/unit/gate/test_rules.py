from dataclasses import replace

import pytest

from benchmarks.detectors import World
from steelyard.gate.rules import Circumstances
from steelyard.gate.verdict import Latency
from steelyard.gate.weighing import compute_key, hash_split, weigh_first
from steelyard.scoring.scores import ClassScores, Interval
from tests.unit.gate.pairs import BAD, GOOD, OCCASION, RULES, SAME, draw_pair, drop_class, find, weigh

TWO = World((2.0, 2.0))


def rules(**values):
    return RULES.model_copy(update=values)


def test_a_better_one_is_promoted_and_every_rule_says_something():
    verdict = weigh(*draw_pair(GOOD, BAD))
    assert verdict.outcome == "promote"
    assert [finding.rule for finding in verdict.findings] == [
        "comparable", "unseen", "images", "gain", "loss", "calibration", "latency", "floor",
    ]  # fmt: skip
    assert "with 95 % confidence above least_gain = 0" in find(verdict, "gain").reason
    assert verdict.sentence().startswith("promote: ")
    overall = verdict.figures.overall["mAP50-95"]
    assert overall.gain > 0.1
    assert overall.low < overall.gain < overall.high


def test_a_worse_one_is_not():
    verdict = weigh(*draw_pair(BAD, GOOD))
    assert verdict.outcome == "keep"
    assert "with 95 % confidence not above least_gain" in find(verdict, "gain").reason


def test_two_of_a_kind_are_left_open_with_what_the_images_could_show():
    verdict = weigh(*draw_pair(GOOD, GOOD, seed=1))
    assert verdict.outcome == "undecided"
    smallest = verdict.figures.smallest_gain
    assert f"such images show gains from {smallest:.3f} on" in find(verdict, "gain").reason


def test_a_higher_point_alone_promotes_nothing():
    higher = []
    for seed in range(8):
        verdict = weigh(*draw_pair(GOOD, GOOD, seed=seed))
        gain = verdict.figures.overall["mAP50-95"]
        if gain.gain > 0 > gain.low and verdict.outcome != "promote":
            higher.append(seed)
            assert find(verdict, "gain").result == "open"
    assert len(higher) >= 2  # of eight equal pairs about four


def test_a_gain_must_be_as_large_as_asked():
    pair = draw_pair(GOOD, BAD)
    gain = weigh(*pair).figures.overall["mAP50-95"]
    assert weigh(*pair, rules(least_gain=round(gain.low - 0.01, 3))).outcome == "promote"
    assert weigh(*pair, rules(least_gain=round(gain.gain, 3))).outcome == "undecided"
    assert weigh(*pair, rules(least_gain=round(gain.high + 0.05, 3))).outcome == "keep"


def test_an_equal_one_may_pass_where_a_loss_is_allowed():
    assert weigh(*draw_pair(GOOD, GOOD, seed=1), rules(least_gain=-0.2)).outcome == "promote"


def test_the_champions_copy_is_named_whatever_the_number_of_images():
    for images in (5, 60):
        candidate, _ = draw_pair(GOOD, BAD, images=images)
        verdict = weigh(candidate, candidate)
        assert verdict.outcome == "keep"
        assert "the same weights in all but name" in verdict.sentence()


def test_a_broken_class_is_named_although_the_whole_gains():
    candidate, champion = draw_pair(replace(GOOD, skill=4, sharpness=4, false=0.1), BAD, world=World((2.0,) * 6))
    broken = drop_class(candidate, "3")
    assert weigh(candidate, champion).outcome == "promote"
    verdict = weigh(broken, champion)
    assert find(verdict, "gain").result == "passed"
    assert verdict.outcome == "keep"
    assert verdict.reasons() == [find(verdict, "loss").reason]
    assert "fell by more than most_loss = 0.05: 3 -0." in verdict.sentence()
    assert weigh(broken, champion, rules(most_loss=1.0)).outcome == "promote"


def test_a_class_on_too_few_images_is_said_not_judged():
    candidate, champion = draw_pair(GOOD, BAD, world=World((2.0, 0.05)))
    verdict = weigh(drop_class(candidate, "1"), champion)
    assert "on too few images to be told: 1" in find(verdict, "loss").reason
    assert verdict.figures.classes["1"].too_few


def test_too_few_images_leave_it_open_however_large_the_gain():
    verdict = weigh(*draw_pair(GOOD, BAD, images=15))
    assert verdict.outcome == "undecided"
    assert verdict.reasons() == ["15 test images are too few for an interval that can be relied on; 20 would do"]
    assert find(verdict, "gain").result == "not applied"
    groups = {str(number): str(number // 3) for number in range(45)}
    verdict = weigh(*draw_pair(GOOD, BAD, images=45), groups=groups)
    assert verdict.reasons()[0].startswith("15 test groups of images are too few")


def test_confidences_that_lie_more_are_refused():
    candidate, champion = draw_pair(GOOD, BAD, images=200)
    liar = replace(candidate, confidence=candidate.confidence**0.1)
    verdict = weigh(liar, champion)
    assert find(verdict, "calibration").result == "broken"
    assert verdict.outcome == "keep"
    assert weigh(liar, champion, rules(most_calibration_rise=1.0)).outcome == "promote"
    assert find(weigh(liar, champion, rules(most_calibration_rise=1.0)), "calibration").result == "not applied"


@pytest.mark.parametrize(("ratio", "result"), [(1.1, "passed"), (1.9, "broken")])
def test_time_is_a_budget(ratio, result):
    latency = Latency(
        candidate_ms=10 * ratio, champion_ms=10, ratio=ratio, low=ratio - 0.1, high=ratio + 0.1, images=40, device="cpu"
    )
    verdict = weigh(*draw_pair(GOOD, BAD), rules(most_slowdown=1.5), latency=latency)
    assert find(verdict, "latency").result == result
    assert verdict.outcome == ("promote" if result == "passed" else "keep")
    assert verdict.figures.latency == latency


def test_what_was_not_measured_is_said():
    verdict = weigh(*draw_pair(GOOD, BAD))
    assert find(verdict, "latency").result == "not applied"
    assert "most_slowdown = 0: not measured" in find(verdict, "latency").reason
    assert find(verdict, "floor").result == "not applied"


def test_other_classes_are_only_weighed_where_the_user_agrees():
    candidate, champion = draw_pair(GOOD, BAD, world=TWO)
    there = replace(SAME, classes=("0", "1"), champion_classes=("0", "x"), test_images=60)
    verdict = weigh(candidate, champion, circumstances=there)
    assert verdict.outcome == "undecided"
    assert verdict.figures is None
    assert verdict.reasons() == [
        "v1 knows other classes (0, x) than v2 (0, 1); register.gate.accept: [classes] weighs on those that both know"
    ]
    verdict = weigh(candidate, champion, rules(accept=("classes",)), there)
    assert verdict.outcome == "promote"
    assert list(verdict.figures.classes) == ["0"]
    assert "weighed on those that both know (0)" in find(verdict, "comparable").reason
    strangers = replace(there, champion_classes=("x", "y"))
    verdict = weigh(candidate, champion, rules(accept=("classes",)), strangers)
    assert verdict.outcome == "undecided"
    assert "would not help, since they share none" in verdict.sentence()


def test_swapped_class_names_are_named():
    candidate, champion = draw_pair(GOOD, BAD, world=TWO)
    there = replace(SAME, classes=("0", "1"), champion_classes=("1", "0"))
    verdict = weigh(candidate, champion, circumstances=there)
    assert verdict.outcome == "undecided"
    assert "v1 knows the same classes in another order (1, 0) than v2 (0, 1)" in verdict.sentence()


def test_another_test_split_is_only_weighed_where_the_user_agrees():
    pair, there = draw_pair(GOOD, BAD), replace(SAME, other_test="3 images are new")
    verdict = weigh(*pair, circumstances=there)
    assert (verdict.outcome, verdict.figures) == ("undecided", None)
    assert "the test split is not that of v1: 3 images are new; register.gate.accept: [test]" in verdict.sentence()
    assert weigh(*pair, rules(accept=("test",)), there).outcome == "promote"


def test_weights_that_trained_on_test_images_are_not_weighed():
    pair, there = draw_pair(GOOD, BAD), replace(SAME, seen={"v2": ["0", "1", "2"]})
    verdict = weigh(*pair, circumstances=there)
    assert (verdict.outcome, verdict.figures) == ("undecided", None)
    assert "v2 trained on 3 of the 60 test images (0, 1, ...)" in verdict.sentence()
    verdict = weigh(*pair, rules(accept=("seen",)), there)
    assert verdict.outcome == "promote"
    assert verdict.figures.images == 57
    everything = replace(SAME, seen={"v2": pair[0].images})
    assert weigh(*pair, rules(accept=("seen",)), everything).outcome == "undecided"
    unknown = replace(SAME, seen={"v1": None})
    verdict = weigh(*pair, rules(accept=("seen",)), unknown)
    assert verdict.outcome == "undecided"
    assert "what v1 trained on is neither in DVC's cache nor in its remote" in verdict.sentence()


def test_an_obstacle_is_the_reason():
    there = Circumstances("v2", "v1", obstacle="the champion cannot be weighed: it is gone")
    verdict = weigh(*draw_pair(GOOD, BAD), circumstances=there)
    assert verdict.reasons() == ["the champion cannot be weighed: it is gone"]


def scores(map50_95, low=None, high=None):
    bounds = {} if low is None else {"mAP50-95": Interval(low=low, high=high)}
    return ClassScores(precision=0.5, recall=0.5, map50=0.5, map50_95=map50_95, images=50, boxes=50, intervals=bounds)


@pytest.mark.parametrize(
    ("test", "outcome", "words"),
    [
        (scores(0.3, 0.2, 0.4), "promote", "first version, there was nothing to compare with; mAP50-95 0.300"),
        (scores(0.12, 0.08, 0.16), "undecided", "is not told apart from floor = 0.1"),
        (scores(0.05, 0.02, 0.08), "keep", "is below floor = 0.1"),
        (scores(1.0), "promote", "mAP50-95 1.000 is not below"),
        (scores(None), "keep", "the test split holds no box"),
    ],
)
def test_a_first_version_must_reach_the_floor(test, outcome, words):
    verdict = weigh_first(test, Circumstances("v1", ""), RULES, OCCASION)
    assert verdict.outcome == outcome
    assert words in verdict.sentence()
    assert find(verdict, "gain").reason == "there is no champion to compare with"


def test_where_a_person_withdrew_the_champion_a_person_decides():
    verdict = weigh_first(scores(0.9), Circumstances("v2", "", obstacle="v1 was withdrawn"), RULES, OCCASION)
    assert verdict.outcome == "undecided"
    assert verdict.reasons() == ["v1 was withdrawn"]


def test_a_verdict_is_a_pure_function_that_json_keeps():
    one, two = (weigh(*draw_pair(GOOD, BAD)) for _ in range(2))
    assert one == two
    assert type(one).model_validate_json(one.model_dump_json()) == one


def test_keys_tell_apart_what_is_weighed():
    keys = {
        compute_key("a", "b", "t", RULES), compute_key("b", "a", "t", RULES), compute_key("a", "b", "u", RULES),
        compute_key("a", "b", "t", rules(least_gain=0.1)), compute_key("a", "", "t", RULES),
    }  # fmt: skip
    assert len(keys) == 5
    assert compute_key("a", "b", "t", RULES) in keys
    assert hash_split([("a", "1", "2"), ("b", "3", "4")]) == hash_split([("b", "3", "4"), ("a", "1", "2")])
    assert hash_split([("a", "1", "2")]) != hash_split([("a", "1", "3")])
