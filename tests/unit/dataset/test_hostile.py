"""Sources that somebody made to hurt: a clear error or a problem, within seconds and a few hundred MB."""

import json
import os
import resource
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from steelyard.sections import FetchParams

ROOT = Path(__file__).parents[3]
READ = """
import json, sys
from pathlib import Path
from steelyard.dataset.build import FORMATS, find_format
from steelyard.errors import DatasetError
folder, name = Path(sys.argv[1]), sys.argv[2]
try:
    found = FORMATS[name or find_format(folder)].read(folder, (), ("cat",))
    said = [f"{problem.id} {problem.file}: {problem.detail}" for problem in found.problems]
except DatasetError as error:
    said = [f"DatasetError: {error}"]
# getrusage would count the memory of the process that this one was forked from
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([said, int(peak) // 1024]))
"""
BUILD = """
import json, sys
from pathlib import Path
from steelyard.dataset.build import build_dataset
from steelyard.dataset.manifest import DatasetManifest
from steelyard.errors import DatasetError
from steelyard.sections import FetchParams
out, params = Path(sys.argv[1]), FetchParams.model_validate_json(sys.argv[2])
try:
    build_dataset(params, out.parent, out / "dataset", out / "dataset.json", lambda _: None)
    problems = DatasetManifest.model_validate_json((out / "dataset.json").read_bytes()).problems
    said = [f"{problem.id} {problem.file}: {problem.detail}" for problem in problems]
except DatasetError as error:
    said = [f"DatasetError: {error}"]
    assert not (out / "dataset").exists() and not (out / "dataset.json").exists()
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([said, int(peak) // 1024]))
"""
MOST_SECONDS = 30  # the slowest takes 3 s here
MOST_MB = 700  # of which the libraries take 90


def read(folder: Path, name: str = "") -> list[str]:
    """Read a source; what this says."""
    return run(READ, str(folder), name)


def build(out: Path, params: FetchParams) -> list[str]:
    """Make a data set of a source and read its manifest back; what this says."""
    out.mkdir()
    return run(BUILD, str(out), params.model_dump_json())


def run(script: str, *args: str) -> list[str]:
    """Run in a process of its own, whose time and memory are bounded."""
    done = subprocess.run(
        [sys.executable, "-c", script, *args],
        cwd=ROOT, capture_output=True, text=True, timeout=MOST_SECONDS, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_STACK, (8 << 20, 8 << 20)),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    said, megabytes = json.loads(done.stdout)
    assert megabytes < MOST_MB
    assert all(len(line) < 1000 for line in said)
    return said


LAUGHS = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))


@pytest.mark.parametrize(
    "xml",
    [
        f'<!DOCTYPE x [<!ENTITY a0 "ha">{LAUGHS}]><annotation><object><name>&a11;</name></object></annotation>',
        '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><annotation><object><name>&a;</name></object></annotation>',
        '<!DOCTYPE x [<!ENTITY % a SYSTEM "http://127.0.0.1:9/x.dtd">%a;]><annotation/>',
    ],
    ids=["billion laughs", "external file", "external address"],
)
def test_entities_in_xml(voc: Path, xml: str) -> None:
    (voc / "05.xml").write_text(xml)
    assert read(voc, "voc") == ["label-unreadable 05.xml: has a DOCTYPE, which an annotation does not need; remove it"]


def test_xml_of_endless_tags(voc: Path) -> None:
    (voc / "05.xml").write_text("<annotation>" + "<a>" * 900_000 + "</a>" * 99_000)
    (voc / "06.xml").write_text("<annotation>" + "<a>" * 1_000_001)
    (voc / "07.xml").write_bytes(b"<annotation>" + b" " * (1 << 24))
    os.truncate(voc / "07.xml", 1 << 36)
    first, second, third = read(voc)
    assert first.startswith("label-unreadable 05.xml: is not XML (")
    assert second == "label-unreadable 06.xml: has more than 1,000,000 tags"
    assert third.startswith("label-unreadable 07.xml: has more than 16 MiB")


COCO = b'{"images": [], "categories": [{"id": 1, "name": "cat"}], "annotations": '


