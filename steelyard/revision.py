"""Files of a revision as git and DVC keep them, without a checkout."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from steelyard.address import hide_secrets
from steelyard.errors import WorkspaceError
from steelyard.git import git, resolve_commit

if TYPE_CHECKING:
    from dvc.fs import DVCFileSystem


def find_commit(root: Path, name: str, revision: str) -> str:
    """The commit that a person means.

    Args:
        root: the repository.
        name: of the registered model.
        revision: commit, branch or tag; or ``v3``, a version of that model.

    Raises:
        WorkspaceError: there is none.
    """
    if not re.fullmatch(r"v\d+", revision):
        return resolve_commit(root, revision)
    tags = git(root, "for-each-ref", "--sort=creatordate", "--format=%(refname:short)", f"refs/tags/{name}@v*")
    versions = [re.sub(r"^.*@(v\d+)\.0\.0$", r"\1", tag) for tag in tags.splitlines()]
    if revision in versions:
        return resolve_commit(root, f"{name}@{revision}.0.0")
    try:
        return resolve_commit(root, revision)
    except WorkspaceError:
        raise WorkspaceError(
            f"revision = {revision!r}: no version of {name} and no revision (versions: {', '.join(versions) or 'none'})"
        ) from None


@contextmanager
def open_revision(root: Path, commit: str) -> Iterator["DVCFileSystem"]:
    """Files of a commit, from git, DVC's cache or its remote; paths are relative to the repository.

    With the configuration as it is now: the remote may have been added, or may have moved, since that commit.

    Args:
        root: the repository, or a clone of it.
        commit: its hash.
    """
    from dvc.repo import Repo  # heavy: 0.5 s

    with Repo(str(root)) as repo:
        configuration = repo.config
        with repo.switch(commit):
            repo.config = configuration  # DVC has read that of the commit
            yield repo.dvcfs


def read_file(files: "DVCFileSystem", path: str, shown: str) -> bytes:
    """Read one file.

    Args:
        files: of a revision.
        path: relative to the repository.
        shown: what a person calls the revision, for messages.

    Raises:
        WorkspaceError: the revision has none, or it is neither in DVC's cache nor in its remote.
    """
    # An out of a stage that never ran is in dvc.yaml alone, and has no hash.
    if not files.exists(path) or files.info(path).get("dvc_info", {"md5": ""}).get("md5") is None:
        raise WorkspaceError(f"{shown} has no {path}: its dvc.lock records none")
    try:
        content: bytes = files.read_bytes(path)
    except FileNotFoundError:
        raise WorkspaceError(
            f"{path} of {shown}: neither in DVC's cache nor in its remote; dvc push --all-tags it from where that "
            "version was made"
        ) from None
    except Exception as error:  # each kind of remote has a library with errors of its own
        raise WorkspaceError(
            f"{path} of {shown}: not in DVC's cache, and its remote fails ({hide_secrets(str(error))})"
        ) from error
    return content
