"""Findings as a person reads them: a table for the terminal, Markdown for the Prefect page."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from steelyard.checks.catalogue import CHECKS
from steelyard.checks.html import show
from steelyard.checks.report import Example, Finding, Report
from steelyard.markdown import escape_markdown
from steelyard.sections import Severity

if TYPE_CHECKING:
    from rich.table import Table

STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}


def draw_table(report: Report, stop: Sequence[Severity], accept: Sequence[str]) -> "Table":
    """The findings for the terminal, with the verdict as title."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=judge(report, stop, accept), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for column in ("", "id"):
        table.add_column(column, no_wrap=True)
    table.add_column("count", justify="right", no_wrap=True)
    table.add_column("found", overflow="fold")
    for one in report.findings:
        accepted = " (accepted)" if one.id in accept and one.severity in stop else ""
        table.add_row(
            f"[{STYLES[one.severity]}]{one.severity}[/]",
            one.id,
            str(one.count),
            Text.assemble(CHECKS[one.id].title, accepted, (_illustrate(one), "dim")),  # a str would be read as markup
        )
    return table


def draw_markdown(report: Report, stop: Sequence[Severity], accept: Sequence[str]) -> str:
    """The same for a Prefect artifact."""
    lines = ["| split | images | without a box | boxes |", "| --- | --- | --- | --- |"]
    for split, each in report.splits.items():
        lines.append(f"| {split} | {each.images} | {each.backgrounds} | {each.boxes} |")
    if report.findings:
        lines += ["", "| severity | id | count | found |", "| --- | --- | --- | --- |"]
    for one in report.findings:
        accepted = " (accepted)" if one.id in accept and one.severity in stop else ""
        found = escape_markdown(f"{CHECKS[one.id].title}{accepted}{_illustrate(one)}")
        severity = f"**{one.severity}**" if one.severity in stop and not accepted else one.severity
        lines.append(f"| {severity} | `{one.id}` | {one.count} | {found} |")
    return "\n".join(lines)


def judge(report: Report, stop: Sequence[Severity], accept: Sequence[str]) -> str:
    """The verdict in one sentence."""
    stopping = report.choose_stopping(tuple(stop), tuple(accept))
    counts = {severity: sum(one.severity == severity for one in report.findings) for severity in STYLES}
    found = ", ".join(f"{count} {name}{'s' if count > 1 else ''}" for name, count in counts.items() if count)
    verdict = f"{len(stopping)} of them stop the run" if stopping else "nothing stops the run"
    return f"data: {report.images} images, {found or 'no findings'}; {verdict}"


def name_finding(finding: Finding) -> str:
    """One finding in a sentence: count, title, id and where."""
    return f"{finding.count} {CHECKS[finding.id].title} ({finding.id}{_illustrate(finding)})"


def _illustrate(finding: Finding) -> str:
    if finding.detail:
        return f": {show(finding.detail)}"
    shown = ", ".join(_name(one) for one in finding.examples[:2])
    more = ", ..." if finding.count > 2 and shown else ""
    return f": {shown}{more}" if shown else ""


def _name(example: Example) -> str:
    pair = f" and {example.other}" if example.other else ""
    return show(f"{example.file}{pair}" + (f" ({example.detail})" if example.detail else ""))
