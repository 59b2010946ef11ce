"""MLflow's registry as a mirror of the ledger.

Whatever the ledger holds and MLflow lacks is put back from git and DVC: the run with its curves,
the version with its weights, the aliases. A registration is the same thing for one new version.
"""

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from steelyard import paths
from steelyard.errors import RegistryError
from steelyard.markdown import escape_markdown
from steelyard.record.aliases import mirror_verdicts
from steelyard.record.earlier import describe_trained_on
from steelyard.record.ledger import read_history, read_versions
from steelyard.record.mirror import (
    IDENTITY_TAG,
    Mirror,
    UnreadableError,
    list_foreign,
    list_lagging,
    list_missing,
    write_aliases,
)
from steelyard.record.outputs import export_snapshot, headline, mirror_run
from steelyard.record.record import Record
from steelyard.record.reports import attach_reports
from steelyard.record.run import find_store, flatten, open_client
from steelyard.record.store import ClientWriter, open_writer, read_mirror
from steelyard.scoring.scores import show_map50_95, show_score
from steelyard.scoring.weakness import describe_weakest

if TYPE_CHECKING:
    from mlflow import MlflowClient

PREDICTOR = Path(__file__).parent / "predictor.py"

Say = Callable[[str], None]


def mirror_ledger(root: Path, name: str, say: Say) -> None:
    """Bring MLflow's registered model to what the ledger says.

    Args:
        root: repository or workspace; its tags are the ledger.
        name: of the registered model.
        say: receives one line for each thing put right.

    Raises:
        RegistryError: MLflow does not answer, or holds under a version's number something else.
    """
    records, history = read_versions(root, name), read_history(root, name)
    if not records:
        return
    store = find_store(root)
    try:
        mirror = read_mirror(store, name)
    except UnreadableError:
        mirror = None  # mlflow finds out why
    if mirror and not list_missing(mirror, records, history):
        if list_foreign(mirror, history) or list_lagging(mirror, history):
            write_aliases(open_writer(store), name, mirror, history, say)
        return
    client = open_client(root)
    from mlflow.exceptions import MlflowException

    try:
        known = {int(v.version): v for v in client.search_model_versions(f"name = '{name}'")}
        for record in records:
            version = known.get(record.version)
            if version is None:
                _mirror_version(client, root, record, say)
            elif version.tags.get(IDENTITY_TAG) != record.weights.identity:
                raise RegistryError(
                    f"MLflow: {name} version {record.version} holds other weights "
                    f"({version.tags.get(IDENTITY_TAG)}) than the ledger's {record.tag()} "
                    f"({record.weights.identity}); it was not made by this repository: "
                    "set another register.name, or delete that model in MLflow"
                )
        if any(record.version not in known for record in records):
            known = {int(v.version): v for v in client.search_model_versions(f"name = '{name}'")}
        attach_reports(client, root, records, history, known)
        mirror_verdicts(client, name, records, history, known)
        model = client.get_registered_model(name)
        aliases = {alias: int(number) for alias, number in model.aliases.items()}
        now = Mirror({number: version.tags for number, version in known.items()}, aliases, model.tags)
        write_aliases(ClientWriter(client), name, now, history, say)
    except MlflowException as error:
        raise RegistryError(f"MLflow: {name}: {error.message.splitlines()[0]}") from error


def _mirror_version(client: "MlflowClient", root: Path, record: Record, say: Say) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelOutput, Metric

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        export_snapshot(root, record.commit, folder)
        (folder / "params.json").write_text(json.dumps(record.params))
        (folder / "record.json").write_text(record.dump())
        experiment = record.params["register"]["experiment"]
        training = record.training
        run_id = mirror_run(client, root, folder, experiment, training.epoch_seconds, training.run_key, training.run_id)
        experiment_id = client.get_run(run_id).info.experiment_id
        client.log_artifact(run_id, str(folder / "record.json"))
        tags = _tags(record)
        for key, value in tags.items():
            client.set_tag(run_id, key, value)
        data = Dataset(
            name="data/dataset",
            digest=record.dataset.fingerprint[:36],  # MLflow's limit
            source_type="steelyard",
            source=json.dumps({"source": record.dataset.source, "sha256": record.dataset.sha256}),
            profile=json.dumps({"images": record.dataset.images, "classes": len(record.dataset.classes)}),
        )
        client.log_inputs(run_id, [DatasetInput(data, [InputTag("mlflow.data.context", "training")])])
        model = client.create_logged_model(
            experiment_id,
            name=record.name,
            source_run_id=run_id,
            tags=tags,
            params={k: str(v) for k, v in flatten(record.params).items()},
            model_type="detection",
        )
        _pack_model(folder, record)
        client.log_model_artifacts(model.model_id, str(folder / "model"))
        client.finalize_logged_model(model.model_id, "READY")
        client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
        now = int(time.time() * 1000)
        client.log_batch(
            run_id,
            metrics=[
                Metric(k, v, now, 0, model_id=model.model_id, dataset_name=data.name, dataset_digest=data.digest)
                for k, v in headline(record.scores).items()
            ],
        )
        _create_version(client, record, model.model_id, run_id, tags)
    say(f"MLflow: {record.name} version {record.version} (run {run_id})")


