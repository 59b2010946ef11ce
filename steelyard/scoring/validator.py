"""Ultralytics' validator, kept from rounding, from writing and from threads of its own choice.

Importing this module imports torch and Ultralytics (5 s).
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ultralytics.data.dataset import YOLODataset
from ultralytics.models.yolo.detect import DetectionValidator

from steelyard.scoring.boxes import Boxes
from steelyard.scoring.split import LabelledImage


class KeepingValidator(DetectionValidator):  # type: ignore[misc]
    """Computes Ultralytics' metrics and keeps every detection in pixels of its image, unrounded.

    Attributes:
        found: the detections by image path.
    """

    def __init__(
        self,
        images: Sequence[LabelledImage],
        threads: int,
        report: Callable[[int], None],
        save_dir: Path,
        args: dict[str, Any],
    ) -> None:
        super().__init__(save_dir=save_dir, args=args)
        self.found: dict[Path, Boxes] = {}
        self.images = images
        self.report = report
        # Selecting a device, just before, set torch to all cores but one.
        self.add_callback("on_val_start", lambda _: torch.set_num_threads(threads))

    def build_dataset(self, img_path: str, mode: str = "val", batch: int | None = None) -> "SplitDataset":
        return SplitDataset(self.images, self.args, self.data, batch, self.stride)

    def update_metrics(self, preds: list[dict[str, torch.Tensor]], batch: dict[str, Any]) -> None:
        super().update_metrics(preds, batch)
        for index, pred in enumerate(preds):
            scaled = self.scale_preds(pred, self._prepare_batch(index, batch))
            self.found[Path(batch["im_file"][index])] = Boxes(
                scaled["bboxes"].cpu().numpy().astype(np.float64),
                scaled["cls"].cpu().numpy().astype(np.int64),
                scaled["conf"].cpu().numpy().astype(np.float64),
            )
        self.report(len(preds))

    @staticmethod
    def _check_max_det(args: Any, datasets: Any) -> None:
        """Leave ``max_det`` as it was set; the original raises its default where images hold more boxes."""


class SplitDataset(YOLODataset):  # type: ignore[misc]
    """The images and labels that were read already.

    Ultralytics' own scan would write a cache beside the labels, and rewrite JPEG files that it thinks
    damaged.
    """

    def __init__(
        self, images: Sequence[LabelledImage], args: Any, data: dict[str, Any], batch: int | None, stride: int
    ) -> None:
        self.images = images
        # Padding by half a stride and rectangles: as `yolo val` builds its data set.
        super().__init__(
            img_path="",
            imgsz=args.imgsz,
            batch_size=batch,
            augment=False,
            hyp=args,
            rect=args.rect,
            stride=int(stride),
            pad=0.5,
            data=data,
            task="detect",
        )

    def get_img_files(self, img_path: str | list[str]) -> list[str]:
        return [str(image.path) for image in self.images]

    def get_labels(self) -> list[dict[str, Any]]:
        labels: list[dict[str, Any]] = []
        for image in self.images:
            rows = np.unique(image.labels.astype(np.float32), axis=0)
            labels.append(
                {
                    "im_file": str(image.path),
                    "shape": (image.height, image.width),
                    "cls": rows[:, :1],
                    "bboxes": rows[:, 1:],
                    "segments": [],
                    "keypoints": None,
                    "normalized": True,
                    "bbox_format": "xywh",
                }
            )
        return labels
