"""Stage validate: score the weights on val and on test."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from steelyard.dataset.manifest import DatasetManifest
from steelyard.params import load_params
from steelyard.paths import (
    BEST_WEIGHTS,
    CONFUSION,
    DATASET,
    DATASET_MANIFEST,
    MATCHES,
    PARAMS,
    PICTURES,
    PIXELS,
    PR_CURVE,
    SCORES,
    quiet_ultralytics,
)
from steelyard.scoring.calibration import choose_operating_point
from steelyard.scoring.columns import list_columns, read_pixels
from steelyard.scoring.detection import detect
from steelyard.scoring.match_file import write_matches
from steelyard.scoring.matches import sum_counts
from steelyard.scoring.report import SplitReport, check_same_classes, draw_plots, score_split
from steelyard.scoring.scores import (
    ClassScores,
    Interval,
    Rates,
    Scores,
    SizeScores,
    SliceScores,
    SplitScores,
    describe_operating_point,
    describe_too_few,
    show_interval,
    show_score,
    write_scores,
)
from steelyard.scoring.split import SPLITS, read_classes, read_split
from steelyard.scoring.tables import write_confusion, write_pr
from steelyard.scoring.weakness import describe_few, describe_weakest, sort_slices
from steelyard.task import run_task
from steelyard.weights.checkpoint import load_checkpoint

MOST_SLICES = 5  # in the table, of each split


def main() -> None:
    params = load_params(PARAMS)
    classes = read_classes(DATASET)
    manifest = DatasetManifest.model_validate_json(DATASET_MANIFEST.read_bytes())
    groups = {image.path: image.group for image in manifest.images if image.group}
    columns = list_columns(manifest, read_pixels(PIXELS))
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
            reports[split] = score_split(detections, DATASET, classes, groups, columns)
        progress.add_task("draw", total=None)
        rule, wanted = params.validation.operate_by, params.validation.operate_at
        scores = Scores(
            val=reports["val"].scores,
            test=reports["test"].scores,
            operating_point=choose_operating_point(reports["val"].table, rule, wanted, params.validation.confidence),
        )
        _write(scores, reports, classes, params.validation.pictures)
    _say(scores)
    _say_slices(reports)
    print(f"wrote {SCORES}, {PR_CURVE}, {CONFUSION}, {MATCHES} and {PICTURES}/")


def _write(scores: Scores, reports: Mapping[str, SplitReport], classes: tuple[str, ...], pictures: int) -> None:
    """Write every output under a temporary name, and rename when all are there."""
    parts = {path: path.with_name(path.name + ".part") for path in (SCORES, PR_CURVE, CONFUSION, MATCHES, PICTURES)}
    for path in parts:
        path.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(parts[PICTURES], ignore_errors=True)
    try:
        parts[PICTURES].mkdir()
        write_scores(scores, parts[SCORES])
        write_pr({split: report.coco.curves for split, report in reports.items()}, parts[PR_CURVE])
        write_confusion(sum_counts(reports["test"].matches, len(classes)), classes, parts[CONFUSION])
        write_matches({split: report.table for split, report in reports.items()}, parts[MATCHES])
        draw_plots(reports, classes, pictures, parts[PICTURES])
        shutil.rmtree(PICTURES, ignore_errors=True)
        for path, part in parts.items():
            part.replace(path)
    finally:
        shutil.rmtree(parts[PICTURES], ignore_errors=True)
        for part in parts.values():
            part.unlink(missing_ok=True)


def _say(scores: Scores) -> None:
    table = Table("split", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("images", "boxes", "precision", "recall", "mAP50", "mAP50-95", "95 % interval"):
        table.add_column(column, justify="right", no_wrap=True)
    for split, each in (("val", scores.val), ("test", scores.test)):
        first, *rest = _list_rows(split, each)
        table.add_row(*first, style="bold")
        for row in rest:
            table.add_row(*row)
        table.add_row("ultralytics", "", "", *_show(each.ultralytics), style="dim", end_section=True)
    Console().print(table)
    for split, each in (("val", scores.val), ("test", scores.test)):
        for sentence in describe_too_few(split, each):
            print(sentence)
    if scores.operating_point:
        print(describe_operating_point(scores.operating_point))


def _say_slices(reports: Mapping[str, SplitReport]) -> None:
    table = Table("weakest slices", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("images", "boxes", "mAP50-95", "95 % interval"):
        table.add_column(column, justify="right", no_wrap=True)
    for split, report in reports.items():
        for number, each in enumerate(sort_slices(report.scores)[:MOST_SLICES]):
            if number == 0:
                table.add_row(split, style="bold")
            one = each.scores
            counts = str(one.images), str(one.boxes), show_score(one.map50_95)
            table.add_row(f"  {escape(each.name())}", *counts, _bound(one.intervals.get("mAP50-95"), one))
        table.add_section()
    if table.row_count:
        Console().print(table)
    for split, report in reports.items():
        sentences = describe_weakest(split, report.scores), describe_few(split, report.scores)
        left_out = f"{split} has no slices by some columns: {'; '.join(report.left_out)}" if report.left_out else ""
        for sentence in filter(None, (*sentences, left_out)):
            print(sentence)


def _list_rows(split: str, scores: SplitScores) -> list[tuple[str, ...]]:
    def row(name: str, each: ClassScores) -> tuple[str, ...]:
        return name, str(each.images), str(each.boxes), *_show(each), _bound(each.intervals.get("mAP50-95"), each)

    rows = [row(split, scores)]
    seen = {name: one for name, one in scores.classes.items() if one.boxes}
    if len(scores.classes) > 1:
        rows += [row(f"  {escape(name)}", one) for name, one in seen.items()]
        if unseen := len(scores.classes) - len(seen):
            rows.append((f"  {unseen} without boxes",))
    for name, size in scores.sizes.items():
        score, bounds = show_score(size.map50_95), _bound(size.interval, size)
        rows.append((f"  {name}", "", str(size.boxes), "", "", "", score, bounds))
    return rows


def _bound(interval: Interval | None, scores: ClassScores | SizeScores | SliceScores) -> str:
    return show_interval(interval).replace(" to ", "-") + ("?" if interval and scores.images_needed else "")


def _show(rates: Rates) -> list[str]:
    values = (rates.precision, rates.recall, rates.map50, rates.map50_95)
    return ["-" if value is None else show_score(value) for value in values]


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
