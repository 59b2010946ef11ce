import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest
from PIL import Image
from pydantic import ValidationError

from steelyard.dataset.build import build_dataset, find_format
from steelyard.dataset.manifest import SPLITS, DatasetManifest, Problem, compute_fingerprint
from steelyard.errors import DatasetError, SourceError
from steelyard.params import load_params
from steelyard.paths import quiet_ultralytics

ROOT = Path(__file__).parents[3]


BCCD_SHA256 = "1ffe0f54922ac8d1a5dfb3a6b99272e255ee25a2a8944920b99e9914398dcc31"


def build(params, tmp_path: Path, say=lambda _: None) -> DatasetManifest:
    """Build, and compare each record with the files that it speaks of."""
    out = tmp_path / "out/dataset"
    manifest = build_dataset(params, tmp_path, out, tmp_path / "out/dataset.json", say)
    labels = [record.path.replace("images/", "labels/", 1).rpartition(".")[0] + ".txt" for record in manifest.images]
    for record, path in zip(manifest.images, labels, strict=True):
        assert record.sha256 == hashlib.sha256((out / record.path).read_bytes()).hexdigest()
        assert record.labels_sha256 == hashlib.sha256((out / path).read_bytes()).hexdigest()
        assert record.boxes == len((out / path).read_text().splitlines())
    assert list(manifest.images) == sorted(manifest.images, key=lambda record: record.path)
    assert set(content(out)) == {"data.yaml", *labels, *(record.path for record in manifest.images)}
    return manifest


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
    assert all(record.group == record.origin for record in tiles)
    by_place = build(make_params(voc, by="place", tile=16), tmp_path)
    assert {record.group for record in by_place.images} == {""}
    assert '"group"' not in by_place.model_dump_json()
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
    says = r"2 images share .*: train/images/a/same\.jpg, train/images/a/same\.png; rename one of each"
    with pytest.raises(DatasetError, match=says):
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


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_rotated_image_is_cut_as_shown(suffix: str, paint, write_xml, make_params, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6  # shown turned right: what is stored at the left top is shown at the right top
    boxes = [("cat", x, y, x + 9, y + 9) for x in range(0, 48, 16) for y in range(0, 64, 16)]
    for number in range(3):
        paint(tmp_path / f"data/raw/in/{number}.{suffix}", exif=exif)
        write_xml(tmp_path / f"data/raw/in/{number}.xml", boxes, 48, 64)
    manifest = build(make_params(tmp_path / "data/raw/in", by="place", tile=16), tmp_path)
    assert manifest.changes.exif_rotated == 3
    first = next(one for one in manifest.images if one.region[:2] == (32, 0))
    with Image.open(tmp_path / "out/dataset" / first.path) as tile:
        assert tile.getpixel((15, 0))[:2] == (0, 0)


def test_a_large_photograph_is_cut_without_a_warning(voc: Path, make_params, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 64 * 48 - 1)
    assert build(make_params(voc, tile=16), tmp_path).problems == ()


ERRORS = [
    ({"by": "place"}, r"fetch\.tile = 0"),
    ({"by": "published"}, r"splits are train 0, val 0, test 0 images; set it to\s+fraction"),
    ({"include": ("*.gif",)}, r"no image to use \(20 left out"),
    ({"include": ("00*",)}, "a split would be empty"),
    ({"classes": ("dog",)}, r"no box is of the classes dog; there are cat \(20 boxes\); put these into fetch\.classes"),
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
        path.write_text("")
    with pytest.raises(DatasetError, match="there is no box in 9 images"):
        build(make_params(yolo, by="published"), tmp_path)


def test_an_image_that_cannot_be_read_is_left_out_and_named(voc, make_params, tmp_path: Path) -> None:
    before = build(make_params(voc), tmp_path)
    for name, keep_bytes in (("03.png", 0), ("07.png", 20)):
        os.truncate(voc / name, keep_bytes)
    said: list[str] = []
    manifest = build(make_params(voc), tmp_path, said.append)
    assert {(problem.id, problem.file) for problem in manifest.problems} == {
        ("image-empty", "03.png"),
        ("image-unreadable", "07.png"),
    }
    assert said[-1] == "2 problems (1 image-empty, 1 image-unreadable); stage check tells more"
    others = [record for record in before.images if record.origin not in ("03.png", "07.png")]
    assert list(manifest.images) == others
    for path in voc.glob("*.png"):
        os.truncate(path, 0)
    with pytest.raises(DatasetError, match=r"no image to use .*20 problems were met: 20 image-empty \(00\.png, 01"):
        build(make_params(voc), tmp_path)
    assert DatasetManifest.model_validate_json(content(tmp_path / "out")["dataset.json"]) == manifest


def test_so_it_is_where_ultralytics_has_replaced_pillows_open(voc, paint, make_params, tmp_path, monkeypatch) -> None:
    quiet_ultralytics(tmp_path)
    from ultralytics.utils.patches import image_open

    monkeypatch.setattr(Image, "open", image_open)
    os.truncate(voc / "07.png", 20)
    paint(voc / "08.png", compress_level=0)
    os.truncate(voc / "08.png", 2000)
    for tile, found in (
        (0, {"07.png": "image-unreadable"}),
        (16, {"07.png": "image-unreadable", "08.png": "image-truncated"}),
    ):
        problems = build(make_params(voc, tile=tile), tmp_path).problems
        assert {problem.file: problem.id for problem in problems} == found


def test_pixels_are_only_read_where_tiles_are_cut(voc, paint, make_params, tmp_path: Path) -> None:
    for name in ("04.png", "05.png"):
        paint(voc / name, compress_level=0)
    os.truncate(voc / "04.png", 3000)
    damaged = bytearray((voc / "05.png").read_bytes())
    damaged[damaged.index(b"IDAT") + 9] ^= 0xFF
    (voc / "05.png").write_bytes(damaged)
    whole = build(make_params(voc), tmp_path)  # stage check decodes these
    assert (whole.problems, len(whole.images)) == ((), 20)
    tiles = build(make_params(voc, tile=16), tmp_path)
    assert {problem.file: problem.id for problem in tiles.problems} == {
        "04.png": "image-truncated",
        "05.png": "image-unreadable",
    }
    assert len(tiles.images) == 18 * 12
    assert sum(counts.images for counts in tiles.splits.values()) == 18 * 12
    assert sum(counts.boxes for counts in tiles.splits.values()) == sum(record.boxes for record in tiles.images)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("tail", [b"", b"\0" * 400, b"\xff" * 3])
def test_a_jpeg_that_breaks_off_gets_no_end_mark(
    yolo, paint, make_params, tmp_path, tail: bytes, progressive: bool
) -> None:
    path = yolo / "valid/images/valid2.jpg"
    thumbnail = io.BytesIO()
    Image.new("RGB", (16, 16)).save(thumbnail, "JPEG")
    exif = Image.Exif()
    exif[37500] = thumbnail.getvalue()  # its end mark, in the head of the file, is not the picture's
    paint(path, 640, 480, exif=exif, progressive=progressive)
    assert path.read_bytes().count(b"\xff\xd9") == 2
    path.write_bytes(path.read_bytes()[:-300] + tail)
    manifest = build(make_params(yolo, by="published"), tmp_path)
    assert [(problem.id, problem.file) for problem in manifest.problems] == [
        ("image-truncated", "valid/images/valid2.jpg")
    ]
    assert manifest.changes.jpeg_ends_added == 0
    assert manifest.splits["val"].images == 2
    assert not list((tmp_path / "out").rglob("valid2.*"))


def test_a_split_that_damage_leaves_empty_is_refused(yolo: Path, make_params, tmp_path: Path) -> None:
    for path in (yolo / "test/images").iterdir():
        os.truncate(path, path.stat().st_size - 2)
    with pytest.raises(DatasetError, match="a split would be empty: train 3, val 3, test 0 images"):
        build(make_params(yolo, by="published"), tmp_path)
    assert content(tmp_path / "out") == {}


def test_images_too_small_for_ultralytics_are_left_out(voc, paint, write_xml, make_params, tmp_path: Path) -> None:
    paint(voc / "02.png", 64, 9)
    write_xml(voc / "02.xml", [("cat", 1, 1, 9, 9)], 64, 9)
    manifest = build(make_params(voc), tmp_path)
    assert [(problem.id, problem.file) for problem in manifest.problems] == [("image-small", "02.png")]
    assert "64x9 px" in manifest.problems[0].detail
    assert len(manifest.images) == 19


def test_bad_boxes_are_left_out_and_told(voc: Path, write_xml, make_params, tmp_path: Path) -> None:
    write_xml(voc / "03.xml", [("cat", 5, 5, 5, 9), ("cat", 50, 30, 70, 40), ("cat", 1, 1, 9, 9), ("cat", 1, 1, 9, 9)])
    said: list[str] = []
    manifest = build(make_params(voc), tmp_path, said.append)
    changes = manifest.changes
    assert (changes.bad_boxes_dropped, changes.boxes_clipped, changes.duplicate_boxes_dropped) == (1, 1, 1)
    assert [(problem.id, problem.file) for problem in manifest.problems] == [
        ("box-zero-area", "03.png"),
        ("box-beyond-edge", "03.png"),
        ("box-duplicate", "03.png"),
    ]
    assert said[-1].startswith("3 problems (1 box-zero-area, ")


def test_classes_are_renamed_merged_and_dropped(yolo: Path, make_params, tmp_path: Path) -> None:
    names = "names: [cat, dog, kitten]\n"
    (yolo / "data.yaml").write_text((yolo / "data.yaml").read_text().partition("nc:")[0] + names)
    (yolo / "train/labels/train0.txt").write_text("0 .5 .5 .2 .2\n2 .5 .5 .2 .2\n2 .2 .2 .2 .2\n1 .5 .5 .2 .2\n")
    merged = make_params(yolo, by="published", rename={"kitten": "cat", "dog": "hound"})
    manifest = build(merged, tmp_path)
    assert manifest.classes == ("cat", "hound")
    assert (tmp_path / "out/dataset/labels/train/train0.txt").read_text() == (
        "0 0.500000 0.500000 0.200000 0.200000\n"
        "0 0.200000 0.200000 0.200000 0.200000\n"
        "1 0.500000 0.500000 0.200000 0.200000\n"
    )
    assert [problem.id for problem in manifest.problems] == ["box-duplicate"]  # the cat that was a kitten, too
    manifest = build(make_params(yolo, by="published", drop=("dog",), classes=("kitten", "cat")), tmp_path)
    assert manifest.classes == ("kitten", "cat")
    assert manifest.changes.boxes_of_dropped_classes == 4
    assert manifest.problems == ()


def test_a_box_of_no_wanted_class_is_left_out_and_told(yolo: Path, make_params, tmp_path: Path) -> None:
    manifest = build(make_params(yolo, by="published", classes=("cat",)), tmp_path)
    assert [(problem.id, problem.file) for problem in manifest.problems] == [
        ("class-unknown", f"{split}/images/{split}1.jpg") for split in ("test", "train", "valid")
    ]
    assert {split: (c.boxes, c.backgrounds) for split, c in manifest.splits.items()} == dict.fromkeys(SPLITS, (2, 1))


@pytest.mark.parametrize("by", ["fraction", "group", "stratified"])
def test_a_growing_source_never_moves_an_image(by: str, paint, write_xml, make_params, tmp_path: Path) -> None:
    source = tmp_path / "data/raw/films"
    split = {"by": by, "train": 0.6, "val": 0.2, "seed": 0, "group": r"film(\d+)" if by == "group" else ""}
    before: dict[str, str] = {}
    for films in (12, 13, 20):
        for film in range(films):
            for frame in range(4):
                if not (source / f"film{film}/{frame}.png").exists():
                    paint(source / f"film{film}/{frame}.png")
                    write_xml(source / f"film{film}/{frame}.xml", [("cat", 1, 1, 30, 30)])
        for tile in (0, 32):
            manifest = build(make_params(source, split=split, tile=tile), tmp_path)
            after = {record.origin: record.split for record in manifest.images}
            assert len({(record.origin, record.split) for record in manifest.images}) == len(after) == 4 * films
            assert before.items() <= after.items()
            if by == "group":
                assert len({(origin.split("/")[0], where) for origin, where in after.items()}) == films
                film_of = {record.origin.split("/")[0].removeprefix("film") for record in manifest.images}
                assert {record.group for record in manifest.images} == film_of
        before = after


def test_a_file_that_is_no_data_set_is_refused(make_params, tmp_path: Path) -> None:
    (tmp_path / "data/raw").mkdir(parents=True)
    (tmp_path / "data/raw/a.txt").write_text("x")
    with pytest.raises(DatasetError, match="neither a folder nor a zip or tar archive"):
        build(make_params("data/raw/a.txt"), tmp_path)
    with pytest.raises(SourceError, match="not found"):
        build(make_params("b"), tmp_path)


def test_bccd_by_its_published_splits(shared_datasets: Path, make_params, tmp_path: Path) -> None:
    archive = shared_datasets / "bccd.tar.gz"
    said: list[str] = []
    manifest = build(make_params(archive, by="published", sha256=BCCD_SHA256), tmp_path, said.append)
    assert {split: counts.images for split, counts in manifest.splits.items()} == {"train": 205, "val": 87, "test": 72}
    boxes = {name: sum(c.boxes_per_class[name] for c in manifest.splits.values()) for name in manifest.classes}
    assert boxes == {"Platelets": 361, "RBC": 4153, "WBC": 372}
    assert manifest.changes.bad_boxes_dropped == 2
    assert "Shenggan/BCCD_Dataset" in manifest.origin
    bad = {problem.file.split("/")[-1] for problem in manifest.problems if problem.id == "box-zero-area"}
    assert bad == {"BloodImage_00338.jpg", "BloodImage_00343.jpg"}
    assert "2 bad boxes dropped" in said[-2]
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


def test_what_a_source_says_of_itself_is_not_a_link_out_of_it(voc: Path, make_params, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("a key")
    (voc / "SOURCE.txt").symlink_to(tmp_path / "secret.txt")
    assert build(make_params(voc), tmp_path).origin == ""
    (voc / "SOURCE.txt").unlink()
    (voc / "SOURCE.txt").write_text("from a friend\n")
    assert build(make_params(voc), tmp_path).origin == "from a friend"


def test_an_error_names_the_problems_that_may_be_its_reason(yolo: Path, make_params, tmp_path: Path) -> None:
    for path in (yolo / "test/labels").iterdir():
        path.write_text("0 50% 50% 10% 10%\n")
    (yolo / "train/labels/train0.txt").write_text("0 0.5 0.5 0 0\n")
    with pytest.raises(DatasetError) as caught:
        build(make_params(yolo, by="published"), tmp_path)
    assert "splits are train 3, val 3, test 0 images" in str(caught.value)
    assert str(caught.value).endswith(
        "; before that 4 problems were met: 3 label-unreadable ("
        + ", ".join(f"test/labels/test{n}.txt: line 1: '0 50% 50% 10% 10%' are not numbers" for n in range(3))
        + "), 1 box-zero-area (train/images/train0.jpg: cat 32, 24, 32, 24)"
    )


def test_a_format_that_cannot_read_its_files_is_no_obstacle_to_another(voc: Path) -> None:
    (voc / "data.yml").write_text("names: [a\n")
    assert find_format(voc) == "voc"
    for path in voc.glob("*.xml"):
        path.unlink()
    with pytest.raises(DatasetError, match=r"data\.yml: is not YAML that names classes"):
        find_format(voc)


@pytest.mark.parametrize("tile", [0, 16])
def test_a_name_too_long_for_a_file_system_is_shortened(tile: int, yolo: Path, paint, make_params, tmp_path) -> None:
    long = Path("h\u00e4user " * 14) / ("x" * 180)
    for split in ("train", "valid", "test"):
        paint(yolo / split / "images" / long / "same.png")
    paint(yolo / "test/images" / f"{'y' * 240}.png")
    params = make_params(yolo, by="published", tile=tile, least_visible=0.1)
    found = {record.path: record.origin for record in build(params, tmp_path).images}
    shortened = sorted(path for path, origin in found.items() if "user" in origin or "yyy" in origin)
    assert len(shortened) == 4 * (12 if tile else 1)
    assert max(len(Path(path).name.encode()) for path in shortened) == 200 + len(".png") + 14 * bool(tile)
    assert all("__same" in path or "yyy" in path for path in shortened)
    assert {record.path: record.origin for record in build(params, tmp_path).images} == found
    # Which others there are does not matter.
    for path in yolo.glob("*/images/*0.jpg"):
        path.unlink()
    assert {record.path for record in build(params, tmp_path).images} >= set(shortened)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_that_takes_hours_is_not_decoded(voc, paint, make_params, tmp_path: Path, progressive: bool) -> None:
    (voc / "03.png").unlink()
    paint(voc / "03.jpg", progressive=progressive)
    params = make_params(voc, tile=16)
    assert len(build(params, tmp_path).images) == 20 * 12
    whole = (voc / "03.jpg").read_bytes()
    start = whole.rindex(b"\xff\xda")
    (voc / "03.jpg").write_bytes(whole[:start] + whole[start:-2] * 300 + whole[-2:])
    manifest = build(params, tmp_path)
    (problem,) = manifest.problems
    assert (problem.id, problem.file) == ("image-unreadable", "03.jpg")
    assert problem.detail.endswith("scans, which would take hours to decode")
    assert len(manifest.images) == 19 * 12


@pytest.mark.parametrize("edge", [float("inf"), float("nan")])
def test_a_manifest_never_gets_a_number_that_json_cannot_hold(edge: float) -> None:
    with pytest.raises(ValidationError, match="finite number"):
        Problem(id="box-outside", file="a.png", box=(0, 0, edge, 9))
