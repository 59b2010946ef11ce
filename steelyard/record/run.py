"""One MLflow run: opened before a training, fed while it goes, ended with it."""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from steelyard.address import show_address
from steelyard.errors import RegistryError
from steelyard.params import Params
from steelyard.paths import find_home

if TYPE_CHECKING:
    from mlflow import MlflowClient

RUN_KEY_TAG = "steelyard.run_key"
EPOCH_SECONDS = "epoch_seconds"
DATA_FOLDER = "data"  # of a run's artifacts: what stage check found

Status = Literal["FINISHED", "KILLED", "FAILED"]


def find_store(root: Path) -> str:
    """Address of the MLflow store: ``MLFLOW_TRACKING_URI``, else a SQLite file in the home repository."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{find_home(root) / 'mlflow.db'}"


def open_client(root: Path) -> "MlflowClient":
    """Connect to the MLflow store.

    Args:
        root: repository or workspace that asks.

    Raises:
        RegistryError: the store does not answer.
    """
    # The address must stand in the environment: MLflow's artifact code makes clients of its own,
    # which would otherwise drop a new store into the working directory.
    os.environ["MLFLOW_TRACKING_URI"] = find_store(root)
    # MLflow's own patience is minutes; a person who mistyped an address waits for none of them.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    # Linked to `git` this logs a warning in folders without one; the snapshot commit says more.
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    import logging

    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    from mlflow import MlflowClient  # heavy: 2.7 s

    try:
        client = MlflowClient()
        client.search_experiments(max_results=1)
    except Exception as error:  # requests, SQLAlchemy and MLflow each raise their own
        raise RegistryError(
            f"MLFLOW_TRACKING_URI = {show_address(find_store(root))!r}: the MLflow store does not answer "
            f"({_find_reason(error)}); "
            "start it (`make up`), correct the address, or unset it to use mlflow.db here"
        ) from error
    return client


def _find_reason(error: Exception) -> str:
    """What the operating system said, at the bottom of the libraries' tower of errors; else the error itself."""
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, OSError) and below.strerror:
            return below.strerror
        below = below.__cause__ or below.__context__
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0][:200]}"


def find_experiment(client: "MlflowClient", root: Path, name: str) -> str:
    """Id of the experiment of that name, made where it is missing."""
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(name)
    if experiment is not None and experiment.lifecycle_stage == "deleted":
        client.restore_experiment(experiment.experiment_id)
    if experiment is not None:
        return str(experiment.experiment_id)
    # A local store keeps its files in the home repository, whichever workspace made it first.
    folder = None if os.environ["MLFLOW_TRACKING_URI"].startswith("http") else find_home(root) / "mlartifacts"
    try:
        return client.create_experiment(name, artifact_location=folder.as_uri() if folder else None)
    except MlflowException:
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            raise
        return str(experiment.experiment_id)  # another run made it in between


