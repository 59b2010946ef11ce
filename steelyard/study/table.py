"""The table of a study: for the terminal, as Markdown, and the rows of both."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from steelyard.study.report import Report
from steelyard.study.verdict import judge, list_doubts, show_change, show_estimate

if TYPE_CHECKING:
    from rich.table import Table


def list_columns(report: Report) -> list[str]:
    """The heads of the columns."""
    val = [] if report.split == "val" else ["mAP50-95 on val"]
    target = "no target" if report.target is None else f"to {report.target:.3f} on val"
    return [
        "arm",
        *val,
        f"mAP50-95 on {report.split}",
        f"over {report.arms[0].name}",
        f"epochs {target}",
        "seconds to it",
        "in all",
    ]


def list_rows(report: Report) -> list[list[str]]:
    """One row for each arm; intervals are of 95 %."""
    first = report.arms[0]
    rows = []
    for arm in report.arms:
        moved = report.difference(arm.name, first.name)
        less = "other images" if arm.name in report.other_images else "" if moved is None else show_change(moved)
        rows.append(
            [
                arm.name,
                *([] if report.split == "val" else [show_estimate(arm.val)]),
                show_estimate(arm.score),
                less,
                _show_spread([seed.epochs_to_target for seed in arm.seeds]),
                _show_spread([seed.seconds_to_target for seed in arm.seeds]),
                _show_spread([seed.seconds[-1] for seed in arm.seeds]),
            ]
        )
    return rows


def draw_table(report: Report) -> "Table":
    """For the terminal."""
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
    for number, column in enumerate(list_columns(report)):
        table.add_column(column, justify="left" if number == 0 else "right")
    for row in list_rows(report):
        table.add_row(*(escape(cell.replace(" (", "\n(")) for cell in row))
    return table


def draw_markdown(report: Report) -> str:
    """The verdict, the table, what it does not say, and how to read it."""
    columns = list_columns(report)
    lines = [f"**{judge(report)}**", "", _line(columns), _line(["---"] * len(columns))]
    lines += [_line(row) for row in list_rows(report)]
    lines += ["", *(f"- {doubt}" for doubt in list_doubts(report)), f"- {describe_figures(report)}"]
    return "\n".join(lines) + "\n"


def describe_figures(report: Report) -> str:
    """How the figures are to be read."""
    seeds = [seed.seed for seed in report.arms[0].seeds]
    common = f"all arms with {describe_settings(report.settings)}; " if report.settings else ""
    return (
        f"{common}seeds {seeds[0]} to {seeds[-1]}, the best epoch on val of each; intervals of 95 % hold the chance of "
        "images and of seeds; epochs and seconds: median (least to most) of the seeds until "
        f"{report.target_share:.0%} of the best arm's best mean on val, and of the whole training; "
        f"on {'; '.join(report.machines)}"
    )


def describe_settings(settings: Mapping[str, Any], head: str = "") -> str:
    """``finetune.pretrained=true finetune.freeze=11``: what an arm has otherwise, as on the command line."""
    return " ".join(
        describe_settings(value, f"{head}{key}.")
        if isinstance(value, Mapping)
        else f"{head}{key}={str(value).lower() if isinstance(value, bool) else value}"
        for key, value in settings.items()
    )


def _show_spread(values: Sequence[float | None]) -> str:
    known = sorted(value for value in values if value is not None)
    if not known:
        return "not reached"
    middle = (known[(len(known) - 1) // 2] + known[len(known) // 2]) / 2
    spread = f" ({known[0]:.0f} to {known[-1]:.0f})" if len(known) > 1 else ""
    return (
        f"{middle:.1f}".removesuffix(".0")
        + spread
        + (f", {len(known)} of {len(values)}" if len(known) < len(values) else "")
    )


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
