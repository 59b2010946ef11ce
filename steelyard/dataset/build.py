"""The stage fetch: source, format, boxes, tiles and splits, chained."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from steelyard.dataset.about import add_columns, describe_about, read_about
from steelyard.dataset.annotation import Annotations, name_some, walk_files
from steelyard.dataset.boxes import clean_all
from steelyard.dataset.classes import choose_classes, rename_classes
from steelyard.dataset.formats import Format, coco, csv, voc, yolo
from steelyard.dataset.layout import make_folder, write_layout
from steelyard.dataset.manifest import Changes, DatasetManifest, Problem, compute_fingerprint
from steelyard.dataset.plan import check_splits, count_splits, leave_out_small, plan_pieces
from steelyard.errors import DatasetError
from steelyard.sections import FetchParams
from steelyard.source import open_source

FORMATS: dict[str, Format] = {
    "coco": coco,
    "csv": csv,
    "voc": voc,
    "yolo": yolo,
}


WATCHED = "data/raw"  # the stage depends on it


def build_dataset(
    params: FetchParams, root: Path, out: Path, manifest_out: Path, say: Callable[[str], None]
) -> DatasetManifest:
    """Make ``data/dataset`` and its manifest.

    Args:
        params: section fetch of params.yaml.
        root: folder that a local source is relative to.
        out: the folder to make, or to replace.
        manifest_out: the JSON file to make, or to replace.
        say: gets one line for each fact.

    Returns:
        The manifest, as written.

    Raises:
        SourceError: the source cannot be had.
        DatasetError: the data cannot be used as it is.
    """
    say(f"source: {params.source}")
    with open_source(params.source, params.sha256, root, WATCHED) as folder, make_folder(out) as new:
        if not folder.is_dir():
            raise DatasetError(f"source {params.source!r}: is neither a folder nor a zip or tar archive")
        name = find_format(folder) if params.format == "auto" else params.format
        say(f"format: {name}" + (" (found out)" if params.format == "auto" else ""))
        about = read_about(params.about, folder, root, WATCHED)
        found = FORMATS[name].read(folder, params.include, params.classes)
        problems = [*found.problems]
        with _name_problems(problems):
            _refuse_nothing(found, params.source)
            renamed, order, of_dropped_classes = rename_classes(found.images, found.classes, params)
            cleaned, counts = clean_all(renamed)
            problems += counts.problems
            chosen, classes, of_unknown_classes = choose_classes(cleaned, order)
            problems += of_unknown_classes
            images, too_small = leave_out_small(chosen)
            problems += too_small
            pieces, in_no_tile = plan_pieces(images, params)
            written = write_layout(pieces, classes, new)
            problems += written.problems
            faulty = {problem.file for problem in written.problems}
            kept = [piece for piece in pieces if piece.image.origin not in faulty]
            check_splits(kept)
        records = add_columns(written.records, about)
        manifest = DatasetManifest(
            schema_version=1,
            source=params.source,
            source_sha256=params.sha256,
            licence=params.licence,
            origin=_read_origin(folder),
            format=name,
            classes=classes,
            tile=params.tile,
            splits=count_splits(kept, classes),
            changes=Changes(
                images_not_included=found.not_included,
                images_in_no_split=len(images) - len({piece.image.origin for piece in pieces}),
                bad_boxes_dropped=counts.dropped,
                duplicate_boxes_dropped=counts.duplicates,
                boxes_clipped=counts.clipped,
                boxes_of_dropped_classes=of_dropped_classes,
                boxes_in_no_tile=in_no_tile,
                exif_rotated=sum(image.is_rotated for image in images),
                jpeg_ends_added=written.ends_added,
            ),
            images=tuple(records),
            problems=tuple(problems),
            fingerprint=compute_fingerprint(records, classes),
        )
    manifest.write(manifest_out)
    _say_counts(manifest, say)
    if sentence := describe_about(manifest.images, params.about):
        say(sentence)
    return manifest


def find_format(folder: Path) -> str:
    """Find out the annotation format.

    Raises:
        DatasetError: none fits, or more than one.
    """
    fitting, refusals = [], []
    for name, module in FORMATS.items():
        try:
            if module.recognise(folder):
                fitting.append(name)
        except DatasetError as error:  # another format's data can have a file that looks like this one's
            refusals.append(error)
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise DatasetError(f"the source could be {' or '.join(fitting)}; set fetch.format to one of them")
    if refusals:
        raise refusals[0]
    suffixes = Counter(path.suffix.lower() for path in folder.rglob("*") if path.is_file())
    there = ", ".join(f"{count} {suffix or 'without suffix'}" for suffix, count in suffixes.most_common(6))
    raise DatasetError(
        f"the annotation format of the source is none of {', '.join(FORMATS)}; its files: {there or 'none'}"
    )


def _refuse_nothing(found: Annotations, source: str) -> None:
    if found.images:
        return
    raise DatasetError(f"source {source!r}: no image to use ({found.not_included} left out by fetch.include)")


@contextmanager
def _name_problems(problems: Sequence[Problem]) -> Iterator[None]:
    """Where the run ends before stage check can tell of them, they may be the reason."""
    try:
        yield
    except DatasetError as error:
        by_check = defaultdict(list)
        for problem in problems:
            by_check[problem.id].append(f"{problem.file}: {problem.detail}".removesuffix(": ")[:200])
        listed = [f"{len(names)} {check} ({name_some(names, 3)})" for check, names in by_check.items()]
        met = f"; before that {len(problems)} problems were met: {', '.join(listed)}" if problems else ""
        raise DatasetError(f"{error}{met}") from None


def _read_origin(folder: Path) -> str:
    # A link could lead out of the source, and what it leads to would be committed.
    paths = sorted(folder / name for name in walk_files(folder) if name.rpartition("/")[2] == "SOURCE.txt")
    files = [path for path in paths if not path.is_symlink()]
    if not files:
        return ""
    with files[0].open(encoding="utf-8", errors="replace") as file:
        return file.read(2000).strip()


def _say_counts(manifest: DatasetManifest, say: Callable[[str], None]) -> None:
    say(f"classes: {', '.join(manifest.classes)}")
    for split, counts in manifest.splits.items():
        say(f"{split}: {counts.images} images ({counts.backgrounds} without a box), {counts.boxes} boxes")
    changed = [f"{count} {name.replace('_', ' ')}" for name, count in manifest.changes.model_dump().items() if count]
    say(f"changed: {', '.join(changed) or 'nothing'}")
    if manifest.problems:
        found = Counter(problem.id for problem in manifest.problems).most_common()
        listed = ", ".join(f"{count} {check}" for check, count in found)
        say(f"{len(manifest.problems)} problems ({listed}); stage check tells more")
