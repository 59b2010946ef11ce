"""The verdict: a pure function of two match tables, of what is known beside them, and of the rules."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from steelyard.gate.comparison import Comparison, compare, restrict
from steelyard.gate.rules import Circumstances, check_comparable, judge_first, judge_pair, share_classes
from steelyard.gate.verdict import Difference, Figures, Finding, Latency, Verdict, judge
from steelyard.scoring.bootstrap import RESAMPLES
from steelyard.scoring.match_table import AREAS, MatchTable
from steelyard.scoring.scores import ClassScores
from steelyard.sections import GateParams

_RESAMPLES_PER_FIGURE = 60
"""At least, so that the smallest p-value that they can give is below what Holm asks of the first of many."""


@dataclass(frozen=True)
class Occasion:
    """What a verdict says of itself.

    Attributes:
        key: of what is weighed, see :func:`compute_key`.
        champion: number of the version that is champion; None where there is none.
        test_split: hash of the test images and labels, see :func:`hash_split`.
        uses: how often this test split has decided, this time included.
    """

    key: str
    champion: int | None
    test_split: str
    uses: int


def weigh_first(test: ClassScores, circumstances: Circumstances, rules: GateParams, occasion: Occasion) -> Verdict:
    """Weigh a version that there is no champion for.

    Args:
        test: its scores on test.
        circumstances: with an obstacle where a person withdrew the champion.
        rules: of params.yaml.
        occasion: what the verdict says of itself.
    """
    return _make(judge_first(test, circumstances, rules), None, occasion)


def refuse_pair(circumstances: Circumstances, rules: GateParams, occasion: Occasion) -> Verdict:
    """The verdict on a version that cannot be weighed against the champion.

    Args:
        circumstances: which say why.
        rules: of params.yaml.
        occasion: what the verdict says of itself.
    """
    checked = check_comparable(circumstances, rules)
    return _make(judge_pair(None, None, checked, circumstances, rules), None, occasion)


def weigh_pair(
    candidate: MatchTable,
    champion: MatchTable,
    latency: Latency | None,
    groups: Mapping[str, str],
    circumstances: Circumstances,
    rules: GateParams,
    occasion: Occasion,
) -> Verdict:
    """Weigh a version against the champion.

    Args:
        candidate: its match table of the test split.
        champion: that of the champion, of the same images, with the candidate's classes (those that it
            does not know are empty).
        latency: of both; None: not measured.
        groups: of the images that are alike, by path.
        circumstances: what is known beside the tables.
        rules: of params.yaml.
        occasion: what the verdict says of itself.
    """
    checked = check_comparable(circumstances, rules)
    if any(each.result == "open" for each in checked):
        return refuse_pair(circumstances, rules, occasion)
    seen = {image for images in circumstances.seen.values() for image in images or ()}
    images = [image for image in candidate.images if image not in seen]
    ours, theirs = (restrict(table, images, share_classes(circumstances)) for table in (candidate, champion))
    resamples = max(RESAMPLES, _RESAMPLES_PER_FIGURE * (len(ours.classes) + len(AREAS)))
    comparison = compare(ours, theirs, [groups.get(image) or image for image in images], resamples)
    findings = judge_pair(comparison, latency, checked, circumstances, rules)
    figures = list_differences(comparison, len(images), latency).model_copy(update={"least_gain": rules.least_gain})
    return _make(findings, figures, occasion)


def list_differences(comparison: Comparison, images: int, latency: Latency | None) -> Figures:
    """A comparison as the verdict shows it; classes and sizes without boxes are left out."""

    def make(place: int) -> Difference:
        both = (comparison.candidate[place], comparison.champion[place])
        known = not np.isnan(both).any() and not np.isnan(comparison.bounds[place]).any()
        return Difference(
            candidate=_round(both[0]),
            champion=_round(both[1]),
            low=_round(comparison.bounds[place, 0]) if known else None,
            high=_round(comparison.bounds[place, 1]) if known else None,
            images=int(comparison.images[place]),
            too_few=bool(comparison.images[place] < comparison.needed[place]),
        )

    places = [place for place in range(len(comparison.names)) if not np.isnan(comparison.champion[place])]
    sizes, classes = 2 + len(AREAS) - 1, len(comparison.names) - 1
    smallest = comparison.find_smallest_gain()
    return Figures(
        images=images,
        groups=comparison.groups,
        overall={comparison.names[place]: make(place) for place in (1, 0)},
        sizes={comparison.names[place]: make(place) for place in places if 2 <= place < sizes},
        classes={comparison.names[place]: make(place) for place in places if sizes <= place < classes},
        calibration=make(classes),
        latency=latency,
        p_value=_round(comparison.p_values[0]),
        smallest_gain=None if smallest is None else round(smallest, 6),
    )


def compute_key(candidate: str, champion: str, test_split: str, rules: GateParams) -> str:
    """A hash of what is weighed: where it stays the same, a verdict is not asked for again.

    Args:
        candidate: identity of its weights.
        champion: the same; empty where there is none.
        test_split: its hash.
        rules: of params.yaml.
    """
    text = json.dumps([candidate, champion, test_split, rules.model_dump(mode="json")], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def hash_split(images: Iterable[tuple[str, str, str]]) -> str:
    """A hash of a split.

    Args:
        images: path, sha256 and labels' sha256 of each, in any order.
    """
    return hashlib.sha256(json.dumps(sorted(images), separators=(",", ":")).encode()).hexdigest()


def _make(findings: tuple[Finding, ...], figures: Figures | None, occasion: Occasion) -> Verdict:
    return Verdict(
        outcome=judge(findings),
        key=occasion.key,
        champion=occasion.champion,
        test_split=occasion.test_split,
        uses=occasion.uses,
        findings=findings,
        figures=figures,
    )


def _round(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 6)
