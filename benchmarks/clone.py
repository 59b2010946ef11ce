"""A throw-away clone to measure in, and commands timed in it."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from steelyard.git import git, read_identity
from steelyard.overrides import apply_overrides

HOME = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
# What a user's shell may say about servers and settings does not belong into a measurement.
OTHERS = ("MLFLOW_", "PREFECT_", "YOLO_", "DVC_", "STEELYARD_")


@dataclass(frozen=True)
class Clone:
    """A repository of its own; every command in it is a fresh process.

    Attributes:
        root: folder of the clone.
        env: the whole environment of its commands.
    """

    root: Path
    env: dict[str, str] = field(repr=False)

    def call(self, *command: object, **env: str) -> str:
        """Run a command and return what it prints; its output is the error where it fails."""
        words = [str(word) for word in command]
        done = subprocess.run(
            words, cwd=self.root, env={**self.env, **env}, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)} in {self.root}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        return done.stdout

    def python(self, *words: object, **env: str) -> str:
        """``python`` and what follows it."""
        return self.call(sys.executable, *words, **env)

    def time(self, *command: object, **env: str) -> float:
        """Wall time of a command, in seconds."""
        start = time.perf_counter()
        self.call(*command, **env)
        return time.perf_counter() - start

    def copy(self, name: str) -> "Clone":
        """The same once more, beside it."""
        root = self.root.with_name(name)
        shutil.copytree(self.root, root, symlinks=True)
        return Clone(root, self.env)


def make_clone(folder: Path, name: str, overrides: Mapping[str, Any]) -> Clone:
    """Clone HEAD into a temporary folder; DVC's cache is shared, versions and the MLflow store are not.

    Args:
        folder: temporary; also gets the state that tools keep outside of a repository.
        name: of the clone's folder.
        overrides: of ``params.yaml``, committed in the clone.
    """
    root = folder / name
    env = {key: value for key, value in os.environ.items() if not key.startswith(OTHERS)}
    env |= {
        "PATH": f"{BIN}{os.pathsep}{env['PATH']}",
        "PYTHONPATH": str(root),  # the clone's code, also where a command is installed from elsewhere
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DVC_SITE_CACHE_DIR": str(folder / "dvc"),
    }
    git(HOME, "clone", "--quiet", "--no-tags", str(HOME), str(root))
    clone = Clone(root, env)
    cache = Clone(HOME, env).python("-m", "dvc", "cache", "dir").strip()
    (root / ".dvc/config.local").write_text(f"[cache]\n    dir = {cache}\n", encoding="utf-8")
    user, address = read_identity(HOME)
    git(root, "config", "user.name", user)
    git(root, "config", "user.email", address)
    if apply_overrides(root / "params.yaml", overrides):
        git(root, "commit", "--quiet", "--all", "--message", "settings of the benchmark")
    for file in (root / "data/raw").glob("*.dvc"):
        clone.python("-m", "dvc", "checkout", "--quiet", file)
    return clone
