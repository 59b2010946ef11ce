"""The scores of weights on val and test: ``metrics/scores.json``.

Null means that there was nothing to score: no box of that class, or no box at all.
"""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from steelyard.errors import DatasetError

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


class ClassScores(Rates):
    """One class by COCO's protocol, with the number of its boxes and of the images that hold them."""

    images: int = Field(ge=0)
    boxes: int = Field(ge=0)


class SplitScores(ClassScores):
    """One split: the means over its classes, each class, and Ultralytics' own figures of the same pass."""

    classes: dict[str, ClassScores]
    ultralytics: Rates


class Scores(BaseModel):
    """What ``metrics/scores.json`` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    val: SplitScores
    test: SplitScores


def show_score(score: float | None) -> str:
    """Three decimals, or ``none`` where there was nothing to score."""
    return "none" if score is None else f"{score:.3f}"


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
