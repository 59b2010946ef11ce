"""The question that the policy ask leaves to a person: is there one, and what follows from the answer, or from none."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from steelyard.gate.verdict import Verdict
from steelyard.record.decision import Decision, find_question, find_standing
from steelyard.record.head import OvertakenError, see_ledger, settle
from steelyard.record.ledger import read_history, read_versions
from steelyard.standing.change import Change, change_champion, describe_decision

Say = Callable[[str], None]


@dataclass(frozen=True)
class Answer:
    """What a person says.

    Attributes:
        promote: whether the version becomes champion.
        name: of the person.
        reason: in the person's words.
    """

    promote: bool
    name: str
    reason: str


def read_question(root: Path, name: str, version: int) -> Verdict | None:
    """The verdict that a person is still to answer; None where there is none."""
    return find_question(read_history(root, name), version)


def settle_question(root: Path, name: str, version: int, answer: Answer | None, hours: float, say: Say) -> None:
    """Write an answer into the ledger, in this repository.

    Args:
        root: the repository.
        name: of the registered model.
        version: that was asked about.
        answer: None: nobody answered in time, so the champion stays.
        hours: how long was waited.
        say: receives what was decided.

    Raises:
        RegistryError: a promotion that does not add up; see :func:`change_champion`.
    """
    if read_question(root, name, version) is None:
        say(f"v{version}: somebody has decided meanwhile (steelyard history)")
    elif answer is None:
        _let_lapse(root, name, version, f"nobody answered within {hours:g} hours, so the champion stays", say)
    else:
        change = Change("promote" if answer.promote else "keep", answer.reason, version)
        entry = change_champion(root, name, change, share=False, say=say, author=answer.name)
        say(describe_decision(name, entry))


def _let_lapse(root: Path, name: str, version: int, reason: str, say: Say) -> None:
    seen = see_ledger(root, name, share=False)
    records = {record.version: record for record in read_versions(root, name)}
    champion = records.get(find_standing(read_history(root, name)).champion or 0)
    decision = Decision(
        action="keep",
        version=version,
        identity=records[version].weights.identity,
        before=champion.version if champion else None,
        identity_before=champion.weights.identity if champion else None,
        policy="ask",
        reason=reason,
    )
    try:
        settle(root, records[version], decision, seen)
    except OvertakenError:
        say(f"v{version}: somebody has decided meanwhile (steelyard history)")
        return
    say(f"v{version}: {reason}")
