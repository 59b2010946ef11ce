"""`steelyard gain`: real trainings of seconds, side by side."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import BIN

ARMS = ("--arm", "random start: finetune.pretrained=false", "--arm", "base weights", "--seeds", "2")
TITLES = [f"{arm}, seed {seed}" for seed in (0, 1) for arm in ("random start", "base weights")]


def read_report(project, name="gain"):
    return json.loads((project.root / "studies" / name / "report.json").read_text())


def read_runs(project):
    """The runs of studies, and each one's children by title."""
    client = project.client()
    experiment = client.get_experiment_by_name(project.name).experiment_id
    runs = client.search_runs([experiment])
    parents = [run for run in runs if run.data.tags["steelyard.run_key"].startswith("study:")]
    children = {
        parent.info.run_id: {
            run.info.run_name: run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id
        }
        for parent in parents
    }
    return parents, children, runs


def count_points(project, runs):
    """Of every curve of every run."""
    client = project.client()
    return {
        (run.info.run_id, name): len(client.get_metric_history(run.info.run_id, name))
        for run in runs
        for name in run.data.metrics
    }


def interrupt_after_first_member(project, log):
    """Ctrl-C at the terminal, once the second training is under way."""
    with log.open("w") as output:
        process = subprocess.Popen(
            [str(BIN / "steelyard"), "gain", *ARMS],
            cwd=project.root, env=project.env, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    deadline = time.monotonic() + 400
    while f"2 of 4: {TITLES[1]}' - > python -m tasks.finetune" not in log.read_text():
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) == 130, log.read_text()
    assert not project.find_processes()


@pytest.fixture(scope="module")
def studied(template, tmp_path_factory):
    """A project with a study that was interrupted after its first member and begun again."""
    folder = tmp_path_factory.mktemp("studied")
    project = template.copy(folder / "repo", "studied")
    project.set(finetune={"epochs": 2, "lr0": 0.01})
    interrupt_after_first_member(project, folder / "log")
    (parent,), children, _ = read_runs(project)
    assert parent.info.status == "KILLED"
    assert list(children[parent.info.run_id]) == [TITLES[0]]
    done = project.steelyard("gain", *ARMS)
    return project, parent.info.run_id, done.stdout + done.stderr


def test_an_interrupted_study_goes_on(studied):
    project, parent_id, said = studied
    assert f"1 of 4: {TITLES[0]}: made before" in said
    for number in (2, 3, 4):
        assert f"{number} of 4: {TITLES[number - 1]}: ran" in said
    (parent,), children, runs = read_runs(project)
    assert (parent.info.run_id, parent.info.status) == (parent_id, "FINISHED")
    assert sorted(children[parent_id]) == sorted(TITLES)
    assert len(runs) == 5
    assert not list((project.root / ".dvc/tmp/steelyard/runs").iterdir())
    assert project.git("status", "--porcelain") == ""
    assert project.git("tag") == ""


