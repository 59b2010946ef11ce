"""One MLflow run in a real store, and what becomes of it when people and disks interfere."""

import sqlite3

import pytest

from steelyard.errors import RegistryError
from steelyard.params import load_params
from steelyard.record.run import open_run
from tests.conftest import ROOT


@pytest.fixture
def start(tmp_path, monkeypatch):
    import mlflow

    # another test of this process may have set another, which goes before the environment
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    params = load_params(ROOT / "params.yaml")
    return lambda run_id=None: open_run(tmp_path, "trees", "trees-1", "key", params, run_id)


def test_a_run_goes_on_unless_a_person_has_deleted_it(start):
    from mlflow import MlflowClient

    run = start()
    run.log_epoch(1, {"mAP50": 0.25})
    run.end("KILLED")
    client = MlflowClient()
    assert start(run.run_id).run_id == run.run_id
    assert client.get_run(run.run_id).info.status == "RUNNING"
    client.delete_run(run.run_id)
    again = start(run.run_id)
    assert again.run_id != run.run_id
    assert client.get_run(again.run_id).data.params["finetune.epochs"] == "20"
    assert start("0" * 32).run_id not in (run.run_id, again.run_id)


def test_a_store_that_breaks_while_a_training_goes_on(start, tmp_path):
    run = start()
    with sqlite3.connect(tmp_path / "mlflow.db") as store:
        store.executescript("DROP TABLE metrics; DROP TABLE runs")
    with pytest.raises(RegistryError, match=rf"MLflow: run {run.run_id}: epoch 1 is not logged: "):
        run.log_epoch(1, {"mAP50": 0.25})
    with pytest.raises(RegistryError, match="is not closed as FAILED"):
        run.end("FAILED")
