"""A clean clone holds what git and DVC hold of one commit, and leaves nothing behind."""

import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from steelyard.errors import ParamsError, WorkspaceError
from steelyard.git import git
from steelyard.params import load_params, read_yaml
from steelyard.record.ledger import add_version
from steelyard.workspace import RUNS, clean_clone
from tests.unit.records import make_record

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


def test_what_dvc_notes_of_a_clone_goes_with_it(home):
    from dvc.repo import Repo

    with clean_clone(home, "HEAD", {}, print) as clone, Repo(str(clone)) as repo:
        assert Path(repo.site_cache_dir).is_relative_to(home / RUNS)
        assert Path(repo.site_cache_dir).is_dir()
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


@pytest.fixture
def outside(home, tmp_path):
    """A folder of two files elsewhere, imported."""
    from dvc.repo import Repo

    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("1.txt", "2.txt"):
        (outside / name).write_text(name)
    with Repo(str(home)) as repo:
        repo.imp_url(str(outside), str(home / "data/raw/photos"))
    commit(home, "imported")
    return outside


def update(home):
    """What a run with update_data says of the data, and the files that it then has."""
    before, said = read_state(home), []
    tracked = (home / "data/raw/photos.dvc").read_text()
    with clean_clone(home, "HEAD", {}, said.append, update_data=True) as clone:
        assert (clone / "data/raw/added.txt").read_text() == "one"
        files = {path.name: path.read_text() for path in (clone / "data/raw/photos").iterdir()}
        changed = git(clone, "status", "--porcelain").split()
    assert read_state(home) == before
    assert (home / "data/raw/photos.dvc").read_text() == tracked
    assert {path.name for path in (home / "data/raw/photos").iterdir()} == {"1.txt", "2.txt"}
    return said[-1], files, changed


def test_imported_data_is_as_the_commit_says_unless_an_update_is_asked_for(home, outside):
    (outside / "3.txt").write_text("3.txt")
    with clean_clone(home, "HEAD", {}, print) as clone:
        assert {path.name for path in (clone / "data/raw/photos").iterdir()} == {"1.txt", "2.txt"}
        assert git(clone, "status", "--porcelain") == ""
    assert update(home) == (
        "data/raw/photos: 2 -> 3 files since the commit (1 added)",
        {name: name for name in ("1.txt", "2.txt", "3.txt")},
        ["M", "data/raw/photos.dvc"],
    )


def test_an_update_says_what_is_new(home, outside):
    nothing = "data: nothing new in data/raw/photos (2 files, as in the commit)"
    assert update(home) == (nothing, {"1.txt": "1.txt", "2.txt": "2.txt"}, [])
    (outside / "1.txt").unlink()
    (outside / "2.txt").write_text("other")
    (outside / "3.txt").write_text("new")
    said, files, _ = update(home)
    assert said == "data/raw/photos: 2 -> 2 files since the commit (1 added, 1 removed, 1 changed)"
    assert files == {"2.txt": "other", "3.txt": "new"}
    (outside / "2.txt").unlink()
    assert update(home)[0] == "data/raw/photos: 2 -> 1 file since the commit (1 added, 2 removed)"


def test_a_single_file_that_is_imported(home, tmp_path):
    from dvc.repo import Repo

    source = tmp_path / "photos.zip"
    source.write_text("old")
    with Repo(str(home)) as repo:
        repo.imp_url(str(source), str(home / "data/raw/photos.zip"))
    commit(home, "imported")
    said = []
    for text, says in (
        ("old", "data: nothing new in data/raw/photos.zip (3 bytes, as in the commit)"),
        ("newer", "data/raw/photos.zip: 3 -> 5 bytes since the commit"),
    ):
        source.write_text(text)
        with clean_clone(home, "HEAD", {}, said.append, update_data=True) as clone:
            assert (clone / "data/raw/photos.zip").read_text() == text
        assert said[-1] == says
    source.write_text("")
    with pytest.raises(WorkspaceError, match=r"photos\.zip is empty now and was 3 bytes"):
        clean_clone(home, "HEAD", {}, print, update_data=True).__enter__()


