import random

import pytest

from steelyard.dataset.annotation import AnnotatedImage, Box
from steelyard.dataset.boxes import BoxCounts, clean_boxes, clip_box
from steelyard.dataset.tiles import Region, cut_bands, cut_boxes

DRAW = random.Random(0)
SIZES = [(DRAW.randrange(1, 900), DRAW.randrange(1, 900), DRAW.randrange(10, 400)) for _ in range(60)]


@pytest.mark.parametrize(("width", "height", "tile"), [*SIZES, (2299, 2472, 320), (320, 320, 320), (1, 1, 320)])
def test_tiles_neither_overlap_nor_leave_the_image(width: int, height: int, tile: int) -> None:
    regions = [region for band in cut_bands(width, height, tile) for region in band]
    covered = bytearray(width * height)
    for x, y, w, h in regions:
        assert 0 < w <= tile
        assert 0 < h <= tile
        assert x + w <= width
        assert y + h <= height
        for row in range(y, y + h):
            line = slice(row * width + x, row * width + x + w)
            assert not any(covered[line])
            covered[line] = b"\x01" * w
    margins = [side % tile if 2 * (side % tile) < tile and side > tile else 0 for side in (width, height)]
    assert sum(covered) == (width - margins[0]) * (height - margins[1])


def test_the_edge_keeps_half_a_tile_and_no_less() -> None:
    assert [band[0] for band in cut_bands(100, 260, 100)] == [(0, 0, 100, 100), (0, 100, 100, 100), (0, 200, 100, 60)]
    assert len(cut_bands(100, 250, 100)) == 3
    assert len(cut_bands(100, 249, 100)) == 2


def test_bands_lie_along_the_longer_side() -> None:
    assert [len(band) for band in cut_bands(2299, 2472, 320)] == [7] * 8
    assert [len(band) for band in cut_bands(1249, 1035, 320)] == [3] * 4
    assert {region.x for region in cut_bands(1249, 1035, 320)[1]} == {320}


def test_a_cut_box_is_the_common_part_in_the_tiles_own_coordinates() -> None:
    draw = random.Random(1)
    for _ in range(500):
        left, top, x, y = (draw.uniform(0, 200) for _ in range(4))
        box = Box("a", left, top, left + draw.uniform(1, 90), top + draw.uniform(1, 90))
        region = Region(int(x), int(y), 80, 60)
        visible = sum(
            # Counted on a fine grid, without the formula under test.
            region.x <= box.left + (column + 0.5) * (box.right - box.left) / 40 < region.x + 80
            and region.y <= box.top + (row + 0.5) * (box.bottom - box.top) / 40 < region.y + 60
            for column in range(40)
            for row in range(40)
        )
        for _, cut in cut_boxes([box], region, 0):
            assert cut.area / box.area == pytest.approx(visible / 1600, abs=0.06)
            assert 0 <= cut.left < cut.right <= 80
            assert 0 <= cut.top < cut.bottom <= 60
        assert cut_boxes([box], region, 0) or visible <= 80
        if abs(visible / 1600 - 0.4) > 0.06:
            assert bool(cut_boxes([box], region, 0.4)) == (visible / 1600 > 0.4)


def test_a_whole_box_moves_with_its_tile() -> None:
    boxes = [Box("a", 10, 10, 20, 20), Box("b", 110, 120, 130, 150)]
    assert cut_boxes(boxes, Region(100, 100, 100, 100), 1) == [(1, Box("b", 10, 20, 30, 50))]


@pytest.mark.parametrize(
    "bad",
    [(5, 5, 5, 9), (5, 5, 9, 5), (9, 5, 5, 9), (5, 9, 9, 5), (-9, 0, -1, 5), (64, 0, 70, 5), (0, 50, 5, 60)],
)
def test_a_box_outside_inverted_or_flat_is_bad(bad: tuple[float, float, float, float]) -> None:
    assert clip_box(Box("a", *bad), 0, 0, 64, 48) is None


def test_cleaning_clips_counts_and_drops_twins(tmp_path) -> None:
    boxes = (
        Box("a", -5, -5, 10, 10),
        Box("a", 60, 40, 70, 60),
        Box("a", 5, 5, 64.000001, 48),
        Box("b", 5, 5, 5, 9),
        Box("b", 1, 1, 2, 2),
        Box("b", 1, 1, 2, 2),
        Box("a", 1, 1, 2, 2),
    )
    counts = BoxCounts()
    image = AnnotatedImage(tmp_path / "x.png", "d/x.png", 64, 48, boxes, None, False)
    assert clean_boxes(image, counts).boxes == (
        Box("a", 0, 0, 10, 10),
        Box("a", 60, 40, 64, 48),
        Box("a", 5, 5, 64, 48),
        Box("b", 1, 1, 2, 2),
        Box("a", 1, 1, 2, 2),
    )
    assert (counts.clipped, counts.duplicates, counts.dropped) == (2, 1, 1)
    assert [(one.id, one.file, one.detail, one.box) for one in counts.problems] == [
        ("box-beyond-edge", "d/x.png", "a -5, -5, 10, 10", (-5, -5, 10, 10)),
        ("box-beyond-edge", "d/x.png", "a 60, 40, 70, 60", (60, 40, 70, 60)),
        ("box-zero-area", "d/x.png", "b 5, 5, 5, 9", (5, 5, 5, 9)),
        ("box-duplicate", "d/x.png", "b 1, 1, 2, 2", (1, 1, 2, 2)),
    ]


@pytest.mark.parametrize(
    ("box", "check"),
    [
        ((5, 5, 5, 9), "box-zero-area"),
        ((5, 5, 9, 5.001), "box-zero-area"),
        ((9, 5, 5, 9), "box-inverted"),
        ((5, 9, 9, 5), "box-inverted"),
        ((-9, 0, -1, 5), "box-outside"),
        ((64, 0, 70, 5), "box-outside"),
        ((0, 50, 5, 60), "box-outside"),
    ],
)
def test_what_is_wrong_with_a_bad_box_is_said(tmp_path, box, check: str) -> None:
    counts = BoxCounts()
    image = AnnotatedImage(tmp_path / "x.png", "x.png", 64, 48, (Box("a", *box),), None, False)
    assert clean_boxes(image, counts).boxes == ()
    assert [(problem.id, problem.box) for problem in counts.problems] == [(check, box)]


def test_reaching_over_the_edge_by_one_pixel_is_a_rounding(tmp_path) -> None:
    counts = BoxCounts()
    boxes = (Box("a", -1, 0, 9, 9), Box("a", 30, 30, 64.9, 48.9), Box("a", 30, 30, 65.1, 40))
    clean_boxes(AnnotatedImage(tmp_path / "x.png", "x.png", 64, 48, boxes, None, False), counts)
    assert counts.clipped == 3
    assert [problem.box for problem in counts.problems] == [(30, 30, 65.1, 40)]
