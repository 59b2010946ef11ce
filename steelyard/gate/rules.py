"""The rules of the gate: a pure function of a comparison, of what is known beside it, and of ``params.yaml``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from steelyard.gate.comparison import Comparison
from steelyard.gate.swaps import MOST_LUCK
from steelyard.gate.verdict import Finding, Latency, Result, Rule
from steelyard.scoring.bootstrap import find_broken
from steelyard.scoring.match_table import AREAS
from steelyard.scoring.scores import ClassScores
from steelyard.sections import GateParams

PAIR_RULES: tuple[Rule, ...] = ("images", "gain", "loss", "calibration", "latency")
FLOOR = Finding(rule="floor", result="not applied", reason="there is a champion to compare with")


@dataclass(frozen=True)
class Circumstances:
    """What is known beside the detections.

    Attributes:
        candidate: what people call it, such as v3.
        champion: the same; empty where there is none.
        obstacle: why nothing can be weighed (missing bytes, a withdrawn champion), as a sentence; else empty.
        classes: of the candidate.
        champion_classes: of the champion.
        other_test: how the champion's test split differs from the one of now, as a phrase; empty: not at all.
        test_images: of the test split of now.
        seen: by name (of candidate and champion, where they trained on test images), which; None: nobody can say.
    """

    candidate: str
    champion: str
    obstacle: str = ""
    classes: tuple[str, ...] = ()
    champion_classes: tuple[str, ...] = ()
    other_test: str = ""
    test_images: int = 0
    seen: Mapping[str, Sequence[str] | None] = field(default_factory=dict)


def share_classes(circumstances: Circumstances) -> tuple[str, ...]:
    """Classes that both know, in the candidate's order."""
    return tuple(name for name in circumstances.classes if name in circumstances.champion_classes)


def check_comparable(circumstances: Circumstances, rules: GateParams) -> tuple[Finding, Finding]:
    """Whether both can be weighed on the test split of now: rules ``comparable`` and ``unseen``."""
    return _check_same_data(circumstances, rules), _check_unseen(circumstances, rules)


def judge_first(test: ClassScores, circumstances: Circumstances, rules: GateParams) -> tuple[Finding, ...]:
    """Judge a version that there is no champion for: only the floor applies.

    Args:
        test: its scores on test.
        circumstances: an obstacle leaves it open.
        rules: of params.yaml.
    """
    if circumstances.obstacle:
        comparable = Finding(rule="comparable", result="open", reason=circumstances.obstacle)
    else:
        comparable = Finding(rule="comparable", result="not applied", reason="there is no champion to compare with")
    names: tuple[Rule, ...] = ("unseen", *PAIR_RULES)
    rest = (Finding(rule=name, result="not applied", reason="there is no champion to compare with") for name in names)
    return (comparable, *rest, _check_floor(test, rules))


def judge_pair(
    comparison: Comparison | None,
    latency: Latency | None,
    checked: tuple[Finding, Finding],
    circumstances: Circumstances,
    rules: GateParams,
) -> tuple[Finding, ...]:
    """Judge a version by its comparison with the champion.

    Args:
        comparison: None where ``checked`` forbids one.
        latency: None where it was not measured.
        checked: by :func:`check_comparable`.
        circumstances: names.
        rules: of params.yaml.

    Returns:
        One finding for each rule.
    """
    if comparison is None:
        reason = "the two were not weighed"
        return (*checked, *(Finding(rule=name, result="not applied", reason=reason) for name in PAIR_RULES), FLOOR)
    images = _check_images(comparison)
    findings = [_check_gain(comparison, rules), _check_loss(comparison, rules), _check_calibration(comparison, rules)]
    if images.result == "open" and not comparison.is_same:
        untold = {"result": "not applied"}
        findings = [each.model_copy(update={**untold, "reason": f"too few images: {each.reason}"}) for each in findings]
    return (*checked, images, *findings, _check_latency(latency, rules), FLOOR)


