"""Writes what is said about a version: ``report.html`` and ``README.md``, the model card."""

import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from steelyard.record.decision import Entry, find_verdict
from steelyard.record.record import Record
from steelyard.report.card import draw_card
from steelyard.report.material import find_champion, gather
from steelyard.report.page import write_page

PAGE, CARD = "report.html", "README.md"


def write_report(
    root: Path, record: Record, records: Sequence[Record], history: Sequence[Entry], made: datetime, folder: Path
) -> None:
    """Write both files, from git and DVC alone.

    Args:
        root: repository or workspace.
        record: of the version.
        records: of all versions of the model.
        history: of the model, oldest first.
        made: now.
        folder: made where it is missing; files of these names in it are replaced.
    """
    verdict = find_verdict(history, record.version)
    champion = find_champion(records, verdict)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as images:
        material = gather(root, record, verdict, champion, Path(images))
        write_page(folder / PAGE, record, verdict, champion, history, material, made)
    (folder / CARD).write_text(draw_card(record), encoding="utf-8")
