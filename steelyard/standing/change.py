"""A person changes which version is champion: promote, roll back, demote."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from steelyard.errors import RegistryError, WorkspaceError
from steelyard.git import git, read_identity
from steelyard.record.decision import Decision, Entry, find_standing, find_verdict
from steelyard.record.head import OvertakenError, Seen, list_missing, see_ledger, settle
from steelyard.record.ledger import read_history, read_versions
from steelyard.record.local_store import find_database
from steelyard.record.record import Record
from steelyard.record.registry import mirror_ledger
from steelyard.record.run import find_store
from steelyard.standing.files import check_files

Say = Callable[[str], None]
Wish = Literal["promote", "keep", "roll back", "demote"]


@dataclass(frozen=True)
class Change:
    """What a person wants.

    Attributes:
        wish: the kind of decision.
        version: to promote, or to leave as it is; the other kinds find theirs.
        reason: in the person's words; empty only for a rollback.
    """

    wish: Wish
    reason: str
    version: int | None = None


def has_origin(root: Path) -> bool:
    """Whether the ledger is shared with a remote repository."""
    return "origin" in git(root, "remote").splitlines()


def change_champion(root: Path, name: str, change: Change, share: bool, say: Say, author: str = "") -> Entry:
    """Check a person's decision, write it into the ledger, and bring MLflow's mirror up to date.

    Args:
        root: the repository.
        name: of the registered model.
        change: what the person wants.
        share: whether it is to go to ``origin``, in one step with the tag here.
        say: receives lines on what the person should know.
        author: name of the person; empty: as git has it. The mail address is that of this repository.

    Returns:
        The decision, as the ledger has it.

    Raises:
        RegistryError: it does not add up, another decision came first, or origin does not answer; nothing is
            then decided, here or there.
    """
    seen = _see(root, name, share)
    records, history = read_versions(root, name), read_history(root, name)
    record, decision = plan(name, records, history, change)
    if change.wish == "promote":
        say(describe_verdict(record, history))
    if change.wish in ("promote", "roll back"):
        check_files(root, record)
    along = list_missing(seen.here, seen.origin) if seen.origin is not None else []
    own_name, mail = read_identity(root)
    try:
        tag = settle(root, record, decision, seen, (author or own_name, mail), along)
    except OvertakenError as error:
        raise RegistryError(_describe_overtaken(root, name, share)) from error
    except WorkspaceError as error:
        raise RegistryError(f"{_describe_deaf(error)}; whether it arrived, `steelyard history` tells then") from error
    if share:
        say(_describe_push(tag, along))
    _mirror(root, name, say)
    return next(entry for entry in read_history(root, name) if entry.tag == tag)


def plan(name: str, records: Sequence[Record], history: Sequence[Entry], change: Change) -> tuple[Record, Decision]:
    """The decision that a person's wish comes to, and the version that it is about.

    Args:
        name: of the registered model.
        records: its versions.
        history: its decisions.
        change: the wish.

    Raises:
        RegistryError: there is no such version, nothing would change, or record and history contradict each other.
    """
    by_version = {record.version: record for record in records}
    standing = find_standing(history)
    known = ", ".join(f"v{version}" for version in by_version) or "none"
    match change.wish:
        case "promote" | "keep":
            number = change.version
            if number is None or number not in by_version:
                raise RegistryError(f"v{number}: no version of {name} (versions: {known})")
            if number == standing.champion:
                raise RegistryError(f"v{number} is the champion of {name} already; nothing to {change.wish}")
        case "roll back":
            if not standing.before:
                now = f"v{standing.champion} is champion" if standing.champion else "no version is champion"
                raise RegistryError(
                    f"{name}: no champion to go back to: {now}, and none was before it (steelyard history); "
                    "steelyard promote names any version"
                )
            number = standing.before[-1]
        case "demote":
            if standing.champion is None:
                raise RegistryError(f"{name}: no version is champion, so there is none to demote (steelyard history)")
            number = standing.champion
    record = by_version[number]
    for entry in history:
        if entry.decision.version == number and entry.decision.identity != record.weights.identity:
            raise RegistryError(
                f"{record.tag()} holds weights {record.weights.identity[:19]}, and {entry.tag} decided about "
                f"{entry.decision.identity[:19]} under that number: the version's tag was made anew; bring the one "
                "that was registered back from another clone"
            )
    champion = by_version[standing.champion] if standing.champion else None
    came_from = f"v{champion.version}" if champion else "no champion"
    decision = Decision(
        action=change.wish,
        version=number,
        identity=record.weights.identity,
        before=champion.version if champion else None,
        identity_before=champion.weights.identity if champion else None,
        policy=None,
        reason=change.reason or f"back from {came_from}, no reason given",
        verdict=find_verdict(history, number),
    )
    return record, decision


def describe_verdict(record: Record, history: Sequence[Entry]) -> str:
    """What the gate last said of a version, in a sentence."""
    verdict = find_verdict(history, record.version)
    if verdict is None:
        return f"v{record.version} was never weighed by the gate"
    against = f" (against v{verdict.champion})" if verdict.champion else ""
    return f"the gate's last verdict on v{record.version}{against}: {verdict.sentence()}"


def describe_decision(name: str, entry: Entry) -> str:
    """A decision in a sentence."""
    decision = entry.decision
    if decision.action == "keep":
        stays = f"{name} v{decision.before} stays" if decision.before else "there is none"
        return f"champion: {stays}; decided about v{decision.version} by {entry.author} as {entry.tag}"
    was = f"before: v{decision.before}" if decision.before else "before: none"
    champion = "none" if decision.action == "demote" else f"{name} v{decision.version}"
    return f"champion: {champion} ({was}); decided by {entry.author} as {entry.tag}"


def _see(root: Path, name: str, share: bool) -> Seen:
    try:
        return see_ledger(root, name, share)
    except WorkspaceError as error:
        raise RegistryError(_describe_deaf(error)) from error


def _describe_deaf(error: WorkspaceError) -> str:
    return (
        f"nothing was decided: origin, with which the ledger is shared, does not answer or refuses ({error}); "
        "try again, or with --local decide in this repository only"
    )


def _describe_overtaken(root: Path, name: str, share: bool) -> str:
    _see(root, name, share)  # brings the other decision
    entry = read_history(root, name)[-1]
    decision = entry.decision
    return (
        f"nothing was decided: another decision came first: {decision.action} v{decision.version} by {entry.author}, "
        f"{entry.time:%Y-%m-%d %H:%M} ({decision.reason}; {entry.tag}); "
        "look at it (steelyard history), and decide again if you still want to"
    )


def _describe_push(tag: str, along: Sequence[str]) -> str:
    more = f", with {len(along)} tags of the ledger that were only here" if along else ""
    bytes_too = "; dvc push --all-tags shares their bytes" if any("@" in ref for ref in along) else ""
    return f"pushed to origin: {tag}{more}{bytes_too}"


def _mirror(root: Path, name: str, say: Say) -> None:
    database = find_database(find_store(root))
    if database and not database.exists():
        say(f"MLflow: no store here ({database.name}); the next run, or steelyard status --repair, makes and fills it")
        return
    try:
        mirror_ledger(root, name, say)
    except RegistryError as error:
        say(f"the decision stands, and MLflow does not show it yet: {error}")
        say("steelyard status --repair, or the next run, brings MLflow up to date")
