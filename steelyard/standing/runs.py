"""The last runs of an MLflow experiment, without importing mlflow."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from steelyard.address import show_address
from steelyard.record.local_store import find_database, open_database
from steelyard.record.mirror import UnreadableError
from steelyard.record.rest import TROUBLE, ask, send

SCORE = "test/mAP50-95"


class Run(BaseModel):
    """One run.

    Attributes:
        run_id: MLflow's.
        name: as its page shows it.
        status: RUNNING, FINISHED, FAILED or KILLED.
        started: when.
        seconds: that it took; None while it runs.
        map50_95: on test; None where it was not scored.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str
    name: str
    status: str
    started: datetime
    seconds: float | None
    map50_95: float | None


def read_runs(store: str, experiment: str, count: int) -> list[Run]:
    """The last runs, the newest first; none where there is no such experiment.

    Args:
        store: address of MLflow's store.
        experiment: its name.
        count: how many.

    Raises:
        UnreadableError: the store is neither a server that answers nor a SQLite file of this MLflow.
    """
    if store.startswith("http"):
        return _ask_server(store, experiment, count)
    if (file := find_database(store)) is not None:
        return _read_database(file, experiment, count) if file.exists() else []
    raise UnreadableError(f"MLFLOW_TRACKING_URI = {show_address(store)!r}: neither a server nor a SQLite file")


def _ask_server(server: str, experiment: str, count: int) -> list[Run]:
    try:
        found = ask(server, "experiments/get-by-name", experiment_name=experiment)["experiment"]["experiment_id"]
        query = {"experiment_ids": [found], "max_results": count, "order_by": ["attributes.start_time DESC"]}
        runs = send(server, "POST", "runs/search", query).get("runs", [])
        return [_parse_run(run["info"], run.get("data", {})) for run in runs]
    except TROUBLE as error:
        if getattr(error, "code", None) == 404:
            return []
        raise UnreadableError(f"MLflow's server does not answer ({error})") from error


def _parse_run(info: Mapping[str, str], data: Mapping[str, list[Mapping[str, str]]]) -> Run:
    scores = [float(metric["value"]) for metric in data.get("metrics", []) if metric["key"] == SCORE]
    return _make_run(
        info["run_id"],
        info.get("run_name", ""),
        info["status"],
        int(info["start_time"]),
        int(info["end_time"]) if "end_time" in info else None,
        scores[0] if scores else None,
    )


def _read_database(file: Path, experiment: str, count: int) -> list[Run]:
    with open_database(file) as database:
        rows = database.execute(
            "select run_uuid, runs.name, status, start_time, end_time, "
            "(select value from latest_metrics where latest_metrics.run_uuid = runs.run_uuid and key = ?) "
            "from runs join experiments using (experiment_id) "
            "where experiments.name = ? and experiments.workspace = 'default' and runs.lifecycle_stage = 'active' "
            "order by start_time desc limit ?",
            (SCORE, experiment, count),
        )
        return [_make_run(*row) for row in rows]


def _make_run(run_id: str, name: str, status: str, start_ms: int, end_ms: int | None, score: float | None) -> Run:
    return Run(
        run_id=run_id,
        name=name,
        status=status,
        started=datetime.fromtimestamp(start_ms / 1000, UTC),
        seconds=None if end_ms is None else (end_ms - start_ms) / 1000,
        map50_95=score,
    )