@pytest.mark.parametrize(
    ("content", "size", "says"),
    [
        (COCO + b"[" * 15_000_000 + b"}", 0, r"is not JSON ("),
        (COCO + b'{"a":' * 15_000_000 + b"}", 0, r"is not JSON ("),
        (COCO + b"[" * 100_000_000, 0, "100,000,004 objects and lists; at most 20,000,000 are read"),
        (COCO + b"[" + b"[]," * 30_000_000, 0, "objects and lists; at most 20,000,000 are read"),
        (COCO + b"[]", 1 << 30, "has 1,073,741,824 bytes; at most 500,000,000 are read"),
        (COCO + b"[]", 1 << 40, "at most 500,000,000 are read. Give one file per split"),
    ],
    ids=["lists", "objects", "100 MB of lists", "many lists", "1 GB", "1 TB"],
)
def test_json_that_nests_or_never_ends(tmp_path: Path, content: bytes, size: int, says: str) -> None:
    (tmp_path / "a.json").write_bytes(content)
    if size:
        os.truncate(tmp_path / "a.json", size)
    (said,) = read(tmp_path, "coco")
    assert said.startswith("DatasetError: a.json: ")
    assert says in said


def test_json_full_of_zeros(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(COCO + b"[]}")
    os.truncate(tmp_path / "a.json", 499_000_000)
    (said,) = read(tmp_path)
    assert said.startswith("DatasetError: a.json: is not JSON")


def make_png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )


def test_decompression_bombs(voc: Path) -> None:
    (voc / "05.png").write_bytes(make_png(60_000, 60_000))
    bomb = zlib.compress(bytes(500_000_000), 9)
    (voc / "06.png").write_bytes(make_png(64, 48, (b"zTXt", b"a\0\0" + bomb)))
    (voc / "07.png").write_bytes(make_png(64, 48, (b"iCCP", b"a\0\0" + bomb)))
    said = read(voc)
    assert said[0].startswith("image-huge 05.png: has more than 178,956,970 px")
    assert all(line.startswith("image-unreadable 0") for line in said[1:])


YAML_LAUGHS = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("data.yaml", "names: " + "[" * 100_000, "is not YAML"),
        ("data.yaml", "names: [a]\n#" + "x" * (2 << 20), "has more than 1 MiB"),
        ("data.yaml", YAML_LAUGHS + "names: *a11\n", "names = "),
        ("data.yaml", YAML_LAUGHS + "train: *a11\npath: *a11\nnames: [cat]\n", "path = "),
        ("data.yaml", "names: !!python/object/apply:os.system ['touch owned']\n", ""),
    ],
    ids=["nesting", "large", "billion laughs", "more laughs", "code"],
)
def test_hostile_yaml(yolo: Path, name: str, content: str, says: str) -> None:
    (yolo / name).write_text(content)
    (said,) = read(yolo, "yolo")
    assert said.startswith("DatasetError: data.yaml: ")
    assert says in said
    assert not (ROOT / "owned").exists()


def test_a_field_of_a_million_rows(tmp_path: Path, paint) -> None:
    paint(tmp_path / "a.png")
    header = "image,xmin,ymin,xmax,ymax,label\n"
    (tmp_path / "a.csv").write_text(header + 'a.png,1,2,3,4,"' + "a.png,1,2,3,4,cat\n" * 1_000_000)
    (said,) = read(tmp_path)
    assert said.startswith("DatasetError: a.csv: cannot be understood near line 7")
    assert "field larger than field limit" in said


