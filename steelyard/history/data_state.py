"""The data set of a commit or of the working tree: its manifest, some of its images, what is new in it."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import ValidationError

from steelyard.dataset.annotation import AnnotatedImage
from steelyard.dataset.manifest import DatasetManifest, ImageRecord
from steelyard.errors import WorkspaceError
from steelyard.history.diff import diff_manifests
from steelyard.params import load_params
from steelyard.paths import DATASET, DATASET_MANIFEST, PARAMS
from steelyard.revision import open_revision, read_file

WORKING_TREE = ""


def read_manifest(root: Path, revision: str, shown: str = "") -> DatasetManifest:
    """Read ``data/dataset.json`` as a revision has it; no picture is fetched.

    Args:
        root: the repository.
        revision: a commit, or ``WORKING_TREE``.
        shown: what the person called it, for messages.

    Raises:
        WorkspaceError: there is none, it is neither in DVC's cache nor in its remote, or it cannot be read.
    """
    where = DATASET_MANIFEST.as_posix()
    if revision == WORKING_TREE:
        if not (root / where).is_file():
            raise WorkspaceError(f"{where}: not in the working tree; dvc checkout {where}, or dvc repro fetch")
        text = (root / where).read_bytes()
    else:
        with open_revision(root, revision) as files:
            text = read_file(files, where, shown or revision[:12])
    try:
        return DatasetManifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise WorkspaceError(
            f"{where} of {shown or revision[:12] or 'the working tree'}: this Steelyard cannot read it "
            f"({'.'.join(map(str, first['loc'])) or 'body'}: {first['msg']}); the code of that revision can"
        ) from None


def fetch_images(
    root: Path, revision: str, manifest: DatasetManifest, records: Iterable[ImageRecord], out: Path
) -> Mapping[str, AnnotatedImage]:
    """Bring a few images of a revision's data set, with their boxes.

    Args:
        root: the repository.
        revision: a commit, or ``WORKING_TREE``.
        manifest: of that revision.
        records: the images.
        out: a folder of its own; not to be written to afterwards, since DVC may have linked its cache.

    Returns:
        The images by their path in the data set; ``path`` is the picture's file.

    Raises:
        WorkspaceError: a file is neither in DVC's cache nor in its remote.
        DatasetError: a label file is not the one that the manifest speaks of.
    """
    from steelyard.checks.reading import read_dataset
    from steelyard.dataset.formats.yolo import label_path

    chosen = manifest.model_copy(update={"images": tuple(records)})
    if revision == WORKING_TREE:
        out = root / DATASET
    else:
        names = [name for each in chosen.images for name in (each.path, label_path(each.path))]
        with open_revision(root, revision) as files:
            for name in names:
                (out / name).parent.mkdir(parents=True, exist_ok=True)
                (out / name).write_bytes(read_file(files, f"{DATASET.as_posix()}/{name}", revision[:12]))
    return {image.origin: image for image in read_dataset(out, chosen)}


def describe_news(root: Path) -> str:
    """What is new in ``data/dataset.json`` beside the newest version: ``since shapes@v1.0.0: 5 images added``.

    Args:
        root: the repository or a clone of it.

    Returns:
        One sentence, also where the newest version's manifest cannot be had; empty where there is no version.
    """
    from steelyard.record.ledger import read_versions

    records = read_versions(root, load_params(root / PARAMS).registration.name)
    if not records:
        return ""
    tag = records[-1].tag()
    try:
        manifest = read_manifest(root, WORKING_TREE)
        if manifest.fingerprint == records[-1].dataset.fingerprint:
            return f"since {tag}: the same images, labels and classes"
        changes = diff_manifests(read_manifest(root, records[-1].commit, tag), manifest).describe()
    except WorkspaceError as error:  # of older code, whose revision runs all the same
        return f"not compared with {tag}: {error}"
    return f"since {tag}: {', '.join(changes) or 'the same images, labels and classes'}"
