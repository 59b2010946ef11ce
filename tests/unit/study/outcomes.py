"""Outcomes of made-up trainings."""

from dataclasses import replace

import numpy as np

from steelyard.scoring.boxes import Boxes
from steelyard.scoring.match_table import match_boxes
from steelyard.study.outcome import Outcome, Sample
from tests.unit.records import make_record

RANDOM = {"finetune": {"pretrained": False}}
TUNED = {"finetune": {"pretrained": True}}


def make_sample(quality, seed=0, images=30, fingerprint="images"):
    """Three squares on each image, of which this share is found; false ones among them."""
    drawn = np.array([[left, 0, left + 50, 50] for left in (0, 100, 200)], float)
    random = np.random.default_rng(seed)
    truth, found = [], []
    for _ in range(images):
        near = drawn + random.normal(0, 1.5, (3, 4))
        near[random.random(3) > quality] += 400  # on nothing
        truth.append(Boxes(drawn, np.zeros(3, np.int64), np.ones(3)))
        found.append(Boxes(near, np.zeros(3, np.int64), random.random(3)))
    names = [f"{number}.png" for number in range(images)]
    return Sample(match_boxes(names, ["thing"], truth, found), tuple(names), fingerprint)


def make_outcome(arm, seed, quality=0.5, curve=(0.1, 0.2, 0.3), val=None, final=None, **facts):
    facts = {"epoch_seconds": (2.0,) * len(curve), "epochs_run": len(curve), **facts}
    training = make_record("c" * 40).training.model_copy(update=facts)
    final = final or make_sample(quality, seed)
    return Outcome(arm, seed, training, tuple(curve), val or final, final)


def break_detections(outcome):
    """As weights would that see nothing any more."""
    table = outcome.final.table
    blind = replace(table, hits=np.zeros_like(table.hits))
    return replace(outcome, final=replace(outcome.final, table=blind))
