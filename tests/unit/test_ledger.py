import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from steelyard.errors import RegistryError, WorkspaceError
from steelyard.git import git, resolve_commit
from steelyard.record.ledger import (
    add_version,
    find_version,
    push_tag,
    read_versions,
)
from steelyard.record.snapshot import commit_snapshot as commit
from tests.unit.records import make_record

GRAPH = """
stages:
  train:
    cmd: python code.py
    deps: [code.py, new.py, lib, data/raw, weights/base.pt]
    outs: [weights/best.pt]
    metrics:
      - scores.json:
          cache: false
"""


def commit_snapshot(root, message, say=lambda _: None):
    return commit(root, message, say)


@pytest.fixture
def repo(tmp_path):
    root = tmp_path / "repo"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    git(root, "config", "user.name", "Ada")
    git(root, "config", "user.email", "ada@localhost")
    (root / "code.py").write_text("1\n")
    (root / "dvc.yaml").write_text(GRAPH)
    (root / ".gitignore").write_text("/weights\n")
    git(root, "add", "--all")
    git(root, "commit", "-qm", "first")
    return root


def test_a_snapshot_holds_the_dirty_tree_and_touches_nothing(repo):
    (repo / "code.py").write_text("2\n")
    (repo / "new.py").write_text("3\n")
    (repo / "staged.py").write_text("4\n")
    git(repo, "add", "staged.py")
    before = [git(repo, *c) for c in (["status", "--porcelain"], ["rev-parse", "HEAD"], ["stash", "list"], ["branch"])]
    commit = commit_snapshot(repo, "made it")
    assert git(repo, "show", f"{commit}:code.py") == "2"
    assert git(repo, "show", f"{commit}:new.py") == "3"
    assert git(repo, "rev-parse", f"{commit}^") == git(repo, "rev-parse", "HEAD")
    after = [git(repo, *c) for c in (["status", "--porcelain"], ["rev-parse", "HEAD"], ["stash", "list"], ["branch"])]
    assert after == before


def test_a_snapshot_leaves_out_what_no_stage_reads(repo):
    kept = {
        "lib/part.py": "5", "lib/deep/er.py": "6", "scores.json": "{}", "dvc.lock": "schema: '2.0'",
        "data/raw/photos.dvc": "outs: []", "data/raw/.gitignore": "/photos", "data/raw/a/b.dvc": "outs: []",
        "lib/[x].py": "7",
    }  # fmt: skip
    left = {".env": "KEY=secret", "data/raw/loose/1.png": "png", "notes.txt": "mine"}
    for name, text in {**kept, **left, "weights/best.pt": "big", "data/raw/photos/1.png": "png"}.items():
        (repo / name).parent.mkdir(parents=True, exist_ok=True)
        (repo / name).write_text(text + "\n")
    said = []
    snapshot = commit_snapshot(repo, "made it", said.append)
    names = set(git(repo, "-c", "core.quotePath=false", "ls-tree", "-r", "--name-only", snapshot).splitlines())
    assert names == {"code.py", "dvc.yaml", ".gitignore", *kept}
    assert said == [
        "not in the version's commit: 3 files that git does not know (.env, data/raw/loose/1.png, notes.txt)"
    ]


def test_a_snapshot_of_a_clean_tree_is_its_commit(repo):
    assert commit_snapshot(repo, "nothing new") == git(repo, "rev-parse", "HEAD")


def test_a_version_is_read_back_whole(repo):
    record = make_record(commit_snapshot(repo, "v1"))
    add_version(repo, record)
    assert read_versions(repo, "trees") == [record]
    assert find_version(repo, "trees", record.weights.identity) == record
    assert find_version(repo, "trees", "sha256:" + "9" * 64) is None
    assert read_versions(repo, "other") == []
    assert git(repo, "for-each-ref", "--format=%(taggername)", "refs/tags/trees@v1.0.0") == "Ada"


def test_a_number_is_given_once(repo):
    commit = commit_snapshot(repo, "v1")
    add_version(repo, make_record(commit))
    with pytest.raises(RegistryError, match=r"trees@v1\.0\.0: not written"):
        add_version(repo, make_record(commit, identity="sha256:" + "9" * 64))


def test_versions_are_in_order_beyond_nine(repo):
    for version in range(1, 12):
        (repo / "code.py").write_text(f"{version}\n")
        add_version(repo, make_record(commit_snapshot(repo, "x"), version, f"sha256:{version:064}"))
    assert [record.version for record in read_versions(repo, "trees")] == list(range(1, 12))


def test_a_tag_made_by_hand_is_named(repo):
    git(repo, "tag", "-a", "trees@v1.0.0", "-m", "mine")
    with pytest.raises(RegistryError, match=r"tag trees@v1\.0\.0: its message holds no record"):
        read_versions(repo, "trees")


def test_where_git_knows_no_identity_steelyard_signs(repo, tmp_path):
    git(repo, "config", "--unset", "user.name")
    git(repo, "config", "--unset", "user.email")
    code = (
        "import sys; sys.path[:0] = sys.argv[2:]\n"
        "from pathlib import Path\n"
        "from steelyard.record.ledger import add_decision, add_version\n"
        "from steelyard.record.snapshot import commit_snapshot\n"
        "from records import make_decision, make_record\n"
        "root = Path(sys.argv[1]); (root / 'code.py').write_text('y')\n"
        "record = make_record(commit_snapshot(root, 'x', print)); add_version(root, record)\n"
        "add_decision(root, record, make_decision(record, 'promote'))\n"
    )
    from pathlib import Path
    from sys import executable

    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run([executable, "-c", code, repo, str(Path(__file__).parent)], env=env, check=True)
    for tag in ("trees@v1.0.0", "trees#champion#1"):
        assert git(repo, "for-each-ref", "--format=%(taggername)", f"refs/tags/{tag}") == "Steelyard"


def test_of_two_clones_one_gets_the_number(repo, tmp_path):
    clones = [tmp_path / "a", tmp_path / "b"]
    for number, clone in enumerate(clones):
        git(repo, "clone", "-q", str(repo), str(clone))
        git(clone, "config", "user.name", "Ada")
        git(clone, "config", "user.email", "ada@localhost")
        (clone / "code.py").write_text(f"{number + 5}\n")
        add_version(clone, make_record(commit_snapshot(clone, "x"), 1, f"sha256:{number:064}"))
    with ThreadPoolExecutor() as pool:
        won = list(pool.map(lambda clone: push_tag(clone, "trees@v1.0.0"), clones))
    assert sorted(won) == [False, True]
    winner = clones[won.index(True)]
    assert read_versions(repo, "trees") == read_versions(winner, "trees")
    assert read_versions(clones[won.index(False)], "trees") == []


def test_a_revision_that_is_none_says_what_there_is(repo):
    assert resolve_commit(repo, "main") == git(repo, "rev-parse", "HEAD")
    with pytest.raises(WorkspaceError, match=r"revision = 'nope': not a commit of repo \(known: main\)"):
        resolve_commit(repo, "nope")
    with pytest.raises(WorkspaceError, match="not a commit"):
        resolve_commit(repo, "--upload-pack=x")


def test_a_repository_without_a_commit_says_so(tmp_path):
    git(tmp_path, "init", "-q")
    with pytest.raises(WorkspaceError, match="it has no commit yet: git add, git commit"):
        resolve_commit(tmp_path, "HEAD")
