"""The history of a model as a page shows it, and the verdict in a sentence."""

from collections.abc import Sequence
from datetime import UTC
from typing import NamedTuple

from steelyard.gate.verdict import Verdict
from steelyard.record.decision import Decision, Entry, Standing

MOST_EVENTS = 40


class Event(NamedTuple):
    """One decision.

    Attributes:
        time: of it, UTC.
        who: decided.
        what: was decided.
        why: the reason.
        is_own: whether it is about the version of the page.
    """

    time: str
    who: str
    what: str
    why: str
    is_own: bool


def list_events(history: Sequence[Entry], version: int) -> list[Event]:
    """The last 40 decisions, newest first."""
    return [_make(entry, version) for entry in reversed(history[-MOST_EVENTS:])]


def say_verdict(version: int, verdict: Verdict | None) -> str:
    """The verdict in one sentence: of a promotion the gain, else what is broken or open."""
    if verdict is None:
        return f"v{version} was not weighed"
    if verdict.outcome == "promote":
        wanted = "gain" if verdict.figures else "floor"
        reasons = [each.reason for each in verdict.findings if each.rule == wanted]
        return f"v{version}: promote: {'; '.join(reasons)}"
    return f"v{version}: {verdict.sentence()}"


def say_role(version: int, standing: Standing) -> str:
    """What the version is to the model, in a sentence."""
    champion = f"v{standing.champion} is champion" if standing.champion else "no version is champion"
    if version == standing.champion:
        return champion
    role = "challenger" if version == standing.challenger else "neither champion nor challenger"
    return f"v{version} is {role}, {champion}"


def _make(entry: Entry, version: int) -> Event:
    decision = entry.decision
    is_own = version in (decision.version, decision.before)
    who = entry.author.partition("<")[0].strip() or entry.author
    if decision.policy:
        who = f"the gate ({decision.policy}), in a run of {who}"
    return Event(f"{entry.time.astimezone(UTC):%Y-%m-%d %H:%M}", who, _say(decision), decision.reason, is_own)


def _say(decision: Decision) -> str:
    version, before = f"v{decision.version}", f"v{decision.before}" if decision.before else ""
    match decision.action:
        case "promote":
            return f"{version} champion" + (f", before it {before}" if before else "")
        case "keep":
            return (f"{before} stays champion, " if before else "") + f"{version} challenger"
        case "demote":
            return f"{version} withdrawn"
        case "roll back":
            return f"back to {version}" + (f" from {before}" if before else "")
