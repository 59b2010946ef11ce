"""A verdict as people read it: a table of both, and what each rule says."""

from collections.abc import Iterator

from steelyard.gate.verdict import Difference, Verdict
from steelyard.markdown import escape_markdown
from steelyard.scoring.scores import show_score

HEAD = ("figure", "candidate", "champion", "difference (95 % interval)", "images")
MARKS = {"passed": "✓", "broken": "✗", "open": "?", "not applied": "-"}
MOST_CLASSES = 12  # those that changed most


def list_figures(verdict: Verdict) -> list[tuple[str, ...]]:
    """Figure, candidate, champion, difference, images: a row each; none where nothing was weighed.

    Of many classes only the 12 that changed most are shown; verdict.json has them all.
    """
    return list(_walk(verdict))


def list_findings(verdict: Verdict) -> list[tuple[str, ...]]:
    """Mark, rule, what it says."""
    return [(MARKS[each.result], each.rule, each.reason) for each in verdict.findings]


def describe_wear(verdict: Verdict) -> str:
    """How often the test split has decided, and what that means; empty where it decides for the first time.

    Of equally good models each has a chance of 5 % to be promoted; the chance that at least one of
    several is rises with each.
    """
    if verdict.uses < 2 or verdict.figures is None:
        return ""
    share = 1 - 0.95**verdict.uses
    return (
        f"this test split has decided {verdict.uses} times: of so many models that are no better, one would have been "
        f"promoted by luck with up to {share:.0%}; it wears out, bring new test images now and then"
    )


def describe_power(verdict: Verdict) -> str:
    """What such a comparison can see, in a sentence; empty where nothing was weighed."""
    if verdict.figures is None or verdict.figures.smallest_gain is None:
        return ""
    smallest = verdict.figures.smallest_gain
    return f"such a comparison finds true differences in mAP50-95 of {smallest:.3f} and more, in 80 of 100 cases"


def draw_markdown(verdict: Verdict) -> str:
    """For a Prefect artifact."""
    rows = list_figures(verdict)
    lines = [f"| {' | '.join(HEAD)} |", "| --- | ---: | ---: | ---: | ---: |"] if rows else []
    lines += [f"| {escape_markdown(name)} | {' | '.join(rest)} |" for name, *rest in rows]
    lines += ["", "| | rule | |", "| --- | --- | --- |"]
    lines += [f"| {mark} | {rule} | {escape_markdown(reason)} |" for mark, rule, reason in list_findings(verdict)]
    lines += [f"\n{sentence}" for sentence in (describe_power(verdict), describe_wear(verdict)) if sentence]
    return "\n".join(lines)


def _walk(verdict: Verdict) -> Iterator[tuple[str, ...]]:
    figures = verdict.figures
    if figures is None:
        return
    for name, each in figures.overall.items():
        yield _row(name, each)
    if len(figures.classes) > 1:
        changed = sorted(figures.classes, key=lambda name: -abs(figures.classes[name].gain or 0))[:MOST_CLASSES]
        for name in (name for name in figures.classes if name in changed):
            yield _row(name, figures.classes[name])
    for name, each in figures.sizes.items():
        yield _row(f"{name} boxes", each)
    yield _row("calibration error", figures.calibration)
    if latency := figures.latency:
        times = f"{latency.ratio:.2f} times ({latency.low:.2f} to {latency.high:.2f})"
        both = (f"{latency.candidate_ms:.1f}", f"{latency.champion_ms:.1f}")
        yield f"ms an image ({latency.device})", *both, times, str(latency.images)


def _row(name: str, difference: Difference) -> tuple[str, ...]:
    both = (show_score(difference.candidate), show_score(difference.champion))
    return name, *both, difference.show(), str(difference.images)
