"""Pairs of match tables of the same images, and the rules to judge them by."""

from dataclasses import replace

import numpy as np

from benchmarks.detectors import Detector, World, detect, draw_images
from steelyard.gate.rules import Circumstances
from steelyard.gate.weighing import Occasion, weigh_pair
from steelyard.sections import GateParams

GOOD = Detector(skill=2.0, sharpness=2.0, false=1.0)
BAD = Detector(skill=0.5, sharpness=1.0, false=3.0)
RULES = GateParams(least_gain=0.0, most_loss=0.05, most_calibration_rise=0.05, most_slowdown=0.0, floor=0.1, accept=())
OCCASION = Occasion(key="k", champion=1, test_split="t", uses=1)
SAME = Circumstances("v2", "v1", classes=("0",), champion_classes=("0",), test_images=60)


def draw_pair(candidate, champion, images=60, world=World(), seed=0):  # noqa: B008 - frozen
    random = np.random.default_rng(seed)
    drawn = draw_images(random, world, images)
    return detect(random, candidate, drawn), detect(random, champion, drawn)


def weigh(candidate, champion, rules=RULES, circumstances=None, latency=None, groups=None):
    circumstances = circumstances or replace(
        SAME, classes=candidate.classes, champion_classes=champion.classes, test_images=len(candidate.images)
    )
    return weigh_pair(candidate, champion, latency, groups or {}, circumstances, rules, OCCASION)


def find(verdict, rule):
    return next(finding for finding in verdict.findings if finding.rule == rule)


def drop_class(table, name):
    """The head of one class is broken: it finds nothing."""
    kept = table.kind != table.classes.index(name)
    columns = ("image", "kind", "confidence", "rank", "hits", "ignored")
    return replace(table, **{column: getattr(table, column)[kept] for column in columns})
