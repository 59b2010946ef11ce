"""The scores of weights on val and test: ``metrics/scores.json``.

Null means that there was nothing to score: no box of that class, or no box at all.
"""

import operator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from steelyard.errors import DatasetError
from steelyard.sections import OperatingRule

# Six decimals: far below what an image more or less changes, and differences stay readable.
Score = Annotated[float, Field(ge=0, le=1), AfterValidator(lambda value: round(value, 6))]


class Rates(BaseModel):
    """Four rates of detections, each from 0 to 1.

    Attributes:
        precision: share of the detections that are right.
        recall: share of the boxes that are found.
        map50: mean average precision at IoU 0.5.
        map50_95: the mean of it over IoU 0.50, 0.55, ... 0.95.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)

    precision: Score | None
    recall: Score | None
    map50: Score | None = Field(validation_alias="mAP50", serialization_alias="mAP50")
    map50_95: Score | None = Field(validation_alias="mAP50-95", serialization_alias="mAP50-95")


class Interval(BaseModel):
    """Where the figure would lie with other images like these, in 95 of 100 cases."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: Score
    high: Score


class ClassScores(Rates):
    """One class by COCO's protocol, with the number of its boxes and of the images that hold them.

    Attributes:
        images: that hold a box.
        boxes: on them.
        intervals: of mAP50 and mAP50-95; without those that no resample moves (no box, a single image,
            a perfect score), and empty in records from before there were intervals.
        images_needed: how many images the split would need for its intervals to be relied on; None: it
            has enough.
    """

    images: int = Field(ge=0)
    boxes: int = Field(ge=0)
    intervals: dict[Literal["mAP50", "mAP50-95"], Interval] = Field(default={}, exclude_if=operator.not_)
    images_needed: int | None = Field(default=None, exclude_if=operator.not_)


class SizeScores(BaseModel):
    """The boxes of one size: small below 32 x 32 px, large above 96 x 96 px of the image, medium between."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)

    map50_95: Score = Field(validation_alias="mAP50-95", serialization_alias="mAP50-95")
    boxes: int = Field(ge=1)
    interval: Interval | None = Field(default=None, exclude_if=operator.not_)
    images_needed: int | None = Field(default=None, exclude_if=operator.not_)


class SliceScores(BaseModel):
    """The images of a split that have one value of a column, scored as a split of their own.

    Attributes:
        map50: mean over the classes of which these images hold a box; None where they hold none.
        map50_95: the same.
        images: of the slice.
        boxes: on them.
        intervals: as in ClassScores.
        images_needed: how many images the split would need for enough of them in this slice; None: there are enough.
        weak: clearly below the split in mAP50-95, see ``slices.py``.
        least: where the column is a figure of pictures cut in thirds, those of the slice have this much or more.
        below: and less than this.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)

    map50: Score | None = Field(validation_alias="mAP50", serialization_alias="mAP50")
    map50_95: Score | None = Field(validation_alias="mAP50-95", serialization_alias="mAP50-95")
    images: int = Field(ge=1)
    boxes: int = Field(ge=0)
    intervals: dict[Literal["mAP50", "mAP50-95"], Interval] = Field(default={}, exclude_if=operator.not_)
    images_needed: int | None = Field(default=None, exclude_if=operator.not_)
    weak: bool = Field(default=False, exclude_if=operator.not_)
    least: float | None = Field(default=None, exclude_if=lambda limit: limit is None)
    below: float | None = Field(default=None, exclude_if=lambda limit: limit is None)


class Calibration(BaseModel):
    """What confidences are worth: 0 where of the detections with confidence 0.7 just 70 % are right."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    error: Score = Field(description="expected calibration error of the detections above confidence 0.1")
    interval: Interval | None = Field(default=None, exclude_if=operator.not_)


class OperatingPoint(BaseModel):
    """Where prediction cuts, chosen on val; precision and recall over all classes, at IoU 0.5."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: OperatingRule
    wanted: Score | None = Field(default=None, exclude_if=operator.not_)
    confidence: Score
    precision: Score | None
    recall: Score | None
    f1: Score


