"""What git and DVC hold of a version and of the champion: plots, match tables, test images."""

import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from steelyard import paths
from steelyard.dataset.manifest import DatasetManifest
from steelyard.errors import SteelyardError, WorkspaceError
from steelyard.gate.rescoring import SPLIT, name_table, read_kept
from steelyard.record.champion import KEPT
from steelyard.record.circumstances import Data
from steelyard.record.record import Record
from steelyard.revision import open_revision, read_file
from steelyard.scoring.match_file import read_matches
from steelyard.scoring.match_table import MatchTable
from steelyard.sections import FinetuneParams, ValidateParams

if TYPE_CHECKING:
    from dvc.fs import DVCFileSystem


def read_plots(files: "DVCFileSystem", record: Record, names: Sequence[str]) -> dict[str, bytes]:
    """Plots of a version's snapshot by file name; without those that are not to be had."""
    plots = {}
    for name in names:
        with suppress(WorkspaceError):
            plots[name] = read_file(files, f"{paths.PICTURES.as_posix()}/{name}", record.tag())
    return plots


def read_manifest(files: "DVCFileSystem", record: Record) -> DatasetManifest:
    """The data set of a version's snapshot.

    Raises:
        WorkspaceError: it is not to be had, or cannot be read.
    """
    text = read_file(files, paths.DATASET_MANIFEST.as_posix(), record.tag())
    try:
        return DatasetManifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise WorkspaceError(f"{paths.DATASET_MANIFEST} of {record.tag()} cannot be read ({first['msg']})") from None


def read_table(files: "DVCFileSystem", record: Record) -> MatchTable:
    """What a version found on the test split of its snapshot.

    Raises:
        WorkspaceError: it is not to be had.
        DatasetError: it cannot be read.
    """
    content = read_file(files, paths.MATCHES.as_posix(), record.tag())
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        file.write(content)
        file.flush()
        return read_matches(Path(file.name))[SPLIT]


def find_champions_table(root: Path, record: Record, champion: Record, manifest: DatasetManifest) -> MatchTable | None:
    """What the champion finds on the test split of a version: as it was weighed, else as it was registered.

    Args:
        root: repository or workspace.
        record: of the version.
        champion: of the champion.
        manifest: the version's data set.

    Returns:
        None where neither is here, or the champion was registered with another test split.
    """
    split = Data(manifest, {}).test_split
    if params := _read_params(record, champion):
        folder = paths.find_home(root) / KEPT
        table = read_kept(folder, name_table(champion.weights.identity, split, *params), lambda _: None)
        if table is not None:
            return table
    with open_revision(root, champion.commit) as files, suppress(SteelyardError):
        if Data(read_manifest(files, champion), {}).test_split == split:
            return read_table(files, champion)
    return None


def bring_images(files: "DVCFileSystem", record: Record, names: Sequence[str], folder: Path) -> None:
    """Write images of a version's data set, and their labels, into a folder of the same layout.

    Raises:
        WorkspaceError: an image is not to be had.
    """
    for name in names:
        _bring(files, record, name, folder)
        with suppress(WorkspaceError):  # an image without a label file shows nothing to find
            _bring(files, record, Path(name.replace("images/", "labels/", 1)).with_suffix(".txt").as_posix(), folder)


def _bring(files: "DVCFileSystem", record: Record, name: str, folder: Path) -> None:
    out = folder / name
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(read_file(files, f"{paths.DATASET.as_posix()}/{name}", record.tag()))


def _read_params(record: Record, champion: Record) -> tuple[ValidateParams, FinetuneParams] | None:
    """Settings by which the champion was weighed; None where those of an older version cannot be read."""
    size = champion.params["finetune"].get("imgsz")
    try:
        return (
            ValidateParams.model_validate(record.params.get("validate")),
            FinetuneParams.model_validate({**record.params["finetune"], "imgsz": size}),
        )
    except ValidationError:
        return None
