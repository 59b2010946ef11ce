"""What must hold when a command refuses: one sentence, an exit code, nothing changed."""

import os
from pathlib import Path
from types import SimpleNamespace

from ruamel.yaml import YAML

from steelyard.weights.identity import file_sha256

DVC_FAILED = 255
CLOSED = "http://127.0.0.1:9"  # the port of the discard service, where nothing listens
OUTSIDE = {".git", "cache", "tmp", "__pycache__", ".ultralytics"}  # caches and locks are no part of the working tree


def hash_tree(root):
    """Every file of a working tree by its sha256."""
    files = {}
    for folder, names, found in os.walk(root):
        names[:] = [name for name in names if name not in OUTSIDE]
        found = [name for name in found if not name.startswith("prefect.db")]  # Prefect writes its runs here
        files |= {str(path): file_sha256(path) for path in (Path(folder) / name for name in found)}
    return files


def set_values(project, **changes):
    """Edit params.yaml; it is not committed."""
    yaml, file = YAML(), project.root / "params.yaml"
    tree = yaml.load(file.read_text())
    for section, values in changes.items():
        tree[section].update(values)
    with file.open("w") as stream:
        yaml.dump(tree, stream)


def read_errors(output):
    return [line for line in output.splitlines() if line.startswith("error: ")]


def refuse(project, stage, *says, **env):
    """`dvc repro` refuses in one sentence, and the working tree with its outputs is as it was."""
    before = hash_tree(project.root)
    done = project.dvc("repro", stage, check=False, **env)
    output = done.stdout + done.stderr
    assert done.returncode == DVC_FAILED, output
    assert "Traceback" not in output
    (sentence,) = read_errors(output)
    for words in says:
        assert words in sentence
    assert hash_tree(project.root) == before


def run_and_fail(project, *arguments, **env):
    """`steelyard run` ends with one sentence of its own, and leaves neither a change nor a clone."""
    before = hash_tree(project.root), project.git("tag")
    done = project.steelyard("run", *arguments, check=False, **env)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert (hash_tree(project.root), project.git("tag")) == before
    runs = project.root / ".dvc/tmp/steelyard/runs"
    assert not runs.exists() or not list(runs.iterdir())
    (sentence,) = read_errors(done.stderr)
    return SimpleNamespace(sentence=sentence, output=done.stdout + done.stderr)
