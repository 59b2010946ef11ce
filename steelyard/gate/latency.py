"""How long two models take for the same pictures, in turns, in one process."""

from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from steelyard.device import choose_device, choose_threads
from steelyard.gate.verdict import Latency
from steelyard.sections import FinetuneParams, ValidateParams

if TYPE_CHECKING:
    import torch

MOST_IMAGES = 40
WARM_UPS = 3
_RESAMPLES = 2000


def measure_latency(
    models: Sequence["torch.nn.Module"],
    sizes: Sequence[int],
    images: Sequence[Path],
    validation: ValidateParams,
    finetune: FinetuneParams,
) -> Latency:
    """Time per image from the decoded picture to its boxes: letterbox, network, non-maximum suppression.

    One picture at a time, as a service has them; who goes first changes from picture to picture, so that
    whatever else the machine does meets both.

    Args:
        models: candidate and champion.
        sizes: of the pictures that each is given, px.
        images: of the test split; the first 40 of them are taken, again and again where there are fewer.
        validation: overlap and number of detections that are kept.
        finetune: device and threads.

    Raises:
        ParamsError: ``finetune.device`` is not there.
    """
    import torch  # heavy, as all of these
    from ultralytics.data.augment import LetterBox
    from ultralytics.utils.nms import non_max_suppression

    device = torch.device(f"cuda:{name}" if (name := choose_device(finetune.device)).isdigit() else name)
    torch.set_num_threads(choose_threads(finetune.threads))
    fused = [model.float().fuse(verbose=False).eval().to(device) for model in models]  # type: ignore[operator]
    boxes = [LetterBox((size, size), auto=True, stride=32) for size in sizes]
    pictures = [_read(path) for path in images[:MOST_IMAGES]]

    def work(which: int, picture: NDArray[np.uint8]) -> float:
        start = perf_counter()
        pixels = np.ascontiguousarray(boxes[which](image=picture).transpose(2, 0, 1))
        batch = torch.from_numpy(pixels).to(device).float()[None] / 255
        with torch.inference_mode():
            non_max_suppression(fused[which](batch), 0.1, validation.iou, max_det=validation.max_det)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return perf_counter() - start

    for number in range(WARM_UPS):
        for which in (0, 1):
            work(which, pictures[number % len(pictures)])
    seconds = time_in_turns(lambda which, number: work(which, pictures[number % len(pictures)]), MOST_IMAGES)
    return summarise(seconds, str(device))


def _read(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def time_in_turns(work: Callable[[int, int], float], count: int) -> NDArray[np.float64]:
    """Let both work on each picture, now the one first, now the other.

    Args:
        work: takes which of the two (0 or 1) and the number of the picture; returns seconds.
        count: pictures.

    Returns:
        Shape (count, 2), seconds.
    """
    seconds = np.zeros((count, 2))
    for number in range(count):
        for which in (0, 1) if number % 2 else (1, 0):
            seconds[number, which] = work(which, number)
    return seconds


def summarise(seconds: NDArray[np.float64], device: str) -> Latency:
    """Medians, and the ratio with its interval (percentiles of resampled medians).

    Args:
        seconds: shape (pictures, 2): candidate and champion.
        device: where.
    """
    ratios = seconds[:, 0] / seconds[:, 1]
    drawn = np.random.default_rng(0).integers(len(ratios), size=(_RESAMPLES, len(ratios)))
    low, high = np.quantile(np.median(ratios[drawn], axis=1), (0.025, 0.975))
    candidate, champion = np.median(seconds, axis=0) * 1000
    return Latency(
        candidate_ms=round(float(candidate), 3),
        champion_ms=round(float(champion), 3),
        ratio=round(float(np.median(ratios)), 4),
        low=round(float(low), 4),
        high=round(float(high), 4),
        images=len(ratios),
        device=device,
    )