class TrackedRun:
    """An MLflow run that is spoken to by its id, never as the thread's active run."""

    def __init__(self, client: "MlflowClient", run_id: str) -> None:
        self.run_id = run_id
        self._client = client

    def log_epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Add one point to each curve.

        Args:
            epoch: 1 for the first.
            values: figure by name, such as ``val/mAP50``.
        """
        # MLflow's own time stamp is milliseconds since 1970
        import time

        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        with refuse_trouble(f"run {self.run_id}: epoch {epoch} is not logged"):
            self._client.log_batch(self.run_id, metrics=[Metric(k, float(v), now, epoch) for k, v in values.items()])

    def read_epochs(self, name: str) -> set[int]:
        """The epochs at which a curve has a point."""
        with refuse_trouble(f"run {self.run_id}: {name} cannot be read"):
            return {int(point.step) for point in self._client.get_metric_history(self.run_id, name)}

    def end(self, status: Status) -> None:
        """Close the run."""
        with refuse_trouble(f"run {self.run_id} is not closed as {status}"):
            self._client.set_terminated(self.run_id, status)


def open_run(root: Path, experiment: str, name: str, run_key: str, params: Params, run_id: str | None) -> TrackedRun:
    """Start a run, or go on with the one that a killed training left.

    Args:
        root: repository or workspace that asks.
        experiment: MLflow experiment; made where it is missing.
        name: name of a new run.
        run_key: what the training depends on, as one hash; the run is found again by it.
        params: logged, flat, as ``section.name``.
        run_id: the run to go on with; a new one is started where the store no longer has it, or where a
            person has deleted it.

    Raises:
        RegistryError: the store does not answer.
    """
    client = open_client(root)
    with refuse_trouble("no run is opened"):
        if run_id is not None and is_active(client, run_id):
            client.update_run(run_id, status="RUNNING")
            return TrackedRun(client, run_id)
        experiment_id = find_experiment(client, root, experiment)
        run = client.create_run(experiment_id, run_name=name, tags={RUN_KEY_TAG: run_key})
        log_params(client, run.info.run_id, params)
        return TrackedRun(client, run.info.run_id)


def log_refused(root: Path, params: Params, fingerprint: str, files: Sequence[Path]) -> str:
    """Keep what the checks found in a run of its own, which ends as FAILED.

    The same data refused again with the same settings goes to the same run.

    Args:
        root: repository or workspace.
        params: the settings.
        fingerprint: of the data set.
        files: the page and the figures, below ``root``.

    Returns:
        Where to look: an address where MLflow is a server, else the path of the page.

    Raises:
        RegistryError: MLflow does not answer.
    """
    client = open_client(root)
    with refuse_trouble("the page about the data is not kept"):
        experiment_id = find_experiment(client, root, params.registration.experiment)
        settings = hashlib.sha256(params.model_dump_json(by_alias=True).encode()).hexdigest()
        key = f"check:{fingerprint[:16]}:{settings[:16]}"
        runs = client.search_runs([experiment_id], f"tags.`{RUN_KEY_TAG}` = '{key}'", max_results=1)
        if runs:
            run = runs[0]
        else:
            run = client.create_run(experiment_id, run_name=f"data refused {fingerprint[:12]}", tags={RUN_KEY_TAG: key})
            log_params(client, run.info.run_id, params)
        for file in files:
            client.log_artifact(run.info.run_id, str(root / file), DATA_FOLDER)
        client.set_terminated(run.info.run_id, "FAILED")
    store = find_store(root)
    if store.startswith("http"):
        return (
            f"{show_address(store).rstrip('/')}/#/experiments/{experiment_id}/runs/{run.info.run_id}"
            f"/artifacts/{DATA_FOLDER}/{files[0].name}"
        )
    return f"{run.info.artifact_uri}/{DATA_FOLDER}/{files[0].name}".removeprefix("file://")


def is_active(client: "MlflowClient", run_id: str) -> bool:
    """Whether the store has this run, and nobody has deleted it."""
    from mlflow.exceptions import MlflowException

    try:
        return bool(client.get_run(run_id).info.lifecycle_stage == "active")
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False


@contextmanager
def refuse_trouble(what: str) -> Iterator[None]:
    """Turn what MLflow raises into one sentence."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        raise RegistryError(f"MLflow: {what}: {error.message.splitlines()[0][:300]}") from error


def log_params(client: "MlflowClient", run_id: str, params: Params) -> None:
    """Log every setting under ``section.name``."""
    from mlflow.entities import Param

    flat = flatten(params.model_dump(mode="json", by_alias=True))
    client.log_batch(run_id, params=[Param(key, str(value)) for key, value in flat.items()])


def flatten(values: Mapping[str, object], head: str = "") -> dict[str, object]:
    """``{"a": {"b": 1}}`` becomes ``{"a.b": 1}``."""
    flat: dict[str, object] = {}
    for key, value in values.items():
        path = f"{head}{key}"
        flat |= flatten(value, f"{path}.") if isinstance(value, Mapping) else {path: value}
    return flat
