"""What a version trained on is found in a test split: by file, by place, by look; and nothing else is."""

import pytest

from steelyard.dataset.manifest import SPLITS, Changes, DatasetManifest, ImageRecord, SplitCounts, compute_fingerprint
from steelyard.record.earlier import describe_trained_on, find_seen

LOOK = "0123456789abcdef"


def image(split, origin="a.png", region=None, sha256="1"):
    return ImageRecord(
        path=f"images/{split}/{origin}-{region}-{sha256}.png", split=split, origin=origin, region=region,
        width=64, height=64, boxes=0, sha256=sha256, labels_sha256="l",
    )  # fmt: skip


def manifest(*images, source="data/raw/a.zip", sha256="f" * 64):
    counts = SplitCounts(images=0, backgrounds=0, boxes=0, boxes_per_class={})
    return DatasetManifest(
        schema_version=1, source=source, source_sha256=sha256, licence="MIT", origin="", format="voc",
        classes=("cat",), tile=0, splits=dict.fromkeys(SPLITS, counts), changes=Changes(), images=images,
        fingerprint=compute_fingerprint(images, ("cat",)),
    )  # fmt: skip


def see(before, after, look_before="", look_after="", **source):
    prints = {before.path: look_before} if look_before else {}
    prints_after = {after.path: look_after} if look_after else {}
    return find_seen(manifest(before), prints, manifest(after, **source), prints_after) == [after.path]


def test_the_same_file_is_found_wherever_it_lies():
    assert see(image("train"), image("test", "elsewhere.png"), source="data/raw/b.zip")
    assert not see(image("train"), image("test", "elsewhere.png", sha256="2"))


@pytest.mark.parametrize("split", ["val", "test"])
def test_only_what_was_in_train_counts(split):
    assert not see(image(split), image("test"))


def test_val_may_have_been_trained_on():
    assert find_seen(manifest(image("train")), {}, manifest(image("val")), {}) == []


TILE = (320, 0, 320, 320)


@pytest.mark.parametrize(
    ("before", "after", "shared"),
    [
        (TILE, TILE, True),
        (TILE, (512, 256, 256, 256), True),
        (TILE, (640, 0, 320, 320), False),
        (TILE, (0, 0, 320, 320), False),
        (TILE, (320, 320, 320, 320), False),
        (None, TILE, True),
        (TILE, None, True),
        (None, None, False),
    ],
)
def test_tiles_of_one_photograph_share_pixels_where_they_overlap(before, after, shared):
    one, other = image("train", region=before), image("test", region=after, sha256="2")
    assert see(one, other) is shared
    assert not see(one, image("test", "b.png", region=after, sha256="2"))
    assert not see(one, other, sha256="e" * 64)


@pytest.mark.parametrize(
    ("look", "seen"),
    [
        (LOOK, True),
        ("0123456789abcdee", True),  # 1 bit
        ("0123456789abcdec", True),  # 2 bits
        ("0123456789abcde8", False),  # 3 bits
        ("", False),
    ],
)
def test_a_picture_saved_anew_is_known_by_its_look(look, seen):
    assert see(image("train"), image("test", "b.png", sha256="2"), LOOK, look) is seen


def test_pictures_without_a_structure_look_like_nothing():
    assert not see(image("train"), image("test", "b.png", sha256="2"), "0" * 16, "0" * 16)


def test_the_sentence_tells_known_from_unknown():
    assert describe_trained_on({}, 4) == ""
    assert describe_trained_on({2: 3, 1: None}, 4) == (
        "not to be compared on this test split, since they trained on it: v2 (on 3 of its 4 images); what v1 trained "
        "on is neither in DVC's cache nor in its remote, so not to be compared, either (dvc pull --all-tags)"
    )
