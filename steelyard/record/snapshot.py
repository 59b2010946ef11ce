"""The snapshot commit: exactly the code, ``params.yaml`` and ``dvc.lock`` that made some weights."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from steelyard.git import git, read_identity
from steelyard.params import read_yaml

# What people put there is pictures: `dvc add` keeps those, and data/dataset is kept in any case.
RAW = "data/raw"


def commit_snapshot(root: Path, message: str, say: Callable[[str], None]) -> str:
    """Commit the working tree as it is, touching neither branch, index nor stash.

    Of files that git does not know yet it holds those that the stages depend on, and DVC's own;
    nothing else that lies about, such as a person's notes, keys or loose pictures.

    Made with an index of its own, so it works inside a running ``dvc repro`` and in a dirty tree.
    Nothing points to the commit until it gets a tag.

    Args:
        root: repository or workspace.
        message: of the commit.
        say: receives a line on what is left out.

    Returns:
        Hash of the new commit, or of HEAD where the working tree holds nothing else.
    """
    head = git(root, "rev-parse", "HEAD")
    name, email = read_identity(root)
    with tempfile.TemporaryDirectory() as folder:
        env = {
            "GIT_INDEX_FILE": str(Path(folder) / "index"),
            "GIT_AUTHOR_NAME": name,
            "GIT_AUTHOR_EMAIL": email,
            "GIT_COMMITTER_NAME": name,
            "GIT_COMMITTER_EMAIL": email,
        }
        git(root, "read-tree", "HEAD", env=env)
        git(root, "add", "--update", env=env)
        known = ("ls-files", "--others", "--exclude-standard", "-z", "--")
        new = git(root, *known, *_list_parts(root), env=env).strip("\0")
        if new:
            git(root, "--literal-pathspecs", "add", "--pathspec-from-file=-", "--pathspec-file-nul", text=new, env=env)
        if left := git(root, *known, env=env).strip("\0"):
            names = left.split("\0")
            say(
                f"not in the version's commit: {len(names)} files that git does not know "
                f"({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
            )
        tree = git(root, "write-tree", env=env)
        if tree == git(root, "rev-parse", "HEAD^{tree}"):
            return head
        return git(root, "commit-tree", tree, "-p", head, "-m", message, env=env)


def _list_parts(root: Path) -> list[str]:
    """What the stages read and write, as far as git keeps it, and DVC's files, as patterns for git."""
    parts = {"dvc.yaml", "dvc.lock", "params.yaml", ":(glob)**/*.dvc", ":(glob)**/.gitignore"}
    for stage in read_yaml(root / "dvc.yaml")["stages"].values():
        for kind in ("deps", "outs", "metrics", "plots"):
            for each in stage.get(kind, []):
                parts.add(each if isinstance(each, str) else next(iter(each)))
    return sorted(parts - {RAW})
