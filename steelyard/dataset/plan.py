"""What is written where: images or tiles, each with its boxes, split and name."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath

from steelyard.dataset.annotation import AnnotatedImage, name_some
from steelyard.dataset.layout import Piece
from steelyard.dataset.manifest import SPLITS, Problem, Split, SplitCounts
from steelyard.dataset.shares import check_shares
from steelyard.dataset.splits import find_keys, split_bands, split_by_name
from steelyard.dataset.tiles import Region, cut_bands, cut_boxes
from steelyard.errors import DatasetError
from steelyard.sections import FetchParams, SplitParams

MOST_NAME_BYTES = 200  # file systems take 255, with suffix and the place of a tile
LEAST_SIDE_PX = 10  # Ultralytics leaves out smaller images


def leave_out_small(images: Sequence[AnnotatedImage]) -> tuple[list[AnnotatedImage], list[Problem]]:
    """Leave out the images that Ultralytics would leave out, so that the counts are those of the training."""
    small = [image for image in images if min(image.width, image.height) < LEAST_SIDE_PX]
    problems = [
        Problem(
            id="image-small",
            file=image.origin,
            detail=f"{image.width}x{image.height} px; left out, as Ultralytics leaves out a side under "
            f"{LEAST_SIDE_PX} px",
        )
        for image in small
    ]
    return [image for image in images if min(image.width, image.height) >= LEAST_SIDE_PX], problems


def plan_pieces(images: Sequence[AnnotatedImage], params: FetchParams) -> tuple[list[Piece], int]:
    """Decide what is written where.

    Returns:
        The pieces, those of one image one after the other, and how many boxes no tile kept.

    Raises:
        DatasetError: the settings do not fit the data, or a split would be empty or without boxes.
    """
    pieces: list[Piece] = []
    in_no_tile = 0
    plans = zip(images, name_images(images), assign_regions(images, params), name_groups(images, params), strict=True)
    for image, name, regions, group in plans:
        kept: set[int] = set()
        for region, split in regions:
            if region is None:
                pieces.append(Piece(image, None, image.boxes, split, name, group))
                continue
            inside = cut_boxes(image.boxes, region, params.least_visible)
            kept.update(place for place, _ in inside)
            tile_name = f"{name}_x{region.x:05}_y{region.y:05}"
            pieces.append(Piece(image, region, tuple(box for _, box in inside), split, tile_name, group))
        if params.tile and regions:
            in_no_tile += len(image.boxes) - len(kept)
    small = [piece.name for piece in pieces if piece.region and min(piece.region[2:]) < LEAST_SIDE_PX]
    if small:
        raise DatasetError(
            f"{len(small)} tiles have a side under {LEAST_SIDE_PX} px, which Ultralytics leaves out: "
            f"{name_some(small)}; set a larger fetch.tile"
        )
    check_splits(pieces)
    return pieces, in_no_tile


def assign_regions(images: Sequence[AnnotatedImage], params: FetchParams) -> list[list[tuple[Region | None, Split]]]:
    """What is cut out of each image (None: all of it), and the split it goes to.

    Raises:
        DatasetError: the settings do not fit the data.
    """
    split = params.split
    if split.by == "place":
        if not params.tile:
            raise DatasetError(
                "fetch.split.by = place divides photographs into bands of tiles, but fetch.tile = 0; set the side "
                "of the tiles, or fetch.split.by to fraction"
            )
        return [_assign_bands(image, params.tile, split) for image in images]
    assigned: list[list[tuple[Region | None, Split]]] = []
    for image, chosen in zip(images, assign_splits(images, split), strict=True):
        bands = cut_bands(image.width, image.height, params.tile) if params.tile else [[None]]
        assigned.append([(region, chosen) for band in bands for region in band] if chosen else [])
    return assigned


def assign_splits(images: Sequence[AnnotatedImage], params: SplitParams) -> list[Split | None]:
    """The split of each whole image; None where it is in none of the published lists.

    Raises:
        DatasetError: the settings do not fit the data.
    """
    if params.by == "published":
        counts = Counter(image.split for image in images)
        if not all(counts[split] for split in SPLITS):
            have = ", ".join(f"{split} {counts[split]}" for split in SPLITS)
            raise DatasetError(
                f"fetch.split.by = published, but the source's splits are {have} images; set it to "
                "fraction (or place, for tiles) to make three"
            )
        return [image.split for image in images]
    origins = [image.origin for image in images]
    if params.by == "stratified":
        members = defaultdict(list)
        for image in images:
            for name in {box.name for box in image.boxes}:
                members[name].append(image.origin)
        check_shares(members, params)
    keys = find_keys(origins, params.group) if params.by == "group" else origins
    return [split_by_name(key, params.seed, params.train, params.val) for key in keys]


def name_groups(images: Sequence[AnnotatedImage], params: FetchParams) -> list[str]:
    """The group of each image, which all that is cut from it is in; "" where each piece is one of its own."""
    if params.split.by == "group":
        return find_keys([image.origin for image in images], params.split.group)
    in_one_split = params.tile and params.split.by != "place"
    return [image.origin if in_one_split else "" for image in images]


def name_images(images: Sequence[AnnotatedImage]) -> list[str]:
    """File names without suffix: the image's own, or its whole path where others are called the same.

    Of what is too long for a file system the end is kept, behind a hash of the image's path.

    Raises:
        DatasetError: two images differ in their suffix only, so that they would share a label file.
    """
    own = Counter(PurePosixPath(image.origin).stem.casefold() for image in images)
    names = []
    for image in images:
        path = PurePosixPath(image.origin)
        alone = own[path.stem.casefold()] == 1
        names.append(_shorten(path.stem if alone else "__".join(path.with_suffix("").parts), image.origin))
    counts = Counter(name.casefold() for name in names)
    twice = [image.origin for image, name in zip(images, names, strict=True) if counts[name.casefold()] > 1]
    if twice:
        raise DatasetError(
            f"{len(twice)} images share their label file with another, since their paths differ in nothing but the "
            f"suffix, capitals or a folder's __: {name_some(sorted(twice))}; rename one of each, or leave it out with "
            "fetch.include"
        )
    return names


def count_splits(pieces: Sequence[Piece], classes: Sequence[str]) -> dict[Split, SplitCounts]:
    """Images and boxes of each split."""
    counts: dict[Split, SplitCounts] = {}
    for split in SPLITS:
        mine = [piece for piece in pieces if piece.split == split]
        found = Counter(box.name for piece in mine for box in piece.boxes)
        counts[split] = SplitCounts(
            images=len(mine),
            backgrounds=sum(not piece.boxes for piece in mine),
            boxes=found.total(),
            boxes_per_class={name: found[name] for name in classes},
        )
    return counts


def check_splits(pieces: Sequence[Piece]) -> None:
    """Refuse what nothing can be trained on or scored by.

    Raises:
        DatasetError: a split is empty or without boxes.
    """
    images = {split: sum(piece.split == split for piece in pieces) for split in SPLITS}
    boxes = {split: sum(len(piece.boxes) for piece in pieces if piece.split == split) for split in SPLITS}
    if not all(images.values()):
        raise DatasetError(
            f"a split would be empty: {_join(images)} images; give more images, or change fetch.split "
            "(train, val or seed)"
        )
    if not all(boxes.values()):
        raise DatasetError(f"a split would have no box: {_join(boxes)} boxes; change fetch.split or its seed")


def _assign_bands(image: AnnotatedImage, tile: int, params: SplitParams) -> list[tuple[Region | None, Split]]:
    bands = cut_bands(image.width, image.height, tile)
    splits = split_bands(len(bands), image.origin, params.seed, params.train, params.val)
    return [(region, split) for band, split in zip(bands, splits, strict=True) for region in band]


def _shorten(name: str, origin: str) -> str:
    content = name.encode()
    if len(content) <= MOST_NAME_BYTES:
        return name
    start = f"{hashlib.sha256(origin.encode()).hexdigest()[:12]}_"
    return start + content[len(start) - MOST_NAME_BYTES :].decode(errors="ignore")


def _join(counts: dict[Split, int]) -> str:
    return ", ".join(f"{split} {count}" for split, count in counts.items())
