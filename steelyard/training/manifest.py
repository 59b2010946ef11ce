"""What is written down about one training: ``weights/training.json``."""

from pydantic import BaseModel, ConfigDict, Field


class TrainingManifest(BaseModel):
    """How the weights beside it were made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = 1
    run_id: str  # of MLflow
    run_key: str  # hash of everything that the training depends on
    parent: str  # identity of the base weights
    # false: only the architecture is the parent's, the weights began at random; without it in files where it is true
    pretrained: bool = Field(default=True, exclude_if=bool)
    identity: str  # identity of the best weights
    epochs_run: int
    best_epoch: int  # 1 is the first
    stopped_early: bool
    resumed_at: tuple[int, ...]  # whole epochs that were done when a killed training went on
    resume_exact: bool  # whether the weights are those of an unbroken training
    started: str  # ISO 8601, UTC; of the first attempt
    ended: str
    epoch_seconds: tuple[float, ...]
    device: str
    precision: str  # fp32, or bf16 on a GPU that computes it
    threads: int
    cpu: str
    versions: dict[str, str]