def _check_same_data(circumstances: Circumstances, rules: GateParams) -> Finding:
    def say(result: Result, reason: str) -> Finding:
        return Finding(rule="comparable", result=result, reason=reason)

    champion, shared = circumstances.champion, share_classes(circumstances)
    if circumstances.obstacle:
        return say("open", circumstances.obstacle)
    agreed, refused = [], []
    if circumstances.classes != circumstances.champion_classes:
        ours, theirs = ", ".join(circumstances.classes), ", ".join(circumstances.champion_classes)
        is_order = sorted(circumstances.classes) == sorted(circumstances.champion_classes)
        how = "the same classes in another order" if is_order else "other classes"
        sentence = f"{champion} knows {how} ({theirs}) than {circumstances.candidate} ({ours})"
        if "classes" not in rules.accept or not shared:
            can = "weighs on those that both know" if shared else "would not help, since they share none"
            refused.append(f"{sentence}; register.gate.accept: [classes] {can}")
        else:
            agreed.append(
                f"{sentence}, weighed on those that both know ({', '.join(shared)}), as agreed in params.yaml"
            )
    if circumstances.other_test:
        sentence = f"the test split is not that of {champion}: {circumstances.other_test}"
        if "test" not in rules.accept:
            refused.append(f"{sentence}; register.gate.accept: [test] weighs both on the one of now")
        else:
            agreed.append(f"{sentence}, weighed on the one of now, as agreed in params.yaml")
    if refused:
        return say("open", "; ".join(refused))
    return say("passed", "; ".join(agreed) or f"the classes and the test split are those of {champion}")


def _check_unseen(circumstances: Circumstances, rules: GateParams) -> Finding:
    def say(result: Result, reason: str) -> Finding:
        return Finding(rule="unseen", result=result, reason=reason)

    phrases = [
        f"what {who} trained on is neither in DVC's cache nor in its remote (dvc pull --all-tags)"
        if images is None
        else f"{who} trained on {len(images)} of the {circumstances.test_images} test images "
        f"({', '.join(list(images)[:2])}{', ...' if len(images) > 2 else ''})"
        for who, images in circumstances.seen.items()
    ]
    if not phrases:
        return say("passed", "neither trained on an image of the test split, as far as the ledger knows")
    known = {image for images in circumstances.seen.values() for image in images or ()}
    can_leave_out = all(images is not None for images in circumstances.seen.values())
    can_leave_out = can_leave_out and len(known) < circumstances.test_images
    if can_leave_out and "seen" in rules.accept:
        return say("passed", f"{'; '.join(phrases)}; weighed on the others, as agreed in params.yaml")
    advice = "; register.gate.accept: [seen] weighs on the others" if can_leave_out else ""
    return say("open", "; ".join(phrases) + advice)


def _check_images(comparison: Comparison) -> Finding:
    what = "groups of images" if comparison.is_grouped else "images"
    least = int(comparison.needed[0])
    if comparison.groups < least:
        reason = f"{comparison.groups} test {what} are too few for an interval that can be relied on; {least} would do"
        return Finding(rule="images", result="open", reason=reason)
    return Finding(rule="images", result="passed", reason=f"{comparison.groups} test {what}")


def _check_gain(comparison: Comparison, rules: GateParams) -> Finding:
    place = comparison.names.index("mAP50-95")
    above, below = comparison.bounds_one_sided[place]
    shown, limit = _show(comparison, place), f"least_gain = {rules.least_gain:g}"
    if comparison.is_same:
        reason = "both find just the same, with the same confidences: the same weights in all but name"
        return Finding(rule="gain", result="broken", reason=reason)
    if np.isnan(comparison.candidate[place]):
        return Finding(rule="gain", result="open", reason="the test images hold no box, so there is nothing to weigh")
    # Who asks for more than equality, or for less, asks another question than whether both are equally good.
    may_be_luck = rules.least_gain >= 0 and comparison.p_values[0] > MOST_LUCK
    may_be_bad_luck = rules.least_gain <= 0 and comparison.p_values[1] > MOST_LUCK
    if above > rules.least_gain and not may_be_luck:
        reason = f"mAP50-95 {shown}, with 95 % confidence above {limit}"
        return Finding(rule="gain", result="passed", reason=reason)
    if below <= rules.least_gain and not may_be_bad_luck:
        reason = f"mAP50-95 {shown}, with 95 % confidence not above {limit}"
        return Finding(rule="gain", result="broken", reason=reason)
    if above > rules.least_gain or below <= rules.least_gain:
        share = comparison.p_values[0 if above > rules.least_gain else 1]
        reason = (
            f"mAP50-95 {shown} may be luck: two equally good models are as far apart on such images in "
            f"{share:.1%} of cases, and {MOST_LUCK:.1%} is the most"
        )
        return Finding(rule="gain", result="open", reason=reason)
    smallest = comparison.find_smallest_gain()
    sees = f"; such images show gains from {rules.least_gain + smallest:.3f} on" if smallest else ""
    return Finding(rule="gain", result="open", reason=f"mAP50-95 {shown} is not told apart from {limit}{sees}")


