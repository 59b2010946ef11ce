"""``python -m benchmarks.coverage``: how often the 95 % interval holds what is true.

Synthetic detectors on images of unlike difficulty, whose true mAP50-95 is known from a sample of 200,000
images. Writes ``benchmarks/coverage.json``, and the table of docs/scores.md from it.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.detectors import TRUTH_IMAGES, Detector, World, detect, draw_images
from benchmarks.machine import describe_machine
from benchmarks.render import HOME
from steelyard.scoring.average_precision import average_precision
from steelyard.scoring.bootstrap import draw_weights, estimate_intervals, leave_out
from steelyard.scoring.figures import list_figures
from steelyard.scoring.match_table import MatchTable

RESULTS = HOME / "benchmarks/coverage.json"
PAGE = HOME / "docs/scores.md"
BEGIN, END = "<!-- coverage -->", "<!-- /coverage -->"
SIZES = (20, 50, 200, 1000)
RESAMPLES = 1000  # half of what a score has, for the sake of time; fewer make an interval less exact, not wider
MAP50_95 = 1  # its place among the figures


@dataclass(frozen=True)
class Setting:
    """What is simulated.

    Attributes:
        name: for the table.
        world: where images come from.
        detectors: one, whose figure is estimated; or two, whose difference is.
    """

    name: str
    world: World
    detectors: tuple[Detector, ...]


ONE, THREE = World(), World(boxes_per_image=(2.0, 0.8, 0.2))
SETTINGS = (
    Setting("one class", ONE, (Detector(),)),
    Setting("very unlike images", World(spread=2.0), (Detector(),)),
    Setting("a rare class of three", THREE, (Detector(),)),
    Setting("near perfect", ONE, (Detector(skill=5.0, sharpness=3.5, false=0.1),)),
    Setting("two equally good", ONE, (Detector(), Detector())),
    Setting("a better one", ONE, (Detector(skill=2.0), Detector())),
)


def main() -> None:
    """Simulate, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--images", type=int, nargs="+", default=SIZES)
    arguments = parser.parse_args()
    rows = [
        {
            "setting": setting.name,
            "images": images,
            "trials": arguments.trials,
            **measure(setting, images, arguments.trials),
        }
        for setting in SETTINGS
        for images in arguments.images
    ]
    RESULTS.write_text(json.dumps({"machine": describe_machine(HOME), "rows": rows}, indent=1) + "\n", encoding="utf-8")
    lines = list(list_lines(rows))
    table = Table(*lines[0], title="95 % intervals that hold what is true")
    for line in lines[1:]:
        table.add_row(*line)
    Console().print(table)
    text = "\n".join(f"| {' | '.join(line)} |" for line in (lines[0], ("---",) * len(lines[0]), *lines[1:]))
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


def measure(setting: Setting, images: int, trials: int) -> dict[str, float]:
    """Simulate one setting.

    Returns:
        The true figure; the share of trials in which ours and the plain percentile interval hold it; of
        ours the share that lies below it, the share above it, and the mean width.
    """
    everything = draw_images(np.random.default_rng(1), setting.world, TRUTH_IMAGES)
    tables = [detect(np.random.default_rng(number), one, everything) for number, one in enumerate(setting.detectors, 2)]
    true = _subtract([_figures(table)[0, MAP50_95] for table in tables])
    bounds, plain = zip(*_run_trials(setting, images, trials), strict=True)
    ours, percentile = np.array(bounds), np.array(plain)
    return {
        "true": round(float(true), 4),
        "held": float(np.mean((ours[:, 0] <= true) & (true <= ours[:, 1]))),
        "below": float(np.mean(ours[:, 1] < true)),
        "above": float(np.mean(ours[:, 0] > true)),
        "percentile_held": float(np.mean((percentile[:, 0] <= true) & (true <= percentile[:, 1]))),
        "width": round(float(np.mean(ours[:, 1] - ours[:, 0])), 4),
    }


def list_lines(rows: Sequence[dict[str, float]]) -> Iterator[tuple[str, ...]]:
    """The table's head and rows."""
    yield "simulated", "images", "true", "held", "too low", "too high", "plain percentile", "width"
    for row in rows:
        shares = (f"{row[key]:.1%}" for key in ("held", "below", "above", "percentile_held"))
        yield str(row["setting"]), f"{row['images']:,}", f"{row['true']:.3f}", *shares, f"{row['width']:.3f}"


def _run_trials(
    setting: Setting, images: int, trials: int
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    left = leave_out(images, 0)
    for trial in track(range(trials), f"{setting.name}, {images} images", console=Console(stderr=True), transient=True):
        random = np.random.default_rng([images, trial])
        drawn = draw_images(random, setting.world, images)
        tables = [detect(random, one, drawn) for one in setting.detectors]
        each = partial(_difference, tables)
        point, resampled, without = each(None), each(draw_weights(images, trial, RESAMPLES)), each(left)
        bounds = estimate_intervals(point[0], resampled, without, images)
        yield bounds[MAP50_95], np.nanquantile(resampled[:, MAP50_95], [0.025, 0.975])


def _difference(tables: Sequence[MatchTable], weights: NDArray[np.float32] | None) -> NDArray[np.float64]:
    figures: NDArray[np.float64] = _subtract([_figures(table, weights) for table in tables])
    return figures


def _figures(table: MatchTable, weights: NDArray[np.float32] | None = None) -> NDArray[np.float64]:
    return list_figures(average_precision(table, weights))[:, : MAP50_95 + 1]


def _subtract(values: Sequence[Any]) -> Any:
    return values[0] - values[1] if len(values) > 1 else values[0]


if __name__ == "__main__":
    main()