def test_the_report_is_of_the_trainings_that_mlflow_shows(studied):
    project, parent_id, said = studied
    report = read_report(project)
    assert [arm["name"] for arm in report["arms"]] == ["random start", "base weights"]
    _, children, _ = read_runs(project)
    client = project.client()
    for arm in report["arms"]:
        for seed in arm["seeds"]:
            run = children[parent_id][f"{arm['name']}, seed {seed['seed']}"]
            assert run.info.run_id == seed["run_id"]
            assert run.data.tags["steelyard.arm"] == arm["name"]
            assert run.data.params["finetune.seed"] == str(seed["seed"])
            points = client.get_metric_history(run.info.run_id, "mAP50-95")
            by_epoch = [point.value for point in sorted(points, key=lambda point: point.step)]
            assert by_epoch == pytest.approx(seed["curve"])
            assert len(seed["seconds"]) == 2
            assert run.data.metrics["test/mAP50-95"] == pytest.approx(arm["score"]["by_seed"][seed["seed"]], abs=1e-6)
    identities = {seed["identity"] for arm in report["arms"] for seed in arm["seeds"]}
    assert len(identities) == 4
    parent = client.get_run(parent_id)
    assert parent.data.metrics["test/base weights"] == report["arms"][1]["score"]["value"]
    assert {file.path for file in client.list_artifacts(parent_id)} == {"report.json", "report.md", "curves.png"}
    assert parent.data.tags["mlflow.note.content"] == (project.root / "studies/gain/report.md").read_text()
    assert "transfer" in said.replace("\n", " ")
    assert (project.root / "studies/gain/curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_second_run_trains_nothing_and_adds_nothing(studied):
    project, _, _ = studied
    before = {file.name: file.read_bytes() for file in (project.root / "studies/gain").iterdir()}
    _, _, runs = read_runs(project)
    points = count_points(project, runs)
    done = project.steelyard("gain", *ARMS)
    said = done.stdout + done.stderr
    assert all(f"{number} of 4: {title}: made before" in said for number, title in enumerate(TITLES, start=1))
    assert {file.name: file.read_bytes() for file in (project.root / "studies/gain").iterdir()} == before
    _, _, after = read_runs(project)
    assert count_points(project, after) == points


def test_another_study_of_the_same_trainings_has_children_of_its_own(studied):
    project, parent_id, _ = studied
    _, children, _ = read_runs(project)
    for _ in range(2):
        project.steelyard("gain", "--arm", "alone", "--seeds", "1", "--name", "other", "--split", "val")
    parents, now, runs = read_runs(project)
    assert len(parents) == 2
    assert now[parent_id].keys() == children[parent_id].keys()
    (other,) = (parent.info.run_id for parent in parents if parent.info.run_id != parent_id)
    (copy,) = now[other].values()
    original = children[parent_id]["base weights, seed 0"]
    assert (copy.info.run_name, len(runs)) == ("alone, seed 0", 7)
    assert copy.data.metrics["mAP50-95"] == original.data.metrics["mAP50-95"]
    assert read_report(project, "other")["arms"][0]["seeds"][0]["run_id"] == original.info.run_id


def test_a_member_that_cannot_be_trained_fails_the_study_in_its_own_words(project):
    project.set(finetune={"epochs": 1})
    done = project.steelyard("gain", "--arm", "base", "--arm", "all: finetune.freeze=24", "--seeds", "1", check=False)
    assert done.returncode == 1
    assert "error: 2 of 2: all, seed 0: params.yaml: finetune.freeze = 24: these weights have 24" in done.stderr
    (parent,), _, _ = read_runs(project)
    assert parent.info.status == "FAILED"


def test_broken_weights_move_what_a_study_reads(weighed, tmp_path):
    from steelyard.paths import quiet_ultralytics
    from steelyard.study.outcome import read_outcome
    from steelyard.weights.checkpoint import load_checkpoint, save_checkpoint

    project = weighed.copy(tmp_path / "repo", "broken")
    whole = read_outcome(project.root, "arm", 0, "test")
    quiet_ultralytics(project.root)
    weights = project.root / "weights/best.pt"
    checkpoint = load_checkpoint(weights)
    for layer in checkpoint.model.model[-1].cv2:
        layer[-1].bias.data[:] = 0
        layer[-1].weight.data[:] = 0  # every box is of one form
    save_checkpoint(checkpoint.model, weights, image_size=checkpoint.image_size)
    project.call(sys.executable, "-m", "tasks.validate")
    broken = read_outcome(project.root, "arm", 0, "test")
    assert whole.final.fingerprint == broken.final.fingerprint
    assert whole.final.score() > 0
    assert broken.final.score() != whole.final.score()
    assert broken.val.score() != whole.val.score()


def test_the_button(yard, weighed, tmp_path):
    """The deployment beside retrain, with what the form sends; the trainings are those of the project."""
    project = yard.adopt(weighed, tmp_path / "repo", "pressed-study")
    deployment = yard.ask("GET", "/deployments/name/gain/gain")
    assert deployment["schedules"] == []
    schema = json.dumps(deployment["parameter_openapi_schema"])
    assert "finetune" in schema
    study = {"arms": [{"name": "as set", "settings": {"finetune": {"epochs": 1, "lr0": None}}}], "seeds": 1}
    parameters = {"parameters": {"revision": "HEAD", "study": study}}
    run = yard.ask("POST", f"/deployments/{deployment['id']}/create_flow_run", parameters)
    yard.wait(run["id"])
    assert yard.ask("GET", f"/flow_runs/{run['id']}")["name"] == "HEAD gain: 1 arm, 1 seed"
    (artifact,) = yard.ask("POST", "/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}})
    assert artifact["key"] == "study-gain"
    assert "| as set |" in artifact["data"]
    assert "data:image/png;base64," in artifact["data"]
    assert len(read_report(project)["arms"]) == 1
