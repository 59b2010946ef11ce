"""git, called by name."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from steelyard.errors import WorkspaceError


def git(
    root: Path,
    *arguments: str,
    env: Mapping[str, str] | None = None,
    text: str | None = None,
    timeout_seconds: float | None = None,
) -> str:
    """Run one git command and return what it prints.

    Args:
        root: folder of the repository.
        arguments: as on the command line, without ``git``.
        env: variables added to the environment.
        text: standard input.
        timeout_seconds: for what asks another machine; None: as long as git likes.

    Raises:
        WorkspaceError: git is missing, takes too long, or refuses; its own words are in the message.
    """
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            input=text,
            capture_output=True,
            text=True,
            env={**os.environ, **(env or {})},
            timeout=timeout_seconds,
            check=False,
        )
    except FileNotFoundError:
        raise WorkspaceError("git: not found; install it and put it on PATH") from None
    except subprocess.TimeoutExpired:
        raise WorkspaceError(f"git {arguments[0]} in {root}: no answer for {timeout_seconds:g} seconds") from None
    if done.returncode:
        raise WorkspaceError(f"git {' '.join(arguments[:2])} in {root}: {done.stderr.strip()}")
    return done.stdout.rstrip("\n")


def resolve_commit(root: Path, revision: str) -> str:
    """Full hash of the commit that a revision names.

    Raises:
        WorkspaceError: no such commit, or no commit at all.
    """
    try:
        return git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    except WorkspaceError:
        branches = git(root, "for-each-ref", "--count=8", "--format=%(refname:short)", "refs/heads", "refs/tags")
        known = f"known: {', '.join(branches.split())}" if branches else "it has no commit yet: git add, git commit"
        raise WorkspaceError(f"revision = {revision!r}: not a commit of {root.name} ({known})") from None


def read_identity(root: Path) -> tuple[str, str]:
    """Name and address that commits and tags are made with.

    Where git knows none (a container, an empty home), commits are Steelyard's own, and say so.
    """
    try:
        name = git(root, "config", "user.name")
        email = git(root, "config", "user.email")
    except WorkspaceError:
        return "Steelyard", "steelyard@localhost"
    return name, email
