"""The data of earlier versions: which of them trained on what is a test image now.

Weights that were trained on an image know its answer. Scores of such weights on a test split that
holds it say nothing beside scores of weights that never saw it.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from steelyard import paths
from steelyard.dataset.manifest import DatasetManifest
from steelyard.errors import WorkspaceError
from steelyard.params import load_params
from steelyard.record.ledger import read_versions
from steelyard.record.record import Record
from steelyard.revision import open_revision, read_file

FLAT = {"0" * 16, "f" * 16, "8000000000000000"}  # prints of pictures without a structure, which all look alike


def find_trained_on(
    root: Path, records: Sequence[Record], manifest: DatasetManifest, prints: Mapping[str, str]
) -> dict[int, list[str] | None]:
    """Test images of a data set that earlier versions had in train, found by file or by look.

    Args:
        root: repository or workspace; its DVC cache or remote holds the earlier versions' manifests.
        records: the earlier versions.
        manifest: of the data set.
        prints: perceptual hash of each of its images, by path.

    Returns:
        For each version that trained on some of them, their paths; None for a version whose manifest is
        neither in the cache nor in the remote, so that nobody can say.
    """
    test = {image.path: image.sha256 for image in manifest.images if image.split == "test"}
    known: dict[str, list[str] | None] = {manifest.fingerprint: []}  # its own train and test share nothing
    for record in records:
        if record.dataset.fingerprint not in known:
            trained = read_trained(root, record)
            known[record.dataset.fingerprint] = trained and sorted(
                path for path, sha256 in test.items() if sha256 in trained.files or prints.get(path) in trained.prints
            )
    found = {record.version: known[record.dataset.fingerprint] for record in records}
    return {version: images for version, images in found.items() if images != []}


class Trained(NamedTuple):
    """What a version was trained on.

    Attributes:
        files: sha256 of each image.
        prints: perceptual hash of each image that has a structure.
    """

    files: set[str]
    prints: set[str]


def read_trained(root: Path, record: Record) -> Trained | None:
    """Read it from the version's snapshot; None where DVC has not its manifest."""
    with open_revision(root, record.commit) as files:
        try:
            text = read_file(files, paths.DATASET_MANIFEST.as_posix(), record.tag())
        except WorkspaceError:
            return None
        manifest = DatasetManifest.model_validate_json(text)
        try:
            prints = read_prints(read_file(files, paths.PRINTS.as_posix(), record.tag()).decode().splitlines())
        except WorkspaceError:  # versions from before there was a stage check have none
            prints = {}
    trained = {image.path: image.sha256 for image in manifest.images if image.split == "train"}
    return Trained(set(trained.values()), {prints[path] for path in trained if path in prints} - FLAT)


def read_prints(lines: Iterable[str]) -> dict[str, str]:
    """``data/prints.csv``: perceptual hash (16 hex digits) by path."""
    return {row["path"]: row["print"] for row in csv.DictReader(lines)}


def describe_earlier(root: Path) -> str:
    """Which registered versions trained on test images of the data set here, in a sentence; empty where none did.

    Args:
        root: repository or workspace, in which stage check has run.
    """
    records = read_versions(root, load_params(root / paths.PARAMS).registration.name)
    manifest = DatasetManifest.model_validate_json((root / paths.DATASET_MANIFEST).read_bytes())
    with (root / paths.PRINTS).open(encoding="utf-8", newline="") as lines:
        found = find_trained_on(root, records, manifest, read_prints(lines))
    counts = {version: None if images is None else len(images) for version, images in found.items()}
    return describe_trained_on(counts, manifest.splits["test"].images)


def describe_trained_on(trained_on: Mapping[int, int | None], images: int) -> str:
    """One sentence, empty where no version is concerned.

    Args:
        trained_on: images by version.
        images: of the test split.
    """
    known = [
        f"v{version} (on {count} of its {images} images)" for version, count in sorted(trained_on.items()) if count
    ]
    unknown = [f"v{number}" for number, count in sorted(trained_on.items()) if count is None]
    sentences = []
    if known:
        sentences.append(f"not to be compared on this test split, since they trained on it: {', '.join(known)}")
    if unknown:
        sentences.append(
            f"what {', '.join(unknown)} trained on is neither in DVC's cache nor in its remote, so not to be compared, "
            "either (dvc pull --all-tags)"
        )
    return "; ".join(sentences)