def _create_version(client: "MlflowClient", record: Record, model_id: str, run_id: str, tags: dict[str, str]) -> None:
    """Last of all, so that a failure before it leaves no empty registered model."""
    from mlflow.exceptions import MlflowException

    made = False
    try:
        client.create_registered_model(record.name, tags={"steelyard": "ledger: git tags " + record.name + "@v*"})
        made = True
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    try:
        version = client.create_model_version(
            record.name,
            f"models:/{model_id}",
            run_id=run_id,
            tags=tags,
            description=_describe(record),
            model_id=model_id,  # else a server refuses the source
        )
    except MlflowException:
        if made:
            client.delete_registered_model(record.name)
        raise
    if int(version.version) != record.version:
        client.delete_model_version(record.name, version.version)
        if made:
            client.delete_registered_model(record.name)
            raise RegistryError(
                f"{record.tag()}: the ledger here begins with it, and MLflow's numbers begin with 1; "
                "bring the tags of the versions before it: git fetch --tags"
            )
        raise RegistryError(
            f"MLflow: {record.name} gave number {version.version} where the ledger has {record.version}: "
            "somebody deleted or added versions there; delete the registered model in MLflow and run again, "
            "the ledger fills it anew"
        )


def _pack_model(folder: Path, record: Record) -> None:
    from importlib.metadata import version

    from mlflow import pyfunc

    pyfunc.save_model(
        path=str(folder / "model"),
        python_model=str(PREDICTOR),
        artifacts={"weights": str(folder / paths.SAFETENSORS)},
        model_config={
            "imgsz": record.params["finetune"]["imgsz"],
            "confidence": record.confidence(),
            "classes": list(record.dataset.classes),
        },
        code_paths=[str(PREDICTOR.parents[1])],  # the library: it builds the network
        # given, since MLflow would otherwise load the model in a new process to guess them
        pip_requirements=[f"{p}=={version(p)}" for p in ("mlflow", "torch", "ultralytics", "safetensors")],
    )
    for path in (paths.BEST_WEIGHTS, paths.SAFETENSORS):
        (folder / path).replace(folder / "model" / path.name)
    (folder / "record.json").replace(folder / "model" / "record.json")


def _tags(record: Record) -> dict[str, str]:
    return {
        IDENTITY_TAG: record.weights.identity,
        "steelyard.best_pt_sha256": record.weights.file_sha256,
        "steelyard.base": record.base.identity,
        "steelyard.dataset": record.dataset.fingerprint,
        "steelyard.dataset_dvc_md5": record.dataset.dvc_md5,
        "steelyard.commit": record.commit,
        "steelyard.tag": record.tag(),
    }


def _describe(record: Record) -> str:
    data = record.dataset
    rows = "\n".join(
        f"| {split} | {' | '.join(figures)} | {values.images} |"
        for split, values in (("test", record.scores.test), ("val", record.scores.val))
        for figures in [
            (
                show_score(values.map50),
                show_map50_95(values),
                show_score(values.precision),
                show_score(values.recall),
            )
        ]
    )
    weakest = escape_markdown(describe_weakest("test", record.scores.test))
    warning = describe_trained_on(data.test_trained_on, data.images["test"])
    return (
        f"**{record.tag()}**, snapshot commit `{record.commit}`\n\n"
        f"| split | mAP50 | mAP50-95 (95 % interval) | precision | recall | images |\n"
        f"| --- | --- | --- | --- | --- | --- |\n{rows}\n\n"
        + (f"- {weakest}\n" if weakest else "")
        + f"- data: `{data.source}`, fingerprint `{data.fingerprint}`, licence {data.licence}\n"
        + (f"- {warning}\n" if warning else "")
        + f"- parent weights: `{record.base.source}`, `{record.base.identity}`, licence {record.base.licence}\n"
        f"- weights: `{record.weights.identity}`\n"
        f"- get it back: `git checkout {record.tag()} && dvc pull`\n"
    )