def test_a_header_that_never_ends(tmp_path: Path) -> None:
    for name in ("a.csv", "a.json", "a.xml", "a.yaml", "labels/a.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b'"' * 4096)
        os.truncate(tmp_path / name, 1 << 36)
    (said,) = read(tmp_path)
    assert said.startswith("DatasetError: the annotation format of the source is none of")


def test_labels_that_never_end(yolo: Path) -> None:
    os.truncate(yolo / "train/labels/train0.txt", 1 << 36)
    (yolo / "train/labels/train1.txt").write_text("1" * 1_000_000 + " 0.5 0.5 0.5 0.5\n")
    said = read(yolo)
    assert said[0].startswith("label-unreadable train/labels/train0.txt: has more than 16 MiB")
    assert said[1].startswith("label-unreadable train/labels/train1.txt: line 1: ")


def test_files_that_are_none(yolo: Path) -> None:
    os.mkfifo(yolo / "train/images/pipe.jpg")
    os.mkfifo(yolo / "train/labels/pipe.txt")
    (yolo / "train/images/zero.jpg").symlink_to("/dev/zero")
    (yolo / "train/labels/zero.txt").symlink_to("/dev/zero")
    (yolo / "round").symlink_to(yolo)
    for name in ("a.xml", "a.json", "a.csv", "a.yaml"):
        (yolo / name).symlink_to("/dev/zero")
    said = read(yolo)
    assert [line.partition(":")[0] for line in said] == [
        *[f"path-outside a.{suffix}" for suffix in ("csv", "json", "xml", "yaml")],
        "path-outside train/images/zero.jpg",
        "path-outside train/labels/zero.txt",
    ]


def test_numbers_that_only_a_product_or_a_sum_makes_endless(yolo: Path, voc, paint, make_params, tmp_path) -> None:
    (yolo / "train/labels/train0.txt").write_text("0 1e308 0.5 0.5 0.5\n")
    (yolo / "train/labels/train1.txt").write_text("0 0.5 0.5 1000000 0.5\n7 1000000 0.5 0.5 0.5\n")
    said = build(tmp_path / "of yolo", make_params(yolo, by="published"))
    assert [line.partition(":")[0] for line in said] == [
        "label-unreadable train/labels/train0.txt",
        "class-unknown train/images/train1.jpg",
        "box-beyond-edge train/images/train1.jpg",
    ]
    text = "<annotation><object><name>cat</name><bndbox>{}</bndbox></object></annotation>"
    edges = "<xmin>-1.7e308</xmin><ymin>-1e308</ymin><xmax>1.7e308</xmax><ymax>{}</ymax>"
    for name, bottom in (("05", "1.7e308"), ("06", "-1.7e308"), ("07", "1e309")):
        (voc / f"{name}.xml").write_text(text.format(edges.format(bottom)))
    said = build(tmp_path / "of voc", make_params(voc))
    assert [line.partition(":")[0] for line in said] == [
        "label-unreadable 07.xml",
        "box-beyond-edge 05.png",
        "box-inverted 06.png",
    ]
    rows = [f"{n}.png,5,5,20,20,cat" for n in range(20)]
    rows += ["0.png,-1.7e308,1,1.7e308,9,cat", "1.png,1.7e308,1,-1.7e308,9,cat", "2.png,1,1,1e309,9,cat"]
    for number in range(20):
        paint(tmp_path / f"data/raw/csv/{number}.png")
    (tmp_path / "data/raw/csv/a.csv").write_text("image,xmin,ymin,xmax,ymax,label\n" + "\n".join(rows) + "\n")
    said = build(tmp_path / "of csv", make_params(tmp_path / "data/raw/csv"))
    assert [line.partition(":")[0] for line in said] == [
        "label-unreadable a.csv",
        "box-beyond-edge 0.png",
        "box-inverted 1.png",
    ]


@pytest.mark.parametrize("name", ["\\ud83d", "cat\\nline", "\\e[31mcat", "\\x85"])
def test_names_of_classes_that_nobody_can_write_down(yolo: Path, make_params, tmp_path: Path, name: str) -> None:
    yaml = (yolo / "data.yaml").read_text().partition("nc:")[0]
    for names in (f'["a{name}b", dog]', f'[cat, "a{name}b"]'):
        (yolo / "data.yaml").write_text(f"{yaml}names: {names}\n")
        (said,) = build(tmp_path / names[1:4], make_params(yolo, by="published"))
        assert said.startswith("DatasetError: the class name 'a")
        assert "rename the class at the source, or with fetch.rename" in said
        assert said.isprintable()


def test_a_box_that_is_left_out_has_a_name_that_can_be_written_down(tmp_path: Path, paint, make_params) -> None:
    for number in range(20):
        paint(tmp_path / f"data/raw/csv/{number}.png")
    rows = [f"{n}.png,5,5,20,20,cat" for n in range(20)]
    rows.append('0.png,5,5,5,9,"cat\u2028\x1b[31m\nline"')
    (tmp_path / "data/raw/csv/a.csv").write_text("image,xmin,ymin,xmax,ymax,label\n" + "\n".join(rows) + "\n")
    (said,) = build(tmp_path / "out", make_params(tmp_path / "data/raw/csv"))
    assert said == "box-zero-area 0.png: cat\\u2028\\x1b[31m\\nline 5, 5, 5, 9"


def test_paths_that_meet_in_one_name_or_are_too_long_for_one(yolo: Path, paint, make_params, tmp_path: Path) -> None:
    long = yolo / "train/images" / ("x" * 250) / ("y" * 250)
    paint(long / "train0.jpg")
    paint(yolo / "test/images" / f"{'z' * 250}.jpg")
    for tile in (0, 16):
        said = build(tmp_path / f"out{tile}", make_params(yolo, by="published", tile=tile, least_visible=0.1))
        assert all(line.startswith("background-without-label ") for line in said)
    paint(yolo / "train/images/train0.png")
    (said,) = build(tmp_path / "meeting", make_params(yolo, by="published"))
    assert said.startswith("DatasetError: 2 images share their label file with another")
    assert "rename one of each, or leave it out with fetch.include" in said
