"""``steelyard report``: the page about a version and its model card."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from steelyard.errors import RegistryError


def add_parser(commands: Any, find_root: Callable[[], Path]) -> None:
    """Add ``steelyard report``.

    Args:
        commands: subparsers of ``steelyard``.
        find_root: gives the repository.
    """
    parser = commands.add_parser("report", help="write the page about a version and its model card, from git and DVC")
    parser.add_argument("version", metavar="VERSION", help="such as v3")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="default: report/VERSION in the repository")
    parser.set_defaults(command=lambda arguments: write(find_root(), arguments.version, arguments.output))


def write(root: Path, version: str, output: Path | None) -> int:
    """Write both files and say where they are.

    Raises:
        RegistryError: there is no such version.
    """
    from steelyard.params import load_params
    from steelyard.record.ledger import read_history, read_versions
    from steelyard.report.files import CARD, PAGE, write_report

    name = load_params(root / "params.yaml").registration.name
    records = read_versions(root, name)
    record = next((each for each in records if version in (f"v{each.version}", each.tag())), None)
    if record is None:
        known = ", ".join(f"v{each.version}" for each in records) or "none"
        raise RegistryError(f"{version}: no version of {name} (versions: {known}); name one of them, such as v1")
    folder = output or root / "report" / f"v{record.version}"
    write_report(root, record, records, read_history(root, name), datetime.now(UTC), folder)
    print(f"wrote {folder / PAGE} and {folder / CARD}")
    return 0
