"""The history of a model as it is told: who, when, from which version to which, why, and the scores then."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from steelyard.record.decision import Action, Entry, find_standing
from steelyard.record.record import Record
from steelyard.scoring.scores import show_map50_95

if TYPE_CHECKING:
    from rich.table import Table


class Score(BaseModel):
    """A version's mAP50-95 on the test split that it was registered with; 95 % interval where there is one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int
    map50_95: float | None
    low: float | None
    high: float | None
    shown: str


class Event(BaseModel):
    """One decision.

    Attributes:
        number: its place in the history, from 1.
        tag: git tag that holds it.
        time: with its time zone.
        author: name and mail address.
        action: what was done.
        version: about which version.
        before: champion until then.
        after: champion from then on.
        reason: of the person, or of the gate.
        policy: by which the gate decided; None: a person did.
        verdict: the gate's, in a sentence; None: it was not asked.
        scores: of the versions that it was about.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    tag: str
    time: datetime
    author: str
    action: Action
    version: int
    before: int | None
    after: int | None
    reason: str
    policy: str | None
    verdict: str | None
    scores: tuple[Score, ...]

    def show_change(self) -> str:
        """``v1 -> v2``, or ``v1 stays`` where the champion does."""
        before = f"v{self.before}" if self.before else "none"
        if self.action == "keep":
            return f"{before} stays, not v{self.version}"
        return f"{before} -> {f'v{self.after}' if self.after else 'none'}"


def tell(records: Sequence[Record], history: Sequence[Entry]) -> list[Event]:
    """The decisions about a model, the last one first.

    Args:
        records: its versions.
        history: its decisions, oldest first.
    """
    by_version = {record.version: record for record in records}
    events = []
    for place, entry in enumerate(history):
        decision = entry.decision
        before = find_standing(history[:place]).champion
        after = find_standing(history[: place + 1]).champion
        about = dict.fromkeys(each for each in (before, decision.version) if each)
        verdict = decision.verdict
        events.append(
            Event(
                number=entry.number,
                tag=entry.tag,
                time=entry.time,
                author=entry.author,
                action=decision.action,
                version=decision.version,
                before=before,
                after=after,
                reason=decision.reason,
                policy=decision.policy,
                verdict=verdict.sentence() if verdict else None,
                scores=tuple(read_score(by_version[each]) for each in about if each in by_version),
            )
        )
    return events[::-1]


def read_score(record: Record) -> Score:
    """The score that a version was registered with."""
    test = record.scores.test
    interval = test.intervals.get("mAP50-95")
    return Score(
        version=record.version,
        map50_95=test.map50_95,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        shown=show_map50_95(test),
    )


def draw_timeline(name: str, events: Sequence[Event]) -> "Table":
    """As a table; nothing of it is cut off, however narrow the terminal is."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"{name}: decisions, the last one first", box=SIMPLE_HEAD, show_edge=False, show_lines=False)
    table.add_column("when, who", max_width=24, overflow="fold")
    table.add_column("what", max_width=16, overflow="fold")
    table.add_column("why; mAP50-95 on test when registered", ratio=1, overflow="fold")
    for event in events:
        who = event.author if event.policy is None else f"the gate, run by {event.author}"
        why = [event.reason]
        if event.verdict and event.verdict != event.reason:  # the gate's reason is its verdict
            why.append(f"the gate's verdict: {event.verdict}")
        why += [f"v{score.version}: {score.shown}" for score in event.scores]
        table.add_row(
            Text(f"{event.time:%Y-%m-%d %H:%M}\n{who}\n"),
            Text(f"{event.action}\n{event.show_change()}\n"),
            Text("\n".join(why) + "\n"),
        )
    return table
