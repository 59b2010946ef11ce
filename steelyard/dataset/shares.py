"""Whether each class has about its share of each split: what makes a drawn split a stratified one.

The draw itself is that of ``fraction``: no rule that looks at the other images could keep an image
where it is when some are added. So a stratified split is one that was drawn well, by a seed that is
written down.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from steelyard.dataset.annotation import name_some
from steelyard.dataset.manifest import Split
from steelyard.dataset.splits import split_by_name
from steelyard.errors import DatasetError
from steelyard.sections import SplitParams

SEEDS = 1000
SLACK = 0.25  # how far a class may be from its share of a split
SLACK_IMAGES = 2.0  # or by so many images, where a quarter of its share is less


def check_shares(members: Mapping[str, Sequence[str]], params: SplitParams) -> None:
    """Refuse a draw in which a class has not about its share of a split.

    Of n images that show a class, a split of share s has s * n, give or take a quarter of it or two
    images, whichever is more. So a class whose share is more than two images has at least one there.

    Args:
        members: class: names of the images that show it, as they are drawn by.
        params: shares of train and val, and the seed.

    Raises:
        DatasetError: tells the classes' counts, and a seed that draws all well, if one below 1000 does.
    """
    off = [text for name, images in sorted(members.items()) for text in _describe_off(name, images, params)]
    if not off:
        return
    seed, strain = find_seed(members, params)
    cost = "a new seed draws every image anew, so that scores of earlier versions cannot be compared any more"
    if strain <= 1:
        advice = f"set fetch.split.seed: {seed}, which gives each class its share ({cost})"
    elif seed != params.seed:
        advice = (
            f"no seed below {SEEDS} gives each class its share; fetch.split.seed: {seed} comes nearest ({cost}); "
            "better give more images of these classes"
        )
    else:
        advice = f"no seed below {SEEDS} comes nearer to the shares; give more images of these classes"
    raise DatasetError(
        f"fetch.split.by = stratified: by fetch.split.seed = {params.seed} a class has not its share: "
        f"{name_some(off)}; {advice}. fetch.split.by: fraction with the same seed keeps exactly this draw, without "
        "the promise"
    )


def find_seed(members: Mapping[str, Sequence[str]], params: SplitParams) -> tuple[int, float]:
    """The first seed below 1000 that gives each class its share of each split, or the one nearest to it.

    Args:
        members: class: names of the images that show it.
        params: shares of train and val, and the seed to begin with.

    Returns:
        The seed, and the largest distance of a class from its share, in units of what is allowed.
    """
    rarest_first = sorted(members.values(), key=len)
    best = params.seed, _measure(rarest_first, params.seed, params, math.inf)
    for seed in range(SEEDS):
        if best[1] <= 1:
            break
        strain = _measure(rarest_first, seed, params, best[1])
        if strain < best[1]:
            best = seed, strain
    return best


def _measure(classes: Iterable[Sequence[str]], seed: int, params: SplitParams, limit: float) -> float:
    """Largest distance from a share; ends at ``limit``, so that a bad seed costs a few hashes of rare images."""
    worst = 0.0
    for names in classes:
        counts = _count(names, seed, params)
        for split, share in _shares(params).items():
            worst = max(worst, abs(counts[split] - share * len(names)) / _slack(share * len(names)))
        if worst >= limit:
            break
    return worst


def _describe_off(name: str, images: Sequence[str], params: SplitParams) -> list[str]:
    counts = _count(images, params.seed, params)
    texts = []
    for split, share in _shares(params).items():
        expected = share * len(images)
        slack = _slack(expected)
        if abs(counts[split] - expected) > slack:
            least, most = max(0, math.ceil(expected - slack)), math.floor(expected + slack)
            texts.append(f"{name} has {counts[split]} of {len(images)} images in {split} ({least} to {most} allowed)")
    return texts


def _count(names: Iterable[str], seed: int, params: SplitParams) -> Counter[Split]:
    return Counter(split_by_name(name, seed, params.train, params.val) for name in names)


def _shares(params: SplitParams) -> dict[Split, float]:
    return {"train": params.train, "val": params.val, "test": 1 - params.train - params.val}


def _slack(expected: float) -> float:
    return max(SLACK_IMAGES, SLACK * expected)
