"""``python -m benchmarks.gate``: how often the gate promotes what is no better, and finds what is.

Equally good models: synthetic detectors of one kind (steelyard's rules against ``>=`` on the point), and two
real trainings of one recipe with different seeds whose detections change places on every other image, so that
neither can be better. Better ones: synthetic detectors whose true gain is known from a sample of 200,000 images.
Writes ``benchmarks/gate.json``, the table of docs/gate.md and the picture of the README.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.clone import HOME, make_clone
from benchmarks.detectors import TRUTH_IMAGES, Detector, World, detect, draw_images
from benchmarks.machine import describe_machine
from steelyard.gate.rules import Circumstances
from steelyard.gate.verdict import Verdict
from steelyard.gate.weighing import Occasion, weigh_pair
from steelyard.params import load_params
from steelyard.scoring.average_precision import average_precision
from steelyard.scoring.match_file import read_matches
from steelyard.scoring.match_table import MatchTable
from steelyard.sections import GateParams

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RESULTS = HOME / "benchmarks/gate.json"
PAGE = HOME / "docs/gate.md"
PICTURE = HOME / "docs/screens/gate-power.png"
BEGIN, END = "<!-- gate -->", "<!-- /gate -->"
IMAGES = (25, 50, 100, 200, 500, 1000)
SKILLS = (1.6, 1.75, 2.0, 2.3, 2.7)
"""Of the better one; the champion's is 1.5."""

PERFECT = Detector(skill=5.0, sharpness=3.5, false=0.1)
EQUALLY_GOOD = {
    "one class": (World(), Detector(), (20, 50, 200, 1000)),
    "three classes, one rare": (World(boxes_per_image=(2.0, 0.8, 0.2)), Detector(), (20, 50, 200)),
    "near perfect": (World(), PERFECT, (20, 50, 200)),
}
REAL = {"fetch": {"split": {"train": 0.4, "val": 0.2}}}  # more test images than the default leaves
SEEDS = (0, 1)


def main() -> None:
    """Simulate, train twice, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--power-trials", type=int, default=100)
    parser.add_argument("--images", type=int, nargs="+", default=IMAGES)
    parser.add_argument("--epochs", type=int, help="of the real trainings, instead of those of params.yaml")
    arguments = parser.parse_args()
    rules = load_params(HOME / "params.yaml").registration.gate.model_copy(update={"most_slowdown": 0.0})
    console = Console(stderr=True)
    results: dict[str, Any] = {"machine": describe_machine(HOME), "rules": rules.model_dump(mode="json")}
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:

        def run(trial: Callable[[int], dict[str, Any]], trials: int, title: str) -> dict[str, Any]:
            done = list(
                track(pool.map(trial, range(trials), chunksize=5), title, trials, console=console, transient=True)
            )
            console.print(title, counted := count(done))
            return counted

        results["better"] = [
            {"skill": skill, "gain": measure_gain(skill), "images": images}
            | run(
                partial(try_synthetic, World(), (Detector(skill=skill), Detector()), images, rules),
                arguments.power_trials,
                f"gain of skill {skill}, {images:,} images",
            )
            for skill in SKILLS
            for images in arguments.images
        ]
        results["equals"] = [
            {"what": name, "images": images}
            | run(
                partial(try_synthetic, world, (detector, detector), images, rules),
                arguments.trials,
                f"{name}, {images:,} images",
            )
            for name, (world, detector, sizes) in EQUALLY_GOOD.items()
            for images in sizes
        ]
        with tempfile.TemporaryDirectory(prefix="steelyard-bench-") as folder:
            tables = train_pair(Path(folder).resolve(), arguments.epochs)
            real = run(partial(try_swapped, tables, rules), arguments.trials, "two seeds")
            results["equals"].append({"what": "two seeds of one recipe", "images": len(tables[0].images)} | real)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    write(results)


def write(results: dict[str, Any]) -> None:
    """Print the table, put it into the page, draw the picture."""
    lines = list(list_lines(results["equals"]))
    table = Table(*lines[0], title="Two equally good models")
    for line in lines[1:]:
        table.add_row(*line)
    Console().print(table)
    text = "\n".join(f"| {' | '.join(line)} |" for line in (lines[0], ("---",) * len(lines[0]), *lines[1:]))
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    draw_power(results).savefig(PICTURE, dpi=130)


def try_synthetic(
    world: World, detectors: tuple[Detector, Detector], images: int, rules: GateParams, trial: int
) -> dict[str, Any]:
    """One comparison of two detectors on new images, the first as candidate."""
    random = np.random.default_rng([images, trial])
    drawn = draw_images(random, world, images)
    candidate, champion = (detect(random, each, drawn) for each in detectors)
    return judge(candidate, champion, rules)


def try_swapped(tables: tuple[MatchTable, MatchTable], rules: GateParams, trial: int) -> dict[str, Any]:
    """One comparison of two real models that have changed places on every other image, by lot."""
    is_first = np.random.default_rng(trial).random(len(tables[0].images)) < 0.5
    return judge(mix(*tables, is_first), mix(*tables, ~is_first), rules)


def mix(one: MatchTable, other: MatchTable, is_first: "np.ndarray[Any, np.dtype[np.bool_]]") -> MatchTable:
    """Detections of the one on some images, of the other on the rest; the boxes are the same."""
    ours, theirs = is_first[one.image], ~is_first[other.image]
    columns = ("image", "kind", "confidence", "rank", "hits", "ignored")
    mixed: dict[str, Any] = {
        name: np.concatenate((getattr(one, name)[ours], getattr(other, name)[theirs])) for name in columns
    }
    return replace(one, **mixed)


def judge(candidate: MatchTable, champion: MatchTable, rules: GateParams) -> dict[str, Any]:
    """What the gate says, and what ``>=`` on the point would."""
    circumstances = Circumstances(
        "candidate",
        "champion",
        classes=candidate.classes,
        champion_classes=champion.classes,
        test_images=len(candidate.images),
    )
    occasion = Occasion(key="", champion=1, test_split="", uses=1)
    verdict: Verdict = weigh_pair(candidate, champion, None, {}, circumstances, rules, occasion)
    gain = verdict.figures.overall["mAP50-95"].gain if verdict.figures else None
    return {"outcome": verdict.outcome, "point": (gain or 0) >= 0}


def count(trials: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Shares of the outcomes."""
    shares = {
        name: round(float(np.mean([trial["outcome"] == name for trial in trials])), 4)
        for name in ("promote", "keep", "undecided")
    }
    return {"trials": len(trials), **shares, "point": round(float(np.mean([trial["point"] for trial in trials])), 4)}