def test_what_is_new_is_told_against_the_newest_version(home, outside):
    """The branch need not have adopted what that was trained on."""
    (outside / "3.txt").write_text("3.txt")
    with clean_clone(home, "HEAD", {}, print, update_data=True) as clone:
        state = (clone / "data/raw/photos.dvc").read_text()
    git(home, "switch", "--quiet", "--detach")
    (home / "data/raw/photos.dvc").write_text(state)
    snapshot = commit(home, "a version")
    git(home, "switch", "--quiet", "main")
    name = load_params(home / "params.yaml").registration.name
    record = make_record(snapshot).model_copy(update={"name": name})
    add_version(home, record)

    said, files, changed = update(home)
    assert said == f"data: nothing new in data/raw/photos (3 files, as in {record.tag()})"
    assert set(files) == {"1.txt", "2.txt", "3.txt"}
    assert changed == ["M", "data/raw/photos.dvc"]
    (outside / "1.txt").unlink()
    assert update(home)[0] == f"data/raw/photos: 3 -> 2 files since {record.tag()} (1 removed)"
    # that of another source is nothing to start from
    other = shutil.copytree(outside, outside.with_name("other"))
    (home / "data/raw/photos.dvc").write_text(
        (home / "data/raw/photos.dvc").read_text().replace(str(outside), str(other))
    )
    commit(home, "moved")
    assert update(home)[0] == "data/raw/photos: 2 -> 2 files since the commit (1 added, 1 removed)"


def test_a_source_that_became_empty_changes_nothing(home, outside):
    """As a network drive that is not mounted looks."""
    kept = [path.read_text() for path in sorted(outside.iterdir())]
    for path in outside.iterdir():
        path.unlink()
    before = read_state(home)
    with pytest.raises(WorkspaceError) as caught:
        clean_clone(home, "HEAD", {}, print, update_data=True).__enter__()
    says = (
        f"data/raw/photos.dvc: its source {outside} is empty now and was 2 files; an unmounted drive looks like that."
    )
    assert str(caught.value).startswith(says)
    assert read_state(home) == before
    assert not list((home / RUNS).iterdir())
    for number, text in enumerate(kept, start=1):
        (outside / f"{number}.txt").write_text(text)
    assert update(home)[0].startswith("data: nothing new")


def test_a_source_that_is_away_is_named(home, outside):
    outside.rename(outside.with_name("elsewhere"))
    with pytest.raises(WorkspaceError, match=rf"data/raw/photos\.dvc: cannot be brought up .*{outside}") as caught:
        clean_clone(home, "HEAD", {}, print, update_data=True).__enter__()
    assert "\n" not in str(caught.value)
    assert not list((home / RUNS).iterdir())
    # the data that the commit names is there all the same
    with clean_clone(home, "HEAD", {}, print) as clone:
        assert (clone / "data/raw/photos/1.txt").read_text() == "1.txt"


def test_an_address_with_a_password_that_does_not_answer(home, tmp_path):
    """In a process of its own: DVC prints, too."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "photos.zip").write_text("old")
    handler = partial(QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://me:hidden@127.0.0.1:{server.server_port}/photos.zip?key=hidden"
        dvc = [sys.executable, "-m", "dvc", "import-url", address, "data/raw/photos.zip"]
        subprocess.run(dvc, cwd=home, check=True, capture_output=True)
        commit(home, "imported")
        answers = run_update(home)
        assert "nothing new in data/raw/photos.zip" in answers.stdout
        server.shutdown()
    fails = run_update(home)
    where = f"http://127.0.0.1:{server.server_port}/photos.zip?..."
    assert (
        f"data/raw/photos.zip.dvc: cannot be brought up to date (dependency '{where}' does not exist)" in fails.stderr
    )
    assert fails.returncode == 1
    for done in (answers, fails):
        assert "hidden" not in done.stdout + done.stderr


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def run_update(home):
    code = (
        "import sys\nfrom pathlib import Path\nfrom steelyard.errors import WorkspaceError\n"
        "from steelyard.workspace import clean_clone\n"
        "try:\n    with clean_clone(Path(sys.argv[1]), 'HEAD', {}, print, update_data=True): pass\n"
        "except WorkspaceError as error: sys.exit(str(error))\n"
    )
    return subprocess.run([sys.executable, "-c", code, str(home)], capture_output=True, text=True, check=False)


def test_an_update_without_an_import_says_so(home):
    said = []
    with clean_clone(home, "HEAD", {}, said.append, update_data=True):
        pass
    assert said[-1] == "data: no import in data/raw to bring up to date (dvc import-url)"


def test_imported_data_that_the_cache_lost_is_named(home, outside):
    shutil.rmtree(home / ".dvc/cache/files")
    (outside / "1.txt").write_text("changed since")
    with pytest.raises(WorkspaceError, match=r"photos\.dvc: its data is neither in .*steelyard run --update-data"):
        git(home, "rm", "-q", "--cached", "data/raw/added.txt.dvc")
        git(home, "commit", "-qm", "only the import")
        clean_clone(home, "HEAD", {}, print).__enter__()


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
        assert {path.name for path in (home / RUNS).iterdir() if path.is_dir() and not path.suffix} == {
            clone.name,
            name,
        }
    alive.kill()
    alive.wait()
    with clean_clone(home, "HEAD", {}, print) as clone:
        assert [path.name for path in (home / RUNS).iterdir() if path.is_dir() and not path.suffix] == [clone.name]


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
