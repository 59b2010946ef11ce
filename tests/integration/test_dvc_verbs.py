"""DVC's own verbs work as its users know them; an experiment in its temporary folder registers nothing."""

import csv
import json
import shutil

import pytest


@pytest.fixture(scope="module")
def project(weighed, tmp_path_factory):
    """Two commits of one project: the second is an experiment of one epoch, applied."""
    project = weighed.copy(tmp_path_factory.mktemp("verbs") / "repo", "verbs")
    project.dvc("repro")
    project.git("add", "--all")
    project.git("commit", "-qm", "two epochs")
    project.dvc("exp", "run", "-S", "finetune.epochs=1")
    project.git("add", "--all")
    project.git("commit", "-qm", "one epoch")
    return project


def test_another_licence_does_not_train_again(weighed, tmp_path):
    other = weighed.copy(tmp_path / "repo", "licence")
    other.set(fetch={"licence": "CC0-1.0"})
    other.dvc("repro", "fetch")
    assert json.loads((other.root / "data/dataset.json").read_text())["licence"] == "CC0-1.0"
    assert read_json(other.dvc("status", "--json", "finetune")) == {}


def read_json(done):
    return json.loads(done.stdout)


def read_runs(project):
    """MLflow's runs by the learning rate that they had."""
    client = project.client()
    experiment = client.get_experiment_by_name(project.name).experiment_id
    return {
        (run.data.params["finetune.lr0"], run.data.params["finetune.epochs"]): run
        for run in client.search_runs([experiment])
    }


def test_an_experiment_in_the_workspace_is_a_version(project):
    assert [record.params["finetune"]["epochs"] for record in project.read_records()] == [2, 1]
    assert "epochs: 1\n" in (project.root / "params.yaml").read_text()
    assert project.git("show", f"{project.read_records()[1].commit}:params.yaml").count("epochs: 1\n") == 1


def test_status_is_clean_but_for_register(project):
    assert read_json(project.dvc("status", "--json")) == {"register": ["always changed"]}
    assert project.git("status", "--porcelain") == ""


def test_dag_shows_the_stages(project):
    edges = project.dvc("dag", "--dot").stdout
    assert '"fetch" -> "finetune"' in edges
    assert '"base" -> "finetune"' in edges
    assert '"finetune" -> "validate"' in edges
    assert '"validate" -> "register"' in edges
    assert '"data/raw/shapes.dvc" -> "fetch"' in edges


def test_metrics_show_and_diff(project):
    scores = json.loads((project.root / "metrics/scores.json").read_text())
    shown = read_json(project.dvc("metrics", "show", "--json"))
    assert shown[""]["data"]["metrics/scores.json"]["data"] == scores
    diff = read_json(project.dvc("metrics", "diff", "--json", "HEAD~1", "HEAD"))["metrics/scores.json"]
    first, second = project.read_records()
    old, new = first.scores.val.map50_95, second.scores.val.map50_95
    assert old != new
    assert (diff["val.mAP50-95"]["old"], diff["val.mAP50-95"]["new"]) == (old, new)


def test_plots_show_and_diff(project, tmp_path):
    project.dvc("plots", "show", "--out", tmp_path / "show")
    project.dvc("plots", "diff", "HEAD~1", "HEAD", "--out", tmp_path / "diff")
    for name in ("show", "diff"):
        page = (tmp_path / name / "index.html").read_text()
        for title in ("mAP on val", "losses", "metrics/pr.csv", "metrics/confusion.csv"):
            assert title in page, f"plots {name}"
    values = read_json(project.dvc("plots", "diff", "HEAD~1", "HEAD", "--json", "--split"))
    text = json.dumps(values)
    assert "error" not in values
    assert "HEAD~1" in text
    assert project.git("status", "--porcelain") == ""


def test_plots_pages_are_none_of_gits_business(project):
    project.dvc("plots", "show")
    assert (project.root / "dvc_plots/index.html").is_file()
    assert project.git("status", "--porcelain") == ""


def test_exp_show_lists_settings_and_scores(project):
    table = list(csv.DictReader(project.dvc("exp", "show", "--csv", "--num", "2").stdout.splitlines()))
    first, second = project.read_records()
    shown = {(row["finetune.epochs"], float(row["val.mAP50-95"])) for row in table}
    assert {("2", first.scores.val.map50_95), ("1", second.scores.val.map50_95)} <= shown


def test_push_and_pull_bring_the_weights_to_another_clone(project, tmp_path):
    from steelyard.weights.identity import file_sha256

    (project.root / ".dvc/config.local").unlink(missing_ok=True)
    project.dvc("remote", "add", "--local", "--default", "store", tmp_path / "store")
    project.dvc("push")
    clone = tmp_path / "clone"
    project.git("clone", "-q", str(project.root), str(clone))
    other = project.at(clone)
    other.dvc("remote", "add", "--local", "--default", "store", tmp_path / "store")
    other.dvc("pull")
    record = project.read_records()[-1]
    assert file_sha256(clone / "weights/best.pt") == record.weights.file_sha256
    assert file_sha256(clone / "weights/weights.safetensors") == record.weights.safetensors_sha256
    assert json.loads((clone / "weights/training.json").read_text())["identity"] == record.weights.identity
    assert read_json(other.dvc("status", "--json")) == {"register": ["always changed"]}
    assert other.git("status", "--porcelain") == ""
    # and a flow run there, with nothing but git and the remote, finds all of it made
    shutil.rmtree(clone / ".dvc/cache")
    (project.root / ".dvc/config.local").unlink()


@pytest.mark.parametrize(
    ("first", "then", "lr0"),
    [
        (("exp", "run", "--temp", "-S", "finetune.lr0=0.003"), (), 0.003),
        (("exp", "run", "--queue", "-S", "finetune.lr0=0.004"), ("exp", "run", "--run-all"), 0.004),
    ],
    ids=["temp", "queue"],
)
def test_an_experiment_elsewhere_trains_and_scores_and_registers_nothing(project, first, then, lr0):
    before = project.git("tag"), project.git("status", "--porcelain"), project.git("rev-parse", "HEAD")
    project.dvc(*first)
    if then:
        project.dvc(*then)
    assert (project.git("tag"), project.git("status", "--porcelain"), project.git("rev-parse", "HEAD")) == before
    assert len(project.client().search_model_versions(f"name = '{project.name}'")) == 2
    run = read_runs(project)[(str(lr0), "1")]
    assert run.info.status == "FINISHED"
    table = list(csv.DictReader(project.dvc("exp", "show", "--csv").stdout.splitlines()))
    (row,) = [row for row in table if row["finetune.lr0"] == str(lr0)]
    for split in ("val", "test"):
        assert run.data.metrics[f"{split}/mAP50-95"] == float(row[f"{split}.mAP50-95"])
    assert {file.path for file in project.client().list_artifacts(run.info.run_id)} >= {"plots", "metrics"}
