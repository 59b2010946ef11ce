"""The ledger: versions and promotions as annotated git tags, written by GTO.

``NAME@v3.0.0`` is version 3: the tag stands on the snapshot commit, its message holds the record.
``NAME#champion#1`` is a promotion: who, when and why is in the tag. History is shared by
``git push --tags``. A tag is made by one process only, and pushed by one machine only: that
decides between registrations at the same time.
"""

from pathlib import Path

from pydantic import ValidationError

from steelyard.errors import RegistryError, WorkspaceError
from steelyard.git import git, read_identity
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


def read_champion(root: Path, name: str) -> int | None:
    """Number of the version that is champion, or None."""
    tags = git(
        root, "for-each-ref", "--format=%(refname:short) %(*objectname)", f"refs/tags/{name}#{CHAMPION}*"
    ).splitlines()
    if not tags:
        return None
    latest = max(tags, key=lambda line: int(line.split()[0].rpartition("#")[2]))
    tag, commit = latest.split()
    if "!" in tag:
        return None
    return next((record.version for record in read_versions(root, name) if record.commit == commit), None)


def was_promoted(root: Path, name: str) -> bool:
    """Whether the model ever had a champion, also one that a person has withdrawn since."""
    return bool(git(root, "for-each-ref", f"refs/tags/{name}#{CHAMPION}*"))


def choose_challenger(records: list[Record], champion: int | None) -> int | None:
    """Number of the challenger: the latest version, unless that is champion."""
    return records[-1].version if records and records[-1].version != champion else None


def promote(root: Path, record: Record, reason: str) -> str:
    """Make a version champion, with the reason.

    Returns:
        Name of the promotion's tag.

    Raises:
        RegistryError: the ledger refuses.
    """
    from gto.api import assign
    from gto.exceptions import GTOException
    from scmrepo.exceptions import SCMError

    author, email = read_identity(root)
    try:
        promotion = assign(
            root,
            record.name,
            CHAMPION,
            version=f"v{record.version}.0.0",
            message=reason,
            author=author,
            author_email=email,
            skip_registration=True,
        )
    except (GTOException, SCMError) as error:
        raise RegistryError(f"{record.tag()}: not promoted in the ledger: {error}") from error
    return str(promotion.tag)


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
