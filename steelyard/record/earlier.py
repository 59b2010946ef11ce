"""The data of earlier versions: which of them trained on what is a test image now.

Weights that were trained on an image know its answer. Scores of such weights on a test split that
holds it say nothing beside scores of weights that never saw it.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from steelyard import paths
from steelyard.dataset.manifest import DatasetManifest, ImageRecord
from steelyard.errors import WorkspaceError
from steelyard.params import load_params
from steelyard.record.ledger import read_versions
from steelyard.record.record import Record
from steelyard.revision import open_revision, read_file

Region = tuple[int, int, int, int] | None
FLAT = {"0" * 16, "f" * 16, "8000000000000000"}  # prints of pictures without a structure, which all look alike
MOST_BITS = 2  # of 64, between the prints of one picture scaled or compressed anew; there is no thumbnail to confirm it


def find_trained_on(
    root: Path, records: Sequence[Record], manifest: DatasetManifest, prints: Mapping[str, str]
) -> dict[int, list[str] | None]:
    """Test images of a data set that earlier versions had in train: by file, by place in a photograph, or by look.

    Args:
        root: repository or workspace; its DVC cache or remote holds the earlier versions' manifests.
        records: the earlier versions.
        manifest: of the data set.
        prints: perceptual hash of each of its images, by path.

    Returns:
        For each version that trained on some of them, their paths; None for a version whose manifest is
        neither in the cache nor in the remote, or cannot be read, so that nobody can say.
    """
    known: dict[str, list[str] | None] = {}
    for record in records:
        if record.dataset.fingerprint not in known:
            earlier = read_earlier(root, record)
            known[record.dataset.fingerprint] = earlier and find_seen(*earlier, manifest, prints)
    found = {record.version: known[record.dataset.fingerprint] for record in records}
    return {version: images for version, images in found.items() if images != []}


def find_seen(
    before: DatasetManifest, prints_before: Mapping[str, str], after: DatasetManifest, prints_after: Mapping[str, str]
) -> list[str]:
    """Test images of one data set whose pixels, or some of them, were in train of another.

    Args:
        before: the data set that was trained on.
        prints_before: perceptual hash of each of its images, by path.
        after: the data set whose test split it is.
        prints_after: of its images.

    Returns:
        Their paths, sorted.
    """
    train = [image for image in before.images if image.split == "train"]
    test = [image for image in after.images if image.split == "test"]
    files = {image.sha256 for image in train}
    found = {image.path for image in test if image.sha256 in files}
    if (before.source, before.source_sha256) == (after.source, after.source_sha256):
        regions: dict[str, list[Region]] = {}
        for image in train:
            regions.setdefault(image.origin, []).append(image.region)
        found |= {
            image.path for image in test if any(_overlap(image.region, one) for one in regions.get(image.origin, []))
        }
    looks = np.array([int(prints_before[one.path], 16) for one in train if _has_look(one, prints_before)], np.uint64)
    for image in test:
        if looks.size and _has_look(image, prints_after):
            bits = np.bitwise_count(looks ^ np.uint64(int(prints_after[image.path], 16)))
            if bits.min() <= MOST_BITS:
                found.add(image.path)
    return sorted(found)


def read_earlier(root: Path, record: Record) -> tuple[DatasetManifest, dict[str, str]] | None:
    """Manifest and perceptual hashes of a version's data; None where the manifest is not to be had or to be read."""
    with open_revision(root, record.commit) as files:
        try:
            text = read_file(files, paths.DATASET_MANIFEST.as_posix(), record.tag())
            manifest = DatasetManifest.model_validate_json(text)
        except (WorkspaceError, ValidationError):
            return None
        try:
            prints = read_prints(read_file(files, paths.PRINTS.as_posix(), record.tag()).decode().splitlines())
        except WorkspaceError:  # versions from before there was a stage check have none
            prints = {}
    return manifest, prints


def _overlap(one: Region, other: Region) -> bool:
    """Whether two parts of one photograph share pixels; two whole images are told by their files."""
    if one is None or other is None:
        return one is not other
    (x, y, width, height), (left, top, across, down) = one, other
    return x < left + across and left < x + width and y < top + down and top < y + height


def _has_look(image: ImageRecord, prints: Mapping[str, str]) -> bool:
    return image.path in prints and prints[image.path] not in FLAT


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
