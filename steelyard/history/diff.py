"""What changed between two states of a data set, told from their manifests alone."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping

from pydantic import Field

from steelyard.dataset.manifest import SPLITS, DatasetManifest, Frozen, ImageRecord, Split

ClassCounts = dict[Split, tuple[int, int]]


class Pair(Frozen):
    """The same image before and after."""

    before: ImageRecord
    after: ImageRecord


class DatasetDiff(Frozen):
    """Two states of a data set, compared image by image.

    The same pixels are the same image, whatever it is called and wherever it is; of those that are left, the
    same place in the source is. A moved or renamed image may have been relabelled or replaced, too.
    """

    images_before: int
    images_after: int
    added: tuple[ImageRecord, ...] = Field(description="images that have no counterpart before")
    removed: tuple[ImageRecord, ...] = Field(description="images that have no counterpart after")
    relabelled: tuple[Pair, ...] = Field(description="same pixels, another label file")
    replaced: tuple[Pair, ...] = Field(description="same place in the source, other pixels")
    moved: tuple[Pair, ...] = Field(description="in another split")
    renamed: tuple[Pair, ...] = Field(description="same pixels, another name; labels and split aside")
    leaked: tuple[ImageRecord, ...] = Field(
        description="images of val or test whose pixels were in train before: weights of the older state saw them"
    )
    classes_added: tuple[str, ...]
    classes_removed: tuple[str, ...]
    classes_renumbered: bool = Field(
        description="a class that both have has another number, so label files differ whose boxes may be the same"
    )
    images: dict[Split, tuple[int, int]] = Field(description="images of each split, before and after")
    boxes: dict[str, ClassCounts] = Field(description="boxes of each class and split, before and after")

    @property
    def is_same(self) -> bool:
        """Whether pictures, labels, splits, names and classes are all the same."""
        return not self.describe()

    def describe(self) -> list[str]:
        """What changed, as ``["5 images added", "1 relabelled"]``; empty where nothing did."""
        parts = [
            f"{len(images)} {verb}"
            for verb in ("added", "removed", "relabelled", "replaced", "moved to another split", "renamed")
            if (images := getattr(self, verb.split()[0]))
        ]
        if parts:
            number, rest = parts[0].split(" ", 1)
            parts[0] = f"{number} {'image' if number == '1' else 'images'} {rest}"
        for verb, names in (("added", self.classes_added), ("removed", self.classes_removed)):
            if names:
                parts.append(f"{'class' if len(names) == 1 else 'classes'} {', '.join(names)} {verb}")
        if self.classes_renumbered:
            parts.append("classes renumbered")
        return parts


def diff_manifests(before: DatasetManifest, after: DatasetManifest) -> DatasetDiff:
    """Compare two states of a data set.

    Args:
        before: the older state.
        after: the newer state, of the same source or of another one.
    """
    same, rest_before, rest_after = _match_pixels(before.images, after.images)
    replaced, removed, added = _match(rest_before, rest_after, lambda image: (image.origin, image.region))
    trained = {image.sha256 for image in before.images if image.split == "train"}
    common = set(before.classes) & set(after.classes)
    return DatasetDiff(
        images_before=len(before.images),
        images_after=len(after.images),
        added=tuple(added),
        removed=tuple(sorted(removed, key=lambda image: image.path)),
        relabelled=tuple(pair for pair in same if pair.before.labels_sha256 != pair.after.labels_sha256),
        replaced=tuple(replaced),
        moved=_sort(pair for pair in [*same, *replaced] if pair.before.split != pair.after.split),
        renamed=tuple(pair for pair in same if _name(pair.before) != _name(pair.after)),
        leaked=tuple(image for image in after.images if image.split != "train" and image.sha256 in trained),
        classes_added=tuple(name for name in after.classes if name not in common),
        classes_removed=tuple(name for name in before.classes if name not in common),
        classes_renumbered=any(before.classes.index(name) != after.classes.index(name) for name in common),
        images={split: (_images(before, split), _images(after, split)) for split in SPLITS},
        boxes={
            name: {split: (_boxes(before, split, name), _boxes(after, split, name)) for split in SPLITS}
            for name in [*before.classes, *(name for name in after.classes if name not in common)]
        },
    )


def _match_pixels(
    before: Iterable[ImageRecord], after: Iterable[ImageRecord]
) -> tuple[list[Pair], list[ImageRecord], list[ImageRecord]]:
    """By pixels; of copies of one image first those that kept their name and split, then their labels."""
    pairs: list[Pair] = []
    rest_before, rest_after = list(before), list(after)
    keys: tuple[Callable[[ImageRecord], Hashable], ...] = (
        lambda image: (image.sha256, image.path),
        lambda image: (image.sha256, image.labels_sha256),
        lambda image: image.sha256,
    )
    for key in keys:
        found, rest_before, rest_after = _match(rest_before, rest_after, key)
        pairs += found
    return list(_sort(pairs)), rest_before, rest_after


def _match(
    before: Iterable[ImageRecord], after: Iterable[ImageRecord], key: Callable[[ImageRecord], Hashable]
) -> tuple[list[Pair], list[ImageRecord], list[ImageRecord]]:
    """Pairs of equal keys, each image once; and what is left before and after, in its order."""
    waiting: Mapping[Hashable, list[ImageRecord]] = defaultdict(list)
    for image in before:
        waiting[key(image)].append(image)
    pairs, rest = list[Pair](), list[ImageRecord]()
    for image in after:
        if found := waiting[key(image)]:
            pairs.append(Pair(before=found.pop(0), after=image))
        else:
            rest.append(image)
    return pairs, [image for images in waiting.values() for image in images], rest


def _sort(pairs: Iterable[Pair]) -> tuple[Pair, ...]:
    return tuple(sorted(pairs, key=lambda pair: (pair.after.path, pair.before.path)))


def _name(image: ImageRecord) -> str:
    return image.path.rpartition("/")[2]


def _images(manifest: DatasetManifest, split: Split) -> int:
    counts = manifest.splits.get(split)
    return counts.images if counts else 0


def _boxes(manifest: DatasetManifest, split: Split, name: str) -> int:
    counts = manifest.splits.get(split)
    return counts.boxes_per_class.get(name, 0) if counts else 0
