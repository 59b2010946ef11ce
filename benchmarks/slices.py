"""``python -m benchmarks.slices``: how often a slice is called weak where none is, and what slices cost.

Synthetic splits whose slices are all alike, or of which one has harder images; and the large split of
``benchmarks/scoring.py`` in ten slices. Writes ``benchmarks/slices.json``.
"""

import argparse
import json
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from benchmarks.detectors import Detector, Images, World, detect, draw_images
from benchmarks.machine import describe_machine
from benchmarks.render import HOME
from benchmarks.scoring import CLASSES, IMAGES, draw_split
from steelyard.scoring.columns import Column
from steelyard.scoring.figures import measure
from steelyard.scoring.match_table import match_boxes
from steelyard.scoring.slices import score_slices

RESULTS = HOME / "benchmarks/slices.json"
COUNTS = (3, 3, 4)  # values of the columns whose cost is measured: ten slices


@dataclass(frozen=True)
class Setting:
    """What is simulated.

    Attributes:
        images: of the split.
        slices: of as many images each.
        harder: what is added to the difficulty of the first slice's images; 0: all are alike.
    """

    images: int
    slices: int
    harder: float


SETTINGS = (Setting(300, 3, 0), Setting(300, 10, 0), Setting(300, 3, 1.5), Setting(300, 10, 1.5))


def main() -> None:
    """Simulate, time, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    rows = [{**vars(setting), **simulate(setting, arguments.trials)} for setting in SETTINGS]
    results = {"machine": describe_machine(HOME), "trials": arguments.trials, "rows": rows}
    results["processor_seconds"] = time_slices(arguments.rounds)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(results, indent=1))


def simulate(setting: Setting, trials: int) -> dict[str, float]:
    """Draw splits and judge their slices.

    Returns:
        Shares of the trials in which any slice like the others is called weak, and in which the harder one is.
    """
    members = np.arange(setting.images) % setting.slices
    column = Column({str(image): str(member) for image, member in enumerate(members)})
    false = found = 0
    name = f"{setting.slices} slices, {setting.images} images"
    for trial in track(range(trials), name, console=Console(stderr=True), transient=True):
        random = np.random.default_rng([setting.images, setting.slices, trial])
        drawn = draw_images(random, World(), setting.images)
        harder = Images(drawn.difficulty + setting.harder * (members == 0), drawn.boxes)
        table = detect(random, Detector(), harder)
        slices = score_slices(table, {"slice": column})["slice"]
        weak = {value for value, each in slices.items() if each.weak}
        false += bool(weak - ({"0"} if setting.harder else set()))
        found += "0" in weak
    return {"false": false / trials, "found": found / trials}


def time_slices(rounds: int) -> dict[str, Any]:
    """What every figure of the large split costs with its interval, and what those of ten slices cost.

    Returns:
        Processor seconds of each round, all threads together: other work on the machine changes them little.
    """
    truth, found = draw_split()
    images = [str(number) for number in range(IMAGES)]
    table = match_boxes(images, [str(number) for number in range(CLASSES)], truth, found)
    random = np.random.default_rng(0)
    columns = {
        str(number): Column(dict(zip(images, random.integers(count, size=IMAGES).astype(str).tolist(), strict=True)))
        for number, count in enumerate(COUNTS)
    }
    measure(match_boxes(images[:9], table.classes, truth[:9], found[:9]))  # compiled, or loaded, once in a process
    seconds: dict[str, list[float]] = {"whole": [], "slices": []}
    for _ in range(rounds):
        start = time.process_time()
        measure(table)
        middle = time.process_time()
        score_slices(table, columns)
        seconds["whole"].append(round(middle - start, 2))
        seconds["slices"].append(round(time.process_time() - middle, 2))
    return seconds


if __name__ == "__main__":
    main()
