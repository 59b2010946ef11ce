"""The table of findings: names come from strangers, and are shown as they are or as codes, never obeyed."""

import io

import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from steelyard.checks.report import Example, Findings, Report
from steelyard.checks.table import draw_markdown, draw_table, name_finding

NAMES = (
    "![x](http://evil/p.png)",
    "<img src=//evil/p.png>",
    "[x](http://evil)",
    "`code` **bold** _low_ ~~out~~ &lt;",
    "a\\|b|c\\",
    "p[/q].jpg",
    "img[bold red]:cat:.jpg",
)


def make_report(file, detail="", other=""):
    findings = Findings()
    findings.add("duplicate-across-splits", Example(file=file, detail=detail, other=other))
    return Report(
        images=1, classes=("cat",), splits={}, imgsz=640, map_half_width=None, findings=findings.collect()
    )  # fmt: skip


def draw(report):
    out = io.StringIO()
    Console(file=out, width=300, force_terminal=True, color_system=None).print(draw_table(report, ("error",), ()))
    return out.getvalue()


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_no_markup(name):
    for report in (make_report(name), make_report("a.jpg", name), make_report("a.jpg", "", name)):
        assert name in draw(report)
        tokens = (
            MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(draw_markdown(report, ("error",), ()))
        )
        cell = tokens[max(number for number, one in enumerate(tokens) if one.type == "inline")]
        assert {one.type for one in cell.children} <= {"text", "text_special"}
        assert name in "".join(one.content for one in cell.children)


def test_unprintable_letters_are_shown_as_codes():
    bad = "a\x1b[31m\x9b2J\u202e\n.jpg"
    shown = r"a\x1b[31m\x9b2J\u202e\n.jpg"
    findings = Findings()
    findings.tell("class-rare", 1, bad)
    of_no_file = make_report("").model_copy(update={"findings": findings.collect()})
    for report in (make_report(bad), make_report("a.jpg", bad), make_report("a.jpg", "", bad), of_no_file):
        assert shown in draw(report)
        assert shown in name_finding(report.findings[0])
        for text in (draw(report), draw_markdown(report, ("error",), ()), name_finding(report.findings[0])):
            assert not {*bad[1:2], "\x9b", "\u202e"} & {*text}
