"""What a page about a version is made of, beside its record, the verdict and the history."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from steelyard.dataset.manifest import DatasetManifest
from steelyard.errors import SteelyardError
from steelyard.gate.comparison import restrict
from steelyard.gate.rescoring import SPLIT
from steelyard.gate.verdict import Figures, Verdict
from steelyard.record.circumstances import Data
from steelyard.record.record import Record
from steelyard.report.differences import Judged, choose_images, judge_boxes
from steelyard.report.rows import Parts, is_same, take_parts
from steelyard.report.sources import bring_images, find_champions_table, read_manifest, read_plots, read_table
from steelyard.revision import open_revision
from steelyard.scoring.boxes import Boxes
from steelyard.scoring.coco import score
from steelyard.scoring.match_table import MatchTable
from steelyard.scoring.scores import SplitScores
from steelyard.scoring.split import read_split

if TYPE_CHECKING:
    from dvc.fs import DVCFileSystem

PLOTS = {
    "pr_curve.png": "Precision over recall",
    "reliability.png": "Reliability of confidences",
    "slices.png": "Slices",
    "confusion_matrix.png": "Confusion matrix",
}
"""Titles by file name below ``plots``; versions from before one was drawn have none."""


@dataclass(frozen=True)
class Contrast:
    """A test image on which both differ.

    Attributes:
        name: path below the data set.
        path: the image file.
        candidate: boxes of the version, from the confidence on at which it returns boxes.
        champion: the same of the champion.
    """

    name: str
    path: Path
    candidate: Judged
    champion: Judged


@dataclass(frozen=True)
class Material:
    """Read from git and DVC; what is neither in the cache nor in the remote is missing.

    Attributes:
        plots: PNG by file name.
        candidate: scores of the version on the images that both were weighed on; None: not known.
        champion: the same of the champion.
        contrasts: images on which both differ most.
        no_contrasts: why there are none, as a phrase.
        note: what is to be known of them, as a phrase; may be empty.
    """

    plots: dict[str, bytes]
    candidate: Parts | None = None
    champion: Parts | None = None
    contrasts: tuple[Contrast, ...] = ()
    no_contrasts: str = ""
    note: str = ""


def find_champion(records: Sequence[Record], verdict: Verdict | None) -> Record | None:
    """The version that a verdict compares with."""
    number = verdict.champion if verdict else None
    return next((record for record in records if record.version == number), None)


def gather(root: Path, record: Record, verdict: Verdict | None, champion: Record | None, folder: Path) -> Material:
    """Read what the snapshot of a version, and the champion's detections, have to show.

    Args:
        root: repository or workspace.
        record: of the version.
        verdict: the last one on it; None: it was never weighed.
        champion: that it was weighed against; None: there was none.
        folder: an empty one, for the images.
    """
    with open_revision(root, record.commit) as files:
        plots = read_plots(files, record, list(PLOTS))
        if verdict is None:
            return Material(plots, no_contrasts=f"v{record.version} was not weighed")
        if champion is None:
            return Material(plots, no_contrasts="there was no champion to compare with")
        if verdict.figures is None:
            return Material(plots, no_contrasts=f"v{record.version} and v{champion.version} cannot be compared")
        figures = verdict.figures
        both = record.scores.test, champion.scores.test
        material = Material(plots, *_find_parts(both, figures, None, {}))
        try:
            manifest = read_manifest(files, record)
            if Data(manifest, {}).test_split != verdict.test_split:
                reason = f"both were weighed on another test split than that of v{record.version}'s snapshot"
                return replace(material, no_contrasts=reason)
            ours = read_table(files, record)
        except SteelyardError as error:
            return replace(material, no_contrasts=f"what v{record.version} found is not to be had: {error}")
        theirs = find_champions_table(root, record, champion, manifest)
        if theirs is None or {*theirs.images} != {*ours.images}:
            return replace(material, no_contrasts=f"what v{champion.version} finds there was not kept")
        tables = _align(ours, theirs, manifest)
        parts = _find_parts(both, figures, tables, Data(manifest, {}).groups)
        material = Material(plots, *parts, note=_describe_left_out(manifest, figures))
        try:
            contrasts, reason = _contrast(files, (record, champion), tables, manifest, folder)
        except SteelyardError as error:
            return replace(material, no_contrasts=f"a test image is not to be had: {error}")
        return replace(material, contrasts=contrasts, no_contrasts=reason)


def _align(ours: MatchTable, theirs: MatchTable, manifest: DatasetManifest) -> tuple[MatchTable, MatchTable]:
    """Both tables with the same images, and the classes that both know, in the same order."""
    images = sorted(ours.images)
    classes = [name for name in manifest.classes if name in ours.classes and name in theirs.classes]
    return restrict(ours, images, classes), restrict(theirs, images, classes)


def _find_parts(
    both: tuple[SplitScores, SplitScores],
    figures: Figures,
    tables: tuple[MatchTable, MatchTable] | None,
    groups: dict[str, str],
) -> tuple[Parts | None, Parts | None]:
    """Scores of both on the images that they were weighed on: as registered, else made again; None: not known."""

    def find(number: int, value: float | None) -> Parts | None:
        parts = take_parts(both[number])
        if not is_same(parts.whole.map50_95, value) and tables:
            table = tables[number]
            scored = score(table, [groups.get(image) or image for image in table.images])
            parts = Parts(scored.overall, scored.classes, scored.sizes)
        return parts if is_same(parts.whole.map50_95, value) else None

    whole = figures.overall["mAP50-95"]
    return find(0, whole.candidate), find(1, whole.champion)


def _describe_left_out(manifest: DatasetManifest, figures: Figures) -> str:
    images = manifest.splits["test"].images
    left = images - figures.images
    if not left:
        return ""
    return f"{left} of the {images} test images were left out when both were weighed; they are not left out here"


def _contrast(
    files: "DVCFileSystem",
    records: tuple[Record, Record],
    tables: tuple[MatchTable, MatchTable],
    manifest: DatasetManifest,
    folder: Path,
) -> tuple[tuple[Contrast, ...], str]:
    """The images with the boxes of both, or why there are none."""
    if any(table.corners is None for table in tables):
        return (), "the match table is from before it kept where detections are (dvc repro validate makes it anew)"
    confidences = records[0].confidence(), records[1].confidence()
    names = choose_images(*tables, confidences)
    if not names:
        return (), "both find as many right and as many wrong boxes on each test image"
    bring_images(files, records[0], names, folder)
    known = tables[0].classes
    numbers = np.array([known.index(name) if name in known else -1 for name in manifest.classes])
    found = {each.path.relative_to(folder).as_posix(): each for each in read_split(folder, SPLIT, len(numbers))}
    contrasts = []
    for name in names:
        drawn = found[name].truth()
        kinds = numbers[drawn.classes]
        truth = Boxes(drawn.corners, kinds, drawn.confidences).keep((kinds >= 0).tolist())
        judged = [
            judge_boxes(table, name, confidence, truth) for table, confidence in zip(tables, confidences, strict=True)
        ]
        contrasts.append(Contrast(name, found[name].path, *judged))
    return tuple(contrasts), ""
