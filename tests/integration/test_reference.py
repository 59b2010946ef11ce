"""Weights references in a repository with versions: names, aliases, base, files, and what is refused."""

import hashlib
import sys

import pytest

from steelyard.errors import RegistryError, WeightsError, WorkspaceError
from steelyard.record.ledger import read_versions
from steelyard.reference import open_weights


@pytest.fixture(scope="module")
def registered(weighed, tmp_path_factory):
    project = weighed.copy(tmp_path_factory.mktemp("referenced") / "repo", "referenced")
    project.call(sys.executable, "-m", "tasks.register")
    return project


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("reference", ["v1", "@champion"])
def test_a_version_and_an_alias_give_the_registered_bytes(registered, reference):
    (record,) = read_versions(registered.root, registered.name)
    with open_weights(registered.root, reference) as weights:
        assert digest(weights.path) == record.weights.file_sha256
        assert (weights.shown, weights.record) == ("v1", record)
    assert not weights.path.exists()


def test_base_is_the_parent(registered):
    (record,) = read_versions(registered.root, registered.name)
    with open_weights(registered.root, "base") as weights:
        assert digest(weights.path) == record.base.file_sha256
        assert weights.record is None


def test_a_file_is_read_where_it_lies(registered):
    path = registered.root / "weights/weights.safetensors"
    for root in (registered.root, None):
        with open_weights(root, str(path)) as weights:
            assert (weights.path, weights.shown) == (path, str(path))


@pytest.mark.parametrize(
    ("reference", "error", "says"),
    [
        ("v7", RegistryError, r"v7: no version of .* \(versions: v1\)"),
        ("@challenger", RegistryError, "has none at present"),
        ("@winner", RegistryError, "no such alias; allowed are @champion, @challenger"),
        ("weights", WeightsError, "is a folder"),
        ("nothing.pt", WeightsError, "not found"),
        ("params.yaml", WeightsError, "no weights reference; allowed are"),
        ("champion", WeightsError, "no weights reference; allowed are"),
    ],
)
def test_what_names_nothing_is_refused(registered, monkeypatch, reference, error, says):
    monkeypatch.chdir(registered.root)
    with pytest.raises(error, match=says), open_weights(registered.root, reference):
        pass


def test_outside_of_a_repository_only_files_can_be_named():
    with pytest.raises(WorkspaceError, match="in no repository of Steelyard"), open_weights(None, "v1"):
        pass


def test_a_changed_byte_in_the_cache_is_found(registered):
    (record,) = registered.read_records()
    changed = {}
    for file in (registered.root / ".dvc/cache/files/md5").rglob("*"):
        if file.is_file() and digest(file) in (record.weights.file_sha256, record.base.file_sha256):
            changed[file] = file.read_bytes()
            file.chmod(0o644)
            file.write_bytes(changed[file][:-1] + b"!")
    assert len(changed) == 2
    for reference in ("v1", "base"):
        with (
            pytest.raises(RegistryError, match="cache or remote was changed"),
            open_weights(registered.root, reference),
        ):
            pass
    for file, content in changed.items():
        file.write_bytes(content)
