"""``steelyard check`` in a shell, outside of any repository."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from steelyard.checks.report import Report
from tests.conftest import BIN
from tests.unit.checks.planting import add


@pytest.fixture
def check(tmp_path):
    def check(*arguments, **env):
        command = [BIN / "steelyard", "check", *map(str, arguments)]
        return subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, check=False, env={"COLUMNS": "150", **env}
        )

    return check


@pytest.fixture
def faulty(copy_clean):
    folder = copy_clean("yolo")
    add("train10", "0 0.5 0.5 0 0.2")(folder)
    add("train11", "0 0.5 0.5 1 1")(folder)
    return folder


@pytest.fixture
def nameless(clean, tmp_path):
    """Twelve images and labels in numbers, without a file that has their names."""
    folder = tmp_path / "nameless"
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True)
        for path in sorted((clean / "yolo" / kind / "train").iterdir())[:12]:
            shutil.copyfile(path, folder / kind / path.name)
    return folder


def test_clean_data_ends_well(check, clean):
    done = check(clean / "coco", "--imgsz", 160)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("format: coco (found out)\n")
    assert "176 images, no findings; nothing stops" in done.stdout


def test_an_error_stops_and_says_where_and_what_to_do(check, faulty):
    done = check(faulty, "--imgsz", 160)
    assert (done.returncode, done.stderr) == (1, "")
    assert "1 error, 1 warning; 1 of them stop" in done.stdout
    assert "images/train/train10.jpg" in done.stdout
    assert "box-zero-area: Remove the box, or accept that it is left out: check.accept: [box-zero-area]." in done.stdout
    assert "--accept box-zero-area" in done.stdout


def test_what_stops_can_be_chosen(check, faulty):
    assert check("--imgsz", 160, "--accept", "box-zero-area", faulty).returncode == 0
    assert check(faulty, "--imgsz", 160, "--stop", "").returncode == 0
    done = check(faulty, "--imgsz", 160, "--accept", "box-zero-area", "--stop", "error,warning")
    assert done.returncode == 1
    assert "--accept box-whole-image" in done.stdout
    done = check(faulty, "--imgsz", 160, "--stop", "error,warning")
    assert "--accept box-zero-area,box-whole-image\n" in done.stdout


@pytest.mark.parametrize(
    "accept", [["--accept", "few-images,box-zero-area"], ["--accept=few-images", "--accept=box-zero-area"]]
)
def test_several_findings_are_accepted(check, nameless, accept):
    add_box = nameless / "labels/train03.txt"
    add_box.write_text("0 0.5 0.5 0 0.2\n")
    done = check("--classes", "cat,dog,owl", "--stop", "error", *accept, nameless)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "(accepted)" in done.stdout


def test_json_is_the_report_and_nothing_else(check, faulty, tmp_path):
    archive = shutil.make_archive(str(tmp_path / "faulty"), "zip", faulty)
    done = check(archive, "--imgsz", 160, "--json")
    assert (done.returncode, done.stderr) == (1, "")
    fields = json.loads(done.stdout)
    assert fields["findings"][0]["examples"][0]["file"] == "images/train/train10.jpg"
    assert (fields.pop("format"), fields.pop("stopping")) == ("yolo", ["box-zero-area"])
    report = Report.model_validate_json(json.dumps(fields))
    assert {one.id: one.count for one in report.findings} == {"box-zero-area": 1, "box-whole-image": 1}


def test_names_of_numbers_can_be_given(check, nameless):
    done = check(nameless)
    assert done.returncode == 2
    assert "list them in fetch.classes, in the order of the numbers (here: --classes)" in done.stderr
    done = check(nameless, "--classes", "cat, dog,[/owl]", "--json")
    assert json.loads(done.stdout)["classes"] == ["cat", "dog", "[/owl]"]
    done = check(nameless, "--classes", "cat")
    assert done.returncode == 1
    assert "class-unknown" in done.stdout


def test_the_page_shows_what_was_found(check, faulty, tmp_path):
    done = check(faulty, "--imgsz", 160, "--html", "page.html")
    assert done.returncode == 1, done.stderr
    page = (tmp_path / "page.html").read_text()
    assert "box-zero-area" in page
    assert "train10.jpg" in page


def test_a_failure_is_no_finding(check, nameless, tmp_path):
    """Exit code 1 would say that there are findings."""
    done = check(nameless, "--classes", "cat,dog,owl", "--html", "/proc/page.html")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: /proc/.page.html.new: ")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/jinja2.py").write_text("raise RuntimeError('a broken installation')")
    done = check(nameless, "--classes", "cat,dog,owl", "--html", "page.html", PYTHONPATH=str(tmp_path / "broken"))
    assert done.returncode == 2
    assert done.stderr.startswith("Traceback")
    assert "a broken installation" in done.stderr


def test_a_check_is_explained(check):
    done = check("--explain", "near-duplicate-across-splits")
    assert (done.returncode, done.stderr) == (0, "")
    assert "error" in done.stdout
    assert "check.accept: [near-duplicate-across-splits]" in done.stdout
    done = check("--explain", "near-duplicates")
    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean near-duplicate" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "PATH or --explain ID is needed"),
        (("nowhere",), "nowhere: not found; give a folder, or a zip or tar archive"),
        (("text.txt",), "text.txt: is neither a folder nor a zip or tar archive"),
        (("no\x1bwhere",), r"no\x1bwhere: not found"),
        (("a" * 300,), "a" * 300 + ": File name too long"),
        (("both",), "set fetch.format to one of them (here: --format)"),
        (("empty", "--classes", "cat,dog,cat"), "--classes cat,dog,cat: each name may stand there once"),
        (("empty", "--html", "empty"), "--html empty: is a folder; name a file, such as empty/page.html"),
        (("empty",), "the annotation format of the source is none of"),
        (("empty", "--format", "tfrecord"), "--format tfrecord: must be auto, coco, csv, voc, yolo"),
        (("empty", "--stop", "errors"), "'errors' is no severity; they are error, warning, note"),
        (("empty", "--accept", "box-zero"), "--accept: no check has the id 'box-zero'; did you mean box-zero-area"),
        (("empty", "--imgsz", "0"), "--imgsz 0: must be at least 1 px"),
        (("empty", "--html", "away/page.html"), "away/page.html: its folder is not there"),
    ],
)
def test_wrong_use_is_one_sentence_and_exit_code_2(check, tmp_path, arguments, sentence):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("text")
    (tmp_path / "both").mkdir()
    (tmp_path / "both/a.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (tmp_path / "both/a.xml").write_text("<annotation><object/></annotation>")
    Image.new("RGB", (64, 48)).save(tmp_path / "both/a.png")
    done = check(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob(".*.new"))


def test_it_starts_light():
    code = "import sys, steelyard.cli; print(sorted({'numpy', 'PIL', 'pydantic', 'rich'} & set(sys.modules)))"
    done = subprocess.run([BIN / "python", "-c", code], cwd=Path(__file__).parents[3], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
