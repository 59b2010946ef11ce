"""promote, rollback, demote, history and status beside a real MLflow: a local store, and a standing server."""

import json
import re
import shutil
import sys

import pytest
from mlflow import MlflowClient

from steelyard.record.ledger import add_version
from tests.unit.test_readme import ROOT, read_blocks


def register(project):
    return project.call(sys.executable, "-m", "tasks.register").stdout


def add_second(project):
    """The same bytes as a second version, on a commit of its own: no training is needed for a decision."""
    (record,) = project.read_records()
    commit = project.git("commit-tree", "-p", record.commit, "-m", "again", f"{record.commit}^{{tree}}")
    weights = record.weights.model_copy(update={"identity": f"sha256:{2:064}"})
    add_version(project.root, record.model_copy(update={"version": 2, "commit": commit, "weights": weights}))


def read_aliases(project):
    aliases = project.client().get_registered_model(project.name).aliases
    return {alias: int(version) for alias, version in aliases.items()}


def read_model(client, name):
    model = client.get_registered_model(name)
    versions = client.search_model_versions(f"name = '{name}'")
    return model.aliases, model.tags, {version.version: version.tags for version in versions}


def read_status(project):
    return json.loads(project.steelyard("status", "--json").stdout)


@pytest.fixture
def project(weighed, tmp_path):
    """A project whose ledger has two versions, of which MLflow's local store knows."""
    project = weighed.copy(tmp_path / "repo", "decided")
    register(project)
    add_second(project)
    assert read_status(project)["disagreements"] == ["MLflow lacks version 2"]
    project.steelyard("status", "--repair")
    assert read_status(project)["disagreements"] == []
    return project


def test_the_local_store_follows_the_ledger_and_is_set_back_by_it(project):
    assert read_aliases(project) == {"champion": 1}
    done = project.steelyard("promote", "v2", "--reason", "better at dusk")
    assert (
        "champion: decided v2 (before: v1); decided by Tester <tester@localhost> as decided#champion#2" in done.stdout
    )
    assert "v2 was never weighed by the gate" in done.stderr
    assert read_aliases(project) == {"champion": 2}

    tags = project.git("tag")
    project.client().set_registered_model_alias("decided", "champion", "1")
    (said,) = read_status(project)["disagreements"]
    assert said.startswith("MLflow: somebody set the alias champion to version 1; the ledger says that v2 is champion")
    output = register(project)
    assert f"{said}; set back" in output
    assert read_aliases(project) == {"champion": 2}
    assert project.git("tag") == tags

    project.client().set_registered_model_alias("decided", "champion", "1")
    done = project.steelyard("demote", "--reason", "labels were wrong")
    assert f"{said}; set back" in done.stderr
    assert read_aliases(project) == {}
    project.steelyard("rollback")
    assert read_aliases(project) == {"champion": 1}
    history = json.loads(project.steelyard("history", "--json").stdout)
    assert [(each["action"], each["before"], each["after"]) for each in history] == [
        ("roll back", None, 1), ("demote", 2, None), ("promote", 1, 2), ("promote", None, 1),
    ]  # fmt: skip
    for block in read_blocks(ROOT / "docs/ledger.md", "bash"):
        for line in block.splitlines():
            if line.startswith("git "):
                shown = project.call("bash", "-c", line.replace("tree-crowns", "decided")).stdout
                assert re.search(r"promote decided v1: ", shown), line


def test_a_wiped_store_comes_back_with_aliases_and_verdicts(project):
    project.steelyard("promote", "v2", "--reason", "better at dusk")
    before = read_model(project.client(), "decided")
    assert before[2][1]["steelyard.verdict"].startswith("promote: first version")
    history = project.steelyard("history", "--json").stdout
    (project.root / "mlflow.db").unlink()
    shutil.rmtree(project.root / "mlartifacts")
    assert project.steelyard("history", "--json").stdout == history
    assert "MLflow lacks version 1" in read_status(project)["disagreements"]
    assert not (project.root / "mlflow.db").exists()
    done = project.steelyard("status", "--repair")
    assert "agrees with the ledger" in done.stdout
    assert "from MLflow, mlflow.db" in done.stdout
    # MLflow's client keeps its connection to a deleted store: by another path it makes a new one
    uri = f"sqlite:///{project.root}/../{project.root.name}/mlflow.db"
    assert read_model(MlflowClient(tracking_uri=uri, registry_uri=uri), "decided") == before


def test_what_is_stale_is_what_dvc_would_run(project):
    status = read_status(project)
    assert (status["stale"], status["settings"]) == ({}, [])
    assert [run["status"] for run in status["runs"]] == ["FINISHED"]
    file = project.root / "params.yaml"
    file.write_text(file.read_text().replace("max_det: 300", "max_det: 200"))
    status = read_status(project)
    assert status["stale"] == {"validate": ["params.yaml validate modified"]}
    assert status["settings"] == ["validate.max_det = 200 (committed: 300)"]


def test_a_server_follows_the_ledger_and_may_be_away(yard, weighed, tmp_path):
    project = yard.adopt(weighed, tmp_path / "repo", "served")
    register(project)
    add_second(project)
    project.steelyard("status", "--repair")
    project.steelyard("promote", "v2", "--reason", "better at dusk")
    assert read_aliases(project) == {"champion": 2}
    status = read_status(project)
    assert (status["disagreements"], status["troubles"], len(status["runs"])) == ([], [], 1)
    assert status["runs"][0]["map50_95"] == project.read_records()[0].scores.test.map50_95

    project.client().set_registered_model_alias("served", "challenger", "1")
    assert "somebody set the alias challenger to version 1" in read_status(project)["disagreements"][0]
    done = project.steelyard("rollback", MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert "the decision stands, and MLflow does not show it yet" in done.stderr
    assert read_aliases(project) == {"champion": 2, "challenger": 1}
    assert "set back" in register(project)
    assert read_aliases(project) == {"champion": 1}


def test_decisions_and_up_to_date_runs_import_no_mlflow(project):
    for program in (
        "sys.argv = ['steelyard', 'promote', 'v2', '--reason', 'x']; from steelyard.cli import main",
        "sys.path.insert(0, '.'); from tasks.register import main",
    ):
        end = "\ntry: main()\nexcept SystemExit: pass\nprint('mlflow' in sys.modules, 'torch' in sys.modules)"
        done = project.call(sys.executable, "-c", f"import sys; {program}{end}")
        assert done.stdout.splitlines()[-1] == "False False"
    assert read_aliases(project) == {"champion": 2}
