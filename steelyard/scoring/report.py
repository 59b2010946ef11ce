"""A scored split, and the files that say so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from steelyard.errors import WeightsError
from steelyard.scoring.calibration import Reliability, measure_reliability
from steelyard.scoring.coco import CocoScores, bound, score
from steelyard.scoring.columns import Column
from steelyard.scoring.detection import Detections
from steelyard.scoring.forest import draw_forest
from steelyard.scoring.match_table import MatchTable, match_boxes
from steelyard.scoring.matches import Matches, match, rank, sum_counts
from steelyard.scoring.plots import draw_confusion, draw_pr, save_figure
from steelyard.scoring.reliability import draw_reliability
from steelyard.scoring.scores import Calibration, SplitScores
from steelyard.scoring.sheet import choose, draw_sheet
from steelyard.scoring.slices import choose_columns, score_slices


@dataclass(frozen=True)
class SplitReport:
    """One split.

    Attributes:
        table: every detection with what it hits.
        coco: scores and curves by COCO's protocol.
        reliability: what confidences are worth.
        matches: hits and misses of each picture.
        scores: what goes into ``metrics/scores.json``.
        left_out: columns by which there are no slices, each with the reason.
    """

    table: MatchTable
    coco: CocoScores
    reliability: Reliability
    matches: list[Matches]
    scores: SplitScores
    left_out: list[str]


def score_split(
    detections: Detections,
    dataset: Path,
    classes: Sequence[str],
    groups: Mapping[str, str],
    columns: Mapping[str, Column],
) -> SplitReport:
    """Score the detections of one split.

    Args:
        detections: on its images.
        dataset: folder in YOLO layout, which the paths of the match table are below.
        classes: the class names.
        groups: of the images that have one, by path below ``dataset``.
        columns: by which images are told apart, by name.
    """
    pictures = detections.pictures
    names = [each.path.relative_to(dataset).as_posix() for each in pictures]
    table = match_boxes(names, classes, [each.truth for each in pictures], [each.found for each in pictures])
    members = [groups.get(name) or name for name in names]
    coco, reliability = score(table, members), measure_reliability(table, members)
    error = reliability.error
    chosen, left_out = choose_columns(columns, names)
    scores = SplitScores(
        **dict(coco.overall),
        classes=coco.classes,
        sizes=coco.sizes,
        slices=score_slices(table, chosen, members),
        calibration=Calibration(error=error.value, interval=bound(error)) if error else None,
        ultralytics=detections.ultralytics,
    )
    return SplitReport(table, coco, reliability, [match(each, len(classes)) for each in pictures], scores, left_out)


def check_same_classes(weights: Mapping[int, str], dataset: Sequence[str]) -> None:
    """Refuse weights that name other classes than the data, or in another order.

    Raises:
        WeightsError: with the first class that differs.
    """
    names = [weights[index] for index in sorted(weights)]
    if names == list(dataset):
        return
    count = min(len(names), len(dataset))
    first = next((index for index in range(count) if names[index] != dataset[index]), count)
    ours, theirs = (repr(each[first]) if first < len(each) else "missing" for each in (names, dataset))
    raise WeightsError(
        f"the weights have {len(names)} classes and data.yaml {len(dataset)}: class {first} is {ours} in the "
        f"weights and {theirs} in the data; they must be the same: fine-tune on this data first"
    )


def draw_plots(reports: Mapping[str, SplitReport], classes: Sequence[str], pictures: int, folder: Path) -> None:
    """Draw ``pr_curve.png``, ``reliability.png``, ``slices.png``, ``confusion_matrix.png`` (of test) and
    ``SPLIT_pictures.png``.

    Args:
        reports: by split.
        classes: the class names.
        pictures: how many of the best, median and worst each; 0 draws no sheets.
        folder: exists.
    """
    curves = {split: report.coco for split, report in reports.items()}
    save_figure(draw_pr(curves, "Precision over recall at IoU 0.5"), folder / "pr_curve.png")
    reliability = {split: report.reliability for split, report in reports.items()}
    title = "How often detections of a confidence are right"
    save_figure(draw_reliability(reliability, title), folder / "reliability.png")
    scores = {split: report.scores for split, report in reports.items()}
    save_figure(draw_forest(scores, "mAP50-95 of the whole and of its parts"), folder / "slices.png")
    counts = sum_counts(reports["test"].matches, len(classes))
    save_figure(draw_confusion(counts, classes, "Confusion matrix, test"), folder / "confusion_matrix.png")
    for split, report in reports.items():
        groups = choose(rank(report.matches), pictures)
        if groups:
            title = f"{split}: the best, median and worst pictures by F1"
            save_figure(draw_sheet(groups, classes, title), folder / f"{split}_pictures.png")
