"""Which image, or which band of a photograph, is train, val or test."""

import hashlib
import re
from collections.abc import Sequence
from itertools import permutations

from steelyard.dataset.annotation import name_some
from steelyard.dataset.manifest import SPLITS, Split
from steelyard.errors import DatasetError


def split_by_name(name: str, seed: int, train: float, val: float) -> Split:
    """A split drawn by a hash of the name, so that an image keeps it when others come or go.

    Args:
        name: of the image, its path below the source's folder; or a key that several images share.
        seed: another seed, another draw.
        train: share of train, 0 to 1.
        val: share of val; the rest is test.
    """
    draw = _hash(name, seed) / 2**64
    return "train" if draw < train else "val" if draw < train + val else "test"


def find_keys(names: Sequence[str], pattern: str) -> list[str]:
    """The key of each name: what the pattern's first group finds in it, or the whole pattern where it has none.

    Args:
        names: of images, their paths below the source's folder.
        pattern: regular expression, as in fetch.split.group.

    Raises:
        DatasetError: a name has no key, or there are fewer keys than splits.
    """
    found = [re.search(pattern, name) for name in names]
    keys = {name: match[1] if match.re.groups else match[0] for name, match in zip(names, found, strict=True) if match}
    lacking = [name for name in names if not keys.get(name)]
    if lacking:
        raise DatasetError(
            f"fetch.split.group = {pattern!r} finds no key in {len(lacking)} of {len(names)} images: "
            f"{name_some(lacking)}; change it so that it finds one in each path, or leave these out with fetch.include"
        )
    different = sorted(set(keys.values()))
    if len(different) < len(SPLITS):
        raise DatasetError(
            f"fetch.split.group = {pattern!r} finds too few different keys ({', '.join(different)}) for three splits; "
            "change it so that it tells the groups apart"
        )
    return [keys[name] for name in names]


def split_bands(count: int, name: str, seed: int, train: float, val: float) -> list[Split]:
    """Splits of a photograph's bands: each split is one block of neighbours.

    Shares are rounded by largest remainder, with at least one band for each split; on a tie test
    comes first, since a score needs images most. Which block comes first is drawn from the name,
    so that the tests of several photographs are not all at the same edge.

    Args:
        count: number of bands. Below three the photograph goes to one split as a whole.
        name: of the photograph, its path below the source's folder.
        seed: another seed, another draw.
        train: share of train, 0 to 1.
        val: share of val; the rest is test.

    Returns:
        ``count`` splits.
    """
    if count < len(SPLITS):
        return [split_by_name(name, seed, train, val)] * count
    wanted: dict[Split, float] = {
        "test": (1 - train - val) * count,
        "val": val * count,
        "train": train * count,
    }
    bands = {split: max(1, int(share + 1e-9)) for split, share in wanted.items()}
    while sum(bands.values()) != count:
        missing = 1 if sum(bands.values()) < count else -1
        able = [split for split in wanted if bands[split] + missing >= 1]
        # Rounded, so that 0.2 * 8 and (1 - 0.6 - 0.2) * 8 are a tie.
        chosen = max(able, key=lambda split: round(missing * (wanted[split] - bands[split]), 6))
        bands[chosen] += missing
    orders = list(permutations(SPLITS))
    order = orders[_hash(name, seed) % len(orders)]
    return [split for split in order for _ in range(bands[split])]


def _hash(name: str, seed: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:8], "big")
