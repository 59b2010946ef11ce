"""The record of one model version: what made these weights, from what, how good they are.

It is kept in the ledger (the message of the version's git tag) and beside the weights in MLflow
as ``record.json``. Everything that speaks of a version reads it.
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from steelyard.scoring.scores import Scores
from steelyard.training.manifest import TrainingManifest
from steelyard.weights.manifest import BaseManifest


class Fact(BaseModel):
    """Base of the record's parts: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class WeightsFact(Fact):
    """The weights of the version."""

    identity: str = Field(description="sha256 over the state dict")
    file_sha256: str = Field(description="sha256 of best.pt")
    safetensors_sha256: str = Field(description="sha256 of weights.safetensors")


class DatasetFact(Fact):
    """The data."""

    source: str
    sha256: str = Field(description="of the source file; empty for a local source")
    fingerprint: str = Field(description="sha256 over every image and label")
    dvc_md5: str = Field(description="DVC's hash of data/dataset")
    licence: str
    classes: tuple[str, ...]
    images: dict[str, int] = Field(description="images by split")
    test_trained_on: dict[int, int | None] = Field(
        default={},
        description="earlier versions that trained on images of this test split, and on how many (null: their "
        "manifest was not to be had): their weights cannot be compared with these on it",
    )


class Record(Fact):
    """Schema version 1."""

    schema_version: Literal[1] = 1
    name: str
    version: int = Field(ge=1)
    commit: str = Field(description="snapshot commit")
    weights: WeightsFact
    base: BaseManifest = Field(description="the parent weights")
    dataset: DatasetFact
    params: dict[str, Any] = Field(description="params.yaml, whole")
    training: TrainingManifest = Field(description="how it went, where, with which versions of what")
    scores: Scores
    prefect_flow_run_id: str | None
    registered: datetime

    def dump(self) -> str:
        """The record as JSON, keys as in ``metrics/scores.json`` and ``params.yaml``."""
        return self.model_dump_json(by_alias=True, indent=1)

    def confidence(self) -> float:
        """Least confidence of the boxes that the model returns."""
        if self.scores.operating_point is None:  # a version from before it was chosen on val
            return float(self.params["register"]["confidence"])
        return self.scores.operating_point.confidence

    def tag(self) -> str:
        """Name of the version's git tag."""
        return f"{self.name}@v{self.version}.0.0"
