"""Decisions about versions: which became champion, which did not, by whom and why; and what follows from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import Field

from steelyard.gate.verdict import Verdict
from steelyard.record.record import Fact
from steelyard.sections import Policy

Action = Literal["promote", "keep", "demote", "roll back"]


class Decision(Fact):
    """One decision, as the message of its tag holds it. Author and time are the tag's."""

    schema_version: Literal[1] = 1
    action: Action = Field(
        description="promote: the version is champion from now on; keep: the champion stays, the version is "
        "challenger; demote: the version is champion no longer, and nothing takes its place; roll back: the version, "
        "which was champion before, is so again"
    )
    version: int = Field(ge=1)
    identity: str = Field(description="of the version's weights")
    before: int | None = Field(description="version that was champion until then")
    identity_before: str | None = Field(description="of its weights")
    policy: Policy | None = Field(description="by which the gate decided; None: a person did")
    reason: str = Field(min_length=1)
    verdict: Verdict | None = Field(
        default=None, description="of the gate; in a person's decision the last one on that version"
    )

    def subject(self, name: str) -> str:
        """First line of the tag's message."""
        return f"{self.action} {name} v{self.version}: {' '.join(self.reason.split())}"

    def dump(self) -> str:
        """As JSON."""
        return self.model_dump_json(indent=1)


@dataclass(frozen=True)
class Entry:
    """A decision with who made it and when.

    Attributes:
        number: its place in the history, from 1.
        tag: git tag that holds it.
        author: name and mail address of the tag's author.
        time: of the tag.
        decision: what was decided.
    """

    number: int
    tag: str
    author: str
    time: datetime
    decision: Decision


@dataclass(frozen=True)
class Standing:
    """What a history comes to.

    Attributes:
        champion: version, or None.
        challenger: version that was weighed last and did not become champion since then, or None.
        before: versions that a rollback goes back to, the latest last.
        withdrawn: the decision that left the model without a champion, where there is none any more.
    """

    champion: int | None = None
    challenger: int | None = None
    before: tuple[int, ...] = ()
    withdrawn: Entry | None = None


def find_standing(history: Sequence[Entry]) -> Standing:
    """Follow a history, oldest first, to its end.

    A rollback takes the champion off the pile, so that a second one goes back one more.
    """
    pile: list[int] = []
    challenger, withdrawn = None, None
    for entry in history:
        version = entry.decision.version
        match entry.decision.action:
            case "keep":
                challenger = version
                continue
            case "demote":
                if withdrawn or pile[-1:] != [version]:
                    continue  # by hand, of a version that is not champion
                pile, withdrawn = pile[:-1], entry
            case "promote":
                pile, withdrawn = [*pile, version], None
            case "roll back":
                before = pile if withdrawn else pile[:-1]
                # from the end: a champion of before may have been so more than once
                place = next((place for place in reversed(range(len(before))) if before[place] == version), None)
                pile, withdrawn = [version] if place is None else before[: place + 1], None
        challenger = None
    if withdrawn:
        return Standing(None, challenger, tuple(pile), withdrawn)
    return Standing(pile[-1] if pile else None, challenger, tuple(pile[:-1]))


def was_decided_by_person(history: Sequence[Entry], version: int) -> bool:
    """Whether a person ever said what becomes of a version; the gate then leaves it alone."""
    for entry in history:
        decision = entry.decision
        concerned = (decision.version,) if decision.action == "keep" else (decision.version, decision.before)
        if decision.policy is None and version in concerned:
            return True
    return False


def find_question(history: Sequence[Entry], version: int) -> Verdict | None:
    """The verdict on a version that a person is still to answer, under the policy ask.

    Not where a rule is broken, and not where somebody has answered, or nobody has in time.
    """
    last = next((entry.decision for entry in reversed(history) if entry.decision.version == version), None)
    if last is None or (last.action, last.policy) != ("keep", "ask") or last.verdict is None:
        return None
    return last.verdict if last.verdict.outcome != "keep" else None


def find_verdict(history: Sequence[Entry], version: int) -> Verdict | None:
    """The last verdict on a version."""
    found = [entry.decision.verdict for entry in history if entry.decision.version == version]
    return next((verdict for verdict in reversed(found) if verdict), None)


def count_uses(history: Sequence[Entry], test_split: str) -> int:
    """How often a test split has decided between two versions; a person's decision only quotes a verdict."""
    weighed = [entry.decision.verdict for entry in history if entry.decision.policy is not None]
    return sum(
        verdict is not None and verdict.test_split == test_split and bool(verdict.figures) for verdict in weighed
    )
