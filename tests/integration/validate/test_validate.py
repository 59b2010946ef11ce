"""The stage validate, with YOLO11n's real weights on real photographs."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from steelyard.errors import ParamsError
from steelyard.paths import (
    BEST_WEIGHTS,
    CONFUSION,
    DATASET,
    MATCHES,
    PICTURES,
    PR_CURVE,
    SCORES,
)
from steelyard.scoring.average_precision import average_precision
from steelyard.scoring.detection import detect
from steelyard.scoring.match_file import read_matches
from steelyard.scoring.scores import read_scores
from steelyard.scoring.split import read_split
from steelyard.weights.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from tests.integration.validate.photographs import PARAMS, contents, copy, run_detect, run_stage, write_manifest

OUTPUTS = (SCORES, PR_CURVE, CONFUSION, MATCHES, PICTURES)


def test_weights_that_find_every_box_score_one(validated: tuple[Path, str]) -> None:
    scores = read_scores(validated[0] / SCORES)
    assert (scores.val.images, scores.test.images) == (2, 2)
    assert scores.val.boxes >= 5
    rates = (scores.val.precision, scores.val.recall, scores.val.map50, scores.val.map50_95)
    assert rates == pytest.approx([1] * 4, abs=1e-6)
    assert scores.val.classes["bus"].map50_95 == pytest.approx(1)
    assert scores.val.classes["giraffe"].map50 is None
    assert scores.test.map50_95 is not None
    assert 0.2 < scores.test.map50_95 < 0.9


def test_the_outputs_are_whole_and_said(validated: tuple[Path, str]) -> None:
    folder, said = validated
    metrics = ["confusion.csv", "matches.parquet", "pr.csv", "scores.json"]
    assert sorted(path.name for path in (folder / "metrics").iterdir()) == metrics
    names = ["confusion_matrix.png", "pr_curve.png", "reliability.png", "slices.png"]
    names += ["test_pictures.png", "val_pictures.png"]
    assert sorted(path.name for path in (folder / PICTURES).iterdir()) == names
    assert (folder / CONFUSION).read_text().splitlines()[0] == "actual,predicted"
    assert "person,person" in (folder / CONFUSION).read_text().splitlines()
    assert "mAP50-95" in said
    for path in OUTPUTS:
        assert str(path) in said


def test_every_score_can_be_made_again_from_the_matches(validated: tuple[Path, str]) -> None:
    folder = validated[0]
    tables, scores = read_matches(folder / MATCHES), read_scores(folder / SCORES)
    assert list(tables) == ["val", "test"]
    assert tables["test"].images == ("images/test/bus.jpg", "images/test/zidane.jpg")
    precision = average_precision(tables["test"])[0, :, 0]
    assert scores.test.map50_95 == pytest.approx(np.nanmean(precision), abs=1e-6)
    assert scores.test.classes["bus"].map50_95 == pytest.approx(precision[5].mean(), abs=1e-6)


def test_scores_have_intervals(validated: tuple[Path, str]) -> None:
    test = read_scores(validated[0] / SCORES).test
    interval = test.intervals["mAP50-95"]
    assert interval.low < (test.map50_95 or 0) < interval.high
    assert set(test.sizes) <= {"small", "medium", "large"}
    assert sum(size.boxes for size in test.sizes.values()) == test.boxes
    assert test.images_needed == 20
    assert test.calibration is not None
    assert 0 < test.calibration.error < 1


def test_prediction_cuts_where_val_says(validated: tuple[Path, str]) -> None:
    folder, said = validated
    point = read_scores(folder / SCORES).operating_point
    assert point is not None
    assert (point.precision, point.recall, point.f1) == (1, 1, 1)  # its labels are what was found above 0.5
    found = read_matches(folder / MATCHES)["val"].confidence
    assert max(found[found < 0.5]) < point.confidence < min(found[found > 0.5])
    assert f"predictions from confidence {point.confidence:.3f} on" in said


def test_two_images_are_said_to_be_few(validated: tuple[Path, str]) -> None:
    assert "test: 2 images are too few for an interval that can be relied on; about 20 would do" in validated[1]


def test_images_of_one_group_say_nothing_of_others(
    validated: tuple[Path, str], coco: Checkpoint, tmp_path: Path
) -> None:
    alike = copy(validated[0], tmp_path / "alike")
    write_manifest(alike, coco, group="one film")
    assert run_stage(alike).returncode == 0
    test, before = read_scores(alike / SCORES).test, read_scores(validated[0] / SCORES).test
    assert test.intervals == {}
    assert test.map50_95 == before.map50_95


def test_dvc_reads_the_scores(validated: tuple[Path, str], tmp_path: Path) -> None:
    shutil.copytree(validated[0] / "metrics", tmp_path / "metrics")
    dvc = [sys.executable, "-m", "dvc"]
    subprocess.run([*dvc, "init", "-q", "--no-scm"], cwd=tmp_path, check=True, capture_output=True)
    shown = subprocess.run(
        [*dvc, "metrics", "show", "--json", str(SCORES)], cwd=tmp_path, check=True, capture_output=True
    )
    values = json.loads(shown.stdout)[""]["data"][str(SCORES)]["data"]
    assert values["test"]["mAP50-95"] == read_scores(tmp_path / SCORES).test.map50_95


def test_the_same_weights_and_data_give_the_same_bytes(validated: tuple[Path, str], tmp_path: Path) -> None:
    again = copy(validated[0], tmp_path / "again")
    assert run_stage(again).returncode == 0
    for folder in ("metrics", "plots"):
        assert contents(again / folder) == contents(validated[0] / folder)


def test_ultralytics_figures_are_those_of_its_own_validation(validated: tuple[Path, str], tmp_path: Path) -> None:
    from ultralytics import YOLO

    folder = copy(validated[0], tmp_path / "own")
    own = YOLO(folder / BEST_WEIGHTS).val(
        data=str(folder / DATASET / "data.yaml"),
        split="test",
        imgsz=PARAMS.finetune.imgsz,
        batch=PARAMS.finetune.batch,
        iou=PARAMS.validation.iou,
        device="cpu",
        plots=False,
        verbose=False,
        project=str(tmp_path),
    )
    ours = read_scores(validated[0] / SCORES).test.ultralytics
    assert (ours.precision, ours.recall, ours.map50, ours.map50_95) == pytest.approx(own.mean_results(), abs=1e-6)


def test_broken_weights_score_nothing(validated: tuple[Path, str], tmp_path: Path) -> None:
    broken = copy(validated[0], tmp_path / "broken")
    checkpoint = load_checkpoint(broken / BEST_WEIGHTS)
    with torch.no_grad():
        checkpoint.model.get_parameter("model.0.conv.weight").zero_()
    save_checkpoint(checkpoint.model, broken / BEST_WEIGHTS, image_size=320)
    assert run_stage(broken).returncode == 0
    scores = read_scores(broken / SCORES)
    assert scores.val.map50 is not None
    assert scores.val.map50 < 0.01
    assert scores.val.ultralytics.map50 is not None
    assert scores.val.ultralytics.map50 < 0.01


def test_detections_are_unrounded_and_inside_their_image(coco: Checkpoint, workspace: Path) -> None:
    before = {name: value.clone() for name, value in coco.model.state_dict().items()}
    detections = run_detect(coco, workspace / DATASET, "val", confidence=0.5)
    bus = detections.pictures[0]
    assert bus.path.name == "bus.jpg"
    assert (bus.found.corners != bus.found.corners.round(3)).any()
    assert (bus.found.corners >= 0).all()
    assert (bus.found.corners <= (810, 1080, 810, 1080)).all()
    assert (bus.found.confidences > 0.5).all()
    assert coco.classes[int(bus.found.classes[bus.found.confidences.argmax()])] in ("bus", "person")
    after = coco.model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_threads_are_those_that_params_ask_for(coco: Checkpoint, workspace: Path) -> None:
    images = read_split(workspace / DATASET, "val", 80)
    for threads, expected in ((1, 1), (0, len(os.sched_getaffinity(0))), (3, 3)):
        finetune = PARAMS.finetune.model_copy(update={"threads": threads})
        seen: list[int] = []
        detect(
            coco.model,
            workspace / DATASET,
            "val",
            images,
            PARAMS.validation,
            finetune,
            lambda _, seen=seen: seen.append(torch.get_num_threads()),
        )
        assert set(seen) == {expected}


def test_a_device_that_is_not_there_is_refused(coco: Checkpoint, workspace: Path) -> None:
    finetune = PARAMS.finetune.model_copy(update={"device": "77"})
    with pytest.raises(ParamsError, match=r"params\.yaml: finetune\.device = '77': not in this machine"):
        detect(coco.model, workspace / DATASET, "val", [], PARAMS.validation, finetune, lambda _: None)


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("data/dataset/data.yaml", b"names: [cat]", "as data.yaml names the classes"),
        (
            "data/dataset/data.yaml",
            f"names: {[f'thing {number}' for number in range(80)]}".encode(),
            "class 0 is 'person' in the weights and 'thing 0' in the data",
        ),
        ("data/dataset/labels/test/bus.txt", b"0 0.5 0.5", "must be five numbers"),
        ("data/dataset/images/test/bus.jpg", b"no picture", "images/test/bus.jpg: cannot be decoded"),
        ("weights/best.pt", b"no weights", "weights/best.pt: "),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    workspace: Path, tmp_path: Path, path: str, content: bytes, message: str
) -> None:
    folder = copy(workspace, tmp_path / "wrong")
    (folder / path).write_bytes(content)
    done = run_stage(folder)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not any((folder / name).exists() for name in ("metrics", "plots"))
