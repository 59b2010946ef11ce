"""What is known about the base weights, beside the file itself."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class BaseManifest(BaseModel):
    """``weights/base.json``: the parent of every training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    source: str = Field(min_length=1, description="where the weights came from, as in params.yaml")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="sha256 of the weights file that was read")
    format: Literal["pt", "onnx"] = Field(description="format of the weights file that was read")
    licence: str = Field(min_length=1, description="licence of the weights (SPDX name)")
    identity: str = Field(pattern=r"^sha256:[0-9a-f]{64}$", description="hash of the tensors in base.pt")
    file_sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="sha256 of base.pt")
    architecture: str = Field(pattern=r"^yolo11[nsmlx]$", description="network and scale")
    parameters: int = Field(gt=0, description="number of weights and biases")
    layers: int = Field(gt=0, description="top-level layers, which finetune.freeze counts")
    classes: dict[int, str] = Field(min_length=1, description="class names by number")
    image_size: int = Field(gt=0, description="side of the images that they were trained on, in px")
    batchnorm: str = Field(
        pattern=r"^(as in the checkpoint|measured again on \d+ crops)$",
        description="where the running statistics come from",
    )
