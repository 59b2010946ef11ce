"""2,000 resamples of a split as large as COCO's val, beside one evaluation of it by COCO's own program.

``python -m benchmarks.scoring SIDE`` is one side in a process of its own: ours, pycocotools or faster-coco-eval.
"""

import contextlib
import io
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from benchmarks.render import HOME
from steelyard.scoring.boxes import Boxes

IMAGES, CLASSES, DETECTIONS, BOXES = 5000, 80, 100, 7.3  # on an image, as in COCO's val2017
FOUND = 0.8  # share of the boxes that are found, some of them badly
SIDES = ("ours", "faster-coco-eval", "pycocotools")


def measure_scoring(rounds: int) -> dict[str, Any]:
    """Time the sides by turns.

    Returns:
        Seconds of each round by side, mAP50-95 by side, and the peak memory of ours in MB.
    """
    seconds: dict[str, list[float]] = {side: [] for side in SIDES}
    figures, peak_mb = {}, 0.0
    for _ in range(rounds):
        for side in SIDES:
            command = [sys.executable, "-m", "benchmarks.scoring", side]
            done = subprocess.run(command, cwd=HOME, check=True, capture_output=True, text=True)
            found = json.loads(done.stdout.splitlines()[-1])
            seconds[side].append(found["seconds"])
            figures[side] = found["mAP50-95"]
            peak_mb = max(peak_mb, found["peak_mb"] if side == "ours" else 0)
    return {"images": IMAGES, "seconds": seconds, "mAP50-95": figures, "peak_mb": peak_mb}


def main() -> None:
    """Run one side and print its figures as JSON."""
    truth, found = draw_split()
    prepare = {"ours": prepare_ours, "pycocotools": prepare_coco, "faster-coco-eval": prepare_faster}[sys.argv[1]]
    run = prepare(truth, found)
    start = time.perf_counter()
    figure = run()
    took = time.perf_counter() - start
    print(json.dumps({"seconds": took, "mAP50-95": round(figure, 6), "peak_mb": _read_peak_mb()}))


def draw_split() -> tuple[list[Boxes], list[Boxes]]:
    """Boxes of every size, rare and frequent classes; detections near most of them and elsewhere."""
    random = np.random.default_rng(0)
    shares = 1 / np.arange(1, CLASSES + 1) ** 0.7
    shares /= shares.sum()
    truth, found = [], []

    def place(count: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        corners = random.uniform(0, 500, (count, 2))
        sides = np.exp(random.uniform(np.log(8), np.log(300), (count, 2)))
        return np.concatenate((corners, corners + sides), axis=1), sides

    for _ in range(IMAGES):
        count = random.poisson(BOXES)
        kinds = random.choice(CLASSES, count, p=shares)
        drawn, sides = place(count)
        truth.append(Boxes(drawn, kinds, np.ones(count)))
        is_found = random.random(count) < FOUND
        near = drawn[is_found] + random.normal(0, 0.06, (is_found.sum(), 4)) * np.tile(sides[is_found], 2)
        others = DETECTIONS - len(near)
        found.append(
            Boxes(
                np.concatenate((near, place(others)[0])),
                np.concatenate((kinds[is_found], random.choice(CLASSES, others, p=shares))),
                np.concatenate((random.beta(4, 2, len(near)), random.beta(1, 6, others))),
            )
        )
    return truth, found


def prepare_ours(truth: Sequence[Boxes], found: Sequence[Boxes]) -> Callable[[], float]:
    """Match, score, and score 2,000 resamples: every class, size and threshold, with intervals."""
    from steelyard.scoring.figures import measure
    from steelyard.scoring.match_table import match_boxes

    names = [str(number) for number in range(CLASSES)]
    images = [str(number) for number in range(IMAGES)]
    measure(match_boxes(images[:9], names, truth[:9], found[:9]))  # compiled, or loaded, once in a process
    return lambda: measure(match_boxes(images, names, truth, found)).overall["mAP50-95"].value


def prepare_coco(truth: Sequence[Boxes], found: Sequence[Boxes]) -> Callable[[], float]:
    """COCO's own program; reading its files is not timed."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        drawn = COCO()
        drawn.dataset = _describe(truth)
        drawn.createIndex()
        guessed = drawn.loadRes(_list_annotations(found))
        return partial(_evaluate, COCOeval(drawn, guessed, iouType="bbox"))


def prepare_faster(truth: Sequence[Boxes], found: Sequence[Boxes]) -> Callable[[], float]:
    """The fastest program of that kind."""
    from faster_coco_eval import COCO, COCOeval_faster

    drawn = COCO(_describe(truth))
    return partial(_evaluate, COCOeval_faster(drawn, drawn.loadRes(_list_annotations(found)), iouType="bbox"))


def _evaluate(evaluation: Any) -> float:
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0])


def _describe(truth: Sequence[Boxes]) -> dict[str, Any]:
    return {
        "images": [{"id": number} for number in range(1, IMAGES + 1)],
        "categories": [{"id": number} for number in range(1, CLASSES + 1)],
        "annotations": _list_annotations(truth),
    }


def _list_annotations(pictures: Sequence[Boxes]) -> list[dict[str, Any]]:
    rows = [
        (image, *row)
        for image, each in enumerate(pictures, 1)
        for row in zip(each.corners.tolist(), each.classes.tolist(), each.confidences.tolist(), strict=True)
    ]
    return [
        {
            "id": number,
            "image_id": image,
            "category_id": kind + 1,
            "bbox": [left, top, right - left, bottom - top],
            "area": (right - left) * (bottom - top),
            "iscrowd": 0,
            "score": confidence,
        }
        for number, (image, (left, top, right, bottom), kind, confidence) in enumerate(rows, 1)
    ]


def _read_peak_mb() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6 * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main()
