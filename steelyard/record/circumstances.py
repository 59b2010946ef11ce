"""What the gate must know beside the detections: is it the same data, and who has seen the test images."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from steelyard import paths
from steelyard.dataset.manifest import DatasetManifest
from steelyard.gate.rules import Circumstances
from steelyard.gate.weighing import hash_split
from steelyard.record.decision import Standing
from steelyard.record.earlier import find_seen, find_trained_on, read_earlier, read_prints
from steelyard.record.ledger import read_all_versions
from steelyard.record.record import Record

TestImages = dict[str, str]  # labels' sha256 by image's sha256


@dataclass(frozen=True)
class Data:
    """The data set of now.

    Attributes:
        manifest: its images.
        prints: perceptual hash of each, by path.
    """

    manifest: DatasetManifest
    prints: dict[str, str]

    @property
    def test_split(self) -> str:
        """Hash of the test images and their labels."""
        test = (image for image in self.manifest.images if image.split == "test")
        return hash_split((image.path, image.sha256, image.labels_sha256) for image in test)

    @property
    def groups(self) -> dict[str, str]:
        """Of the images that are alike, by path."""
        return {image.path: image.group for image in self.manifest.images if image.group}


def read_data(root: Path) -> Data:
    """What the stages fetch and check wrote."""
    manifest = DatasetManifest.model_validate_json((root / paths.DATASET_MANIFEST).read_bytes())
    with (root / paths.PRINTS).open(encoding="utf-8", newline="") as lines:
        return Data(manifest, read_prints(lines))


def describe_no_champion(root: Path, record: Record, standing: Standing) -> str:
    """Why a version may not become champion although there is none; empty where nothing speaks against it."""
    if standing.withdrawn:
        entry = standing.withdrawn
        return (
            f"v{entry.decision.version} was withdrawn by {entry.author} ({entry.decision.reason}), so no version is "
            f"champion; a person says which one is: steelyard promote v{record.version} --reason ..."
        )
    for other in read_all_versions(root):
        if other.name != record.name and other.weights.identity == record.weights.identity:
            return f"these weights are {other.tag()} already, under another name"
    return ""


def find_circumstances(root: Path, record: Record, champion: Record, data: Data) -> Circumstances:
    """Compare the data of a version with what the champion was trained and scored on.

    Args:
        root: repository or workspace.
        record: of the version, trained on the data of now.
        champion: of the champion.
        data: of now.
    """
    manifest = data.manifest
    known = read_all_versions(root)
    families = {
        f"v{record.version}": (find_seen(manifest, data.prints, manifest, data.prints), list_ancestors(record, known)),
        f"v{champion.version}": ([], [champion, *list_ancestors(champion, known)]),
    }
    seen: dict[str, Sequence[str] | None] = {}
    for name, (own, trained) in families.items():
        found = find_trained_on(root, trained, manifest, data.prints)
        if None in found.values():
            seen[name] = None
        elif images := sorted({image for each in (own, *found.values()) for image in each or ()}):
            seen[name] = images
    return Circumstances(
        candidate=f"v{record.version}",
        champion=f"v{champion.version}",
        classes=manifest.classes,
        champion_classes=champion.dataset.classes,
        other_test=_describe_other_test(root, champion, manifest),
        test_images=manifest.splits["test"].images,
        seen=seen,
    )


def diff_tests(before: TestImages, after: TestImages) -> str:
    """How one test split differs from another, as a phrase; empty: not at all.

    Args:
        before: labels' sha256 by image's sha256.
        after: the same.
    """
    both = before.keys() & after.keys()
    counts = {
        "are new": len(after.keys() - both),
        "are gone": len(before.keys() - both),
        "have other labels": sum(before[image] != after[image] for image in both),
    }
    return ", ".join(f"{count} images {what}" for what, count in counts.items() if count)


def _describe_other_test(root: Path, champion: Record, manifest: DatasetManifest) -> str:
    if champion.dataset.fingerprint == manifest.fingerprint:
        return ""
    earlier = read_earlier(root, champion)
    if earlier is None:
        return "what it was is neither in DVC's cache nor in its remote (dvc pull --all-tags)"
    return diff_tests(_list_test(earlier[0]), _list_test(manifest))


def _list_test(manifest: DatasetManifest) -> TestImages:
    return {image.sha256: image.labels_sha256 for image in manifest.images if image.split == "test"}


def list_ancestors(record: Record, known: Sequence[Record]) -> list[Record]:
    """Versions that the base weights are, and those that these came from, and so on."""
    by_identity = {each.weights.identity: each for each in known}
    found: list[Record] = []
    parent = by_identity.get(record.base.identity)
    while parent and parent not in found:
        found.append(parent)
        parent = by_identity.get(parent.base.identity)
    return found