def _check_loss(comparison: Comparison, rules: GateParams) -> Finding:
    def say(result: Result, reason: str) -> Finding:
        return Finding(rule="loss", result=result, reason=reason)

    if rules.most_loss >= 1:
        return say("not applied", "register.gate.most_loss = 1 bears any loss in a class or a size")
    first = comparison.names.index(list(AREAS)[1])
    parts = [place for place in range(first, len(comparison.names) - 1) if not np.isnan(comparison.candidate[place])]
    chosen = [place for place in parts if comparison.images[place] >= comparison.needed[place]]
    left = [comparison.names[place] for place in parts if place not in chosen]
    untold = f"; on too few images to be told: {', '.join(left)}" if left else ""
    if not chosen:
        return say("not applied", f"no class and no size of boxes is on enough images{untold}")
    falls = find_broken(comparison.find_p_values(-rules.most_loss, chosen))
    broken = [place for place, does in zip(chosen, falls, strict=True) if does]
    if broken:
        losses = ", ".join(f"{_name(comparison, place)} {_show(comparison, place)}" for place in broken)
        return say("broken", f"fell by more than most_loss = {rules.most_loss:g}: {losses}{untold}")
    kept = "no class and no size of boxes falls, with 95 % confidence in all of them,"
    return say("passed", f"{kept} by more than most_loss = {rules.most_loss:g}{untold}")


def _check_calibration(comparison: Comparison, rules: GateParams) -> Finding:
    def say(result: Result, reason: str) -> Finding:
        return Finding(rule="calibration", result=result, reason=reason)

    place = len(comparison.names) - 1
    limit = f"most_calibration_rise = {rules.most_calibration_rise:g}"
    if rules.most_calibration_rise >= 1:
        return say("not applied", "register.gate.most_calibration_rise = 1 bears any")
    if np.isnan(comparison.candidate[place] - comparison.champion[place]):
        return say("not applied", "one of them has no detection that is confident enough to judge its confidences")
    shown = f"the calibration error changes by {_show(comparison, place)}"
    if comparison.bounds_one_sided[place, 0] > rules.most_calibration_rise:
        return say("broken", f"{shown}, with 95 % confidence more than {limit}")
    return say("passed", f"{shown}, which may be at most {limit}")


def _check_latency(latency: Latency | None, rules: GateParams) -> Finding:
    def say(result: Result, reason: str) -> Finding:
        return Finding(rule="latency", result=result, reason=reason)

    if latency is None:
        return say("not applied", "register.gate.most_slowdown = 0: not measured")
    shown = (
        f"{latency.candidate_ms:.1f} ms an image beside {latency.champion_ms:.1f} ms on {latency.device}, "
        f"{latency.ratio:.2f} times ({latency.low:.2f} to {latency.high:.2f})"
    )
    if latency.low > rules.most_slowdown:
        return say("broken", f"{shown}, more than most_slowdown = {rules.most_slowdown:g}")
    return say("passed", f"{shown}; most_slowdown = {rules.most_slowdown:g}")


def _check_floor(test: ClassScores, rules: GateParams) -> Finding:
    bounds = test.intervals.get("mAP50-95")
    if test.map50_95 is None:
        return Finding(rule="floor", result="broken", reason="the test split holds no box, so there is no mAP50-95")
    low = bounds.low if bounds else test.map50_95
    shown = f"mAP50-95 {test.map50_95:.3f}" + (f" ({bounds.low:.3f} to {bounds.high:.3f})" if bounds else "")
    if low >= rules.floor:
        reason = f"first version, there was nothing to compare with; {shown} is not below floor = {rules.floor:g}"
        return Finding(rule="floor", result="passed", reason=reason)
    if test.map50_95 >= rules.floor:
        return Finding(rule="floor", result="open", reason=f"{shown} is not told apart from floor = {rules.floor:g}")
    return Finding(rule="floor", result="broken", reason=f"{shown} is below floor = {rules.floor:g}")


def _name(comparison: Comparison, place: int) -> str:
    name = comparison.names[place]
    return f"{name} boxes" if place < comparison.names.index(list(AREAS)[-1]) + 1 else name


def _show(comparison: Comparison, place: int) -> str:
    low, high = comparison.bounds[place]
    gain = comparison.candidate[place] - comparison.champion[place]
    return f"{gain:+.3f}" + ("" if np.isnan(low) else f" ({low:+.3f} to {high:+.3f})")
