"""What MLflow holds, read in the short way; the local database as the installed MLflow makes it."""

import sqlite3

import pytest

from steelyard.errors import RegistryError
from steelyard.record.decision import Entry
from steelyard.record.local_store import DatabaseWriter, find_database, read_database
from steelyard.record.mirror import IDENTITY_TAG, Mirror, UnreadableError, list_foreign, list_lagging, list_missing
from steelyard.record.store import ClientWriter, read_mirror
from steelyard.standing.runs import SCORE, read_runs
from tests.unit.records import make_decision, make_record


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """A store with two versions, a deleted third one, and two runs."""
    from mlflow import MlflowClient
    from mlflow.entities import Metric

    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    uri = f"sqlite:///{file}"
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    client.create_registered_model("trees", tags={"steelyard": "x"})
    for number in (1, 2, 3):
        client.create_model_version("trees", source=str(file.parent), tags={IDENTITY_TAG: f"sha256:{number}"})
    client.delete_model_version("trees", "3")
    experiment = client.create_experiment("orchard")
    for name, score in (("one", 0.25), ("two", None)):
        run = client.create_run(experiment, run_name=name, start_time={"one": 1000, "two": 2000}[name])
        if score:
            client.log_batch(run.info.run_id, metrics=[Metric(SCORE, score, 0, 0)])
            client.set_terminated(run.info.run_id, "FINISHED", end_time=121000)
    client.file = file
    return client


def test_the_database_of_the_installed_mlflow_is_read_as_mlflow_reads_it(client):
    mirror = read_mirror(f"sqlite:///{client.file}", "trees")
    assert mirror.versions == {1: {IDENTITY_TAG: "sha256:1"}, 2: {IDENTITY_TAG: "sha256:2"}}
    model = client.get_registered_model("trees")
    assert (dict(mirror.tags), mirror.aliases) == (model.tags, model.aliases)
    assert read_mirror(f"sqlite:///{client.file}", "other") == Mirror({}, {}, {})
    assert read_mirror(f"sqlite:///{client.file}.none", "trees") == Mirror({}, {}, {})
    assert not client.file.with_name("mlflow.db.none").exists()


def test_what_is_written_by_sql_is_what_mlflow_would_have_written(client):
    rows = []
    for writer in (DatabaseWriter(client.file), ClientWriter(client)):
        for name, version in (("champion", 1), ("champion", 2), ("challenger", 1)):
            writer.set_alias("trees", name, version)
        writer.delete_alias("trees", "challenger")
        writer.set_tag("trees", "steelyard.decision", "old")
        writer.set_tag("trees", "steelyard.decision", "new")
        model = client.get_registered_model("trees")
        assert model.aliases == {"champion": 2}
        assert model.tags == {"steelyard": "x", "steelyard.decision": "new"}
        assert client.get_model_version_by_alias("trees", "champion").version == 2
        with sqlite3.connect(client.file) as database:
            tables = ("registered_model_aliases", "registered_model_tags")
            rows.append([sorted(database.execute(f"select * from {table}").fetchall()) for table in tables])  # noqa: S608
            database.execute("delete from registered_model_aliases")
            database.execute("delete from registered_model_tags where key = 'steelyard.decision'")
    assert rows[0] == rows[1]
    with pytest.raises(RegistryError, match=r"FOREIGN KEY constraint failed\); nobody is not changed there"):
        DatabaseWriter(client.file).set_alias("nobody", "champion", 1)


def test_the_last_runs_come_newest_first(client):
    two, one = read_runs(f"sqlite:///{client.file}", "orchard", 5)
    assert (one.name, one.status, one.seconds, one.map50_95) == ("one", "FINISHED", 120.0, 0.25)
    assert (two.name, two.status, two.seconds, two.map50_95) == ("two", "RUNNING", None, None)
    assert [run.name for run in read_runs(f"sqlite:///{client.file}", "orchard", 1)] == ["two"]
    assert read_runs(f"sqlite:///{client.file}", "nowhere", 5) == []
    assert read_runs(f"sqlite:///{client.file}.none", "orchard", 5) == []


def test_another_mlflows_database_and_other_stores_are_left_to_mlflow(tmp_path):
    file = tmp_path / "mlflow.db"
    with sqlite3.connect(file) as database:
        database.execute("create table alembic_version (version_num text)")
        database.execute("insert into alembic_version values ('another')")
    with pytest.raises(UnreadableError, match=r"mlflow.db is of another MLflow \(schema \[\('another',\)\]\)"):
        read_database(file, "trees")
    file.write_text("not a database, but as long as the head of one; " * 4)
    with pytest.raises(UnreadableError, match=r"mlflow.db does not answer \(file is not a database\)"):
        read_database(file, "trees")
    with pytest.raises(UnreadableError, match="'postgresql://host/x': neither a server nor a SQLite file"):
        read_mirror("postgresql://me:secret@host/x", "trees")
    assert find_database("sqlite:///a.db?timeout=3") is None


def make_history(*decisions):
    return [Entry(n, f"trees#{n}", "Ada <a@b>", None, decision) for n, decision in enumerate(decisions, 1)]


def test_each_disagreement_is_named_once():
    first, second = make_record("c", 1, "sha256:1"), make_record("d", 2, "sha256:2")
    history = make_history(make_decision(first, "promote"), make_decision(second, "promote", first))
    whole = {1: {IDENTITY_TAG: "sha256:1"}, 2: {IDENTITY_TAG: "sha256:2"}}
    now = {"steelyard.decision": "trees#2"}
    good = Mirror(whole, {"champion": 2}, now)
    assert list_missing(good, [first, second], history) == list_foreign(good, history) == []
    assert list_lagging(good, history) == []
    other = Mirror({2: {IDENTITY_TAG: "sha256:x"}, 4: {}}, {"champion": 2}, now)
    assert list_missing(other, [first, second], history) == [
        "MLflow lacks version 1",
        "MLflow's version 2 holds other weights (sha256:x) than the ledger's (sha256:2)",
        "MLflow has a version 4, of which the ledger knows nothing",
    ]
    late = Mirror(whole, {"champion": 1}, {"steelyard.decision": "trees#1"})
    assert list_foreign(late, history) == []
    assert list_lagging(late, history) == ["MLflow's alias champion is version 1; the ledger's is version 2"]
    moved = Mirror(whole, {"champion": 1}, now)
    assert len(list_foreign(moved, history)) == 1
    assert list_lagging(moved, history) == []
    unknown = Mirror(whole, {"champion": 2}, {})
    assert list_lagging(unknown, history) == ["MLflow does not know of the last decision (trees#2)"]
