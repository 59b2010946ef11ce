"""``steelyard check`` in a shell, outside of any repository."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from steelyard.checks.report import Report
from tests.conftest import BIN
from tests.unit.checks.planting import add


@pytest.fixture
def check(tmp_path):
    def check(*arguments):
        command = [BIN / "steelyard", "check", *map(str, arguments)]
        return subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, check=False, env={"COLUMNS": "150"}
        )

    return check


@pytest.fixture
def faulty(copy_clean):
    folder = copy_clean("yolo")
    add("train10", "0 0.5 0.5 0 0.2")(folder)
    add("train11", "0 0.5 0.5 1 1")(folder)
    return folder


def test_clean_data_ends_well(check, clean):
    done = check(clean / "coco", "--imgsz", 160)
    assert (done.returncode, done.stderr) == (0, "")
    assert "176 images, no findings; nothing stops" in done.stdout


def test_an_error_stops_and_says_where_and_what_to_do(check, faulty):
    done = check(faulty, "--imgsz", 160)
    assert (done.returncode, done.stderr) == (1, "")
    assert "1 error, 1 warning; 1 of them stop" in done.stdout
    assert "images/train/train10.jpg" in done.stdout
    assert "box-zero-area: Remove the box, or accept that it is left out: check.accept: [box-zero-area]." in done.stdout
    assert "--accept box-zero-area" in done.stdout


def test_what_stops_can_be_chosen(check, faulty):
    assert check(faulty, "--imgsz", 160, "--accept", "box-zero-area").returncode == 0
    assert check(faulty, "--imgsz", 160, "--accept", "box-zero-area", "--stop", "error,warning").returncode == 1
    assert check(faulty, "--imgsz", 160, "--stop", "").returncode == 0


def test_json_is_the_report_and_nothing_else(check, faulty, tmp_path):
    archive = shutil.make_archive(str(tmp_path / "faulty"), "zip", faulty)
    done = check(archive, "--imgsz", 160, "--json")
    assert (done.returncode, done.stderr) == (1, "")
    report = Report.model_validate_json(done.stdout)
    assert {one.id: one.count for one in report.findings} == {"box-zero-area": 1, "box-whole-image": 1}
    assert json.loads(done.stdout)["findings"][0]["examples"][0]["file"] == "images/train/train10.jpg"


def test_the_page_shows_what_was_found(check, faulty, tmp_path):
    done = check(faulty, "--imgsz", 160, "--html", "page.html")
    assert done.returncode == 1, done.stderr
    page = (tmp_path / "page.html").read_text()
    assert "box-zero-area" in page
    assert "train10.jpg" in page


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
    done = check(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_it_starts_light():
    code = "import sys, steelyard.cli; print(sorted({'numpy', 'PIL', 'pydantic', 'rich'} & set(sys.modules)))"
    done = subprocess.run([BIN / "python", "-c", code], cwd=Path(__file__).parents[3], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
