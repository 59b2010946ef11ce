"""docs/checks.md lists every check as the catalogue has it."""

from pathlib import Path

from steelyard.checks.catalogue import CHECKS

PAGE = Path(__file__).parents[3] / "docs/checks.md"


def draw_tables():
    lines = []
    for severity in ("error", "warning", "note"):
        lines += [f"### {severity.capitalize()}s", "", "| id | finds | means |", "| --- | --- | --- |"]
        lines += [f"| `{id}` | {one.title} | {one.means} |" for id, one in CHECKS.items() if one.severity == severity]
        lines.append("")
    return "\n".join(lines)


def test_the_page_lists_every_check():
    assert draw_tables() in PAGE.read_text(), f"docs/checks.md must hold:\n{draw_tables()}"
