"""Two versions of one model, weighed on drawn pictures: records, verdict, history and what a page is made of."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import cv2
import numpy as np

from steelyard.gate.rules import Circumstances
from steelyard.gate.weighing import Occasion, weigh_pair
from steelyard.record.decision import Entry
from steelyard.report.differences import choose_images, judge_boxes
from steelyard.report.material import Contrast, Material
from steelyard.report.rows import take_parts
from steelyard.scoring.boxes import Boxes
from steelyard.scoring.calibration import choose_operating_point
from steelyard.scoring.coco import score
from steelyard.scoring.match_table import match_boxes
from steelyard.scoring.plots import draw_pr, save_figure
from steelyard.scoring.scores import Scores, SplitScores
from steelyard.sections import GateParams
from tests.unit.records import make_decision, make_record

CLASSES = ("square", "disc", "triangle")
GATE = {"least_gain": 0.02, "most_loss": 0.05, "most_calibration_rise": 1, "most_slowdown": 0.0, "floor": 0.05}
MADE = datetime(2026, 5, 4, 3, 2, tzinfo=UTC)
WIDTH, HEIGHT = 320, 240


@dataclass(frozen=True)
class Sample:
    """What write_page takes."""

    record: object
    champion: object
    verdict: object
    history: tuple
    material: Material


def draw_truth(folder, count, seed=0):
    """Pictures with one to seven things of 14 to 110 px, and their boxes."""
    random = np.random.default_rng(seed)
    truth = {}
    for number in range(count):
        picture = cv2.resize(random.integers(30, 120, (6, 8, 3), dtype=np.uint8), (WIDTH, HEIGHT))
        corners, kinds = [], []
        for cell in random.permutation(8)[: random.integers(1, 8)]:
            side, kind = int(random.choice((16, 28, 50, 74))), int(random.choice(3, p=(0.55, 0.4, 0.05)))
            x = int(cell % 4 * 80 + random.integers(0, 80 - side + 1))
            y = int(cell // 4 * 120 + random.integers(0, 120 - side + 1))
            colour = [int(v) for v in random.integers(140, 256, 3)]
            if kind == 0:
                cv2.rectangle(picture, (x, y), (x + side, y + side), colour, -1)
            elif kind == 1:
                cv2.circle(picture, (x + side // 2, y + side // 2), side // 2, colour, -1)
            else:
                points = np.array([[x, y + side], [x + side, y + side], [x + side // 2, y]])
                cv2.fillPoly(picture, [points], colour)
            corners.append((x, y, x + side, y + side))
            kinds.append(kind)
        name = f"images/test/{number:03}.png"
        (folder / "images/test").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), picture)
        truth[name] = Boxes(np.array(corners, float), np.array(kinds), np.ones(len(kinds)))
    return truth


def find_boxes(truth, skill, seed):
    """What a detector of this skill (0 to 1) finds: misses, shifted boxes, false ones."""
    random = np.random.default_rng(seed)
    found = []
    for boxes in truth.values():
        seen = random.random(len(boxes)) < skill
        sides = (boxes.corners[:, 2:] - boxes.corners[:, :2]).mean(axis=1, keepdims=True)
        corners = boxes.corners + random.normal(0, 0.12 * (1.1 - skill), (len(boxes), 4)) * sides
        sure = np.clip(random.normal(0.35 + 0.4 * skill, 0.12, len(boxes)), 0.01, 0.99)
        false = int(random.poisson(1.6 * (1 - skill)))
        left, top = random.integers(0, (WIDTH - 60, HEIGHT - 60), (false, 2)).T
        extra = np.stack((left, top, left + 40, top + 40), axis=1).astype(float).reshape(-1, 4)
        found.append(
            Boxes(
                np.concatenate((corners[seen], extra)),
                np.concatenate((boxes.classes[seen], random.integers(0, 3, false))),
                np.concatenate((sure[seen], random.random(false) * 0.6)),
            )
        )
    return found


def make_scores(table):
    coco = score(table)
    rates = {"precision": 0.5, "recall": 0.5, "mAP50": 0.5, "mAP50-95": 0.5}
    split = SplitScores(**dict(coco.overall), classes=coco.classes, sizes=coco.sizes, ultralytics=rates)
    return Scores(val=split, test=split, operating_point=choose_operating_point(table, "f1", 0.5, 0.001))


def make_full_record(version, identity, scores):
    record = make_record(str(version) * 40, version, f"sha256:{identity * 64}")
    params = {
        "check": {"accept": []},
        "finetune": {"epochs": 20, "imgsz": 320, "lr0": 0.002},
        "register": {"gate": {**GATE, "accept": []}},
    }
    data = record.dataset.model_copy(
        update={"classes": CLASSES, "images": {"train": 90, "val": 30, "test": scores.test.images}}
    )
    training = record.training.model_copy(update={"epochs_run": 20, "best_epoch": 17, "epoch_seconds": (2.0,) * 20})
    return record.model_copy(update={"params": params, "scores": scores, "dataset": data, "training": training})


def make_sample(folder, images=60, skills=(0.86, 0.7)):
    """Version 2 beside version 1; ``skills`` of both decide who is better."""
    truth = draw_truth(folder, images)
    tables = [match_boxes(list(truth), CLASSES, list(truth.values()), find_boxes(truth, s, 7)) for s in skills]
    records = [
        make_full_record(number, identity, make_scores(table))
        for number, identity, table in ((2, "a", tables[0]), (1, "b", tables[1]))
    ]
    circumstances = Circumstances("v2", "v1", classes=CLASSES, champion_classes=CLASSES, test_images=images)
    rules = GateParams(**GATE, accept=())
    verdict = weigh_pair(*tables, None, {}, circumstances, rules, Occasion("k", 1, "t", 3))
    decisions = [
        make_decision(records[1], "promote", reason="promote: first version, there was nothing to compare with"),
        make_decision(
            records[0],
            "promote" if verdict.outcome == "promote" else "keep",
            before=records[1],
            verdict=verdict,
            reason=verdict.sentence(),
        ),
    ]
    history = tuple(
        Entry(
            number, f"trees#champion#{number}", "Ada Lovelace <ada@localhost>", MADE - timedelta(days=3 - number), each
        )
        for number, each in enumerate(decisions, 1)
    )
    confidences = tuple(record.confidence() for record in records)
    contrasts = []
    for name in choose_images(*tables, confidences):
        judged = [judge_boxes(t, name, c, truth[name]) for t, c in zip(tables, confidences, strict=True)]
        contrasts.append(Contrast(name, folder / name, *judged))
    save_figure(draw_pr({"test": score(tables[0])}, "Precision over recall at IoU 0.5"), folder / "pr_curve.png")
    plots = {"pr_curve.png": (folder / "pr_curve.png").read_bytes()}
    parts = (take_parts(record.scores.test) for record in records)
    material = Material(plots, *parts, contrasts=tuple(contrasts))
    return Sample(records[0], records[1], verdict, history, material)


def change(sample, **values):
    """The sample with other facts in its record."""
    return replace(sample, record=sample.record.model_copy(update=values))
