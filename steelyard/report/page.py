"""The page about a version: verdict, forest plot, rules, pictures of differences, curves, history, the record."""

import struct
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steelyard.checks.figures import MOST_BOXES, Corners, Figure, Layer, trace
from steelyard.checks.html import write_html
from steelyard.checks.pictures import View, cut_views, make_uri
from steelyard.gate.table import describe_power, describe_wear, list_findings
from steelyard.gate.verdict import Verdict
from steelyard.record.decision import Entry, find_standing
from steelyard.record.record import Record
from steelyard.report.differences import Judged
from steelyard.report.events import list_events, say_role, say_verdict
from steelyard.report.forest import draw_forest
from steelyard.report.limits import list_limits
from steelyard.report.material import PLOTS, Contrast, Material
from steelyard.report.rows import list_rows, take_parts
from steelyard.scoring.scores import (
    SplitScores,
    describe_operating_point,
    show_interval,
    show_map50_95,
    show_score,
)

_PICTURE_PX = 440
_LOOKS = {None: "plain", "promote": "good", "keep": "bad", "undecided": "open"}


class Plot(NamedTuple):
    """A plot of the snapshot, as a picture in a ``data:`` address."""

    title: str
    uri: str
    is_wide: bool


class Pair(NamedTuple):
    """One image, with the boxes of both."""

    figures: tuple[Figure, Figure]


def write_page(
    out: Path,
    record: Record,
    verdict: Verdict | None,
    champion: Record | None,
    history: Sequence[Entry],
    material: Material,
    made: datetime,
) -> None:
    """Write the page: one HTML file with its pictures in it, the same bytes for the same input.

    Args:
        out: the file to make, or to replace.
        record: of the version.
        verdict: the last one on it; None: it was never weighed.
        champion: that it was weighed against; None: there was none.
        history: of the model, oldest first.
        material: what git and DVC hold beside.
        made: when; of then is what the page says of the history.
    """
    figures = verdict.figures if verdict else None
    rows = list_rows(material.candidate or take_parts(record.scores.test), figures, material.champion)
    pairs = [_show_pair(each, record, champion) for each in material.contrasts if champion]
    standing = find_standing(history)
    write_html(
        out,
        "report.html.jinja",
        package="steelyard.report",
        title=f"{record.name} v{record.version}",
        look=_LOOKS[verdict.outcome if verdict else None],
        sentence=say_verdict(record.version, verdict),
        role=say_role(record.version, standing),
        made=f"{made:%Y-%m-%d %H:%M} UTC",
        own=f"v{record.version}",
        other=f"v{champion.version}" if champion and figures else "",
        forest=draw_forest(rows, figures.least_gain if figures else None),
        images=_describe_images(verdict, record),
        notes=[note for note in (describe_power(verdict), describe_wear(verdict)) if note] if verdict else [],
        findings=list_findings(verdict) if verdict else [],
        pairs=pairs,
        no_pairs=material.no_contrasts,
        note=material.note,
        confidences=[each.confidence() for each in (record, champion) if each] if pairs else [],
        pictures=cut_views(figure.view for pair in pairs for figure in pair.figures if figure.view),
        plots=[
            Plot(PLOTS[name], make_uri("png", content), _is_wide(content)) for name, content in material.plots.items()
        ],
        splits=[_list_figures(name, each) for name, each in (("test", record.scores.test), ("val", record.scores.val))],
        calibration=_describe_calibration(record.scores.test),
        point=describe_operating_point(record.scores.operating_point) if record.scores.operating_point else "",
        limits=list_limits(record),
        events=list_events(history, record.version),
        earlier=max(0, len(history) - len(list_events(history, record.version))),
        facts=list_facts(record),
        tag=record.tag(),
    )


def list_facts(record: Record) -> Mapping[str, str]:
    """Label and text of what the version is."""
    data, base, training = record.dataset, record.base, record.training
    stopped = ", stopped early" if training.stopped_early else ""
    begun = "" if training.pretrained else "random weights of the network of "
    return {
        "version": f"{record.tag()}, commit {record.commit}",
        "weights": record.weights.identity,
        "from": f"{begun}{base.architecture}, {base.source}, {base.identity}, licence {base.licence}",
        "data": f"{data.source}, fingerprint {data.fingerprint}, licence {data.licence}",
        "images": ", ".join(f"{count:,} {split}" for split, count in data.images.items()),
        "classes": ", ".join(data.classes),
        "training": f"{training.epochs_run} epochs{stopped}, best {training.best_epoch}, "
        f"{sum(training.epoch_seconds):,.0f} s on {training.device} ({training.cpu})",
        "registered": f"{record.registered:%Y-%m-%d %H:%M} UTC",
    }


def _is_wide(png: bytes) -> bool:
    """Whether a PNG has two panels side by side, whose letters half of the page is too narrow for."""
    width, height = struct.unpack(">II", png[16:24])
    return bool(width > 1.5 * height)


def _describe_images(verdict: Verdict | None, record: Record) -> str:
    if verdict is None or verdict.figures is None:
        return f"{record.scores.test.images:,} test images"
    figures = verdict.figures
    groups = f" in {figures.groups:,} groups" if figures.groups < figures.images else ""
    return f"the same {figures.images:,} test images{groups} for both"


def _list_figures(split: str, scores: SplitScores) -> tuple[str, ...]:
    bounds = show_interval(scores.intervals.get("mAP50"))
    doubt = "?" if scores.images_needed else ""
    map50 = show_score(scores.map50) + (f" ({bounds}{doubt})" if bounds else "")
    rates = show_score(scores.precision), show_score(scores.recall)
    return split, f"{scores.images:,}", f"{scores.boxes:,}", show_map50_95(scores), map50, *rates


def _describe_calibration(scores: SplitScores) -> str:
    if scores.calibration is None:
        return ""
    bounds = show_interval(scores.calibration.interval)
    return f"calibration error on test: {scores.calibration.error:.3f}" + (f" ({bounds})" if bounds else "")


def _show_pair(each: Contrast, record: Record, champion: Record | None) -> Pair:
    theirs = f"v{champion.version}" if champion else ""
    return Pair(
        (_show(each, each.candidate, f"v{record.version}"), _show(each, each.champion, theirs)),
    )


def _show(each: Contrast, judged: Judged, who: str) -> Figure:
    counts = f"{who}: {len(judged.right)} right, {len(judged.wrong)} wrong, {len(judged.missed)} missed"
    layers = tuple(
        Layer(trace(_list_corners(boxes)), look, look)
        for look, boxes in (("missed", judged.missed), ("right", judged.right), ("wrong", judged.wrong))
    )
    return Figure(each.name, View(each.path, side=_PICTURE_PX), note=counts, layers=layers)


def _list_corners(boxes: NDArray[np.float64]) -> list[Corners]:
    return [(left, top, right, bottom) for left, top, right, bottom in boxes[:MOST_BOXES].tolist()]
