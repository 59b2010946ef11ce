"""One pass of the weights over one split: every detection, and Ultralytics' own figures."""

import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from steelyard.device import choose_device, choose_threads
from steelyard.scoring.boxes import Picture
from steelyard.scoring.scores import Rates
from steelyard.scoring.split import LabelledImage
from steelyard.sections import FinetuneParams, ValidateParams

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Detections:
    """What a pass over one split gives.

    Attributes:
        pictures: every image with its boxes and the detections on it, in the order of the images.
        ultralytics: the figures that Ultralytics itself computes from the same detections; it
            counts a label row that stands twice once.
    """

    pictures: list[Picture]
    ultralytics: Rates


def detect(
    model: "torch.nn.Module",
    dataset: Path,
    split: str,
    images: Sequence[LabelledImage],
    validation: ValidateParams,
    finetune: FinetuneParams,
    report: Callable[[int], None],
) -> Detections:
    """Run the weights over the images as ``yolo val`` does.

    Nothing is written but into a temporary folder; the model stays as it is.

    Args:
        model: a detection model of Ultralytics.
        dataset: folder in YOLO layout, for its ``data.yaml``.
        split: name of the split.
        images: at least one.
        validation: confidence, overlap and number of detections that are kept.
        finetune: size, batch, device and threads.
        report: called with the number of images done since the last call.

    Raises:
        ParamsError: ``finetune.device`` is not there.
    """
    device = choose_device(finetune.device)
    from steelyard.scoring.validator import KeepingValidator  # heavy: imports torch and Ultralytics

    with tempfile.TemporaryDirectory() as scratch, _quiet():
        validator = KeepingValidator(
            images,
            threads=choose_threads(finetune.threads),
            report=report,
            save_dir=Path(scratch),
            args={
                "task": "detect",
                "mode": "val",
                "data": str(dataset.resolve() / "data.yaml"),
                "split": split,
                "imgsz": finetune.imgsz,
                "batch": finetune.batch,
                "device": device,
                "workers": finetune.workers,
                "rect": True,
                "conf": validation.confidence,
                "iou": validation.iou,
                "max_det": validation.max_det,
                "plots": False,
                "verbose": False,
            },
        )
        stats = validator(model=model)
    pictures = [Picture(image.path, image.truth(), validator.found[image.path]) for image in images]
    if not any(len(picture.truth) for picture in pictures):
        return Detections(pictures, Rates(precision=None, recall=None, map50=None, map50_95=None))
    return Detections(
        pictures,
        Rates(
            precision=float(stats["metrics/precision(B)"]),
            recall=float(stats["metrics/recall(B)"]),
            map50=float(stats["metrics/mAP50(B)"]),
            map50_95=float(stats["metrics/mAP50-95(B)"]),
        ),
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Ultralytics' lines and bars off the terminal."""
    from ultralytics.utils import LOGGER  # heavy: 2.8 s

    level = LOGGER.level
    LOGGER.setLevel(logging.ERROR)
    try:
        yield
    finally:
        LOGGER.setLevel(level)
