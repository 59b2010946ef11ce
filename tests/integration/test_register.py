"""Stage register on a real ledger and a real MLflow store: promise 3, and what a lost store costs (nothing)."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

BIN = Path(sys.executable).parent
LOAD = """
import json, sys, mlflow
model = mlflow.pyfunc.load_model(sys.argv[1])
import base64, pathlib
picture = pathlib.Path(sys.argv[2])
print(json.dumps([model.predict([str(picture)]), model.predict([base64.b64encode(picture.read_bytes()).decode()])]))
"""


@pytest.fixture(scope="module")
def trained(weighed, tmp_path_factory):
    """A project with one registered version, and its weights and plots in the working tree."""
    project = weighed.copy(tmp_path_factory.mktemp("register") / "repo", "register")
    # a low confidence, so that two epochs of training find something
    project.set(validate={"operate_by": "confidence", "operate_at": 0.001})
    project.dvc("repro")
    return project


def find_version(project, number=1):
    return project.client().get_model_version(project.name, str(number))


def read_store(project, uri=None):
    """What a person sees in MLflow, without ids and times."""
    client = MlflowClient(tracking_uri=uri, registry_uri=uri) if uri else project.client()
    seen = {}
    for version in client.search_model_versions(f"name = '{project.name}'"):
        run = client.get_run(version.run_id)
        curves = {
            key: [(point.step, point.value) for point in client.get_metric_history(version.run_id, key)]
            for key in run.data.metrics
        }
        files = sorted(file.path for file in client.list_artifacts(version.run_id, "plots"))
        seen[int(version.version)] = {
            "tags": version.tags,
            "description": version.description,
            "params": run.data.params,
            "curves": curves,
            "files": files,
            "data": {i.dataset.digest for i in run.inputs.dataset_inputs},
        }
    aliases = client.get_registered_model(project.name).aliases
    return seen, {alias: int(number) for alias, number in aliases.items()}


def test_the_version_page_says_what_it_is(trained):
    (record,) = trained.read_records()
    client, version = trained.client(), find_version(trained)
    assert version.tags["steelyard.weights"] == record.weights.identity
    assert version.tags["steelyard.commit"] == record.commit
    assert record.dataset.fingerprint in version.description
    assert f"| {record.scores.test.map50:.3f} |" in version.description
    model = client.get_logged_model(version.source.rpartition("/")[2])
    assert model.params["finetune.epochs"] == "2"
    values = {metric.key: metric for metric in model.metrics}
    assert values["test/mAP50"].value == record.scores.test.map50
    assert values["test/mAP50"].dataset_digest == record.dataset.fingerprint[:36]
    run = client.get_run(version.run_id)
    assert run.data.params["finetune.lr0"] == "0.002"
    assert len(client.get_metric_history(version.run_id, "mAP50")) == 2
    assert run.info.status == "FINISHED"


def test_the_list_of_versions_fits_a_terminal(trained):
    (record,) = trained.read_records()
    lines = trained.steelyard("versions", COLUMNS="80").stdout.splitlines()
    (line,) = [line for line in lines if line.startswith("v1 ")]
    words = line.split()
    assert words[:4] == ["v1", "champion", f"{record.scores.test.map50:.3f}", f"{record.scores.test.map50_95:.3f}"]
    interval = record.scores.test.intervals["mAP50-95"]
    assert words[4].rstrip("?") == f"{interval.low:.2f}-{interval.high:.2f}"
    assert words[5:7] == [record.weights.identity[7:19], record.dataset.fingerprint[:12]]
    assert "…" not in "".join(lines)


def test_it_holds_the_weights_and_no_pickle_but_the_checkpoint(trained, tmp_path):
    import mlflow

    (record,) = trained.read_records()
    uri = trained.env.get("MLFLOW_TRACKING_URI", f"sqlite:///{trained.root / 'mlflow.db'}")
    mlflow.set_tracking_uri(uri)
    folder = mlflow.artifacts.download_artifacts(f"models:/{trained.name}/1", dst_path=str(tmp_path), tracking_uri=uri)
    files = {path.name: path for path in tmp_path.rglob("*") if path.is_file()}
    assert folder
    from steelyard.weights.identity import file_sha256

    assert file_sha256(files["best.pt"]) == record.weights.file_sha256
    assert file_sha256(files["weights.safetensors"]) == record.weights.safetensors_sha256
    assert json.loads(files["record.json"].read_text()) == json.loads(record.dump())
    assert not [name for name in files if name.endswith(".pkl")]


def test_it_loads_with_pyfunc_and_predicts(trained, tmp_path):
    picture = min((trained.root / "data/dataset/images/test").iterdir())
    uri = f"sqlite:///{trained.root / 'mlflow.db'}"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOAD, f"models:/{trained.name}@champion", str(picture)],
        cwd=tmp_path,
        env={**trained.env, "MLFLOW_TRACKING_URI": uri},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    by_path, by_bytes = json.loads(done.stdout.splitlines()[-1])
    assert by_path == by_bytes
    (boxes,) = by_path
    assert boxes, "two epochs at confidence 0.001 find something"
    assert {box["name"] for box in boxes} <= {"square", "disc"}
    scores = [box["confidence"] for box in boxes]
    assert scores == sorted(scores, reverse=True)
    assert all(-1 <= edge <= 65 for box in boxes for edge in box["box"])


def test_the_version_number_gives_everything_back(trained, tmp_path):
    (record,) = trained.read_records()
    clone = tmp_path / "clone"
    trained.git("clone", "-q", str(trained.root), str(clone))
    other = trained.at(clone)
    other.git("checkout", "-q", record.tag())
    other.dvc("config", "--local", "cache.dir", trained.root / ".dvc/cache")
    other.dvc("checkout")
    from steelyard.weights.identity import file_sha256

    assert file_sha256(clone / "weights/best.pt") == record.weights.file_sha256
    assert file_sha256(clone / "weights/base.pt") == record.base.file_sha256
    assert other.dvc("status", "finetune").stdout.strip() in ("", "Data and pipelines are up to date.")


def test_a_lost_store_is_filled_again_from_git_and_dvc(weighed, tmp_path):
    project = weighed.copy(tmp_path / "repo", "weighed")
    project.dvc("repro")
    project.dvc("exp", "run", "-S", "finetune.lr0=0.001")
    seen = read_store(project)
    assert set(seen[0]) == {1, 2}
    assert seen[1] == {"champion": 1, "challenger": 2}
    (project.root / "mlflow.db").unlink()
    shutil.rmtree(project.root / "mlartifacts")
    output = project.dvc("repro").stdout
    assert "epoch" not in output
    # MLflow's client keeps its connection to a store, also to one that is deleted: by another path it makes a new one.
    found = read_store(project, f"sqlite:///{project.root}/../{project.root.name}/mlflow.db")
    for number, facts in seen[0].items():
        for fact, value in facts.items():
            assert found[0][number][fact] == value, f"version {number}: {fact}"
    assert found[1] == seen[1]
    assert project.dvc("repro").stdout.count("MLflow: weighed version") == 0


def test_scores_on_other_settings_are_kept_and_the_record_stays(weighed, tmp_path):
    project = weighed.copy(tmp_path / "repo", "anew")
    project.call(sys.executable, "-m", "tasks.register")
    (record,) = project.read_records()
    first = find_version(project).run_id
    then = project.client().get_run(first).data.metrics
    project.set(validate={"max_det": 1, "confidence": 0.5})
    output = project.dvc("repro").stdout
    assert "epoch 1/" not in output
    assert "scored with other data or settings than anew@v1.0.0" in output
    scores = json.loads((project.root / "metrics/scores.json").read_text())
    assert scores["test"]["mAP50-95"] != record.scores.test.map50_95
    client = project.client()
    runs = {run.info.run_id: run for run in client.search_runs([client.get_experiment_by_name("anew").experiment_id])}
    assert runs.pop(first).data.metrics == then
    (anew,) = runs.values()
    assert anew.data.metrics["test/mAP50-95"] == scores["test"]["mAP50-95"]
    assert anew.data.params["validate.confidence"] == "0.5"
    assert len(client.get_metric_history(anew.info.run_id, "epoch_seconds")) == 2
    assert project.read_records() == [record]
    project.dvc("repro")
    assert len(client.search_runs([client.get_experiment_by_name("anew").experiment_id])) == 2


def test_a_withdrawn_champion_is_not_replaced_by_itself(weighed, tmp_path):
    project = weighed.copy(tmp_path / "repo", "withdrawn")
    project.call(sys.executable, "-m", "tasks.register")
    assert project.client().get_registered_model("withdrawn").aliases == {"champion": 1}
    project.call(BIN / "gto", "deprecate", "withdrawn", "v1.0.0", "champion")
    done = project.call(sys.executable, "-m", "tasks.register")
    assert "v1 is not weighed: a person has decided about it before" in done.stdout
    assert project.client().get_registered_model("withdrawn").aliases == {}


def test_a_ledger_that_begins_later_leaves_nothing_in_mlflow(weighed, tmp_path):
    project = weighed.copy(tmp_path / "repo", "begins")
    project.call(sys.executable, "-m", "tasks.register")
    project.client().delete_registered_model("begins")
    body = project.git("for-each-ref", "--format=%(contents)", "refs/tags/begins@v1.0.0")
    commit = project.git("rev-parse", "begins@v1.0.0^{commit}")
    body = body.replace('"version": 1,', '"version": 2,')
    project.git("tag", "-a", "begins@v2.0.0", commit, "-m", body)
    project.git("tag", "-d", "begins@v1.0.0")
    done = project.call(sys.executable, "-m", "tasks.register", check=False)
    assert done.returncode == 1
    assert "begins@v2.0.0: the ledger here begins with it" in done.stderr
    assert "git fetch --tags" in done.stderr
    assert project.client().search_registered_models() == []


def test_two_registrations_at_once_give_one_version(weighed, tmp_path):
    project = weighed.copy(tmp_path / "repo", "twice")
    command = [sys.executable, "-m", "tasks.register"]
    both = [subprocess.Popen(command, cwd=project.root, env=project.env, stdout=subprocess.PIPE) for _ in range(2)]
    outputs = sorted(process.communicate()[0].decode() for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert "already registered: these weights are twice@v1.0.0" in outputs[0]
    assert "registered twice@v1.0.0" in outputs[1]
    assert len(project.read_records()) == 1
    assert len(project.client().search_model_versions("name = 'twice'")) == 1


def test_a_failure_leaves_no_empty_registered_model(weighed, tmp_path):
    project = weighed.copy(tmp_path / "repo", "fails")
    lock = (project.root / "dvc.lock").read_text()
    md5 = lock.partition("path: weights/weights.safetensors\n")[2].split("md5: ")[1].split()[0]
    cached = project.root / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    cached.rename(tmp_path / "kept")
    done = project.call(sys.executable, "-m", "tasks.register", check=False)
    assert done.returncode == 1
    assert "DVC has not all of its outputs here" in done.stderr
    assert "Traceback" not in done.stderr
    assert project.client().search_registered_models() == []
    (tmp_path / "kept").rename(cached)
    project.call(sys.executable, "-m", "tasks.register")
    assert len(project.client().search_model_versions("name = 'fails'")) == 1


def test_a_model_of_somebody_else_is_not_touched(weighed, tmp_path):
    project = weighed.copy(tmp_path / "repo", "taken")
    client = project.client()
    client.create_registered_model("taken")
    client.create_model_version("taken", source=str(tmp_path))
    done = project.call(sys.executable, "-m", "tasks.register", check=False)
    assert done.returncode == 1
    assert "MLflow: taken version 1 holds other weights (None)" in done.stderr
    assert client.get_model_version("taken", "1").tags == {}
