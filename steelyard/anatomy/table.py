"""An inspection as people read it in a terminal."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from steelyard.anatomy.inspection import Inspection, Sums
from steelyard.anatomy.words import WORDS

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}


def draw_inspection(inspection: Inspection, explain: bool = False) -> "Group":
    """Head, tables by kind, part and layer, findings; where it is asked for, what each word means."""
    from rich.console import Group
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    head = Table.grid(padding=(0, 2, 0, 0))
    head.add_column(no_wrap=True)
    head.add_column(overflow="fold")
    for name, said in _list_head(inspection):
        head.add_row(name, escape(said))
    layers = [
        (f"{each.layer:>2}  {each.kind or each.part}{', frozen' if each.frozen else ''}", each)
        for each in inspection.layers
    ]
    tables = [
        _draw("kind", list(inspection.by_kind.items())),
        _draw("part, without buffers", list(inspection.by_part.items())),
        _draw("layer, without buffers", layers),
    ]
    findings = [
        Text.assemble((f"{each.level:<8}", _COLOURS[each.level]), f"{each.name}: {each.says}")
        for each in inspection.findings
    ] or [Text("nothing was found that a person should know")]
    words = [Text(), *(Text(f"{name}: {says}") for name, says in WORDS.items())]
    return Group(head, *tables, Text(), *findings, *(words if explain else []))


def _list_head(inspection: Inspection) -> Iterator[tuple[str, str]]:
    yield "weights", f"{inspection.shown} ({inspection.file}, {inspection.file_bytes:,} bytes)"
    yield "identity", inspection.identity
    yield "architecture", f"{inspection.architecture}, {inspection.architecture_hash}"
    names = ", ".join(inspection.classes[:6]) + (", ..." if len(inspection.classes) > 6 else "")
    yield "classes", f"{len(inspection.classes)}: {names}" if inspection.classes else "not named"
    if inspection.settings:
        yield "set", ", ".join(f"{name} {value}" for name, value in inspection.settings.items() if value is not None)
    for name, value in inspection.said.items():
        if value not in ("", -1):
            yield name[:30], f"{value:.3f}" if isinstance(value, float) else str(value)[:100]
    for name, size in inspection.extra.items():
        yield name, f"{size:,} bytes beside the network"


def _draw(title: str, rows: Sequence[tuple[str, Sums]]) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column(title, no_wrap=True, min_width=21)
    for column in ("tensors", "count", "kB", "norm", "mean", "spread", "zeros"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, sums in rows:
        figures = (f"{sums.norm:.1f}", f"{sums.mean:+.3f}", f"{sums.spread:.3f}", f"{sums.zeros:.1%}")
        table.add_row(name, str(sums.tensors), f"{sums.count:,}", f"{sums.bytes / 1000:,.0f}", *figures)
    return table
