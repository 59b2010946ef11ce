import os
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from steelyard.dataset.build import build_dataset
from steelyard.dataset.manifest import SPLITS, DatasetManifest, compute_fingerprint
from steelyard.errors import DatasetError, SourceError
from steelyard.params import load_params
from steelyard.paths import quiet_ultralytics

ROOT = Path(__file__).parents[3]


BCCD_SHA256 = "1ffe0f54922ac8d1a5dfb3a6b99272e255ee25a2a8944920b99e9914398dcc31"


def build(params, tmp_path: Path, say=lambda _: None) -> DatasetManifest:
    return build_dataset(params, tmp_path, tmp_path / "out/dataset", tmp_path / "out/dataset.json", say)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_two_runs_write_the_same_bytes(voc: Path, make_params, tmp_path: Path) -> None:
    for tile in (0, 32):
        params = make_params(voc, tile=tile)
        first = build(params, tmp_path)
        before = content(tmp_path / "out")
        assert build(params, tmp_path) == first
        assert content(tmp_path / "out") == before
        assert DatasetManifest.model_validate_json(before["dataset.json"]) == first
        assert str(tmp_path).encode() not in before["dataset/data.yaml"]


def test_writes_what_ultralytics_reads(voc: Path, make_params, tmp_path: Path) -> None:
    manifest = build(make_params(voc), tmp_path)
    out = tmp_path / "out/dataset"
    assert (out / "data.yaml").read_text() == (
        'train: images/train\nval: images/val\ntest: images/test\nnames:\n  0: "cat"\n'
    )
    assert sum(counts.images for counts in manifest.splits.values()) == 20
    for record in manifest.images:
        assert (out / record.path).read_bytes() == (voc / record.origin).read_bytes()
        assert record.region is None
        row = (out / record.path.replace("images", "labels")).with_suffix(".txt").read_text().split()
        assert row[0] == "0"
        assert float(row[3]) * 64 == pytest.approx(20, abs=1e-4)
        assert float(row[4]) * 48 == pytest.approx(10, abs=1e-4)


def test_no_pixel_is_in_two_images_and_each_is_the_photographs(voc, paint, make_params, tmp_path: Path) -> None:
    paint(voc / "00.png", 250, 130)
    (voc / "00.xml").write_text("<annotation/>")
    manifest = build(make_params(voc, by="place", tile=12), tmp_path)
    seen: set[tuple[str, int, int]] = set()
    splits: dict[str, set[str]] = {}
    for record in manifest.images:
        x, y, width, height = record.region
        assert (width, height) == (record.width, record.height)
        with Image.open(tmp_path / "out/dataset" / record.path) as tile, Image.open(voc / record.origin) as origin:
            assert tile.size == (width, height)
            assert tile.tobytes() == origin.crop((x, y, x + width, y + height)).tobytes()
        pixels = {(record.origin, x + i, y + j) for i in range(width) for j in range(height)}
        assert not pixels & seen
        seen |= pixels
        splits.setdefault(record.origin, set()).add(record.split)
    assert all(found == set(SPLITS) for found in splits.values())


def test_tiles_of_one_image_share_its_split(voc: Path, make_params, tmp_path: Path) -> None:
    whole = {record.origin: record.split for record in build(make_params(voc), tmp_path).images}
    tiles = build(make_params(voc, tile=16), tmp_path).images
    assert {(record.origin, record.split) for record in tiles} == set(whole.items())
    assert len(tiles) == 20 * 12


def test_old_images_stay_where_they_are_when_new_ones_come(voc, paint, write_xml, make_params, tmp_path) -> None:
    before = {record.path for record in build(make_params(voc), tmp_path).images}
    for number in range(20, 60):
        paint(voc / f"{number}.png")
        write_xml(voc / f"{number}.xml", [("cat", 1, 1, 9, 9)])
    after = {record.path for record in build(make_params(voc), tmp_path).images}
    assert before < after
    assert len(after) == 60


def test_the_fingerprint_moves_with_each_part(voc: Path, paint, write_xml, make_params, tmp_path: Path) -> None:
    params = make_params(voc)
    manifest = build(params, tmp_path)
    found = [manifest.fingerprint]
    assert compute_fingerprint(reversed(manifest.images), manifest.classes) == found[0]
    write_xml(voc / "00.xml", [("cat", 1, 1, 9, 9)])
    found.append(build(params, tmp_path).fingerprint)
    paint(voc / "00.png", comment="x", compress_level=1)
    found.append(build(params, tmp_path).fingerprint)
    found.append(build(make_params(voc, classes=("dog", "cat")), tmp_path).fingerprint)
    found.append(build(make_params(voc, seed=5), tmp_path).fingerprint)
    assert len(set(found)) == len(found)


