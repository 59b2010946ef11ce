"""The ledger: versions and promotions as annotated git tags, written by GTO.

``NAME@v3.0.0`` is version 3: the tag stands on the snapshot commit, its message holds the record.
``NAME#champion#1`` is a promotion or a rollback, ``NAME#challenger#2`` says that the champion stays,
``NAME#champion!#3`` that there is none any more: who and when is in the tag, what and why in its message.
History is shared by ``git push --tags``. A tag is made by one process only, and pushed by one machine only:
that decides between registrations at the same time; between decisions `head` does.
"""

from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from steelyard.errors import RegistryError, WorkspaceError
from steelyard.git import git, read_identity
from steelyard.record.decision import Decision, Entry, Standing, find_standing
from steelyard.record.record import Record

CHAMPION = "champion"
CHALLENGER = "challenger"


def read_versions(root: Path, name: str) -> list[Record]:
    """All versions of a model, oldest first.

    Raises:
        RegistryError: a version's tag holds no record.
    """
    refs = git(root, "for-each-ref", "--format=%(refname:short)%00%(contents:body)%00", f"refs/tags/{name}@v*")
    fields = refs.split("\0")
    tags = zip((tag.strip() for tag in fields[::2]), fields[1::2], strict=False)  # after the last \0 nothing comes
    records = [_parse_record(tag, message) for tag, message in tags if not tag.endswith("!")]
    return sorted(records, key=lambda record: record.version)


def read_all_versions(root: Path) -> list[Record]:
    """The versions of every model of the repository, by name."""
    tags = git(root, "for-each-ref", "--format=%(refname:short)", "refs/tags/*@v*").splitlines()
    names = sorted({tag.rpartition("@v")[0] for tag in tags})
    return [record for name in names for record in read_versions(root, name)]


def find_version(root: Path, name: str, identity: str) -> Record | None:
    """The version that holds weights of this identity, if there is one."""
    return next((record for record in read_versions(root, name) if record.weights.identity == identity), None)


def add_version(root: Path, record: Record) -> None:
    """Write a version into the ledger.

    Args:
        root: the repository; the record's commit must be in it.
        record: of the version; its number must be free.

    Raises:
        RegistryError: the number is taken.
    """
    from gto.api import register  # heavy: 0.4 s with what it imports
    from gto.exceptions import GTOException
    from scmrepo.exceptions import SCMError

    test = record.scores.test
    message = (
        f"{record.name} version {record.version}: mAP50 {test.map50}, mAP50-95 {test.map50_95} on test\n\n"
        f"{record.dump()}"
    )
    author, email = read_identity(root)
    try:
        register(
            root,
            record.name,
            record.commit,
            version=f"v{record.version}.0.0",
            message=message,
            author=author,
            author_email=email,
        )
    except (GTOException, SCMError) as error:
        raise RegistryError(f"{record.tag()}: not written to the ledger: {error}") from error


def read_history(root: Path, name: str) -> list[Entry]:
    """All decisions about a model, oldest first.

    Tags of GTO's own commands (`gto assign NAME champion`) are decisions, too; so are those from before
    the decision was in the message. Other stages than champion and challenger are nobody's business here.

    Raises:
        RegistryError: a decision cannot be read.
    """
    who = "%(taggername) %(taggeremail)%00%(taggerdate:iso-strict)"
    form = f"%(refname:short)%00%(*objectname)%00{who}%00%(contents:subject)%00%(contents:body)%00"
    fields = git(root, "for-each-ref", f"--format={form}", f"refs/tags/{name}#*").split("\0")
    versions = read_versions(root, name) if len(fields) > 1 else []
    commits = {record.commit: record for record in versions}
    entries = []
    for place in range(0, len(fields) - 1, 6):
        tag, commit, author, time, subject, body = (field.strip() for field in fields[place : place + 6])
        _, stage, number = tag.split("#") if tag.count("#") == 2 else (tag, "", "")
        stage, is_off = stage.removesuffix("!"), stage.endswith("!")
        if stage not in (CHAMPION, CHALLENGER) or not number.isdigit() or commit not in commits:
            continue
        decision = _parse_decision(tag, body) or Decision(
            action="keep" if stage == CHALLENGER else "demote" if is_off else "promote",
            version=commits[commit].version,
            identity=commits[commit].weights.identity,
            before=None,
            identity_before=None,
            policy="auto" if subject.startswith("first version;") else None,
            reason=subject or "no reason given",
        )
        if stage == CHALLENGER and is_off:
            continue
        entries.append(Entry(int(number), tag, author, datetime.fromisoformat(time), decision))
    return sorted(entries, key=lambda entry: (entry.number, entry.time))


def read_standing(root: Path, name: str) -> Standing:
    """Champion and challenger of a model, and the champions before."""
    return find_standing(read_history(root, name))


def add_decision(root: Path, record: Record, decision: Decision, author: tuple[str, str] | None = None) -> str:
    """Write the tag of a decision; `head.settle` sees to it that no other is made at the same time.

    Args:
        root: the repository; the tag of the version must be in it.
        record: of the version.
        decision: about it.
        author: name and mail address; None: as git has them.

    Returns:
        Name of the tag.

    Raises:
        RegistryError: the ledger refuses.
    """
    from gto.api import assign, unassign
    from gto.exceptions import GTOException
    from scmrepo.exceptions import SCMError

    author_name, email = author or read_identity(root)
    about = {
        "version": f"v{record.version}.0.0",
        "stage": CHALLENGER if decision.action == "keep" else CHAMPION,
        "message": f"{decision.subject(record.name)}\n\n{decision.dump()}",
        "author": author_name,
        "author_email": email,
        "force": True,  # a champion of before may be champion again
    }
    try:
        if decision.action == "demote":
            made = unassign(root, record.name, **about)
        else:
            made = assign(root, record.name, skip_registration=True, **about)
    except (GTOException, SCMError) as error:
        raise RegistryError(f"{record.tag()}: the decision is not in the ledger: {error}") from error
    return str(made.tag)


def _parse_record(tag: str, message: str) -> Record:
    try:
        return Record.model_validate_json(message)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise RegistryError(
            f"tag {tag}: its message holds no record that this Steelyard can read "
            f"({'.'.join(map(str, first['loc'])) or 'body'}: {first['msg']}); "
            f"if the tag was made by hand, remove it: git tag -d {tag}"
        ) from None


def _parse_decision(tag: str, body: str) -> Decision | None:
    """None where the message is a person's own, or GTO's."""
    if not body.startswith("{"):
        return None
    try:
        return Decision.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise RegistryError(
            f"tag {tag}: its message holds no decision that this Steelyard can read "
            f"({'.'.join(map(str, first['loc'])) or 'body'}: {first['msg']}); it may be from a newer one"
        ) from None


def push_tag(root: Path, tag: str) -> bool:
    """Push a tag to the repository that this workspace was cloned from.

    Returns:
        False where that repository has this tag already: another run was first.

    Raises:
        WorkspaceError: the push failed for another reason.
    """
    try:
        git(root, "push", "--quiet", "origin", f"refs/tags/{tag}")
    except WorkspaceError as error:
        if "already exists" not in str(error):
            raise
        git(root, "tag", "--delete", tag)
        return False
    return True
