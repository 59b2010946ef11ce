"""What is found in published data sets, where a person looked at each finding."""

import tarfile

import pytest

from steelyard.checks.inspection import inspect
from steelyard.checks.reading import read_dataset
from steelyard.cli_check import inspect_folder
from steelyard.dataset.build import build_dataset
from steelyard.params import load_params
from tests.conftest import ROOT, draw_pictures


@pytest.fixture
def unpack(shared_datasets, tmp_path):
    def unpack(name):
        with tarfile.open(shared_datasets / f"{name}.tar.gz") as archive:
            archive.extractall(tmp_path, filter="data")
        return tmp_path

    return unpack


def find(folder, imgsz=640):
    _, _, inspection = inspect_folder(folder, "auto", imgsz)
    return {one.id: one for one in inspection.report.findings}


def list_files(finding):
    return [one.file.rpartition("/")[2] for one in finding.examples]


def test_blood_cells_have_four_kinds_of_real_faults(unpack):
    found = find(unpack("bccd"))
    assert {check: one.count for check, one in found.items()} == {
        "box-zero-area": 2,
        # the same field of view, the focus a little off; each in another of the published splits
        "near-duplicate-across-splits": 1,
        # red cells that are annotated twice, a pixel or two apart
        "box-near-duplicate": 7,
        # a platelet that is labelled as a white cell
        "label-outlier": 1,
    }
    assert list_files(found["box-zero-area"]) == ["BloodImage_00338.jpg", "BloodImage_00343.jpg"]
    (leak,) = found["near-duplicate-across-splits"].examples
    assert (leak.file[-9:], leak.other[-9:]) == ("00037.jpg", "00038.jpg")
    (wrong,) = found["label-outlier"].examples
    assert wrong.file.endswith("BloodImage_00113.jpg")
    assert wrong.detail.startswith("WBC")


def test_foosball_has_one_frame_twice_in_two_splits(unpack):
    found = find(unpack("foosball"))
    # one frame of a broadcast that was kept twice, and two of a standing camera in other light
    assert {check: one.count for check, one in found.items()} == {
        "near-duplicate-across-splits": 1,
        "few-images": 14,
        "near-duplicate": 1,
    }
    (leak,) = found["near-duplicate-across-splits"].examples
    assert (leak.file.split("/")[1:], leak.other.split("/")[1:]) == (
        ["valid", "3_jpg.rf.796641a72723150a57ec9a1b0f041c2b.jpg"],
        ["train", "20_jpg.rf.cde5ca11879980025e0689e4f4cbda69.jpg"],
    )


def test_the_default_data_set_has_few_images_and_no_fault(tmp_path):
    params = load_params(ROOT / "params.yaml")
    manifest = build_dataset(params.fetch, tmp_path, tmp_path / "dataset", tmp_path / "dataset.json", lambda _: None)
    images = read_dataset(tmp_path / "dataset", manifest)
    inspection = inspect(images, manifest.classes, manifest.problems, params.finetune.imgsz, say=lambda _: None)
    assert {one.id for one in inspection.report.findings} == {"few-images"}
    assert len(set(inspection.prints.values())) == len(images)


def test_the_small_set_of_the_tests_has_no_error(tmp_path):
    draw_pictures(tmp_path)
    assert {one.severity for one in find(tmp_path, imgsz=64).values()} <= {"warning", "note"}
