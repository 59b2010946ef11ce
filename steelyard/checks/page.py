"""The page about a data set: the verdict, each finding with its pictures, charts, samples."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from steelyard.checks.catalogue import CHECKS
from steelyard.checks.charts import draw_box_shapes, draw_box_sizes, draw_crowding, measure
from steelyard.checks.check import Check
from steelyard.checks.figures import COLORS, Figure, show_box, show_image, show_sample
from steelyard.checks.html import write_html
from steelyard.checks.maps import draw_centres, draw_coverage, draw_sizes
from steelyard.checks.pictures import cut_views
from steelyard.checks.report import Example, Finding, Report
from steelyard.dataset.annotation import AnnotatedImage, Box

# Together at most about 200 pictures, however large the data set is.
_MOST_EXAMPLES, _FINDING_PICTURES = 8, 72
_MOST_CLASSES, _MOST_SAMPLES, _CLASS_PICTURES = 20, 8, 88
_SPLIT_SAMPLES = 4
_MOST_ROWS = 300  # of the table of classes


class Case(NamedTuple):
    """An example of a finding: one picture, or the two of a pair."""

    figures: tuple[Figure, ...]
    detail: str


@dataclass(frozen=True, slots=True)
class Section:
    """A finding with its texts and examples.

    Attributes:
        finding: as in the report.
        check: its texts.
        stops: whether it stops the run.
        is_open: whether it is unfolded from the start.
        pictured: examples with pictures.
        named: examples without: a name, and what was found there.
    """

    finding: Finding
    check: Check
    stops: bool
    is_open: bool
    pictured: tuple[Case, ...]
    named: tuple[Example, ...]


class ClassRow(NamedTuple):
    """A class in numbers."""

    name: str
    color: int
    boxes: dict[str, int]
    total: int


def write_page(
    out: Path,
    report: Report,
    images: Mapping[str, AnnotatedImage],
    stopping: Sequence[Finding],
    facts: Mapping[str, str],
) -> None:
    """Write the page: one HTML file with its pictures in it, the same bytes for the same input.

    Args:
        out: the file to make, or to replace.
        report: what the checks found.
        images: by the name that the examples of findings use; all of the data set, for charts and samples. A name
            that is not among them is shown without a picture, as is a file that cannot be decoded.
        stopping: findings of the report that stop the run.
        facts: label and text, for the head of the page.
    """
    shown = sorted({image.path: image for image in images.values()}.values(), key=lambda image: image.origin)
    colors = {name: number % len(COLORS) for number, name in enumerate(report.classes)}
    sections = _make_sections(report, images, {finding.id for finding in stopping}, colors)
    rows = _count_classes(report, colors)
    splits = {name: _sample_split(shown, name, colors) for name in report.splits}
    classes = _sample_classes(shown, [row.name for row in rows[:_MOST_CLASSES] if row.total], colors)
    figures = chain(
        (figure for section in sections for case in section.pictured for figure in case.figures),
        *splits.values(),
        *classes.values(),
    )
    measures = measure(shown, list(report.splits))
    write_html(
        out,
        "page.html.jinja",
        report=report,
        facts=facts,
        stopping=[section for section in sections if section.stops],
        sections=sections,
        rows=rows[:_MOST_ROWS],
        more_rows=len(rows[_MOST_ROWS:]),
        sizes=draw_sizes(measures, report.imgsz),
        histograms=(draw_box_sizes(measures, report.imgsz), draw_box_shapes(measures), draw_crowding(measures)),
        maps=(draw_coverage(measures), draw_centres(measures)),
        split_samples=splits,
        class_samples=classes,
        pictures=cut_views(figure.view for figure in figures if figure.view),
    )


def spread(count: int, most: int) -> list[int]:
    """At most ``most`` numbers under ``count``, at equal distances."""
    if count <= most:
        return list(range(count))
    return [(2 * step + 1) * count // (2 * most) for step in range(most)]


def _make_sections(
    report: Report, images: Mapping[str, AnnotatedImage], stopping: set[str], colors: Mapping[str, int]
) -> list[Section]:
    most = max(2, min(_MOST_EXAMPLES, _FINDING_PICTURES // max(len(report.findings), 1)))
    # Those that stop come first, so that what is to be done stands together.
    ordered = sorted(report.findings, key=lambda finding: finding.id not in stopping)
    sections = []
    for finding in ordered:
        pictured = [example for example in finding.examples if example.file in images or example.other in images]
        named = [example for example in finding.examples if example not in pictured]
        cases = tuple(Case(_show_example(example, images, colors), example.detail) for example in pictured[:most])
        stops = finding.id in stopping
        sections.append(
            Section(
                finding, CHECKS[finding.id], stops, stops and len(stopping) == 1, cases, tuple(named[:_MOST_EXAMPLES])
            )
        )
    return sections


def _show_example(
    example: Example, images: Mapping[str, AnnotatedImage], colors: Mapping[str, int]
) -> tuple[Figure, ...]:
    names = [name for name in (example.file, example.other) if name]
    image = images.get(example.file)
    if image and example.box and len(names) == 1 and all(map(math.isfinite, example.box)):
        return (show_box(image, example.box, example.detail),)
    note = example.detail if len(names) == 1 else ""
    return tuple(show_image(images[name], colors, note) if name in images else Figure(name) for name in names)


def _count_classes(report: Report, colors: Mapping[str, int]) -> list[ClassRow]:
    """Most frequent first."""
    rows = []
    for name in report.classes:
        boxes: dict[str, int] = {split: counts.boxes_per_class.get(name, 0) for split, counts in report.splits.items()}
        rows.append(ClassRow(name, colors[name], boxes, sum(boxes.values())))
    return sorted(rows, key=lambda row: -row.total)


def _sample_split(images: Sequence[AnnotatedImage], split: str, colors: Mapping[str, int]) -> list[Figure]:
    mine = [image for image in images if (image.split or "all") == split]
    figures = []
    for number in spread(len(mine), _SPLIT_SAMPLES):
        boxes = len(mine[number].boxes)
        figures.append(show_image(mine[number], colors, f"{boxes:,} box{'es' * (boxes != 1)}"))
    return figures


def _sample_classes(
    images: Sequence[AnnotatedImage], names: Sequence[str], colors: Mapping[str, int]
) -> dict[str, list[Figure]]:
    found: dict[str, list[tuple[AnnotatedImage, Box]]] = {name: [] for name in names}
    for image in images:
        for box in image.boxes:
            if box.name in found:
                found[box.name].append((image, box))
    most = min(_MOST_SAMPLES, _CLASS_PICTURES // max(len(names), 1))
    return {
        name: [show_sample(*boxes[number], colors) for number in spread(len(boxes), most)]
        for name, boxes in found.items()
    }
