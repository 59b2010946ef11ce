"""What a page about a version is made of, read from git and DVC."""

import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from steelyard import paths
from steelyard.dataset.manifest import DatasetManifest
from steelyard.errors import SteelyardError, WorkspaceError
from steelyard.gate.comparison import restrict
from steelyard.gate.rescoring import SPLIT, name_table, read_kept
from steelyard.gate.verdict import Verdict
from steelyard.record.champion import KEPT
from steelyard.record.circumstances import Data
from steelyard.record.record import Record
from steelyard.report.differences import Judged, choose_images, judge_boxes
from steelyard.report.rows import Parts, is_of, take_parts
from steelyard.revision import open_revision, read_file
from steelyard.scoring.coco import score
from steelyard.scoring.match_file import read_matches
from steelyard.scoring.match_table import MatchTable
from steelyard.scoring.split import read_split
from steelyard.sections import FinetuneParams, ValidateParams

if TYPE_CHECKING:
    from dvc.fs import DVCFileSystem

PLOTS = {
    "pr_curve.png": "Precision over recall",
    "reliability.png": "Reliability of confidences",
    "confusion_matrix.png": "Confusion matrix",
    "slices.png": "Slices",
}
"""Titles by file name below ``plots``; versions from before one was drawn have none."""


@dataclass(frozen=True)
class Contrast:
    """A test image on which both differ.

    Attributes:
        name: path below the data set.
        path: the image file.
        candidate: boxes of the version, at its own least confidence.
        champion: the same of the champion.
    """

    name: str
    path: Path
    candidate: Judged
    champion: Judged


@dataclass(frozen=True)
class Material:
    """Beside the record, the verdict and the history.

    Attributes:
        plots: PNG by file name.
        parts: scores of the champion on the images that both were weighed on; None: not known.
        contrasts: images on which both differ most.
        no_contrasts: why there are none, as a sentence.
    """

    plots: dict[str, bytes]
    parts: Parts | None = None
    contrasts: tuple[Contrast, ...] = ()
    no_contrasts: str = ""


def gather(root: Path, record: Record, verdict: Verdict | None, champion: Record | None, folder: Path) -> Material:
    """Read what the snapshot of a version, and the champion's detections, have to show.

    What is neither in DVC's cache nor in its remote is left out, and the page says so.

    Args:
        root: repository or workspace.
        record: of the version.
        verdict: the last one on it; None: it was never weighed.
        champion: that it was weighed against; None: there was none.
        folder: an empty one, for the images.
    """
    with open_revision(root, record.commit) as files:
        plots = _read_plots(files, record)
        if champion is None:
            return Material(plots, no_contrasts="there was no champion to compare with")
        parts = take_parts(champion.scores.test)
        figures = verdict.figures if verdict else None
        if figures is None:
            return Material(plots, no_contrasts=f"v{record.version} and v{champion.version} were not weighed")
        try:
            manifest = _read_manifest(files, record)
            ours = _read_table(files, record)
        except SteelyardError as error:
            fitting = parts if is_of(figures, parts) else None
            return Material(plots, fitting, no_contrasts=f"the detections of v{record.version} are not here: {error}")
        theirs = _find_table(root, record, champion, manifest)
        if not is_of(figures, parts) and theirs is not None:
            groups = Data(manifest, {}).groups
            scored = score(theirs, [groups.get(image) or image for image in theirs.images])
            parts = Parts(scored.overall, scored.classes, scored.sizes)
        fitting = parts if is_of(figures, parts) else None
        try:
            contrasts, reason = _contrast(files, record, champion, ours, theirs, folder)
        except SteelyardError as error:
            contrasts, reason = (), f"a test image is not here: {error}"
        return Material(plots, fitting, contrasts, reason)


def _contrast(
    files: "DVCFileSystem",
    record: Record,
    champion: Record,
    ours: MatchTable,
    theirs: MatchTable | None,
    folder: Path,
) -> tuple[tuple[Contrast, ...], str]:
    if theirs is None:
        return (), f"what v{champion.version} finds on these test images was not kept here"
    if ours.corners is None or theirs.corners is None:
        return (), "the match table is from before it was kept where detections are (dvc repro validate writes it anew)"
    confidences = record.confidence(), champion.confidence()
    names = choose_images(ours, theirs, confidences)
    if not names:
        return (), "both find the same: as many right and as many wrong boxes on each test image"
    for name in names:
        _bring(files, f"{paths.DATASET.as_posix()}/{name}", record, folder / name)
        labels = Path(name.replace("images/", "labels/", 1)).with_suffix(".txt")
        with suppress(WorkspaceError):  # an image without a label file shows nothing to find
            _bring(files, f"{paths.DATASET.as_posix()}/{labels.as_posix()}", record, folder / labels)
    found = {each.path.relative_to(folder).as_posix(): each for each in read_split(folder, SPLIT, len(ours.classes))}
    contrasts = []
    for name in names:
        truth = found[name].truth()
        judged = [
            judge_boxes(table, name, confidence, truth)
            for table, confidence in zip((ours, theirs), confidences, strict=True)
        ]
        contrasts.append(Contrast(name, found[name].path, *judged))
    return tuple(contrasts), ""


def _find_table(root: Path, record: Record, champion: Record, manifest: DatasetManifest) -> MatchTable | None:
    """What the champion finds on the test images of a version: as it was weighed, else as it was registered."""
    split = Data(manifest, {}).test_split
    images = [image.path for image in manifest.images if image.split == SPLIT]
    params = _read_params(record, champion)
    kept = paths.find_home(root) / KEPT
    table = read_kept(kept, name_table(champion.weights.identity, split, *params), lambda _: None) if params else None
    if table is None:
        with open_revision(root, champion.commit) as files, suppress(SteelyardError):
            if Data(_read_manifest(files, champion), {}).test_split == split:
                table = _read_table(files, champion)
    if table is None or {*table.images} != {*images}:
        return None
    return restrict(table, sorted(images), record.dataset.classes)


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


def _read_plots(files: "DVCFileSystem", record: Record) -> dict[str, bytes]:
    plots = {}
    for name in PLOTS:
        with suppress(WorkspaceError):
            plots[name] = read_file(files, f"{paths.PICTURES.as_posix()}/{name}", record.tag())
    return plots


def _read_manifest(files: "DVCFileSystem", record: Record) -> DatasetManifest:
    text = read_file(files, paths.DATASET_MANIFEST.as_posix(), record.tag())
    try:
        return DatasetManifest.model_validate_json(text)
    except ValidationError as error:
        first: Any = error.errors(include_url=False)[0]
        raise WorkspaceError(f"{paths.DATASET_MANIFEST} of {record.tag()} cannot be read ({first['msg']})") from None


def _read_table(files: "DVCFileSystem", record: Record) -> MatchTable:
    content = read_file(files, paths.MATCHES.as_posix(), record.tag())
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        file.write(content)
        file.flush()
        table = read_matches(Path(file.name))[SPLIT]
    return restrict(table, sorted(table.images), record.dataset.classes)


def _bring(files: "DVCFileSystem", path: str, record: Record, out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(read_file(files, path, record.tag()))


def find_champion(records: Sequence[Record], verdict: Verdict | None) -> Record | None:
    """The version that a verdict compares with."""
    number = verdict.champion if verdict else None
    return next((record for record in records if record.version == number), None)
