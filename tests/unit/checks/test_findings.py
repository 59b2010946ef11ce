"""Single checks against plain counting, and on what must not alarm them."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.checks.boxes import MOST_PAIRS, check_boxes, find_pairs, list_boxes
from steelyard.checks.catalogue import CHECKS, check_accept
from steelyard.checks.classes import check_classes, check_shift, compute_half_width, count_splits
from steelyard.checks.duplicates import check_duplicates
from steelyard.checks.images import Look, compare_images
from steelyard.checks.inspection import inspect
from steelyard.checks.prints import compute_prints, shrink
from steelyard.checks.report import EXAMPLES, Example, Findings, write_metrics
from steelyard.dataset.annotation import AnnotatedImage, Box
from steelyard.dataset.manifest import Problem
from steelyard.errors import ParamsError
from tests.unit.checks.clean import draw_texture


def make_image(name, boxes=(), split=None, width=100, height=100):
    return AnnotatedImage(Path(name), name, width, height, tuple(boxes), split, False)


def compute_overlap(one, other):
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    shared = max(0, width) * max(0, height)
    return shared / (one.area + other.area - shared)


near = st.integers(0, 4)
boxes = st.builds(
    lambda left, top, width, height: Box("a", left, top, left + width + 1, top + height + 1),
    near, near, st.integers(0, 12), near,
)  # fmt: skip


@settings(max_examples=400)
@given(st.lists(st.lists(boxes, max_size=12), max_size=3), st.sampled_from([0.3, 0.5, 0.9, 1.0]))
def test_pairs_are_those_of_plain_comparison(images, overlap):
    table = list_boxes([make_image(str(place), some) for place, some in enumerate(images)], ["a"])
    expected, start = [], 0
    for some in images:
        expected += [
            (start + one, start + other)
            for other in range(len(some))
            for one in range(other)
            if compute_overlap(some[one], some[other]) >= overlap
        ]
        start += len(some)
    assert find_pairs(table, overlap) == sorted(expected)


def test_pairs_of_ten_thousand_boxes_of_one_image_are_found_in_little_memory():
    random = np.random.default_rng(0)
    corners = random.uniform(0, 4000, (10_000, 2))
    some = [Box("a", x, y, x + 20, y + 20) for x, y in corners.tolist()]
    twins = [Box("a", x + 0.2, y, x + 20.2, y + 20) for x, y in corners[:5].tolist()]
    table = list_boxes([make_image("a", some + twins, width=4100, height=4100)], ["a"])
    assert {(place, 10_000 + place) for place in range(5)} <= set(find_pairs(table, 0.9))


def test_boxes_that_all_overlap_do_not_fill_the_memory():
    some = [Box("a", 10, y, 310, y + 300) for y in np.random.default_rng(0).uniform(0, 20, 20_000).tolist()]
    pairs = find_pairs(list_boxes([make_image("a", some, width=400, height=400)], ["a"]), 0.9)
    assert MOST_PAIRS < len(pairs) < MOST_PAIRS + len(some)


def find(check, *arguments):
    findings = Findings()
    check(*arguments, findings)
    return {one.id: one for one in findings.collect()}


def test_blurred_is_what_is_far_off_and_half_as_sharp():
    alike = [Look(f"{n}", False, 1 + n % 10 / 100) for n in range(100)]
    assert find(compare_images, alike) == {}
    # Far off where all are alike, and still no blur.
    assert find(compare_images, [*alike, Look("soft", False, 0.7)]) == {}
    blurred = find(compare_images, [*alike, Look("soft", False, 0.7), Look("blurred", False, 0.3)])["image-blurred"]
    assert [one.file for one in blurred.examples] == ["blurred"]
    # Where sharpness differs anyway, 0.3 is nothing special.
    mixed = [Look(f"{n}", False, 0.4 + n / 50) for n in range(100)]
    assert find(compare_images, [*mixed, Look("blurred", False, 0.3)]) == {}


def test_grey_images_are_a_finding_among_coloured_ones_only():
    grey = [Look(f"{n}", True, 1) for n in range(3)]
    assert find(compare_images, grey) == {}
    assert find(compare_images, [*grey, Look("red", False, 1)])["image-grey"].count == 3


def test_size_is_judged_as_training_scales_it():
    small = Box("a", 10, 10, 20, 20)
    table = list_boxes([make_image("a", [small], width=1000, height=500)], ["a"])
    assert "object-tiny" in find(check_boxes, table, 320)  # 10 px of 1000 are 3.2 of 320
    assert "object-tiny" not in find(check_boxes, table, 640)


def test_an_outlier_is_far_from_its_own_class_and_not_at_the_edge():
    random = np.random.default_rng(0)

    def draw(side):
        left, top = random.uniform(5, 40, 2)
        return left, top, left + side * random.uniform(0.8, 1.2), top + side * random.uniform(0.8, 1.2)

    images = [make_image(f"{n}", [Box("large", *draw(50)), Box("small", *draw(5))]) for n in range(60)]
    assert find(check_boxes, list_boxes(images, ["large", "small"]), 640) == {}
    cut = [make_image("cut", [Box("large", 0, 50, 3, 99)])]
    assert find(check_boxes, list_boxes(images + cut, ["large", "small"]), 640) == {}
    wrong = [make_image("wrong", [Box("large", *draw(5))])]
    outlier = find(check_boxes, list_boxes(images + wrong, ["large", "small"]), 640)["label-outlier"]
    assert (outlier.count, outlier.examples[0].file) == (1, "wrong")
    assert outlier.examples[0].box is not None


@pytest.mark.parametrize("images", [5, 10, 40, 400])
def test_splits_that_are_drawn_alike_do_not_alarm(images):
    """Images with many boxes of one class, as in a herd or a shelf: counting boxes alone would be alarmed."""
    alarms = 0
    for seed in range(100):
        random = np.random.default_rng(seed)
        some = [
            make_image(
                str(n),
                [Box("abc"[random.integers(3)], 1, 1, 9, 9)] * int(random.integers(1, 30)),
                ("train", "train", "train", "val", "test")[n % 5],
            )
            for n in range(images)
        ]
        alarms += "class-shift" in find(check_shift, list_boxes(some, ["a", "b", "c"]))
    assert alarms <= 2


def test_a_shift_is_found_however_large_the_splits_are():
    for images in (60, 600):
        some = [
            make_image(str(n), [Box("ab"[n % 10 < 3 if split == "val" else n % 10 < 7], 1, 1, 9, 9)] * 3, split)
            for split in ("train", "val", "test")
            for n in range(images)
        ]
        shift = find(check_shift, list_boxes(some, ["a", "b"]))["class-shift"]
        assert (shift.count, shift.detail) == (1, "val by 40%")


def test_an_interval_is_as_wide_as_that_of_a_share():
    # 1.96 * sqrt(p * (1 - p) / n), widest at p = 0.5
    for images in (14, 72, 5000):
        assert compute_half_width(images) == pytest.approx(1.96 * np.sqrt(0.25 / images))
    counts = {
        images: find(check_classes, count_splits([make_image(f"{n}", [], "test") for n in range(images)], []), [])
        for images in (42, 43)
    }
    assert ["few-images" in counts[images] for images in (42, 43)] == [True, False]


def test_without_splits_there_is_one_and_no_check_of_splits():
    images = [make_image(f"{n}.jpg", [Box("a", 1, 1, 9, 9)]) for n in range(3)]
    assert count_splits(images, ["a", "b"]).keys() == {"all"}
    found = find(check_classes, count_splits(images, ["a", "b"]), ["a", "b"])
    assert found.keys() == {"class-without-box"}
    assert found["class-without-box"].detail == "b in all"


class Album:
    """Pictures on disk, and what is known of each after decoding."""

    def __init__(self, folder):
        self.folder, self.images, self.prints, self.thumbnails = folder, [], [], []

    def draw(self, split, same_as=None, print_=None, shade=1):
        """Add a picture of its own, or a copy; ``print_`` and ``shade`` change what is known of it."""
        number = len(self.images)
        picture = draw_texture(np.random.default_rng(number if same_as is None else same_as)).convert("L")
        path = self.folder / f"{number:02}.png"
        picture.save(path)
        miniature = np.asarray(picture.resize((32, 32)))[None]
        self.images.append(AnnotatedImage(path, path.name, 160, 120, (), split, False))
        self.prints.append(int(compute_prints(miniature)[0]) if print_ is None else print_)
        self.thumbnails.append(shrink(miniature)[0] // shade)

    def find(self):
        prints, thumbnails = np.array(self.prints, np.uint64), np.array(self.thumbnails)
        return find(check_duplicates, self.images, prints, thumbnails)


@pytest.fixture
def album(tmp_path):
    return Album(tmp_path)


def test_each_copy_counts_once_whatever_number_there_is(album):
    for _ in range(20):
        album.draw("train")
    assert album.find() == {}
    for split in ("train",) * 4 + ("test",) * 3:
        album.draw(split, same_as=3)
    found = album.find()
    # Of the seven, four are copies in train, one in test is a leak, and two are copies of that one.
    assert {check: one.count for check, one in found.items()} == {"duplicate": 6, "duplicate-across-splits": 1}
    (leak,) = found["duplicate-across-splits"].examples
    assert (leak.file, leak.other, leak.detail) == ("24.png", "03.png", "test and train")


def test_a_near_copy_has_the_print_and_the_looks_of_another(album):
    album.draw("train")
    album.draw("train", print_=album.prints[0])
    assert album.find() == {}
    album.draw("train", same_as=0, print_=album.prints[0] ^ 0b1101, shade=2)
    assert {check: finding.count for check, finding in album.find().items()} == {"near-duplicate": 1}
    album.prints[2] ^= 0xFFFF
    assert album.find() == {}


def test_a_leak_is_told_from_the_side_of_test(album):
    album.draw("test")
    album.draw("train", same_as=0, print_=album.prints[0], shade=2)
    album.draw("val", same_as=0, print_=album.prints[0], shade=3)
    found = album.find()["near-duplicate-across-splits"]
    assert [(one.file, one.other[:2]) for one in found.examples] == [("02.png", "01"), ("00.png", "01")]


def test_pictures_without_structure_are_no_near_copies(album):
    for number in range(4):
        album.draw("train", print_=0)
        album.thumbnails[number] = np.full(256, 100 + number, np.uint8)
        album.thumbnails[number][0] = 99
    assert album.find() == {}


def test_examples_are_few_and_all_are_counted():
    findings = Findings()
    for number in range(100):
        findings.add("image-dark", Example(file=f"{number}"))
    (found,) = findings.collect()
    assert (found.count, len(found.examples), found.examples[0].file) == (100, EXAMPLES, "0")


def test_a_source_of_which_nothing_can_be_used_is_reported_too():
    problems = [Problem(id="image-empty", file="a.jpg"), Problem(id="label-unreadable", file="b.txt", detail="why")]
    report = inspect([], [], problems, 640, say=lambda _: None).report
    assert [one.id for one in report.findings] == ["image-empty", "label-unreadable"]
    assert report.map_half_width is None


def test_what_stops_is_what_is_severe_and_not_accepted():
    problems = [Problem(id=check, file="a") for check in ("box-zero-area", "image-empty", "box-duplicate")]
    report = inspect([], [], problems, 640, say=lambda _: None).report

    def stopping(stop, accept):
        return [one.id for one in report.choose_stopping(stop, accept)]

    assert stopping(("error",), ()) == ["image-empty", "box-zero-area"]
    assert stopping(("error",), ("box-zero-area",)) == ["image-empty"]
    assert stopping(("error", "warning"), ("image-empty",)) == ["box-zero-area", "box-duplicate"]
    assert stopping((), ()) == []


def test_metrics_are_numbers_and_small(tmp_path):
    images = [make_image(f"{n}.jpg", [Box("a", 1, 1, 9, 9)], ("train", "val", "test")[n % 3]) for n in range(9)]
    report = inspect(images, ["a"], [Problem(id="box-zero-area", file="a")] * 3, 640, say=lambda _: None).report
    path = tmp_path / "data.json"
    write_metrics(report, report.choose_stopping(("error",), ()), path)
    figures = json.loads(path.read_text())
    assert figures["splits"]["val"] == {"images": 3, "backgrounds": 0, "boxes": 3, "boxes_per_class": {"a": 3}}
    assert figures["map_half_width"] == pytest.approx(0.98 / np.sqrt(3), abs=1e-4)
    assert figures["counts"] == {"image-unreadable": 9, "box-zero-area": 3, "class-rare": 2, "few-images": 3}
    assert figures["findings"] == {"stopping": 2, "error": 2, "warning": 2, "note": 0}


def test_an_unknown_id_is_refused_with_near_ones():
    check_accept(tuple(CHECKS))
    with pytest.raises(
        ParamsError, match=r"^params\.yaml: check\.accept: .*'box-zero-aera'; did you mean box-zero-area"
    ):
        check_accept(("near-duplicate", "box-zero-aera"))


def test_every_check_says_what_to_do():
    for check, one in CHECKS.items():
        assert check == check.lower()
        assert one.title[0].islower()
        assert not one.title.endswith(".")
        for text in (one.means, one.do):
            assert text[0].isupper(), text
            assert text.endswith((".", "].")), text
