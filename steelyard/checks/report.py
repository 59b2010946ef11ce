"""What the checks found, as data: for ``metrics/data.json``, the page, the terminal and the record."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from steelyard.checks.catalogue import CHECKS
from steelyard.dataset.manifest import Frozen, Split, SplitCounts
from steelyard.sections import Severity

EXAMPLES = 12  # of a finding, at most


class Example(Frozen):
    """One place where a finding can be seen."""

    file: str = Field(description="image or label file, below the data set's folder or the source's")
    detail: str = Field(default="", description="what was found there")
    box: tuple[float, float, float, float] | None = Field(
        default=None, description="left, top, right, bottom in px of the image, where it is about a box"
    )
    other: str = Field(default="", description="the second image of a pair")


class Finding(Frozen):
    """What one check found."""

    id: str = Field(description="of the check, as in the catalogue")
    severity: Severity
    count: int = Field(ge=1, description="files, boxes, pairs or classes that it is about")
    detail: str = Field(default="", description="what was found, where no single file shows it")
    examples: tuple[Example, ...] = Field(default=(), description=f"at most {EXAMPLES} of them")


class Report(Frozen):
    """All findings of one data set."""

    schema_version: Literal[1] = 1
    images: int
    classes: tuple[str, ...]
    splits: dict[Split | Literal["all"], SplitCounts] = Field(
        description="in numbers; 'all' where the source has no splits"
    )
    imgsz: int = Field(description="training size, in px, that small objects were judged by")
    map_half_width: float | None = Field(
        description="half of the 95 % interval that mAP50 can have at most on this test split; null without one"
    )
    findings: tuple[Finding, ...] = Field(description="errors first, in the catalogue's order")

    def choose_stopping(self, stop: tuple[Severity, ...], accept: tuple[str, ...]) -> tuple[Finding, ...]:
        """The findings that stop a run with these settings."""
        return tuple(one for one in self.findings if one.severity in stop and one.id not in accept)


class Findings:
    """Gathers what the checks find: counts, and the first few examples of each."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, list[Example]] = {}
        self._details: dict[str, str] = {}

    def add(self, check: str, example: Example) -> None:
        """Count one more place; the first EXAMPLES are kept."""
        self._counts[check] += 1
        examples = self._examples.setdefault(check, [])
        if len(examples) < EXAMPLES:
            examples.append(example)

    def tell(self, check: str, count: int, detail: str) -> None:
        """A finding that no single file shows."""
        self._counts[check] = count
        self._details[check] = detail

    def collect(self) -> tuple[Finding, ...]:
        """All of them: errors first, then in the catalogue's order."""
        severities = ("error", "warning", "note")
        found = [check for check in CHECKS if self._counts[check]]
        return tuple(
            Finding(
                id=check,
                severity=CHECKS[check].severity,
                count=self._counts[check],
                detail=self._details.get(check, ""),
                examples=tuple(self._examples.get(check, ())),
            )
            for check in sorted(found, key=lambda check: severities.index(CHECKS[check].severity))
        )


def write_metrics(report: Report, stopping: Sequence[Finding], path: Path) -> None:
    """Write the figures that DVC compares between revisions, such as ``metrics/data.json``.

    Args:
        report: of the data set.
        stopping: its findings that stop a run.
        path: written whole or not at all.
    """
    severities = Counter(one.severity for one in report.findings)
    figures = {
        "splits": {split: counts.model_dump() for split, counts in report.splits.items()},
        "map_half_width": report.map_half_width,
        "findings": {
            "stopping": len(stopping),
            "error": severities["error"],
            "warning": severities["warning"],
            "note": severities["note"],
        },
        "counts": {one.id: one.count for one in report.findings},
    }
    if report.map_half_width is None:
        del figures["map_half_width"]
    new = path.with_name(f".{path.name}.new")
    new.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    new.replace(path)