def measure_gain(skill: float) -> float:
    """True gain in mAP50-95 over the usual detector, known to about 0.001."""
    everything = draw_images(np.random.default_rng(1), World(), TRUTH_IMAGES)
    tables = [detect(np.random.default_rng(2), Detector(skill=each), everything) for each in (skill, Detector().skill)]
    ours, theirs = (float(np.nanmean(average_precision(table)[0, :, 0])) for table in tables)
    return round(ours - theirs, 4)


def train_pair(folder: Path, epochs: int | None) -> tuple[MatchTable, MatchTable]:
    """Two trainings of the recipe of params.yaml that differ in the seed; their match tables of test."""
    tables = []
    for seed in SEEDS:
        finetune = {"seed": seed} | ({"epochs": epochs} if epochs else {})
        clone = make_clone(folder, f"seed-{seed}", {**REAL, "finetune": finetune})
        clone.python("-m", "dvc", "repro", "validate")
        tables.append(read_matches(clone.root / "metrics/matches.parquet")["test"])
    return tables[0], tables[1]


def list_lines(rows: Sequence[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    """The table's head and rows."""
    yield "equally good", "images", "trials", "promoted", "kept", "undecided", "promoted by >= on the point"
    for row in rows:
        shares = (f"{row[key]:.1%}" for key in ("promote", "keep", "undecided", "point"))
        yield str(row["what"]), f"{row['images']:,}", f"{row['trials']:,}", *shares


def draw_power(results: dict[str, Any]) -> "Figure":
    """Share of promotions over the true gain, a line for each number of test images."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    figure = Figure((8.4, 4.2), layout="constrained")
    axes = figure.subplots()
    sizes = sorted({row["images"] for row in results["better"]})
    equal = {row["images"]: row["promote"] for row in results["equals"] if row["what"] == next(iter(EQUALLY_GOOD))}
    for place, images in enumerate(sizes):
        rows = sorted((row["gain"], row["promote"]) for row in results["better"] if row["images"] == images)
        if images in equal:
            rows = [(0.0, equal[images]), *rows]
        colour = colormaps["viridis"](0.9 - 0.85 * place / max(1, len(sizes) - 1))
        axes.plot(*zip(*rows, strict=True), marker="o", color=colour, label=f"{images:,} test images")
    axes.axhline(0.05, color="grey", linestyle=":", linewidth=1)
    axes.text(axes.get_xlim()[1], 0.055, "5 %", color="grey", ha="right", va="bottom")
    axes.set(
        xlabel="true gain in mAP50-95", ylabel="share promoted", ylim=(-0.02, 1.02), title="What the gate lets through"
    )
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5), fontsize=9, reverse=True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


if __name__ == "__main__":
    main()
