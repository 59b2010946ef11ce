"""The sections of ``params.yaml``, each named as the DVC stage that reads it.

There are no defaults here: what is not in the file is an error, so the file alone says what was used.
"""

import re
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Fraction = Annotated[float, Field(ge=0, le=1)]
Sha256 = Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]
Texts = Annotated[tuple[str, ...], Field(strict=False)]
Names = dict[str, str]
Severity = Literal["error", "warning", "note"]
OperatingRule = Literal["f1", "precision", "recall", "confidence"]
Policy = Literal["auto", "ask", "never"]
Differences = Annotated[tuple[Literal["classes", "test", "seen"], ...], Field(strict=False)]
Severities = Annotated[tuple[Severity, ...], Field(strict=False)]


class Section(BaseModel):
    """One section of ``params.yaml``: frozen, strict, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class SplitParams(Section):
    """How images are divided into train, val and test."""

    by: Literal["published", "place", "fraction", "group", "stratified"] = Field(
        description="published: as the source says; place: bands across each photograph; "
        "fraction: by a hash of each image's path in the source, stable when images are added; "
        "group: the same by a key in the path, so that images of one video stay together; "
        "stratified: as fraction, and refused unless each class has its share of each split"
    )
    train: Fraction = Field(description="share of train; not used with 'published'")
    val: Fraction = Field(description="share of val; what train and val leave is test")
    seed: int = Field(ge=0, le=2**31 - 1, description="changes which image goes where")
    group: str = Field(
        description="regular expression that finds the key in an image's path (its first group, or all of it), "
        "such as '(video[0-9]+)_'; with 'group' only"
    )

    @model_validator(mode="after")
    def _leaves_a_test_split(self) -> Self:
        if self.by != "published" and not 0 < self.train < self.train + self.val < 1:
            raise ValueError(
                f"train = {self.train} and val = {self.val} must be above 0 and together below 1, "
                "so that something is left for test (for example 0.6 and 0.2)"
            )
        return self

    @model_validator(mode="after")
    def _has_a_key_for_groups(self) -> Self:
        try:
            re.compile(self.group)
        except re.error as error:
            raise ValueError(f"group = {self.group!r} is not a regular expression ({error})") from None
        if self.by == "group" and not self.group:
            raise ValueError("by = group needs a regular expression in group, such as '(video[0-9]+)_'")
        return self


class AboutParams(Section):
    """What is known of images beside their boxes; scores are told by it, and nothing is trained by it."""

    csv: str = Field(
        description="CSV file with the column image and others that describe it, such as weather or camera: "
        "a path that begins with data/raw/, or one below the source; empty: none"
    )
    columns: Texts = Field(description="the columns of it to use; empty: all")

    @model_validator(mode="after")
    def _has_a_file_for_columns(self) -> Self:
        if self.columns and not self.csv:
            raise ValueError("columns are named, but csv names no file that has them; set both, or columns to []")
        return self


class FetchParams(Section):
    """Stage fetch: a source becomes ``data/dataset``."""

    source: str = Field(
        min_length=1,
        description="pypi:NAME==VERSION[/folder], https://..., or a path such as data/raw; "
        "a folder or a zip or tar archive",
    )
    sha256: Sha256 = Field(description="sha256 of the downloaded file; empty only for a local source")
    licence: str = Field(min_length=1, description="licence of the data (SPDX name), for the record")
    format: Literal["auto", "coco", "csv", "voc", "yolo"] = Field(description="annotation format; auto finds it out")
    include: Texts = Field(description="glob patterns of image file names to use; empty: all")
    rename: Names = Field(description="old class name: new one; several with one new name are merged")
    drop: Texts = Field(description="classes (by their old names) whose boxes are left out")
    classes: Texts = Field(description="class names (the new ones) in their order; empty: as the source says")
    tile: int = Field(
        ge=0, le=4096, description="side of the square tiles, in px, that images are cut into; 0: not cut"
    )
    least_visible: Fraction = Field(
        description="a box cut by a tile's edge is kept when at least this share of it is inside"
    )
    split: SplitParams
    about: AboutParams


class CheckParams(Section):
    """Stage check: what the data must not have before anything is trained on it."""

    stop: Severities = Field(
        description="severities that stop the run: error (a leak across splits is one), warning, note"
    )
    accept: Texts = Field(
        description="ids of findings that you have looked at and that stop nothing; "
        "`steelyard check --explain ID` tells what one means"
    )


class BaseParams(Section):
    """Stage base: the parent weights."""

    source: str = Field(
        min_length=1,
        description="pypi:NAME==VERSION/file, https://..., or a path: a .pt checkpoint or an .onnx export",
    )
    sha256: Sha256 = Field(description="sha256 of the downloaded file (of the wheel for pypi:)")
    licence: str = Field(min_length=1, description="licence of the weights (SPDX name)")


class FinetuneParams(Section):
    """Stage finetune: Ultralytics' training arguments, under their own names."""

    pretrained: bool = Field(
        description="start from the base weights; false: from random weights of the same architecture, to see what "
        "the base weights are worth"
    )
    epochs: int = Field(ge=1, le=10_000, description="most epochs to train")
    patience: int = Field(ge=0, le=10_000, description="epochs without gain on val before stopping; 0: never")
    imgsz: int = Field(ge=32, le=2048, multiple_of=32, description="side of training images, in px")
    batch: int = Field(ge=1, le=1024, description="images per step")
    nbs: int = Field(ge=1, le=1024, description="nominal batch: gradients gather until this many images were seen")
    optimizer: Literal["SGD", "Adam", "AdamW", "NAdam", "RAdam", "RMSProp"] = Field(
        description="named, since Ultralytics' auto ignores lr0 and momentum"
    )
    lr0: float = Field(gt=0, le=1, description="first learning rate")
    lrf: float = Field(gt=0, le=1, description="last learning rate, as a share of lr0")
    momentum: float = Field(ge=0, lt=1, description="momentum of SGD, beta1 of Adam's family")
    weight_decay: float = Field(ge=0, le=0.1, description="L2 decay of the weights")
    warmup_epochs: float = Field(ge=0, le=100, description="epochs of rising learning rate")
    cos_lr: bool = Field(description="cosine schedule rather than linear")
    freeze: int = Field(ge=0, le=24, description="first layers that stay as they are; 11 is the whole YOLO11 backbone")
    seed: int = Field(ge=0, le=2**31 - 1, description="seed of everything random")
    hsv_h: Fraction = Field(description="augmentation: hue, share of the circle")
    hsv_s: Fraction = Field(description="augmentation: saturation, share")
    hsv_v: Fraction = Field(description="augmentation: brightness, share")
    degrees: float = Field(ge=0, le=180, description="augmentation: rotation up to this, in degrees")
    translate: Fraction = Field(description="augmentation: shift, share of the image")
    scale: Fraction = Field(description="augmentation: zoom in or out by up to this share")
    fliplr: Fraction = Field(description="augmentation: probability of a left-right flip")
    flipud: Fraction = Field(description="augmentation: probability of an up-down flip")
    mosaic: Fraction = Field(description="augmentation: probability of four images in one")
    mixup: Fraction = Field(description="augmentation: probability of blending two images")
    close_mosaic: int = Field(ge=0, le=10_000, description="last epochs without mosaic")
    device: str = Field(
        pattern=r"^(auto|cpu|mps|\d+)$", description="auto (a GPU where there is one), cpu, mps, or a GPU's number"
    )
    workers: int = Field(ge=0, le=64, description="processes that load images (a CPU always uses 0)")
    threads: int = Field(ge=0, le=1024, description="CPU threads of torch; 0: all cores")
    cache: Literal["ram", "disk", "none"] = Field(description="where decoded images are kept")


