"""What the stages wrote: taken out of a snapshot, shown in an MLflow run."""

import csv
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from steelyard import paths
from steelyard.errors import RegistryError
from steelyard.params import Params
from steelyard.record.run import (
    DATA_FOLDER,
    EPOCH_SECONDS,
    RUN_KEY_TAG,
    find_experiment,
    flatten,
    is_active,
    open_client,
    refuse_trouble,
)
from steelyard.scoring.scores import Scores
from steelyard.training.manifest import TrainingManifest

if TYPE_CHECKING:
    from mlflow import MlflowClient

FILES = (paths.BEST_WEIGHTS, paths.SAFETENSORS, paths.CURVES, paths.SCORES, paths.PR_CURVE, paths.CONFUSION)
DATA_FILES = (paths.CHECK_PAGE, paths.SAMPLES, paths.DATA_METRICS)
# Versions from before the stages wrote these have none.
LATER_FILES = (*DATA_FILES, paths.MATCHES)


def export_snapshot(root: Path, commit: str, folder: Path) -> None:
    """Write the outputs of a snapshot's stages into a folder, laid out as in the repository.

    Args:
        root: repository or workspace.
        commit: the snapshot.
        folder: an empty folder.

    Raises:
        RegistryError: DVC's cache and remotes lack some of the bytes.
    """
    from dvc.api import DVCFileSystem  # heavy: 0.5 s
    from dvc.exceptions import DvcException

    files = DVCFileSystem(str(root), rev=commit)
    try:
        for path in FILES:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            files.get_file(path.as_posix(), str(folder / path))
        for path in LATER_FILES:
            if files.exists(path.as_posix()):
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                files.get_file(path.as_posix(), str(folder / path))
        files.get(paths.PICTURES.as_posix(), str(folder / paths.PICTURES), recursive=True)
    except (OSError, DvcException) as error:
        raise RegistryError(
            f"commit {commit[:12]}: DVC has not all of its outputs here ({error}); `dvc pull --all-tags` brings them"
        ) from error


def log_outputs(root: Path, params: Params, training: TrainingManifest, run_key: str, run_id: str) -> str:
    """Bring a run to what this workspace holds, where no version's snapshot does.

    Args:
        root: the workspace.
        params: the settings.
        training: the manifest of the weights.
        run_key: by which the run is found again.
        run_id: of the run, where it is known.

    Returns:
        Id of the run.

    Raises:
        RegistryError: MLflow does not answer.
    """
    with tempfile.TemporaryDirectory() as name, refuse_trouble("the scores are not logged"):
        folder = Path(name)
        for path in (*FILES, *DATA_FILES, paths.PICTURES):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).symlink_to(root / path)
        (folder / "params.json").write_text(params.model_dump_json(by_alias=True))
        experiment = params.registration.experiment
        return mirror_run(open_client(root), root, folder, experiment, training.epoch_seconds, run_key, run_id)


def mirror_run(
    client: "MlflowClient",
    root: Path,
    folder: Path,
    experiment: str,
    epoch_seconds: Sequence[float],
    run_key: str,
    run_id: str,
) -> str:
    """Bring one run to what a snapshot says: settings, curves, scores, pictures, the page about the data.

    Args:
        client: of the store.
        root: repository or workspace that asks.
        folder: holds the stages' outputs, laid out as in the repository.
        experiment: MLflow experiment.
        epoch_seconds: of each epoch; they are in the manifest, not among the curves, which repeat exactly.
        run_key: by which the run is found in a rebuilt store.
        run_id: the run that the training wrote.

    Returns:
        Id of the run: the one given, or, where the store lost it, another.
    """
    from mlflow.entities import Metric, Param

    experiment_id = find_experiment(client, root, experiment)
    found = _find_run(client, experiment_id, run_id, run_key)
    now = int(time.time() * 1000)
    if found is None:
        params = flatten(json.loads((folder / "params.json").read_text()))
        run = client.create_run(experiment_id, run_name=run_key[:12], tags={RUN_KEY_TAG: run_key})
        found = run.info.run_id
        client.log_batch(found, params=[Param(key, str(value)) for key, value in params.items()])
        points = [
            Metric(key, value, now, epoch)
            for epoch, (row, seconds) in enumerate(
                zip(_read_curves(folder / paths.CURVES), epoch_seconds, strict=True), start=1
            )
            for key, value in {**row, EPOCH_SECONDS: seconds}.items()
        ]
        for start in range(0, len(points), 1000):  # MLflow's limit for one batch
            client.log_batch(found, metrics=points[start : start + 1000])
    scores = Scores.model_validate_json((folder / paths.SCORES).read_text())
    client.log_batch(found, metrics=[Metric(k, v, now, 0) for k, v in headline(scores).items()])
    client.log_artifacts(found, str(folder / paths.PICTURES), "plots")
    for file in (paths.SCORES, paths.CURVES, paths.PR_CURVE, paths.CONFUSION):
        client.log_artifact(found, str(folder / file), "metrics")
    for file in LATER_FILES:
        if (folder / file).exists():
            client.log_artifact(found, str(folder / file), DATA_FOLDER if file in DATA_FILES else "metrics")
    client.set_terminated(found, "FINISHED")
    return found


def headline(scores: Scores) -> dict[str, float]:
    """The figures of both splits as MLflow metrics, ``test/mAP50`` and so on; what is null is left out."""
    flat: dict[str, float | None] = {}
    for split, each in (("val", scores.val), ("test", scores.test)):
        for where, rates in ((split, each), (f"{split}/ultralytics", each.ultralytics)):
            figures = (rates.precision, rates.recall, rates.map50, rates.map50_95)
            flat |= {
                f"{where}/{name}": figure
                for name, figure in zip(("precision", "recall", "mAP50", "mAP50-95"), figures, strict=True)
            }
        for name, interval in each.intervals.items():
            flat |= {f"{split}/{name}/low": interval.low, f"{split}/{name}/high": interval.high}
        if each.calibration:
            flat[f"{split}/calibration_error"] = each.calibration.error
    if scores.operating_point:
        flat["confidence"] = scores.operating_point.confidence
    return {key: value for key, value in flat.items() if value is not None}


def _find_run(client: "MlflowClient", experiment_id: str, run_id: str, run_key: str) -> str | None:
    if run_id and is_active(client, run_id):
        return run_id
    runs = client.search_runs([experiment_id], f"tags.`{RUN_KEY_TAG}` = '{run_key}'", max_results=1)
    return str(runs[0].info.run_id) if runs else None


def _read_curves(file: Path) -> list[dict[str, float]]:
    with file.open(newline="") as lines:
        return [
            {key: float(value) for key, value in row.items() if key != "epoch" and value != ""}
            for row in csv.DictReader(lines)
        ]
