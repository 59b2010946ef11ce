"""``steelyard inspect``: what weights are made of."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from steelyard.errors import WorkspaceError


def add_parser(commands: Any, find_root: Callable[[], Path]) -> None:
    """Add the commands that open weights.

    Args:
        commands: subparsers of ``steelyard``.
        find_root: gives the repository.
    """
    inspect = commands.add_parser(
        "inspect",
        help="what weights are made of: kinds, parts, layers, findings",
        description="Nothing of the file is run. REF is @champion, @challenger, a version such as v3, base, or the "
        "path of a .pt, .safetensors or .onnx.",
    )
    inspect.add_argument("reference", metavar="REF")
    inspect.add_argument("--json", action="store_true", help="all of it, every tensor too, as JSON")
    inspect.add_argument("--picture", type=Path, metavar="FILE.png", help="histograms by part")
    inspect.add_argument("--explain", action="store_true", help="say in one line what each number means")
    inspect.set_defaults(command=lambda arguments: show(find_root, arguments))


def show(find_root: Callable[[], Path], arguments: argparse.Namespace) -> int:
    """Print what the weights are made of."""
    from rich.console import Console

    from steelyard.anatomy.file import open_file
    from steelyard.anatomy.inspection import inspect_file
    from steelyard.anatomy.table import draw_inspection
    from steelyard.reference import open_weights

    try:
        root = find_root()
    except WorkspaceError:
        root = None  # a file can be looked at anywhere
    with open_weights(root, arguments.reference) as weights:
        file = open_file(weights.path)
        inspection = inspect_file(weights.shown, file, weights.record)
        if arguments.picture:
            from steelyard.anatomy.picture import draw_histograms  # heavy: matplotlib, 1 s

            draw_histograms(inspection, file).savefig(arguments.picture, dpi=130)
    if arguments.json:
        print(json.dumps(inspection.model_dump(mode="json"), indent=1))
    else:
        Console().print(draw_inspection(inspection, arguments.explain))
    return 1 if any(each.level == "error" for each in inspection.findings) else 0
