"""The weights files of a version: there, and what was registered."""

import hashlib
from pathlib import Path

from steelyard import paths
from steelyard.errors import RegistryError, WorkspaceError
from steelyard.git import resolve_commit
from steelyard.record.record import Record
from steelyard.revision import open_revision, read_file


def check_files(root: Path, record: Record) -> None:
    """Read both weights files of a version, from DVC's cache or its remote, and compare them with its record.

    Args:
        root: the repository.
        record: of the version.

    Raises:
        RegistryError: the version's tag stands on another commit than its record says, a file is neither in the
            cache nor in the remote, or its bytes are others.
    """
    commit = resolve_commit(root, f"refs/tags/{record.tag()}")
    if commit != record.commit:
        raise RegistryError(
            f"{record.tag()} stands on commit {commit[:12]}, and its record says {record.commit[:12]}: the tag was "
            "made anew; bring the one that was registered back from another clone"
        )
    wanted = {
        paths.BEST_WEIGHTS: record.weights.file_sha256,
        paths.SAFETENSORS: record.weights.safetensors_sha256,
    }
    with open_revision(root, record.commit) as files:
        for path, sha256 in wanted.items():
            try:
                content = read_file(files, path.as_posix(), record.tag())
            except WorkspaceError as error:
                raise RegistryError(f"{error}; then, here: dvc pull --all-tags") from error
            found = hashlib.sha256(content).hexdigest()
            if found != sha256:
                raise RegistryError(
                    f"{path} of {record.tag()}: sha256 {found[:12]}..., registered were {sha256[:12]}...: the file in "
                    "DVC's cache or remote was changed; remove it there and bring it back from another place "
                    "(dvc pull --all-tags)"
                )
