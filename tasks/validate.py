"""Stage validate: score the weights on val and on test."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from steelyard.params import load_params
from steelyard.paths import (
    BEST_WEIGHTS,
    CONFUSION,
    DATASET,
    PARAMS,
    PICTURES,
    PR_CURVE,
    SCORES,
    quiet_ultralytics,
)
from steelyard.scoring.detection import detect
from steelyard.scoring.matches import sum_counts
from steelyard.scoring.report import SplitReport, check_same_classes, draw_plots, score_split
from steelyard.scoring.scores import Rates, Scores, write_scores
from steelyard.scoring.split import SPLITS, read_classes, read_split
from steelyard.scoring.tables import write_confusion, write_pr
from steelyard.task import run_task
from steelyard.weights.checkpoint import load_checkpoint


def main() -> None:
    params = load_params(PARAMS)
    classes = read_classes(DATASET)
    images = {split: read_split(DATASET, split, len(classes)) for split in SPLITS}
    quiet_ultralytics(Path())
    checkpoint = load_checkpoint(BEST_WEIGHTS)
    check_same_classes(checkpoint.classes, classes)

    reports: dict[str, SplitReport] = {}
    with _progress() as progress:
        for split, each in images.items():
            bar = progress.add_task(f"detect on {split}", total=len(each))
            detections = detect(
                checkpoint.model,
                DATASET,
                split,
                each,
                params.validation,
                params.finetune,
                lambda count, bar=bar: progress.advance(bar, count),  # type: ignore[misc]
            )
            reports[split] = score_split(detections, classes)
        progress.add_task("draw", total=None)
        scores = Scores(val=reports["val"].scores, test=reports["test"].scores)
        _write(scores, reports, classes, params.validation.pictures)
    _say(scores)


def _write(scores: Scores, reports: Mapping[str, SplitReport], classes: tuple[str, ...], pictures: int) -> None:
    """Write every output under a temporary name, and rename when all are there."""
    parts = {path: path.with_name(path.name + ".part") for path in (SCORES, PR_CURVE, CONFUSION, PICTURES)}
    for path in parts:
        path.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(parts[PICTURES], ignore_errors=True)
    try:
        parts[PICTURES].mkdir()
        write_scores(scores, parts[SCORES])
        write_pr({split: report.coco.curves for split, report in reports.items()}, parts[PR_CURVE])
        write_confusion(sum_counts(reports["test"].matches, len(classes)), classes, parts[CONFUSION])
        draw_plots(reports, classes, pictures, parts[PICTURES])
        shutil.rmtree(PICTURES, ignore_errors=True)
        for path, part in parts.items():
            part.replace(path)
    finally:
        shutil.rmtree(parts[PICTURES], ignore_errors=True)
        for part in parts.values():
            part.unlink(missing_ok=True)


def _say(scores: Scores) -> None:
    table = Table("split", "class", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("images", "boxes", "precision", "recall", "mAP50", "mAP50-95"):
        table.add_column(column, justify="right")
    for split, each in (("val", scores.val), ("test", scores.test)):
        table.add_row(split, "all", str(each.images), str(each.boxes), *_show(each), style="bold")
        if len(each.classes) > 1:
            seen = {name: one for name, one in each.classes.items() if one.boxes}
            for name, one in seen.items():
                table.add_row("", name, str(one.images), str(one.boxes), *_show(one))
            if unseen := len(each.classes) - len(seen):
                table.add_row("", f"{unseen} without boxes", style="dim")
        table.add_row("", "ultralytics", "", "", *_show(each.ultralytics), style="dim", end_section=True)
    Console().print(table)
    print(f"wrote {SCORES}, {PR_CURVE}, {CONFUSION} and {PICTURES}/")


def _show(rates: Rates) -> list[str]:
    values = (rates.precision, rates.recall, rates.map50, rates.map50_95)
    return ["-" if value is None else f"{value:.4f}" for value in values]


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )


if __name__ == "__main__":
    run_task(main)
