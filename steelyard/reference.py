"""Weights references: one way to write which weights are meant, for every command that takes some.

``@champion``, ``@challenger``, ``v3`` (a version of the model of ``params.yaml``), ``base`` (the parent
weights that ``params.yaml`` names), or the path of a ``.pt``, ``.safetensors`` or ``.onnx`` file.
"""

import hashlib
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from steelyard import paths
from steelyard.errors import RegistryError, WeightsError, WorkspaceError
from steelyard.record.record import Record

SUFFIXES = (".pt", ".safetensors", ".onnx")
FORMS = "allowed are @champion, @challenger, a version such as v3, base, or the path of a .pt, .safetensors or .onnx"


@dataclass(frozen=True)
class Weights:
    """Weights that a reference names.

    Attributes:
        shown: what people call them: ``v3``, ``base``, or the path as it was given.
        path: of a file that holds them; of a version or of base only as long as the reference is open.
        record: of the version; None for a file and for base.
    """

    shown: str
    path: Path
    record: Record | None = None


def resolve_version(root: Path, reference: str) -> Record:
    """The record of the version that a reference names.

    Args:
        root: the repository.
        reference: ``@champion``, ``@challenger`` or ``v3``.

    Raises:
        RegistryError: it names no version, or there is none that it fits.
    """
    from steelyard.params import load_params
    from steelyard.record.ledger import read_standing, read_versions

    name = load_params(root / paths.PARAMS).registration.name
    records = read_versions(root, name)
    known = ", ".join(f"v{record.version}" for record in records) or "none"
    if reference.startswith("@"):
        standing = read_standing(root, name)
        numbers = {"@champion": standing.champion, "@challenger": standing.challenger}
        if reference not in numbers:
            raise RegistryError(f"{reference}: no such alias; {FORMS}")
        number = numbers[reference]
        if number is None:
            raise RegistryError(f"{reference}: {name} has none at present (versions: {known}); name a version instead")
    elif re.fullmatch(r"v[1-9]\d*", reference):
        number = int(reference[1:])
    else:
        raise RegistryError(f"{reference}: names no version; allowed are @champion, @challenger or one such as v3")
    record = next((each for each in records if each.version == number), None)
    if record is None:
        raise RegistryError(f"{reference}: no version of {name} (versions: {known}); name one of them")
    return record


@contextmanager
def open_weights(root: Path | None, reference: str) -> Iterator[Weights]:
    """The weights that a reference names, as a file that can be read.

    The bytes of a version come from DVC's cache or remote, and are those that were registered.

    Args:
        root: the repository; None outside of one, where only paths can be named.
        reference: as people write it.

    Raises:
        WeightsError: no such file, or of another kind.
        RegistryError: no such version, or its bytes are not those that were registered.
        WorkspaceError: its bytes are not to be had, or there is no repository.
    """
    is_name = reference == "base" or reference.startswith("@") or re.fullmatch(r"v\d+", reference) is not None
    if not is_name:
        yield Weights(reference, _check_file(reference))
        return
    if root is None:
        raise WorkspaceError(
            f"{reference}: {Path.cwd()} is in no repository of Steelyard; run inside one, or name a file"
        )
    content, record = _read_base(root) if reference == "base" else _read_version(root, reference)
    with tempfile.TemporaryDirectory(prefix="steelyard-weights-") as folder:
        path = Path(folder) / (paths.BASE_WEIGHTS if record is None else paths.BEST_WEIGHTS).name
        path.write_bytes(content)
        shown = "base" if record is None else f"v{record.version}"
        yield Weights(shown, path, record)


def _check_file(reference: str) -> Path:
    path = Path(reference).expanduser()
    if path.is_dir():
        raise WeightsError(f"{reference}: is a folder; {FORMS}")
    if path.suffix.lower() not in SUFFIXES:
        raise WeightsError(f"{reference}: no weights reference; {FORMS}")
    if not path.is_file():
        raise WeightsError(f"{reference}: not found; {FORMS}")
    return path


def _read_version(root: Path, reference: str) -> tuple[bytes, Record]:
    from steelyard.record.champion import read_weights

    record = resolve_version(root, reference)
    return read_weights(root, record), record


def _read_base(root: Path) -> tuple[bytes, None]:
    """Of the newest version with the base weights of ``params.yaml``; before there is one, of the working tree."""
    from steelyard.params import load_params
    from steelyard.record.ledger import read_versions
    from steelyard.revision import open_revision, read_file

    params = load_params(root / paths.PARAMS)
    records = read_versions(root, params.registration.name)
    wanted = params.base.sha256
    record = next((each for each in reversed(records) if each.params["base"]["sha256"] == wanted), None)
    local = root / paths.BASE_WEIGHTS
    if record is not None:
        with open_revision(root, record.commit) as files:
            content = read_file(files, paths.BASE_WEIGHTS.as_posix(), record.tag())
        if hashlib.sha256(content).hexdigest() != record.base.file_sha256:
            raise RegistryError(
                f"base: {paths.BASE_WEIGHTS} of {record.tag()} is not what was registered; the file in DVC's cache or "
                "remote was changed; remove it there and bring it back from another place (dvc pull --all-tags)"
            )
        return content, None
    if local.is_file():
        return local.read_bytes(), None
    raise WorkspaceError(
        f"base: no version has the base weights of {paths.PARAMS}, and {local} is not there; dvc repro base makes it"
    )
