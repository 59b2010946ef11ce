"""A study in MLflow: a run of its own, and the runs of its trainings as its children.

A training's run is made by stage ``finetune``, and becomes a child by a tag. A run has one parent: where another
study has the training already, this one gets a copy of its run.
"""

import hashlib
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from steelyard.params import Params
from steelyard.record.outputs import headline, log_outputs
from steelyard.record.run import RUN_KEY_TAG, Status, find_experiment, is_active, open_client, refuse_trouble
from steelyard.scoring.scores import Scores
from steelyard.training.manifest import TrainingManifest

if TYPE_CHECKING:
    from mlflow import MlflowClient

PARENT_TAG = "mlflow.parentRunId"  # MLflow's own, by which its page shows the children below the parent
ARM_TAG = "steelyard.arm"
SEED_TAG = "steelyard.seed"
_FIGURES_TAG = "steelyard.study_figures"
_NOTE_TAG = "mlflow.note.content"


def open_study(root: Path, experiment: str, name: str, key: str, settings: Mapping[str, str]) -> str:
    """Start the run of a study, or go on with the one that it has.

    Args:
        root: repository.
        experiment: MLflow experiment; made where it is missing.
        name: of a new run.
        key: of the study; its run is found again by it.
        settings: logged as parameters of a new run.

    Returns:
        Id of the run.

    Raises:
        RegistryError: MLflow does not answer.
    """
    from mlflow.entities import Param

    client = open_client(root)
    with refuse_trouble("no run is opened for the study"):
        experiment_id = find_experiment(client, root, experiment)
        run_key = f"study:{key}"
        runs = client.search_runs([experiment_id], f"tags.`{RUN_KEY_TAG}` = '{run_key}'", max_results=1)
        if runs:
            run_id = str(runs[0].info.run_id)
            client.update_run(run_id, status="RUNNING")
            return run_id
        run = client.create_run(experiment_id, run_name=name, tags={RUN_KEY_TAG: run_key})
        client.log_batch(run.info.run_id, params=[Param(key, value) for key, value in settings.items()])
        return str(run.info.run_id)


def add_member(
    root: Path, study_id: str, arm: str, seed: int, params: Params, training: TrainingManifest, scores: Scores
) -> str:
    """Make a training's run a child of the study; it gets its scores, where it has not got them.

    Args:
        root: the workspace in which the training was made and validated.
        study_id: run of the study.
        arm: name of the arm.
        seed: of the training.
        params: the settings.
        training: its manifest.
        scores: of its weights.

    Returns:
        Id of the child: the training's run, or the copy of it.

    Raises:
        RegistryError: MLflow does not answer.
    """
    client = open_client(root)
    run_key, run_id = training.run_key, training.run_id
    with refuse_trouble(f"{arm}, seed {seed} is not added to the study"):
        if is_active(client, run_id) and _read_tags(client, run_id).get(PARENT_TAG, study_id) != study_id:
            run_key, run_id = f"{run_key}:{study_id}", ""
            experiment_id = find_experiment(client, root, params.registration.experiment)
            runs = client.search_runs([experiment_id], f"tags.`{RUN_KEY_TAG}` = '{run_key}'", max_results=1)
            run_id = str(runs[0].info.run_id) if runs else ""
        if not run_id or not is_active(client, run_id) or not _is_scored(client, run_id, scores):
            run_id = log_outputs(root, params, training, run_key, run_id)
        tags = {PARENT_TAG: study_id, ARM_TAG: arm, SEED_TAG: str(seed)}
        if tags.items() - _read_tags(client, run_id).items():
            for tag, value in tags.items():
                client.set_tag(run_id, tag, value)
            client.update_run(run_id, name=f"{arm}, seed {seed}")
    return run_id


def close_study(
    root: Path,
    run_id: str,
    members: Collection[str],
    figures: Mapping[str, Sequence[float]],
    note: str,
    files: Sequence[Path],
) -> None:
    """Log what the study found, once, and end its run.

    Args:
        root: repository.
        run_id: of the study.
        members: runs of its trainings; a child that is none of them any more, since the code or the data
            changed, is let go.
        figures: by name, the value at step 1, 2, ...
        note: Markdown for the run's page.
        files: become its artifacts.

    Raises:
        RegistryError: MLflow does not answer.
    """
    from mlflow.entities import Metric

    client = open_client(root)
    with refuse_trouble("what the study found is not logged"):
        experiment_id = client.get_run(run_id).info.experiment_id
        for child in client.search_runs([experiment_id], f"tags.`{PARENT_TAG}` = '{run_id}'"):
            if child.info.run_id not in members:
                client.delete_tag(child.info.run_id, PARENT_TAG)
        digest = hashlib.sha256(repr(sorted(figures.items())).encode()).hexdigest()
        if _read_tags(client, run_id).get(_FIGURES_TAG) != digest:
            now = int(time.time() * 1000)
            points = [
                Metric(name, value, now, step)
                for name, values in figures.items()
                for step, value in enumerate(values, start=1)
            ]
            for start in range(0, len(points), 1000):  # MLflow's limit for one batch
                client.log_batch(run_id, metrics=points[start : start + 1000])
        for file in files:
            client.log_artifact(run_id, str(file))
        client.set_tag(run_id, _NOTE_TAG, note)
        client.set_tag(run_id, _FIGURES_TAG, digest)
        client.set_terminated(run_id, "FINISHED")


def break_study(root: Path, run_id: str, status: Status) -> None:
    """End the run of a study that was cut short; the next one of the same key goes on with it."""
    with refuse_trouble(f"run {run_id} is not closed as {status}"):
        open_client(root).set_terminated(run_id, status)


def _read_tags(client: "MlflowClient", run_id: str) -> dict[str, str]:
    return dict(client.get_run(run_id).data.tags)


def _is_scored(client: "MlflowClient", run_id: str, scores: Scores) -> bool:
    return bool(headline(scores).items() <= client.get_run(run_id).data.metrics.items())
