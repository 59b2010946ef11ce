"""A version's data comes onto the branch as one commit, or everything stays as it was."""

import shutil

import pytest

from steelyard.errors import WorkspaceError
from steelyard.git import git
from steelyard.history.adopt import adopt
from steelyard.params import load_params

# DVC asks the library of its tries in a way that this one is to drop.
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value will soon raise:DeprecationWarning")


@pytest.fixture
def home(tmp_path, request):
    """A branch with an import of two files; v1 is its state, v2 has three files and another dvc.lock."""
    from dvc.repo import Repo

    home, source = tmp_path / "home", tmp_path / "source"
    for folder in (home / "data/raw", source):
        folder.mkdir(parents=True)
    for name in ("1.txt", "2.txt"):
        (source / name).write_text(name)
    git(home, "init", "-q", "-b", "main")
    git(home, "config", "user.name", "Tester")
    git(home, "config", "user.email", "tester@localhost")
    for file in ("params.yaml", "data/raw/.gitignore"):
        shutil.copy(request.config.rootpath / file, home / file)
    (home / "dvc.lock").write_text("schema: '2.0'\n")
    (home / "notes.txt").write_text("mine")
    name = load_params(home / "params.yaml").registration.name
    with Repo.init(str(home)) as repo:
        repo.imp_url(str(source), str(home / "data/raw/photos"))
        commit(home, "photos")
        git(home, "tag", f"{name}@v1.0.0")
        git(home, "switch", "--quiet", "--detach")
        (source / "3.txt").write_text("3.txt")
        repo.update([str(home / "data/raw/photos.dvc")])
        (home / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
        (home / "notes.txt").write_text("of the version")
        commit(home, "a version")
        git(home, "tag", f"{name}@v2.0.0")
        git(home, "switch", "--quiet", "main")
        repo.checkout([str(home / "data/raw/photos.dvc")])
    return home


def commit(home, message):
    git(home, "add", "--all")
    git(home, "commit", "-qm", message)


def read_files(home):
    return {path.name: path.read_text() for path in (home / "data/raw/photos").iterdir()}


def read_state(home):
    words = ("status --porcelain", "rev-parse HEAD", "branch", "stash list", "ls-files --stage")
    return [git(home, *each.split()) for each in words]


@pytest.mark.parametrize("revision", ["v2", "tree-crowns@v2.0.0", "the commit"])
def test_it_is_one_ordinary_commit_and_the_files_are_there(home, revision):
    before = git(home, "rev-parse", "HEAD")
    (home / "notes.txt").write_text("half a thought")
    (home / "staged.txt").write_text("staged")
    git(home, "add", "staged.txt")
    said = []
    if revision == "the commit":
        revision = git(home, "rev-parse", "tree-crowns@v2.0.0^{commit}")
    made = adopt(home, revision, said.append)
    assert said == ["data/raw/photos: 2 files -> 3 files"]
    assert read_files(home) == {name: name for name in ("1.txt", "2.txt", "3.txt")}
    assert made == git(home, "rev-parse", "main")
    assert git(home, "log", "--format=%s by %an", f"{before}..main") == "data of tree-crowns@v2.0.0 by Tester"
    assert git(home, "show", "--name-only", "--format=", made).split() == ["data/raw/photos.dvc", "dvc.lock"]
    # what a person was at is as it was
    assert (home / "notes.txt").read_text() == "half a thought"
    assert git(home, "status", "--porcelain").split() == ["M", "notes.txt", "A", "staged.txt"]
    assert adopt(home, "v2", said.append) is None
    # and back
    git(home, "commit", "-qm", "staged")
    assert adopt(home, "v1", said.append)
    assert set(read_files(home)) == {"1.txt", "2.txt"}


def test_data_that_was_never_checked_out_here(home):
    shutil.rmtree(home / "data/raw/photos")
    assert adopt(home, "v2", print)
    assert len(read_files(home)) == 3


def edit_file(home):
    (home / "data/raw/photos/1.txt").write_text("mended by hand")


def add_file(home):
    (home / "data/raw/photos/mine.txt").write_text("mine alone")


def remove_file(home):
    (home / "data/raw/photos/1.txt").unlink()


def edit_import(home):
    with (home / "data/raw/photos.dvc").open("a") as file:
        file.write("desc: mine\n")


def stage_lock(home):
    (home / "dvc.lock").write_text("schema: '2.0'\nstages:\n")
    git(home, "add", "dvc.lock")


def untrack(home):
    git(home, "rm", "-q", "data/raw/photos.dvc")
    git(home, "commit", "-qm", "not tracked any more")


def detach(home):
    git(home, "switch", "--quiet", "--detach")


def merge(home):
    git(home, "switch", "--quiet", "-c", "side")
    (home / "side.txt").write_text("side")
    commit(home, "side")
    git(home, "switch", "--quiet", "main")
    git(home, "merge", "--quiet", "--no-commit", "--no-ff", "side")


def lose_newest(home):
    digest = git(home, "show", "tree-crowns@v2.0.0:data/raw/photos.dvc").split("md5: ")[2].split()[0]
    (home / ".dvc/cache/files/md5" / digest[:2] / digest[2:]).unlink()


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        (edit_file, r"data/raw/photos: differs here from data/raw/photos\.dvc \(modified\) and would be lost"),
        (add_file, r"\(modified\) and would be lost; keep it"),
        (remove_file, r"\(modified\) and would be lost; keep it"),
        (edit_import, r"data/raw/photos\.dvc: has changes that are not committed and would be lost"),
        (stage_lock, r"dvc\.lock: has changes that are not committed and would be lost"),
        (untrack, "data/raw/photos: lies here without being tracked and would be lost"),
        (detach, "HEAD is detached, so there is no branch to commit to"),
        (merge, "cannot do a partial commit during a merge"),
        (lose_newest, r"the data of tree-crowns@v2\.0\.0 is neither in DVC's cache nor in its remote; .*was changed"),
    ],
)
def test_nothing_is_lost(home, trouble, says):
    trouble(home)
    before, files = read_state(home), read_files(home)
    with pytest.raises(WorkspaceError, match=says) as caught:
        adopt(home, "v2", print)
    assert "\n" not in str(caught.value)
    assert read_state(home) == before
    assert read_files(home) == files


@pytest.mark.parametrize(
    ("revision", "says"),
    [
        ("v3", r"revision = 'v3': no version of tree-crowns and no revision \(versions: v1, v2\)"),
        ("nope", "revision = 'nope': not a commit of home"),
        ("bare", r"bare has no data/raw/\*\*/\*\.dvc: nothing of its data came by dvc import-url or dvc add"),
    ],
)
def test_what_cannot_be_adopted_is_named(home, revision, says):
    git(home, "switch", "--quiet", "--orphan", "bare")
    (home / "empty.txt").touch()
    git(home, "add", "empty.txt")
    git(home, "commit", "-qm", "bare")
    git(home, "switch", "--quiet", "main")
    before = read_state(home)
    with pytest.raises(WorkspaceError, match=says):
        adopt(home, revision, print)
    assert read_state(home) == before