def test_same_names_in_several_folders_are_kept_apart(yolo: Path, paint, make_params, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        paint(yolo / "train/images" / folder / "same.jpg")
    names = {Path(record.path).name for record in build(make_params(yolo, by="published"), tmp_path).images}
    assert {"train__images__a__same.jpg", "train__images__b__same.jpg", "train0.jpg"} < names
    paint(yolo / "train/images/a/same.png")
    with pytest.raises(DatasetError, match="are of several images"):
        build(make_params(yolo, by="published"), tmp_path)


def test_backgrounds_are_counted(yolo: Path, make_params, tmp_path: Path) -> None:
    (yolo / "train/labels/train0.txt").unlink()
    (yolo / "train/labels/train1.txt").write_text("")
    counts = build(make_params(yolo, by="published"), tmp_path).splits["train"]
    assert (counts.images, counts.backgrounds, counts.boxes) == (3, 2, 1)


def test_a_jpeg_without_end_mark_gets_one(yolo: Path, make_params, tmp_path: Path) -> None:
    path = yolo / "test/images/test0.jpg"
    path.write_bytes(path.read_bytes() + b"camera's own notes")
    manifest = build(make_params(yolo, by="published"), tmp_path)
    assert manifest.changes.jpeg_ends_added == 1
    written = (tmp_path / "out/dataset/images/test/test0.jpg").read_bytes()
    assert written == path.read_bytes() + b"\xff\xd9"


def test_a_rotated_image_is_cut_as_shown(paint, write_xml, make_params, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6  # shown turned right: what is stored at the left top is shown at the right top
    boxes = [("cat", x, y, x + 9, y + 9) for x in range(0, 48, 16) for y in range(0, 64, 16)]
    for number in range(3):
        paint(tmp_path / f"data/raw/in/{number}.png", exif=exif)
        write_xml(tmp_path / f"data/raw/in/{number}.xml", boxes, 48, 64)
    manifest = build(make_params(tmp_path / "data/raw/in", by="place", tile=16), tmp_path)
    assert manifest.changes.exif_rotated == 3
    first = next(one for one in manifest.images if one.region[:2] == (32, 0))
    with Image.open(tmp_path / "out/dataset" / first.path) as tile:
        assert tile.getpixel((15, 0))[:2] == (0, 0)


ERRORS = [
    ({"by": "place"}, r"fetch\.tile = 0"),
    ({"by": "published"}, r"splits are train 0, val 0, test 0 images; set it to\s+fraction"),
    ({"include": ("*.gif",)}, r"no image to use \(20 left out"),
    ({"include": ("00*",)}, "a split would be empty"),
    ({"classes": ("dog",)}, r"not in fetch\.classes = \['dog'\]: cat \(20 boxes\); add them"),
    ({"classes": ("cat", "cat")}, "each name may stand there once"),
    ({"tile": 4}, "have a side under 10 px"),
]


@pytest.mark.parametrize(("changes", "says"), ERRORS)
def test_settings_that_do_not_fit_leave_nothing(voc, make_params, tmp_path: Path, changes, says: str) -> None:
    with pytest.raises(DatasetError, match=says):
        build(make_params(voc, **changes), tmp_path)
    assert content(tmp_path / "out") == {}


def test_a_published_split_without_test_says_what_to_set(yolo: Path, make_params, tmp_path: Path) -> None:
    (yolo / "data.yaml").write_text("train: train/images\nval: valid/images\nnames: [cat, dog]\n")
    with pytest.raises(DatasetError, match=r"train 3, val 3, test 0 images; set it to\s+fraction"):
        build(make_params(yolo, by="published"), tmp_path)


def test_a_split_without_a_box_is_refused(yolo: Path, make_params, tmp_path: Path) -> None:
    for path in (yolo / "test/labels").iterdir():
        path.unlink()
    with pytest.raises(DatasetError, match="a split would have no box: train 3, val 3, test 0 boxes"):
        build(make_params(yolo, by="published"), tmp_path)
    for path in yolo.glob("*/labels/*"):
        path.unlink()
    with pytest.raises(DatasetError, match="there is no box in 9 images"):
        build(make_params(yolo, by="published"), tmp_path)


@pytest.mark.parametrize("keep_bytes", [0, 20, 2000])
def test_an_image_that_cannot_be_decoded_is_named(voc, paint, make_params, tmp_path, keep_bytes: int) -> None:
    build(make_params(voc), tmp_path)
    before = content(tmp_path / "out")
    paint(voc / "07.png", 64, 48, compress_level=0)
    os.truncate(voc / "07.png", keep_bytes)
    with pytest.raises(DatasetError, match=r"image 07\.png: cannot be decoded"):
        build(make_params(voc), tmp_path)
    assert content(tmp_path / "out") == before  # the old data set is whole, and nothing lies beside it


def test_so_it_is_where_ultralytics_has_replaced_pillows_open(voc, make_params, tmp_path, monkeypatch) -> None:
    quiet_ultralytics(tmp_path)
    from ultralytics.utils.patches import image_open

    monkeypatch.setattr(Image, "open", image_open)
    os.truncate(voc / "07.png", 0)
    with pytest.raises(DatasetError, match=r"image 07\.png: cannot be decoded"):
        build(make_params(voc), tmp_path)


def test_a_jpeg_that_breaks_off_is_found_while_writing(yolo: Path, make_params, tmp_path: Path) -> None:
    path = yolo / "valid/images/valid2.jpg"
    os.truncate(path, path.stat().st_size - 200)
    with pytest.raises(DatasetError, match=r"image valid/images/valid2\.jpg: cannot be decoded"):
        build(make_params(yolo, by="published"), tmp_path)
    assert list((tmp_path / "out").iterdir()) == []


def test_bad_boxes_are_refused_or_counted(voc: Path, write_xml, make_params, tmp_path: Path) -> None:
    write_xml(voc / "03.xml", [("cat", 5, 5, 5, 9), ("cat", 50, 30, 70, 40), ("cat", 1, 1, 9, 9), ("cat", 1, 1, 9, 9)])
    with pytest.raises(DatasetError, match=r"^1 bad boxes .*: 03\.png \(cat 5, 5, 5, 9\); mend the labels, or set"):
        build(make_params(voc), tmp_path)
    changes = build(make_params(voc, bad_boxes="drop"), tmp_path).changes
    assert (changes.bad_boxes_dropped, changes.boxes_clipped, changes.duplicate_boxes_dropped) == (1, 1, 1)


def test_a_file_that_is_no_data_set_is_refused(make_params, tmp_path: Path) -> None:
    (tmp_path / "data/raw").mkdir(parents=True)
    (tmp_path / "data/raw/a.txt").write_text("x")
    with pytest.raises(DatasetError, match="neither a folder nor a zip or tar archive"):
        build(make_params("data/raw/a.txt"), tmp_path)
    with pytest.raises(SourceError, match="not found"):
        build(make_params("b"), tmp_path)


def test_bccd_by_its_published_splits(shared_datasets: Path, make_params, tmp_path: Path) -> None:
    archive = shared_datasets / "bccd.tar.gz"
    with pytest.raises(DatasetError, match=r"^2 bad boxes .*BloodImage_00338.*BloodImage_00343.*bad_boxes to drop"):
        build(make_params(archive, by="published", sha256=BCCD_SHA256), tmp_path)
    said: list[str] = []
    manifest = build(make_params(archive, by="published", bad_boxes="drop", sha256=BCCD_SHA256), tmp_path, said.append)
    assert {split: counts.images for split, counts in manifest.splits.items()} == {"train": 205, "val": 87, "test": 72}
    boxes = {name: sum(c.boxes_per_class[name] for c in manifest.splits.values()) for name in manifest.classes}
    assert boxes == {"Platelets": 361, "RBC": 4153, "WBC": 372}
    assert manifest.changes.bad_boxes_dropped == 2
    assert "Shenggan/BCCD_Dataset" in manifest.origin
    assert said[-1] == "changed: 2 bad boxes dropped"
    with tarfile.open(archive) as packed:
        member = packed.extractfile("BCCD/JPEGImages/BloodImage_00000.jpg")
        original = member.read() if member else b""
    copies = list((tmp_path / "out/dataset/images").glob("*/BloodImage_00000.jpg"))
    assert [path.read_bytes() for path in copies] == [original]


def test_the_default_data_set(tmp_path: Path) -> None:
    manifest = build(load_params(ROOT / "params.yaml").fetch, tmp_path)
    counts = {split: (c.images, c.backgrounds, c.boxes) for split, c in manifest.splits.items()}
    assert counts == {"train": (41, 5, 497), "val": (10, 0, 107), "test": (17, 0, 244)}
    assert manifest.changes.boxes_in_no_tile == 39
    assert {record.origin for record in manifest.images} == {
        "2019_YELL_2_528000_4978000_image_crop2.png",
        "2019_YELL_2_541000_4977000_image_crop.png",
    }
