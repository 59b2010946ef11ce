"""What the gate says about a version: promote, keep the champion, or undecided, with the reasons."""

import operator
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Outcome = Literal["promote", "keep", "undecided"]
Rule = Literal["comparable", "images", "unseen", "gain", "loss", "calibration", "latency", "floor"]
Result = Literal["passed", "broken", "open", "not applied"]


class Frozen(BaseModel):
    """No unknown keys, and nothing changes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Finding(Frozen):
    """What one rule says."""

    rule: Rule
    result: Result = Field(description="open: it cannot be told")
    reason: str = Field(description="a sentence")


class Difference(Frozen):
    """One figure of both, on the same images; 95 % interval of the difference from resamples of the images."""

    candidate: float | None
    champion: float | None
    low: float | None = Field(default=None, description="of candidate - champion")
    high: float | None = None
    images: int = Field(ge=0, description="that show such a box")
    too_few: bool = Field(
        default=False, exclude_if=operator.not_, description="images for the interval to be relied on"
    )

    @property
    def gain(self) -> float | None:
        """Candidate minus champion."""
        return None if self.candidate is None or self.champion is None else self.candidate - self.champion

    def show(self) -> str:
        """``+0.031 (+0.012 to +0.051)``."""
        if self.gain is None:
            return "none"
        bounds = "" if self.low is None or self.high is None else f" ({self.low:+.3f} to {self.high:+.3f})"
        return f"{self.gain:+.3f}{bounds}{'?' if bounds and self.too_few else ''}"


class Latency(Frozen):
    """Time per image of both, taken in turns in one process."""

    candidate_ms: float = Field(gt=0, description="median, milliseconds")
    champion_ms: float = Field(gt=0, description="median, milliseconds")
    ratio: float = Field(gt=0, description="median of the ratios, image by image")
    low: float = Field(description="of its 95 % interval")
    high: float
    images: int = Field(ge=1)
    device: str


class Figures(Frozen):
    """Both on the test images."""

    images: int = Field(ge=0, description="that both were weighed on")
    groups: int = Field(ge=0, description="of images that are alike; as many as images where none are")
    overall: dict[str, Difference] = Field(description="mAP50-95 and mAP50")
    classes: dict[str, Difference] = Field(description="mAP50-95 by class")
    sizes: dict[str, Difference] = Field(description="mAP50-95 by size of boxes")
    calibration: Difference = Field(description="expected calibration error; lower is better")
    latency: Latency | None = None
    least_gain: float | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="in mAP50-95, that had to be shown; verdicts from before it was kept have none",
    )
    p_value: float | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="share of cases in which two equally good models are as far apart in mAP50-95; see swaps.py",
    )
    smallest_gain: float | None = Field(
        description="true difference in mAP50-95 that such a comparison finds in 80 of 100 cases"
    )


class Verdict(Frozen):
    """The whole of it, as it stands in the ledger."""

    schema_version: Literal[1] = 1
    outcome: Outcome
    key: str = Field(description="of what was weighed: both weights, the test split and the rules; see compute_key")
    champion: int | None = Field(description="version that it was weighed against")
    test_split: str = Field(description="sha256 over the test images and their labels")
    uses: int = Field(ge=1, description="how often this test split has decided, this time included")
    findings: tuple[Finding, ...] = Field(description="one for each rule, in the order of the rules")
    figures: Figures | None = Field(description="None where nothing was weighed")

    def reasons(self) -> list[str]:
        """What decided: the rules that are broken or open; where there are none, those that passed."""
        deciding = [each.reason for each in self.findings if each.result in ("broken", "open")]
        return deciding or [each.reason for each in self.findings if each.result == "passed"]

    def sentence(self) -> str:
        """The verdict in one sentence."""
        return f"{self.outcome}: {'; '.join(self.reasons())}"


def judge(findings: tuple[Finding, ...]) -> Outcome:
    """A broken rule keeps the champion; one that cannot be told leaves it open."""
    results = {each.result for each in findings}
    return "keep" if "broken" in results else "undecided" if "open" in results else "promote"
