"""The head of a model's ledger, by which two decisions at once are told apart.

``refs/steelyard/NAME`` names the tag of the last decision. Who decides has read the history up to some head, and
moves it from there only: of two decisions at once one moves it, whatever their kinds (their tags may have
different names, and git would take both), and the other goes away again. In this repository that is git's
compare-and-set, in ``origin`` one atomic push of tag and head.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from steelyard.errors import RegistryError, WorkspaceError
from steelyard.git import git
from steelyard.record.decision import Decision
from steelyard.record.ledger import add_decision
from steelyard.record.record import Record

Refs = Mapping[str, str]  # object by full name of the reference
TAGS = "refs/tags/"
PATIENCE_SECONDS = 30  # a person may have to type a password; git itself would wait for minutes


class OvertakenError(RegistryError):
    """Another decision came first; nothing of this one remains."""


@dataclass(frozen=True)
class Seen:
    """The ledger's references, as they were before the history was read that a decision is based on.

    Attributes:
        here: in this repository.
        origin: in the repository of ``origin``; None where the decision stays here.
    """

    here: Refs
    origin: Refs | None = None


def see_ledger(root: Path, name: str, share: bool) -> Seen:
    """Bring what origin's ledger has and this one lacks, and remember the state; to be called before reading.

    Args:
        root: the repository.
        name: of the registered model.
        share: whether the decision is to go to ``origin``.

    Raises:
        WorkspaceError: origin does not answer.
        RegistryError: decisions or versions were made here and there that exclude each other.
    """
    here = read_refs(root, name)
    if not share:
        return Seen(here)
    origin = _ask_origin(root, name)
    if sentences := describe_conflicts(here, origin):
        raise RegistryError("; ".join(sentences))
    missing = list_missing(origin, here)
    if missing:
        head = _name_head(name)
        wanted = [f"{ref}:{ref}" for ref in missing] + ([f"+{head}:{head}"] if head in origin else [])
        git(root, "fetch", "--quiet", "--no-tags", "origin", *wanted)
        here = read_refs(root, name)
    return Seen(here, origin)


def settle(
    root: Path,
    record: Record,
    decision: Decision,
    seen: Seen,
    author: tuple[str, str] | None = None,
    along: Sequence[str] = (),
) -> str:
    """Write a decision into the ledger here and, where it is to be shared, in origin: in both or in none.

    Args:
        root: the repository; the tag of the version must be in it.
        record: of the version.
        decision: about it.
        seen: state of the ledger that it is based on.
        author: name and mail address; None: as git has them.
        along: other tags that origin gets in the same push.

    Returns:
        Name of the tag.

    Raises:
        OvertakenError: another decision was made since then.
        RegistryError: the ledger refuses.
        WorkspaceError: the push failed for another reason.
    """
    name, head = record.name, _name_head(record.name)
    try:
        tag = add_decision(root, record, decision, author)
    except RegistryError as error:
        if read_refs(root, name) != seen.here:
            raise OvertakenError(str(error)) from error
        raise
    made = git(root, "rev-parse", f"{TAGS}{tag}")
    before = seen.here.get(head, "")
    try:
        _move(root, head, made, before)
    except WorkspaceError as error:
        git(root, "update-ref", "-d", f"{TAGS}{tag}", made)
        raise OvertakenError(str(error)) from error
    if seen.origin is None:
        return tag
    try:
        _push(root, name, made, [f"{TAGS}{tag}", *along], seen.origin)
    except BaseException:
        with suppress(WorkspaceError):  # a decision that came after it has moved the head on
            _move(root, head, before, made)
        git(root, "update-ref", "-d", f"{TAGS}{tag}", made)
        raise
    return tag


def read_refs(root: Path, name: str) -> Refs:
    """The ledger's references in this repository."""
    return _parse(git(root, "for-each-ref", "--format=%(objectname)\t%(refname)", *_patterns(name)))


def list_missing(ours: Refs, theirs: Refs) -> list[str]:
    """Tags that are among ours only."""
    return sorted(ref for ref in ours if ref.startswith(TAGS) and ref not in theirs)


def describe_conflicts(here: Refs, origin: Refs) -> list[str]:
    """Tags here and in origin that exclude each other, in sentences.

    These are tags of one name with different contents, and decisions of one number: each made without
    knowing of the other.
    """
    sentences = [
        f"{_show(ref)} is not the same here and in origin: both were made without knowing of each other; "
        f"keep one: to take origin's, git tag -d {_show(ref)}"
        for ref in sorted(here.keys() & origin.keys())
        if ref.startswith(TAGS) and here[ref] != origin[ref]
    ]
    numbers = {_number(ref): ref for ref in list_missing(origin, here)}
    for ref in list_missing(here, origin):
        number = _number(ref)
        if number and number in numbers:
            sentences.append(
                f"decision {number} was made twice, as {_show(ref)} here and as {_show(numbers[number])} in origin, "
                f"neither knowing of the other; keep one: to take origin's, git tag -d {_show(ref)}"
            )
    return sentences


def _ask_origin(root: Path, name: str) -> Refs:
    asked = ("ls-remote", "--refs", "origin", *_patterns(name))
    return _parse(git(root, *asked, timeout_seconds=PATIENCE_SECONDS))


def _push(root: Path, name: str, made: str, refs: Iterable[str], seen: Refs) -> None:
    head = _name_head(name)
    try:
        git(
            root,
            *("push", "--quiet", "--atomic", f"--force-with-lease={head}:{seen.get(head, '')}", "origin"),
            *(f"{made}:{head}", *refs),
        )
    except WorkspaceError as error:
        # git's words differ with the moment at which it noticed, so the state is compared
        if _ask_origin(root, name) != seen:
            raise OvertakenError(str(error)) from error
        raise


def _move(root: Path, head: str, to: str, before: str) -> None:
    """Set the head, or remove it, if it is where it is expected to be; empty: nowhere."""
    if to:
        git(root, "update-ref", head, to, before)  # empty: it must not exist
    else:
        git(root, "update-ref", "-d", head, before)


def _name_head(name: str) -> str:
    return f"refs/steelyard/{name}"


def _patterns(name: str) -> tuple[str, ...]:
    return f"{TAGS}{name}@v*", f"{TAGS}{name}#*", _name_head(name)


def _parse(lines: str) -> Refs:
    return {ref: made for made, _, ref in (line.partition("\t") for line in lines.splitlines())}


def _number(ref: str) -> str:
    """Of a decision; empty for a version."""
    _, _, number = ref.rpartition("#")
    return number if number.isdigit() else ""


def _show(ref: str) -> str:
    return f"'{ref.removeprefix(TAGS)}'"
