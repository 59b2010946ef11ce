"""``steelyard data``: what changed, a version's data for the branch, the data set in another format."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from steelyard.errors import SteelyardError


def add_parser(commands: Any, find_root: Callable[[], Path]) -> None:
    """Add ``steelyard data`` and its verbs.

    Args:
        commands: subparsers of ``steelyard``.
        find_root: gives the repository.
    """
    data = commands.add_parser("data", help="compare, adopt or export the data set")
    verbs = data.add_subparsers(required=True, metavar="VERB")
    diff = verbs.add_parser("diff", help="what changed between two states of the data set, from their manifests")
    diff.add_argument("before", metavar="A", help="commit, branch, tag, or a version such as v3")
    diff.add_argument("after", metavar="B", nargs="?", default="", help="the same (default: the working tree)")
    diff.add_argument("--json", action="store_true", help="all of it, as JSON")
    diff.add_argument("--pictures", type=Path, metavar="FILE.html", help="a page with the pictures that differ")
    diff.set_defaults(command=lambda arguments: show_diff(find_root(), arguments))
    adopt = verbs.add_parser("adopt", help="commit a version's data/raw/*.dvc and dvc.lock to this branch")
    adopt.add_argument("revision", metavar="REF", help="a version such as v3, a tag or a commit")
    adopt.set_defaults(command=lambda arguments: adopt_data(find_root(), arguments.revision))
    export = verbs.add_parser("export", help="write data/dataset in another annotation format")
    export.add_argument("out", metavar="FOLDER", type=Path, help="a new folder")
    export.add_argument("--format", required=True, help="such as coco; for an unknown one the error lists all")
    export.set_defaults(command=lambda arguments: export_data(find_root(), arguments.format, arguments.out))


def show_diff(root: Path, arguments: argparse.Namespace) -> int:
    """Print what changed."""
    from rich.console import Console

    from steelyard.history.comparison import compare, draw_comparison, write_pictures

    comparison = compare(root, arguments.before, arguments.after)
    if arguments.pictures:
        write_pictures(root, comparison, arguments.pictures)
    if arguments.json:
        print(json.dumps(comparison.diff.model_dump(mode="json"), indent=1))
        return 0
    console = Console()
    console.print(draw_comparison(comparison))
    if arguments.pictures:
        console.print(f"pictures: {arguments.pictures}", markup=False, emoji=False, highlight=False)
    return 0


def adopt_data(root: Path, revision: str) -> int:
    """Adopt a version's data and say what that did."""
    from steelyard.history.adopt import adopt

    commit = adopt(root, revision, say=print)
    if commit is None:
        print(f"nothing to adopt: this branch has the data of {revision}")
    else:
        print(f"commit {commit[:12]}; dvc checkout brings the data set and weights of that version, too")
    return 0


def export_data(root: Path, name: str, out: Path) -> int:
    """Export the data set of the working tree."""
    from steelyard.history.data_state import WORKING_TREE, read_manifest
    from steelyard.history.export import export_dataset
    from steelyard.paths import DATASET

    manifest = read_manifest(root, WORKING_TREE)
    if not (root / DATASET).is_dir():
        raise SteelyardError(f"{DATASET}: not in the working tree; dvc checkout {DATASET}, or dvc repro fetch")
    export_dataset(root / DATASET, manifest, name, out)
    print(f"{len(manifest.images):,} images as {name} in {out}")
    return 0
