"""``make bench``: measure everything, in temporary clones of HEAD, and write ``benchmarks/results.json``."""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.clone import HOME, make_clone
from benchmarks.data import SIZES, measure_data
from benchmarks.flow import measure_flow
from benchmarks.graph import measure_graph
from benchmarks.machine import describe_machine
from benchmarks.render import HEAD, RESULTS, caption, rows
from benchmarks.scoring import measure_scoring
from benchmarks.training import measure_training

PARTS = ("graph", "flow", "data", "scoring", "training")


def main() -> None:
    """Parse, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=3, help="rounds of each side, where one takes long")
    parser.add_argument("--runs", type=int, default=5, help="runs of each kind where there is nothing to do")
    parser.add_argument("--epochs", type=int, help="epochs instead of those of params.yaml, to try this program")
    parser.add_argument("--images", type=int, default=10_000, help="of the data set that is read")
    parser.add_argument("--only", choices=PARTS, action="append", help="measure this part (again for more)")
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    parts = arguments.only or PARTS
    overrides = {"epochs": arguments.epochs} if arguments.epochs else {}
    console = Console(width=None if Console().is_terminal else 140)
    results: dict[str, Any] = {"machine": describe_machine(HOME)}
    with tempfile.TemporaryDirectory(prefix="steelyard-bench-") as name, console.status("...") as status:
        folder = Path(name).resolve()
        if {"graph", "flow"} & set(parts):
            status.update("a clone in which every stage has run (it trains where DVC's cache has no such run)")
            clone = make_clone(folder, "clone", {"finetune": overrides})
            clone.python("-m", "dvc", "repro")
        if "graph" in parts:
            status.update("dvc repro with nothing to do")
            results["graph"] = measure_graph(clone, arguments.runs)
        if "flow" in parts:
            status.update("flow runs with nothing to do")
            results["flow"] = measure_flow(clone, arguments.runs)
        if "data" in parts:
            status.update("fetch and check of many images, and their decode, by turns")
            results["data"] = [
                measure_data(folder / f"{width}x{height}", arguments.images, (width, height), arguments.pairs)
                for width, height in SIZES
            ]
        if "scoring" in parts:
            status.update("resamples of a large split, and one evaluation of it, by turns")
            results["scoring"] = measure_scoring(arguments.pairs)
        if "training" in parts:
            status.update("training, ours and plain by turns")
            results["training"] = measure_training(folder, arguments.pairs, overrides)
    table = Table(*HEAD, title="Steelyard beside the plain tools", caption=caption(results), caption_justify="left")
    for row in rows(results):
        table.add_row(*row)
    console.print(table)
    arguments.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
