"""The snapshot commit: exactly the code, ``params.yaml`` and ``dvc.lock`` that made some weights."""

import tempfile
from pathlib import Path

from steelyard.git import git, read_identity


def commit_snapshot(root: Path, message: str) -> str:
    """Commit the working tree as it is, touching neither branch, index nor stash.

    Made with an index of its own, so it works inside a running ``dvc repro`` and in a dirty tree.
    Nothing points to the commit until it gets a tag.

    Args:
        root: repository or workspace.
        message: of the commit.

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
        git(root, "add", "--all", env=env)
        tree = git(root, "write-tree", env=env)
        if tree == git(root, "rev-parse", "HEAD^{tree}"):
            return head
        return git(root, "commit-tree", tree, "-p", head, "-m", message, env=env)
