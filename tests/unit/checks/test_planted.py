"""Each defect, planted into a data set without one, is found, and nothing else is."""

import pytest
from PIL import Image, ImageFilter

from steelyard.checks.catalogue import CHECKS
from steelyard.cli_check import inspect_folder
from tests.unit.checks.clean import IMGSZ, SIZES, encode
from tests.unit.checks.planting import (
    CROWD,
    add,
    add_crowd,
    change_labels,
    change_list,
    change_xml,
    compress,
    copy,
    fill_with_boxes,
    image_of,
    labels_of,
    link_outside,
    make_16bit,
    make_animated,
    make_bomb,
    make_clear,
    rename,
    row,
    scale,
    stretch,
    turn,
    unlink,
    write,
)

# id: format, what is done to the folder, how often it is then found
PLANTED = {
    "image-empty": ("yolo", write("train10", lambda _: b""), 1),
    "image-unreadable": ("yolo", write("train10", lambda _: b"<html>404</html>"), 1),
    "image-truncated": ("yolo", write("train10", lambda old: encode(old, "JPEG")[:-900]), 1),
    "image-huge": ("yolo", write("train10", make_bomb, ".png"), 1),
    "file-name": ("yolo", rename("train10", "two\nlines"), 1),
    "path-outside": ("yolo", link_outside, 1),
    "label-unreadable": ("yolo", add("train10", "0 0.5 half 0.1 0.1"), 1),
    "label-without-image": ("yolo", lambda folder: image_of(folder, "train10").unlink(), 1),
    "image-without-label": ("voc", lambda folder: (folder / "Annotations/train10.xml").unlink(), 1),
    "size-mismatch": ("voc", change_xml("train10", "<width>160</width>", "<width>320</width>"), 1),
    "exif-against-boxes": ("voc", write("train10", turn(6)), 1),
    "box-outside": ("yolo", add("train10", "0 1.5 0.5 0.2 0.2"), 1),
    "box-inverted": ("yolo", add("train10", "0 0.5 0.5 -0.2 0.2"), 1),
    "box-zero-area": ("yolo", add("train10", "0 0.5 0.5 0 0.2", "1 0.5 0.5 0.2 0"), 2),
    "class-unknown": ("yolo", add("train10", "3 0.5 0.5 0.2 0.2"), 1),
    "image-in-two-splits": ("voc", change_list("train", lambda lines: [*lines, "test07"]), 1),
    "duplicate-across-splits": ("yolo", copy("train10", "test07"), 1),
    "near-duplicate-across-splits": ("yolo", copy("train10", "test07", compress), 1),
    "image-exif": ("yolo", write("train10", turn(3)), 1),
    "image-alpha": ("yolo", write("train10", make_clear, ".png"), 1),
    "image-16bit": ("yolo", write("train10", make_16bit, ".png"), 1),
    "image-cmyk": ("yolo", write("train10", lambda old: encode(old.convert("CMYK"), "JPEG", quality=92)), 1),
    "image-small": ("yolo", write("train10", lambda old: encode(old.resize((41, 31)), "JPEG", quality=92)), 1),
    "image-aspect": ("yolo", stretch(400, 60), 1),
    "image-dark": ("yolo", scale(0.1, 0), 1),
    "image-bright": ("yolo", scale(0.05, 243), 1),
    "image-blank": ("yolo", write("train10", lambda old: encode(Image.new("RGB", old.size, "teal"), "JPEG")), 1),
    "box-beyond-edge": ("yolo", add("train10", row(0, 140, 50, 165, 75)), 1),
    "box-subpixel": ("yolo", add("train10", row(0, 80, 50, 80.4, 75)), 1),
    "box-whole-image": ("yolo", add("train10", "0 0.5 0.5 1 1"), 1),
    "box-duplicate": ("yolo", add("train10", row(0, 70, 50, 95, 75), row(0, 70, 50, 95, 75)), 1),
    "box-near-duplicate": ("yolo", add("train10", row(0, 70, 50, 95, 75), row(0, 71, 50, 96, 75)), 1),
    "box-two-classes": ("yolo", add("train10", row(0, 70, 50, 95, 75), row(1, 70, 50, 95, 75)), 1),
    "class-without-box": ("yolo", change_labels("val", lambda _, lines: [one for one in lines if one[0] != "2"]), 1),
    "class-rare": (
        "yolo",
        change_labels("test", lambda n, lines: [one for one in lines if one[0] != "2" or n < 16]),
        1,
    ),
    "class-imbalance": ("yolo", change_labels("*", fill_with_boxes), 1),
    "class-shift": ("yolo", change_labels("val", lambda _, lines: ["0" + one[1:] for one in lines[:2]] + lines[2:]), 1),
    "boxes-crowded": ("yolo", lambda folder: labels_of(folder, "train10").write_text("\n".join(CROWD)), 1),
    "backgrounds-many": ("yolo", change_labels("train", lambda n, lines: [] if 0 < n % 8 < 6 else lines), 50),
    "object-tiny": ("yolo", add("train10", row(2, 80, 60, 83, 63)), 1),
    "few-images": ("yolo", unlink(*(f"test{number:02}" for number in range(0, 48) if number % 4 == 1)), 36),
    "image-grey": ("yolo", write("train10", lambda old: encode(old.convert("L"), "JPEG", quality=92)), 1),
    "image-blurred": (
        "yolo",
        write("train10", lambda old: encode(old.filter(ImageFilter.GaussianBlur(3)), "JPEG", quality=92)),
        1,
    ),
    "image-large": (
        "yolo",
        write("train10", lambda old: encode(old.resize((4 * IMGSZ + 4, 3 * IMGSZ + 3)), "JPEG", quality=92)),
        1,
    ),
    "image-suffix": ("yolo", write("train10", lambda old: encode(old, "PNG")), 1),
    "image-animated": ("yolo", write("train10", make_animated, ".webp"), 1),
    "background-without-label": ("yolo", lambda folder: labels_of(folder, "train10").unlink(), 1),
    "crowd-left-out": ("coco", add_crowd, 1),
    "duplicate": ("yolo", copy("train10", "train20"), 1),
    "near-duplicate": ("yolo", copy("train10", "train20", compress), 1),
    "image-in-no-split": ("voc", change_list("train", lambda lines: [one for one in lines if one != "train10"]), 1),
    "label-outlier": ("yolo", add("train10", row(0, 80, 60, 86, 66)), 1),
}


def find(folder):
    _, _, inspection = inspect_folder(folder, "auto", IMGSZ)
    return {finding.id: finding.count for finding in inspection.report.findings}


def test_every_check_is_planted():
    assert PLANTED.keys() == CHECKS.keys()


@pytest.mark.parametrize("format", ["coco", "voc", "yolo"])
def test_nothing_is_found_where_nothing_is_wrong(clean, format):
    name, images, inspection = inspect_folder(clean / format, "auto", IMGSZ)
    assert name == format
    assert {split: counts.images for split, counts in inspection.report.splits.items()} == SIZES
    assert inspection.report.findings == ()
    assert inspection.prints.keys() == {image.origin for image in images}


@pytest.mark.parametrize("check", PLANTED)
def test_finds_what_was_planted_and_nothing_else(copy_clean, check):
    format, plant, count = PLANTED[check]
    folder = copy_clean(format)
    plant(folder)
    assert find(folder) == {check: count}
