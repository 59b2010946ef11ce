"""The page and the model card of a version: in MLflow, from git and DVC alone, and after MLflow was lost."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from steelyard.report.material import PLOTS

MADE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC")


@pytest.fixture(scope="module")
def registered(weighed, tmp_path_factory):
    project = weighed.copy(tmp_path_factory.mktemp("report") / "repo", "reported")
    project.call(sys.executable, "-m", "tasks.register")
    return project


def read_report(client, name):
    version = client.get_model_version(name, "1")
    folder = Path(client.download_artifacts(version.run_id, "report"))
    return {file.name: file.read_text() for file in folder.iterdir()}


def read_blocks(card, kind):
    return re.findall(rf"^```{kind}\n(.*?)^```", card, re.MULTILINE | re.DOTALL)


def test_both_lie_beside_the_run_of_the_version(registered):
    files = read_report(registered.client(), "reported")
    (record,) = registered.read_records()
    assert set(files) == {"report.html", "README.md"}
    assert "v1: promote: first version, there was nothing to compare with" in files["report.html"]
    assert "v1 is champion, as of 20" in files["report.html"]
    plots = {file.name for file in (registered.root / "plots").iterdir()} & set(PLOTS)
    assert {"pr_curve.png", "reliability.png"} <= plots
    assert files["report.html"].count("data:image/png") == len(plots)
    assert record.weights.identity in files["README.md"]


def test_the_command_writes_the_same_from_git_and_dvc_alone(registered, tmp_path):
    files = read_report(registered.client(), "reported")
    clone = tmp_path / "clone"
    registered.git("clone", "-q", str(registered.root), str(clone))
    other = registered.at(clone)
    other.dvc("config", "--local", "cache.dir", registered.root / ".dvc/cache")
    output = other.steelyard("report", "v1").stdout
    assert output == f"wrote {clone}/report/v1/report.html and {clone}/report/v1/README.md\n"
    assert (clone / "report/v1/README.md").read_text() == files["README.md"]
    page = (clone / "report/v1/report.html").read_text()
    assert MADE.sub("", page) == MADE.sub("", files["report.html"])
    assert not (clone / "mlflow.db").exists()
    assert other.git("status", "--porcelain") == ""


def test_an_unknown_version_is_refused(registered):
    done = registered.steelyard("report", "v7", check=False)
    assert done.returncode == 1
    assert done.stderr == "error: v7: no version of reported (versions: v1); name one of them, such as v1\n"


def test_where_the_bytes_are_gone_the_page_says_less(registered, tmp_path):
    clone = tmp_path / "clone"
    registered.git("clone", "-q", str(registered.root), str(clone))
    registered.at(clone).steelyard("report", "v1", "--output", tmp_path / "out")
    page = (tmp_path / "out/report.html").read_text()
    assert "data:image" not in page
    assert "v1: promote: first version" in page


def test_a_lost_store_gets_both_back(registered, tmp_path):
    project = registered.at(tmp_path / "repo")
    shutil.copytree(registered.root, project.root, symlinks=True)
    files = read_report(registered.client(), "reported")
    (project.root / "mlflow.db").unlink()
    shutil.rmtree(project.root / "mlartifacts")
    project.call(sys.executable, "-m", "tasks.register")
    uri = f"sqlite:///{project.root / 'mlflow.db'}"
    again = read_report(MlflowClient(tracking_uri=uri, registry_uri=uri), "reported")
    assert again["README.md"] == files["README.md"]
    assert MADE.sub("", again["report.html"]) == MADE.sub("", files["report.html"])


def test_what_the_card_says_about_loading_and_making_works(registered, tmp_path):
    (record,) = registered.read_records()
    card = read_report(registered.client(), "reported")["README.md"]
    clone = tmp_path / "clone"
    registered.git("clone", "-q", str(registered.root), str(clone))
    other = registered.at(clone)
    other.dvc("config", "--local", "cache.dir", registered.root / ".dvc/cache")
    getting, making = read_blocks(card, "bash")
    other.call("bash", "-ec", getting)
    from steelyard.weights.identity import file_sha256

    assert file_sha256(clone / "best.pt") == record.weights.file_sha256
    shutil.copy(min((registered.root / "data/dataset/images/test").iterdir()), clone / "picture.jpg")
    _, loading = read_blocks(card, "python")
    env = {**other.env, "YOLO_CONFIG_DIR": str(tmp_path), "YOLO_OFFLINE": "true"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", loading + "assert len(boxes) == 1\n"],
        cwd=clone, env=env, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    other.call("bash", "-ec", making)
    assert record.weights.identity in (clone / "weights/training.json").read_text()
