"""What is written where: images or tiles, each with its boxes, split and name."""

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

from steelyard.dataset.annotation import AnnotatedImage, name_some
from steelyard.dataset.layout import Piece
from steelyard.dataset.manifest import SPLITS, Split, SplitCounts
from steelyard.dataset.splits import split_bands, split_by_name
from steelyard.dataset.tiles import Region, cut_bands, cut_boxes
from steelyard.errors import DatasetError
from steelyard.params import FetchParams, SplitParams

LEAST_SIDE_PX = 10  # Ultralytics leaves out smaller images


def plan_pieces(images: Sequence[AnnotatedImage], params: FetchParams) -> tuple[list[Piece], int]:
    """Decide what is written where.

    Returns:
        The pieces, and how many boxes no tile kept.

    Raises:
        DatasetError: the settings do not fit the data, or a split would be empty or without boxes.
    """
    split = params.split
    if split.by == "place" and not params.tile:
        raise DatasetError(
            "fetch.split.by = place divides photographs into bands of tiles, but fetch.tile = 0; set the side "
            "of the tiles, or fetch.split.by to fraction"
        )
    if split.by == "published" and not all(any(image.split == one for image in images) for one in SPLITS):
        have = {one: sum(image.split == one for image in images) for one in SPLITS}
        raise DatasetError(
            f"fetch.split.by = published, but the source's splits are {_join(have)} images; set it to "
            "fraction (or place, for tiles) to make three"
        )
    pieces: list[Piece] = []
    in_no_tile = 0
    for image, name in zip(images, name_images(images), strict=True):
        regions = _assign(image, params.tile, split)
        kept: set[int] = set()
        for region, chosen in regions:
            if chosen is None:
                continue
            if region is None:
                pieces.append(Piece(image, None, image.boxes, chosen, name))
                continue
            inside = cut_boxes(image.boxes, region, params.least_visible)
            kept.update(place for place, _ in inside)
            tile_name = f"{name}_x{region.x:05}_y{region.y:05}"
            pieces.append(Piece(image, region, tuple(box for _, box in inside), chosen, tile_name))
        if params.tile and any(chosen for _, chosen in regions):
            in_no_tile += len(image.boxes) - len(kept)
    _refuse_unusable(pieces)
    return pieces, in_no_tile


def name_images(images: Sequence[AnnotatedImage]) -> list[str]:
    """File names without suffix: the image's own, or its whole path where others are called the same.

    Raises:
        DatasetError: two images differ in their suffix only, so that they would share a label file.
    """
    own = Counter(PurePosixPath(image.origin).stem.casefold() for image in images)
    names = []
    for image in images:
        path = PurePosixPath(image.origin)
        alone = own[path.stem.casefold()] == 1
        names.append(path.stem if alone else "__".join(path.with_suffix("").parts))
    twice = [name for name, count in Counter(name.casefold() for name in names).items() if count > 1]
    if twice:
        raise DatasetError(f"{len(twice)} names are of several images (see the suffixes): {name_some(twice)}")
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


def _assign(image: AnnotatedImage, tile: int, split: SplitParams) -> list[tuple[Region | None, Split | None]]:
    if split.by == "place":
        bands = cut_bands(image.width, image.height, tile)
        splits = split_bands(len(bands), image.origin, split.seed, split.train, split.val)
        return [(region, one) for band, one in zip(bands, splits, strict=True) for region in band]
    chosen = image.split if split.by == "published" else split_by_name(image.origin, split.seed, split.train, split.val)
    if not tile:
        return [(None, chosen)]
    return [(region, chosen) for band in cut_bands(image.width, image.height, tile) for region in band]


def _refuse_unusable(pieces: Sequence[Piece]) -> None:
    small = [
        piece.name
        for piece in pieces
        if min(piece.region[2:] if piece.region else (piece.image.width, piece.image.height)) < LEAST_SIDE_PX
    ]
    if small:
        raise DatasetError(
            f"{len(small)} images or tiles have a side under {LEAST_SIDE_PX} px, which Ultralytics leaves "
            f"out: {name_some(small)}; choose others with fetch.include, or a larger fetch.tile"
        )
    images = {split: sum(piece.split == split for piece in pieces) for split in SPLITS}
    boxes = {split: sum(len(piece.boxes) for piece in pieces if piece.split == split) for split in SPLITS}
    if not all(images.values()):
        raise DatasetError(
            f"a split would be empty: {_join(images)} images; give more images, or change fetch.split "
            "(train, val or seed)"
        )
    if not all(boxes.values()):
        raise DatasetError(f"a split would have no box: {_join(boxes)} boxes; change fetch.split or its seed")


def _join(counts: dict[Split, int]) -> str:
    return ", ".join(f"{split} {count}" for split, count in counts.items())
