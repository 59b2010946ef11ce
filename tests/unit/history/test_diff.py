"""Two manifests, compared: each kind of change is found alone, and changes of one image together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.dataset.manifest import (
    SPLITS,
    Changes,
    DatasetManifest,
    ImageRecord,
    SplitCounts,
    compute_fingerprint,
)
from steelyard.history.diff import diff_manifests

KINDS = ("added", "removed", "relabelled", "replaced", "moved", "renamed", "leaked")


def image(name, split="train", pixels=None, labels="1", region=None, origin=None):
    return ImageRecord(
        path=f"images/{split}/{name}.png",
        split=split,
        origin=origin or f"{name}.png",
        region=region,
        width=64,
        height=64,
        boxes=1,
        sha256=pixels or f"pixels of {name}",
        labels_sha256=labels,
    )


def manifest(*images, classes=("cat", "dog"), boxes=None):
    counts = {
        split: SplitCounts(
            images=sum(one.split == split for one in images),
            backgrounds=0,
            boxes=0,
            boxes_per_class=dict.fromkeys(classes, 0) | (boxes or {}).get(split, {}),
        )
        for split in SPLITS
    }
    return DatasetManifest(
        schema_version=1, source="data/raw", source_sha256="", licence="MIT", origin="", format="yolo",
        classes=classes, tile=0, splits=counts, changes=Changes(), images=images,
        fingerprint=compute_fingerprint(images, classes),
    )  # fmt: skip


OLD = (image("a"), image("b"), image("c", "val"), image("d", "test"))


def compare(*images, **kwargs):
    """What changed from OLD, by kind, as the paths after (or before, where there is none after)."""
    diff = diff_manifests(manifest(*OLD), manifest(*images, **kwargs))
    found = {}
    for kind in KINDS:
        if each := getattr(diff, kind):
            found[kind] = [one.after.path if hasattr(one, "after") else one.path for one in each]
    return diff, found


@pytest.mark.parametrize(
    ("after", "expected", "says"),
    [
        (OLD, {}, []),
        (OLD[::-1], {}, []),
        ((*OLD, image("e")), {"added": ["images/train/e.png"]}, ["1 image added"]),
        (OLD[2:], {"removed": ["images/train/a.png", "images/train/b.png"]}, ["2 images removed"]),
        (
            (image("a", labels="2"), *OLD[1:]),
            {"relabelled": ["images/train/a.png"]},
            ["1 image relabelled"],
        ),
        (
            (image("a", pixels="others"), *OLD[1:]),
            {"replaced": ["images/train/a.png"]},
            ["1 image replaced"],
        ),
        (
            (*OLD[:3], image("d", "val")),
            {"moved": ["images/val/d.png"]},
            ["1 image moved to another split"],
        ),
        (
            (image("z", pixels="pixels of a"), *OLD[1:]),
            {"renamed": ["images/train/z.png"]},
            ["1 image renamed"],
        ),
        # into the splits that scores are taken on
        (
            (image("a", "test"), image("b", "val"), *OLD[2:]),
            {
                "moved": ["images/test/a.png", "images/val/b.png"],
                "leaked": ["images/test/a.png", "images/val/b.png"],
            },
            ["2 images moved to another split"],
        ),
        # a copy beside the one that stays in train
        (
            (*OLD, image("copy", "test", pixels="pixels of a")),
            {"added": ["images/test/copy.png"], "leaked": ["images/test/copy.png"]},
            ["1 image added"],
        ),
        # out of test is no leak
        ((*OLD[:3], image("d", "train")), {"moved": ["images/train/d.png"]}, ["1 image moved to another split"]),
        # all at once, of one image
        (
            (image("z", "test", pixels="pixels of a", labels="2"), *OLD[1:]),
            {kind: ["images/test/z.png"] for kind in ("relabelled", "moved", "renamed", "leaked")},
            ["1 image relabelled", "1 moved to another split", "1 renamed"],
        ),
        # replaced and moved: the place in the source tells
        (
            (image("a", "test", pixels="others"), *OLD[1:]),
            {"replaced": ["images/test/a.png"], "moved": ["images/test/a.png"]},
            ["1 image replaced", "1 moved to another split"],
        ),
    ],
)
def test_each_change_is_found_and_no_other(after, expected, says):
    diff, found = compare(*after)
    assert found == expected
    assert diff.describe() == says
    assert diff.is_same == (not says)
    assert (diff.images_before, diff.images_after) == (len(OLD), len(after))


def test_tiles_of_one_photograph_are_told_apart_by_their_place():
    left, right = (
        image(name, origin="photo.tif", region=region) for name, region in (("l", (0, 0, 9, 9)), ("r", (9, 0, 9, 9)))
    )
    diff = diff_manifests(manifest(left, right), manifest(left.model_copy(update={"sha256": "repainted"}), right))
    assert [pair.before.path for pair in diff.replaced] == [left.path]
    assert not diff.added
    assert not diff.removed


def test_copies_keep_their_own_counterparts():
    """Three files of the same pixels, of which one is relabelled and one is gone."""
    copies = [image(name, pixels="same", labels=name) for name in "abc"]
    diff = diff_manifests(manifest(*copies), manifest(copies[2], image("b", pixels="same", labels="new")))
    assert [one.path for one in diff.removed] == [copies[0].path]
    assert [(pair.before.path, pair.after.path) for pair in diff.relabelled] == [(copies[1].path, copies[1].path)]
    assert not diff.renamed


def test_copies_that_are_renamed_are_told_apart_by_their_labels():
    before, after = (
        [image(name, pixels="same", labels=labels) for name, labels in names] for names in (("a1", "b2"), ("x2", "y1"))
    )
    diff = diff_manifests(manifest(*before), manifest(*after))
    assert not diff.relabelled
    assert len(diff.renamed) == 2


def test_counts_and_classes():
    before = manifest(*OLD, classes=("cat", "dog"), boxes={"train": {"cat": 3, "dog": 1}})
    after = manifest(*OLD, image("e"), classes=("bird", "cat"), boxes={"train": {"cat": 4}, "test": {"bird": 2}})
    diff = diff_manifests(before, after)
    assert diff.images == {"train": (2, 3), "val": (1, 1), "test": (1, 1)}
    assert diff.boxes == {
        "cat": {"train": (3, 4), "val": (0, 0), "test": (0, 0)},
        "dog": {"train": (1, 0), "val": (0, 0), "test": (0, 0)},
        "bird": {"train": (0, 0), "val": (0, 0), "test": (0, 2)},
    }
    assert (diff.classes_added, diff.classes_removed, diff.classes_renumbered) == (("bird",), ("dog",), True)
    assert diff.describe() == ["1 image added", "class bird added", "class dog removed", "classes renumbered"]


def test_a_class_that_is_appended_renumbers_nothing():
    diff = diff_manifests(manifest(*OLD, classes=("cat",)), manifest(*OLD, classes=("cat", "dog", "emu")))
    assert diff.describe() == ["classes dog, emu added"]


records = st.builds(
    image,
    st.sampled_from("abcdef"),
    st.sampled_from(SPLITS),
    st.sampled_from(("x", "y", "z", None)),
    st.sampled_from(("1", "2")),
)
datasets = st.lists(records, max_size=12, unique_by=lambda one: one.path).map(lambda images: manifest(*images))


@given(datasets, datasets)
def test_every_image_is_accounted_for_once(before, after):
    diff, back = diff_manifests(before, after), diff_manifests(after, before)
    kept = len(before.images) - len(diff.removed)
    assert kept == len(after.images) - len(diff.added)
    assert len(diff.removed) == len(back.added)
    assert len(diff.moved) <= kept
    removed, added = ({one.path for one in images} for images in (diff.removed, diff.added))
    assert len(removed) == len(diff.removed)
    assert removed <= {one.path for one in before.images}
    assert added <= {one.path for one in after.images}
    assert not {one.sha256 for one in diff.removed} & {one.sha256 for one in diff.added}
    assert diff_manifests(before, before).is_same
    if diff.is_same:
        assert before.fingerprint == after.fingerprint or before.classes != after.classes
