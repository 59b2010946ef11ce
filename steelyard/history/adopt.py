"""A version's data comes onto the branch: its ``.dvc`` files under ``data/raw`` and its ``dvc.lock``, as one commit."""

from collections.abc import Callable, Sequence
from pathlib import Path

from steelyard.address import hide_secrets
from steelyard.errors import WorkspaceError
from steelyard.git import git, read_identity
from steelyard.imports import RAW, describe_size
from steelyard.params import load_params, parse_yaml
from steelyard.paths import PARAMS
from steelyard.revision import find_commit

LOCK = "dvc.lock"

Say = Callable[[str], None]


def adopt(root: Path, revision: str, say: Say) -> str | None:
    """Commit a version's data to the current branch, and check it out.

    Args:
        root: the repository.
        revision: ``v2`` of the model, a tag, or a commit.
        say: receives a line for each import that changed.

    Returns:
        The new commit; None where the branch has this data.

    Raises:
        WorkspaceError: the revision has no such data, something here would be lost, or the data is neither in the
            cache nor in the remote. All is then as it was.
    """
    name = load_params(root / PARAMS).registration.name
    commit = find_commit(root, name, revision)
    shown = _show(root, name, commit, revision)
    theirs = git(root, "ls-tree", "-r", "-z", "--name-only", commit, "--", RAW.as_posix(), LOCK).split("\0")
    tracked = [file for file in theirs if file.endswith(".dvc")]
    if not tracked:
        raise WorkspaceError(f"{shown} has no {RAW}/**/*.dvc: nothing of its data came by dvc import-url or dvc add")
    if not git(root, "branch", "--show-current"):
        raise WorkspaceError("HEAD is detached, so there is no branch to commit to; git switch BRANCH first")
    data = [file for file in tracked if _read_blob(root, commit, file) != _read_blob(root, "HEAD", file)]
    if not data:
        return None
    changed = [*data, *(file for file in theirs if file == LOCK)]
    _refuse_uncommitted(root, changed)
    _refuse_changed(root, data)
    was_here = [file for file in data if (root / file.removesuffix(".dvc")).exists()]
    git(root, "checkout", "--quiet", commit, "--", *changed)
    try:
        _check_out(root, data, shown)
        _commit(root, f"data of {shown}", changed)
    except BaseException:
        _put_back(root, changed)
        _check_out(root, was_here, "HEAD")
        raise
    for file in data:
        say(f"{file.removesuffix('.dvc')}: {_describe(root, 'HEAD~1', file)} -> {_describe(root, 'HEAD', file)}")
    return git(root, "rev-parse", "HEAD")


def _show(root: Path, name: str, commit: str, revision: str) -> str:
    """The version's tag, where the commit has one."""
    tags = git(root, "tag", "--points-at", commit, "--list", f"{name}@v*").splitlines()
    return tags[-1] if tags else revision


def _read_blob(root: Path, commit: str, file: str) -> str:
    """Mode and hash of a file in a commit; empty where it has none."""
    return git(root, "ls-tree", commit, "--", file)


def _describe(root: Path, commit: str, file: str) -> str:
    if not _read_blob(root, commit, file):
        return "nothing"
    return describe_size(parse_yaml(git(root, "show", f"{commit}:./{file}"), file))


def _refuse_uncommitted(root: Path, files: Sequence[str]) -> None:
    dirty = git(root, "status", "--porcelain", "--untracked-files=all", "--", *files).splitlines()
    if dirty:
        raise WorkspaceError(
            f"{', '.join(line[3:] for line in dirty)}: has changes that are not committed and would be lost; "
            "git commit or git restore first"
        )


def _refuse_changed(root: Path, files: Sequence[str]) -> None:
    """Pictures that only lie here would be replaced by the version's."""
    from dvc.repo import Repo  # heavy: 0.5 s

    with Repo(str(root)) as repo:
        for file in files:
            data = file.removesuffix(".dvc")
            if not (root / data).exists():
                continue
            if not (root / file).is_file():
                raise WorkspaceError(f"{data}: lies here without being tracked and would be lost; move it away")
            status: dict[str, list[dict[str, dict[str, str]]]] = repo.status([str(root / file)])
            changed = {
                path: state
                for entries in status.values()
                for entry in entries
                for path, state in entry.get("changed outs", {}).items()
            }
            for path, state in changed.items():
                raise WorkspaceError(
                    f"{path}: differs here from {file} ({state}) and would be lost; keep it under another name or with "
                    f"dvc commit {file}, or go back with dvc checkout {file}"
                )


def _check_out(root: Path, files: Sequence[str], shown: str) -> None:
    from dvc.exceptions import CheckoutError, DvcException
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        try:
            targets = [str(root / file) for file in files]
            if targets:  # none would mean all
                repo.pull(targets) if repo.config["core"].get("remote") else repo.checkout(targets)
        except DvcException as error:
            reason = "" if isinstance(error, CheckoutError) else f" ({hide_secrets(str(error))})"
            raise WorkspaceError(
                f"the data of {shown} is neither in DVC's cache nor in its remote{reason}; dvc push --all-tags it from "
                "where that version was made. Nothing was changed"
            ) from error


def _commit(root: Path, message: str, files: Sequence[str]) -> None:
    name, email = read_identity(root)
    env = {
        "GIT_AUTHOR_NAME": name,
        "GIT_AUTHOR_EMAIL": email,
        "GIT_COMMITTER_NAME": name,
        "GIT_COMMITTER_EMAIL": email,
    }
    git(root, "commit", "--quiet", "--message", message, "--only", "--", *files, env=env)


def _put_back(root: Path, files: Sequence[str]) -> None:
    for file in files:
        if _read_blob(root, "HEAD", file):
            git(root, "checkout", "--quiet", "HEAD", "--", file)
        else:
            git(root, "rm", "--quiet", "--force", "--", file)