class SplitScores(ClassScores):
    """One split: the means over its classes, each class, and Ultralytics' own figures of the same pass.

    Attributes:
        classes: by name.
        sizes: small, medium and large; without those of which there is no box.
        slices: by column and value; without columns of one value or of too many.
        calibration: of its detections; None where none is above confidence 0.1.
        ultralytics: of the same detections.
    """

    classes: dict[str, ClassScores]
    sizes: dict[str, SizeScores] = Field(default={}, exclude_if=operator.not_)
    slices: dict[str, dict[str, SliceScores]] = Field(default={}, exclude_if=operator.not_)
    calibration: Calibration | None = Field(default=None, exclude_if=operator.not_)
    ultralytics: Rates


class Scores(BaseModel):
    """What ``metrics/scores.json`` holds; records from before there was an operating point have none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    val: SplitScores
    test: SplitScores
    operating_point: OperatingPoint | None = Field(default=None, exclude_if=operator.not_)


def show_score(score: float | None) -> str:
    """Three decimals, or ``none`` where there was nothing to score."""
    return "none" if score is None else f"{score:.3f}"


def show_interval(interval: Interval | None) -> str:
    """``0.180 to 0.251``, or nothing where there is none."""
    return "" if interval is None else f"{interval.low:.3f} to {interval.high:.3f}"


def show_map50_95(scores: ClassScores | SliceScores) -> str:
    """``0.213 (0.180 to 0.251)``, with a ``?`` where the split has too few images for its interval."""
    bounds = show_interval(scores.intervals.get("mAP50-95"))
    doubt = "?" if scores.images_needed else ""
    return show_score(scores.map50_95) + (f" ({bounds}{doubt})" if bounds else "")


def describe_too_few(split: str, scores: SplitScores) -> list[str]:
    """A sentence for each interval of a split that cannot be relied on."""
    doubt = "for an interval that can be relied on"
    said = []
    if scores.images_needed:
        said.append(f"{split}: {scores.images} images are too few {doubt}; about {scores.images_needed} would do")
    for name, one in scores.classes.items():
        if one.images_needed:
            more = f"about {one.images_needed} in all would do"
            said.append(f"{split}: {name} is on {one.images} images, too few {doubt}; {more}")
    for name, size in scores.sizes.items():
        if size.images_needed:
            more = f"about {size.images_needed} in all would do"
            said.append(f"{split}: {name} boxes are on too few images {doubt}; {more}")
    return said


def describe_operating_point(point: OperatingPoint) -> str:
    """Where prediction cuts and what that gives, in a sentence."""
    gives = f"precision {show_score(point.precision)}, recall {show_score(point.recall)}, F1 {point.f1:.3f}"
    sentence = f"predictions from confidence {point.confidence:.3f} on: {gives} on val"
    reached = {"precision": point.precision, "recall": point.recall}.get(point.rule)
    if point.rule in ("precision", "recall") and (reached or 0) < (point.wanted or 0):
        return f"{sentence}; the {point.rule} of {point.wanted:g} that is wanted is not reached there"
    return sentence


def write_scores(scores: Scores, path: Path) -> None:
    """Write the scores as JSON that ``dvc metrics`` reads."""
    path.write_text(scores.model_dump_json(by_alias=True, indent=2) + "\n", encoding="utf-8")


def read_scores(path: Path) -> Scores:
    """Read the scores back.

    Raises:
        DatasetError: the file is missing, or is not what ``validate`` writes.
    """
    try:
        return Scores.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise DatasetError(f"{path}: not found; run the stage validate first (dvc repro validate)") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise DatasetError(
            f"{path}: {where}: {first['msg']}; it is written by the stage validate: dvc repro -f validate"
        ) from None
