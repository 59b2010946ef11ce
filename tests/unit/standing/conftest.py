"""A repository with three versions: real git and DVC, weights of a few bytes, no MLflow store."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from steelyard.git import git
from steelyard.record.ledger import add_version
from steelyard.record.record import WeightsFact
from tests.unit.records import make_record

ROOT = Path(__file__).parents[3]
STEELYARD = Path(sys.executable).parent / "steelyard"


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def find_cached(root, content):
    md5 = hashlib.md5(content).hexdigest()  # noqa: S324 - DVC's
    return root / ".dvc/cache/files/md5" / md5[:2] / md5[2:]


def add_bytes(root, version):
    """A commit that holds a version's weights, and its record in the ledger."""
    from dvc.repo import Repo

    contents = {"best.pt": f"checkpoint {version}".encode(), "weights.safetensors": f"tensors {version}".encode()}
    (root / "weights").mkdir(exist_ok=True)
    for name, content in contents.items():
        (root / "weights" / name).write_bytes(content)
    with Repo(str(root)) as repo:
        repo.add([str(root / "weights" / name) for name in contents])
    git(root, "add", "--all")
    git(root, "commit", "-qm", f"weights {version}")
    record = make_record(git(root, "rev-parse", "HEAD"), version, f"sha256:{version:064}").model_copy(
        update={
            "weights": WeightsFact(
                identity=f"sha256:{version:064}",
                file_sha256=sha256(contents["best.pt"]),
                safetensors_sha256=sha256(contents["weights.safetensors"]),
            )
        }
    )
    add_version(root, record)
    return record


def name_person(root, name):
    git(root, "config", "user.name", name)
    git(root, "config", "user.email", f"{name.lower()}@localhost")


@pytest.fixture
def repo(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    from dvc.repo import Repo

    root = tmp_path / "repo"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    name_person(root, "Ada")
    Repo.init(str(root)).close()
    (root / "dvc.yaml").write_text("stages: {}\n")
    yaml = YAML()
    params = yaml.load((ROOT / "params.yaml").read_text())
    params["register"]["name"] = "trees"
    with (root / "params.yaml").open("w") as stream:
        yaml.dump(params, stream)
    return root


@pytest.fixture
def records(repo):
    return [add_bytes(repo, version) for version in (1, 2, 3)]


@pytest.fixture
def clone(repo, records, tmp_path):
    """Makes clones of the repository, each of another person, with its DVC cache."""

    def make(name):
        root = tmp_path / name
        git(repo, "clone", "-q", str(repo), str(root))
        name_person(root, name)
        (root / ".dvc/config.local").write_text(f"[cache]\n    dir = {repo / '.dvc/cache'}\n")
        return root

    return make


def start(root, *arguments):
    """The command, running."""
    return subprocess.Popen(
        [str(STEELYARD), *arguments], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def call(root, *arguments):
    """The command, ended: exit code, output, errors."""
    process = start(root, *arguments)
    output, errors = process.communicate()
    return process.returncode, output, errors