class ValidateParams(Section):
    """Stage validate: how detections are made before they are scored."""

    confidence: float = Field(gt=0, le=0.5, description="least confidence of a detection that is scored")
    iou: float = Field(gt=0, lt=1, description="overlap (IoU) above which non-maximum suppression drops a box")
    max_det: int = Field(ge=1, le=3000, description="most detections per image")
    pictures: int = Field(ge=0, le=16, description="pictures each of the best, median and worst images")
    operate_by: OperatingRule = Field(
        description="what decides the least confidence of the boxes that a registered model returns, on val: the best "
        "F1, a wanted precision or recall, or the confidence itself"
    )
    operate_at: float = Field(gt=0, lt=1, description="the precision, recall or confidence; of no meaning to f1")


class GateParams(Section):
    """What a version must show before it takes the champion's place; both are scored on the same test images."""

    least_gain: float = Field(ge=-1, lt=1, description="gain in mAP50-95 that must be shown, with 95 % confidence")
    most_loss: Fraction = Field(
        description="loss in mAP50-95 that is borne in a class or a size of boxes; broken where it is larger with 95 % "
        "confidence; 1: any"
    )
    most_calibration_rise: Fraction = Field(description="rise of the calibration error that is borne; 1: any")
    most_slowdown: float = Field(ge=0, le=1000, description="time per image, times the champion's; 0: not measured")
    floor: Fraction = Field(description="mAP50-95 that a first version must show, as there is no champion to beat")
    accept: Differences = Field(
        description="differences from the champion's data that you agree to: classes (weigh on those that both know), "
        "test (weigh on the test split of now), seen (weigh on the test images that neither has trained on)"
    )


class RegisterParams(Section):
    """Stage register: where the weights go, and who decides what they replace."""

    name: str = Field(
        pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
        max_length=64,
        description="name of the registered model (lower case, digits, dashes)",
    )
    experiment: str = Field(min_length=1, max_length=128, description="MLflow experiment of the runs")
    policy: Policy = Field(
        description="auto: a version with the verdict promote becomes champion; ask: a person decides, in the Prefect "
        "UI or by `steelyard promote`; never: only `steelyard promote` does it"
    )
    ask_hours: float = Field(
        gt=0, le=720, description="how long a flow run waits for the person, in hours; then the champion stays"
    )
    gate: GateParams
