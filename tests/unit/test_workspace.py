"""A clean clone holds what git and DVC hold of one commit, and leaves nothing behind."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from steelyard.errors import ParamsError, WorkspaceError
from steelyard.git import git
from steelyard.params import read_yaml
from steelyard.workspace import RUNS, clean_clone

# DVC asks the library of its tries in a way that this one is to drop.
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value will soon raise:DeprecationWarning")

HOLD = """
import sys, time
from pathlib import Path
from steelyard.workspace import clean_clone
with clean_clone(Path(sys.argv[1]), "HEAD", {}, print) as clone:
    print(clone, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def home(tmp_path, request):
    """A small repository of git and DVC: settings, and one file under `dvc add`."""
    from dvc.repo import Repo

    home = tmp_path / "home"
    home.mkdir()
    git(home, "init", "-q", "-b", "main")
    git(home, "config", "user.name", "Tester")
    git(home, "config", "user.email", "tester@localhost")
    with Repo.init(str(home)) as repo:
        (home / "params.yaml").write_text((request.config.rootpath / "params.yaml").read_text())
        (home / "data/raw").mkdir(parents=True)
        (home / "data/raw/added.txt").write_text("one")
        repo.add(str(home / "data/raw/added.txt"))
    commit(home, "first")
    return home


def commit(home, message):
    git(home, "add", "--all")
    git(home, "commit", "-qm", message)
    return git(home, "rev-parse", "HEAD")


def read_state(home):
    return [git(home, *words.split()) for words in ("status --porcelain", "rev-parse HEAD", "branch", "stash list")]


def test_it_holds_the_commit_and_its_data(home):
    said = []
    with clean_clone(home, "HEAD", {}, said.append) as clone:
        assert (clone / "data/raw/added.txt").read_text() == "one"
        assert git(clone, "status", "--porcelain") == ""
        assert git(clone, "rev-parse", "HEAD") == git(home, "rev-parse", "HEAD")
    assert len(said) == 1
    assert not list((home / RUNS).iterdir())


def test_what_is_edited_here_is_not_there_and_stays(home):
    (home / "params.yaml").write_text("half a thought: [")
    (home / "data/raw/loose.txt").write_text("never added")
    before, said = read_state(home), []
    with clean_clone(home, "HEAD", {"finetune": {"epochs": 3}}, said.append) as clone:
        assert read_yaml(clone / "params.yaml")["finetune"]["epochs"] == 3
        assert not (clone / "data/raw/loose.txt").exists()
    assert read_state(home) == before
    assert (home / "params.yaml").read_text() == "half a thought: ["
    text = "\n".join(said)
    assert "override: finetune.epochs = 3 (was 20)" in text
    assert "not in this run: 2 uncommitted changes of the working tree (params.yaml, data/raw/loose.txt)" in text
    assert "not in this run: data/raw/loose.txt; DVC does not track it: dvc add data/raw/loose.txt" in text


def test_data_below_a_folder_is_brought_and_what_is_loose_there_is_named(home, request):
    from dvc.repo import Repo

    shutil.copy(request.config.rootpath / "data/raw/.gitignore", home / "data/raw")
    site = home / "data/raw/2024/site"
    site.mkdir(parents=True)
    (site / "photos").mkdir()
    (site / "photos/1.txt").write_text("one")
    with Repo(str(home)) as repo:
        repo.add(str(site / "photos"))
    (home / "data/raw/2024/README.md").write_text("held by git")
    commit(home, "photos")
    said = []
    with clean_clone(home, "HEAD", {}, said.append) as clone:
        assert (clone / "data/raw/2024/site/photos/1.txt").read_text() == "one"
    assert len(said) == 1

    (site / "more").mkdir()
    for number in range(3):
        (site / f"more/{number}.txt").touch()
    # a name that DVC tracks in another folder
    (site / "added.txt").touch()
    with clean_clone(home, "HEAD", {}, said.append):
        pass
    loose = "data/raw/2024/site/added.txt"
    assert said[-1] == f"not in this run: {loose} and 1 more; DVC does not track it: dvc add {loose}, then git commit"


def test_a_relative_remote_is_the_same_place_in_the_clone(home, tmp_path):
    from dvc.repo import Repo

    with (home / ".dvc/config").open("a") as file:
        file.write("[core]\n    remote = store\n['remote \"store\"']\n    url = ../../store\n")
    commit(home, "remote")
    with Repo(str(home)) as repo:
        repo.push()
    assert (tmp_path / "store").is_dir()
    shutil.rmtree(home / ".dvc/cache")
    with clean_clone(home, "HEAD", {}, print) as clone:
        assert (clone / "data/raw/added.txt").read_text() == "one"
        assert git(clone, "status", "--porcelain") == ""


def test_an_older_revision_has_its_code_and_settings(home):
    first = git(home, "rev-parse", "HEAD")
    git(home, "tag", "older")
    (home / "code.py").write_text("new")
    (home / "params.yaml").write_text((home / "params.yaml").read_text().replace("epochs: 20", "epochs: 21"))
    commit(home, "second")
    said = []
    with clean_clone(home, "older", {}, said.append) as clone:
        assert git(clone, "rev-parse", "HEAD") == first
        assert not (clone / "code.py").exists()
        assert read_yaml(clone / "params.yaml")["finetune"]["epochs"] == 20
    assert "not in this run: the commit that is checked out; the revision asked for is another" in said


def test_imported_data_is_brought_up_to_date_in_the_clone_alone(home, tmp_path):
    from dvc.repo import Repo

    outside = tmp_path / "outside.txt"
    outside.write_text("old")
    with Repo(str(home)) as repo:
        repo.imp_url(str(outside), str(home / "data/raw/imported.txt"))
    commit(home, "imported")
    outside.write_text("new")
    before, said = read_state(home), []
    with clean_clone(home, "HEAD", {}, said.append) as clone:
        assert (clone / "data/raw/imported.txt").read_text() == "new"
        assert (clone / "data/raw/added.txt").read_text() == "one"
        assert git(clone, "status", "--porcelain").split() == ["M", "data/raw/imported.txt.dvc"]
    assert "brings data/raw/imported.txt.dvc up to date" in said
    assert (home / "data/raw/imported.txt").read_text() == "old"
    assert read_state(home) == before


def test_imported_data_that_is_gone_is_named(home, tmp_path):
    from dvc.repo import Repo

    outside = tmp_path / "outside.txt"
    outside.write_text("old")
    with Repo(str(home)) as repo:
        repo.imp_url(str(outside), str(home / "data/raw/imported.txt"))
    commit(home, "imported")
    outside.unlink()
    with pytest.raises(WorkspaceError, match=r"data/raw/imported\.txt\.dvc: cannot be brought up .*outside\.txt"):
        clean_clone(home, "HEAD", {}, print).__enter__()
    assert not list((home / RUNS).iterdir())


def test_data_that_the_cache_lost_is_named(home):
    for path in (home / ".dvc/cache/files/md5").rglob("*"):
        if path.is_file():
            path.unlink()
    with (
        pytest.raises(WorkspaceError, match=r"data/raw/added\.txt\.dvc: its data is neither in .*dvc push it"),
        clean_clone(home, "HEAD", {}, print),
    ):
        pass
    assert not list((home / RUNS).iterdir())


@pytest.fixture
def hold(home):
    """Start a process that stays in a clean clone; it is ended with the test."""
    started = []

    def start():
        process = subprocess.Popen([sys.executable, "-c", HOLD, str(home)], stdout=subprocess.PIPE, text=True)
        started.append(process)
        lines = iter(process.stdout.readline, "")
        return process, Path(next(line.strip() for line in lines if line.startswith(str(home)))).name

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_clone_whose_process_was_killed_is_swept_by_the_next(home, hold):
    killed, _ = hold()
    alive, name = hold()
    killed.kill()
    killed.wait()
    with clean_clone(home, "HEAD", {}, print) as clone:
        assert {path.name for path in (home / RUNS).iterdir() if path.is_dir()} == {clone.name, name}
    alive.kill()
    alive.wait()
    with clean_clone(home, "HEAD", {}, print) as clone:
        assert [path.name for path in (home / RUNS).iterdir() if path.is_dir()] == [clone.name]


def test_a_failure_inside_leaves_nothing(home):
    with pytest.raises(ZeroDivisionError), clean_clone(home, "HEAD", {}, print):
        1 / 0  # noqa: B018 - what a stage might do
    assert not list((home / RUNS).iterdir())


@pytest.mark.parametrize(
    ("revision", "overrides", "error", "says"),
    [
        ("nope", {}, WorkspaceError, "revision = 'nope': not a commit of home \\(known: main\\)"),
        ("--help", {}, WorkspaceError, "revision = '--help': not a commit"),
        ("HEAD", {"finetune": {"epochs": 0}}, ParamsError, r"params\.yaml: finetune\.epochs = 0: .*at least 1"),
        ("HEAD", {"finetune": {"epoch": 3}}, ParamsError, "did you mean 'epochs'"),
    ],
)
def test_what_cannot_be_run_is_refused(home, revision, overrides, error, says):
    before = read_state(home)
    with pytest.raises(error, match=says), clean_clone(home, revision, overrides, print):
        pass
    assert read_state(home) == before
    assert not (home / RUNS).exists() or not list((home / RUNS).iterdir())


def test_no_commit_and_no_dvc(home, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    with pytest.raises(WorkspaceError, match="no DVC repository"), clean_clone(other, "HEAD", {}, print):
        pass
    (other / ".dvc").mkdir()
    (other / ".dvc/config").touch()
    with pytest.raises(WorkspaceError, match="it has no commit yet: git add"), clean_clone(other, "HEAD", {}, print):
        pass
