"""Two states of the data set, as a person compares them: tables for the terminal, a page with the pictures."""

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from steelyard.checks.html import show
from steelyard.dataset.manifest import SPLITS, DatasetManifest, ImageRecord
from steelyard.history.data_state import WORKING_TREE, fetch_images, read_manifest
from steelyard.history.diff import DatasetDiff, Pair, diff_manifests
from steelyard.params import load_params
from steelyard.paths import PARAMS
from steelyard.revision import find_commit

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

    from steelyard.dataset.annotation import Box

MOST_NAMES = 5  # of each kind of change in the terminal
MOST_PICTURES = 24  # of each kind of change on the page, which shows no more


@dataclass(frozen=True)
class State:
    """One side of a comparison.

    Attributes:
        shown: what the person called it.
        commit: or ``WORKING_TREE``.
        manifest: of its data set.
    """

    shown: str
    commit: str
    manifest: DatasetManifest


@dataclass(frozen=True)
class Comparison:
    """Both states and what differs."""

    before: State
    after: State
    diff: DatasetDiff

    @property
    def title(self) -> str:
        """Such as ``v1 to the working tree``."""
        return f"{self.before.shown} to {self.after.shown}"


def compare(root: Path, before: str, after: str = WORKING_TREE) -> Comparison:
    """Compare the data sets of two revisions, by their ``data/dataset.json``.

    Args:
        root: the repository.
        before: commit, branch, tag, or ``v3`` of the registered model.
        after: the same, or ``WORKING_TREE``.

    Raises:
        WorkspaceError: there is no such revision, it has no data set, or its manifest is not to be had.
    """
    name = load_params(root / PARAMS).registration.name

    def read(revision: str) -> State:
        commit = find_commit(root, name, revision) if revision else WORKING_TREE
        shown = revision or "the working tree"
        return State(shown, commit, read_manifest(root, commit, shown))

    old, new = read(before), read(after)
    return Comparison(old, new, diff_manifests(old.manifest, new.manifest))


def draw_comparison(comparison: Comparison) -> "Group":
    """All that differs, for the terminal. Names of files and classes stand there as they are, not as markup."""
    from rich.console import Group
    from rich.text import Text

    diff = comparison.diff
    headline = Text.assemble(
        (show(comparison.title), "bold"), ": ", show(", ".join(diff.describe())) or "nothing changed"
    )
    if diff.is_same:
        return Group(headline)
    warnings = [Text.assemble(("warning:", "bold yellow"), " ", line) for line in describe_warnings(diff)]
    return Group(headline, Text(), draw_changes(diff), draw_counts(diff), *warnings)


def draw_changes(diff: DatasetDiff) -> "Table":
    """Kinds of change, with their number and a few names."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("images")
    table.add_column("", justify="right")
    table.add_column("such as", overflow="fold")
    for kind, names in _name_changes(diff).items():
        if names:
            more = f", and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
            table.add_row(kind, f"{len(names):,}", Text(show(", ".join(names[:MOST_NAMES])) + more))
    return table


def draw_counts(diff: DatasetDiff) -> "Table":
    """Images, and boxes per class, of each split: before, after and the difference."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("")
    for split in SPLITS:
        table.add_column(split, justify="right")
    rows = {"images": diff.images, **{f"boxes {name}": counts for name, counts in diff.boxes.items()}}
    for label, counts in rows.items():
        table.add_row(Text(show(label)), *(_show_change(*counts[split]) for split in SPLITS))
    return table


def describe_warnings(diff: DatasetDiff) -> list[str]:
    """What a person should know before scores of both states are compared."""
    lines = []
    if diff.leaked:
        names = show(", ".join(image.path for image in diff.leaked[:MOST_NAMES]))
        one = len(diff.leaked) == 1
        lines.append(
            f"{len(diff.leaked):,} {'image that was' if one else 'images that were'} in train {'is' if one else 'are'} "
            f"in val or test now: weights trained on the older state have seen that, and their scores on the newer "
            f"one say nothing ({names}{', ...' if len(diff.leaked) > MOST_NAMES else ''})"
        )
    if diff.classes_renumbered:
        lines.append(
            "the classes are numbered in another order, so that every label file with one of them counts as relabelled"
        )
    return lines


def write_pictures(root: Path, comparison: Comparison, out: Path) -> None:
    """Write the page with the pictures that differ; only these are fetched.

    Args:
        root: the repository.
        comparison: of two of its states.
        out: the HTML file to make, or to replace.

    Raises:
        WorkspaceError: a picture is neither in DVC's cache nor in its remote.
    """
    from steelyard.history.diff_page import write_diff_page

    diff = comparison.diff
    kinds: dict[str, list[tuple[ImageRecord | None, ImageRecord | None]]] = {
        "removed": [(image, None) for image in diff.removed],
        "added": [(None, image) for image in diff.added],
        "relabelled": [(pair.before, pair.after) for pair in diff.relabelled],
        "replaced": [(pair.before, pair.after) for pair in diff.replaced],
        "moved to another split": [(pair.before, pair.after) for pair in diff.moved],
    }
    shown = {kind: changes[:MOST_PICTURES] for kind, changes in kinds.items() if changes}
    with tempfile.TemporaryDirectory(prefix="steelyard-") as folder:
        before, after = (
            fetch_images(
                root,
                state.commit,
                state.manifest,
                {one.path: one for changes in shown.values() for change in changes if (one := change[side])}.values(),
                Path(folder) / str(side),
            )
            for side, state in enumerate((comparison.before, comparison.after))
        )
        groups: dict[str, list[tuple[str, Path, Sequence[Box], Sequence[Box]]]] = {}
        for kind, changes in shown.items():
            total = len(kinds[kind])
            name = kind if total == len(changes) else f"{kind}: the first {len(changes)} of {total:,}"
            groups[name] = []
            for old, new in changes:
                image = after[new.path] if new else before[old.path] if old else None
                assert image is not None  # noqa: S101 - a change has at least one side
                label = new.path if new else image.origin
                if old and new and old.path != new.path:
                    label = f"{old.path} -> {new.path}"
                boxes = before[old.path].boxes if old else (), after[new.path].boxes if new else ()
                groups[name].append((label, image.path, *boxes))
        write_diff_page(out, comparison.title, groups)


def _name_changes(diff: DatasetDiff) -> dict[str, list[str]]:
    moves = {(a, b): list[str]() for a in SPLITS for b in SPLITS if a != b}
    for pair in diff.moved:
        moves[pair.before.split, pair.after.split].append(pair.after.path)
    return {
        "added": [image.path for image in diff.added],
        "removed": [image.path for image in diff.removed],
        "relabelled": _paths(diff.relabelled),
        "replaced by other pixels": _paths(diff.replaced),
        **{f"moved from {a} to {b}": names for (a, b), names in moves.items()},
        "renamed": [f"{pair.before.path} -> {pair.after.path}" for pair in diff.renamed],
    }


def _paths(pairs: Iterable[Pair]) -> list[str]:
    return [pair.after.path for pair in pairs]


def _show_change(before: int, after: int) -> str:
    if before == after:
        return f"{after:,}"
    return f"{before:,} -> {after:,} ({after - before:+,})"
