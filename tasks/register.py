"""Stage register: the fine-tuned weights become a version, once."""

import hashlib
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from steelyard import paths
from steelyard.dataset.manifest import DatasetManifest
from steelyard.gate.table import HEAD, describe_power, describe_wear, list_figures
from steelyard.gate.verdict import Verdict
from steelyard.git import git, resolve_commit
from steelyard.params import Params, load_params, read_yaml
from steelyard.record import ledger
from steelyard.record.earlier import describe_trained_on, find_trained_on, read_prints
from steelyard.record.outputs import headline, log_outputs
from steelyard.record.promotion import decide
from steelyard.record.record import DatasetFact, Record, WeightsFact
from steelyard.record.registry import mirror_ledger
from steelyard.record.rest import is_scored
from steelyard.record.run import find_store
from steelyard.record.snapshot import commit_snapshot
from steelyard.scoring.scores import read_scores, show_score
from steelyard.task import run_task
from steelyard.training.manifest import TrainingManifest
from steelyard.weights.identity import file_sha256
from steelyard.weights.manifest import BaseManifest


def main() -> None:
    """Register the weights, or say which version they are already."""
    root = Path.cwd()
    home = paths.find_home(root)
    params = load_params(paths.PARAMS)
    training = TrainingManifest.model_validate_json(paths.TRAINING.read_bytes())
    if ".dvc/tmp/exps" in root.as_posix():
        run_id = log_outputs(root, params, training, training.run_key, training.run_id)
        print(f"an experiment's run, nothing is registered (MLflow run {run_id})")
        return
    resolve_commit(root, "HEAD")  # a version stands on a commit
    lock = home / ".dvc/tmp/steelyard/register.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):
        if root != home:
            git(root, "fetch", "--quiet", "--tags", "--force", "origin")
        name = params.registration.name
        record = ledger.find_version(root, name, training.identity)
        if record is None:
            record = add_version(root, home, params, training)
            print(f"registered {record.tag()}")
        else:
            print(f"already registered: these weights are {record.tag()}")
            add_scores(root, params, training, record)
        if (verdict := decide(root, home, record, params, say=print)) and verdict.figures:
            show_verdict(verdict)
        mirror_ledger(root, name, say=print)


def show_verdict(verdict: Verdict) -> None:
    """The comparison with the champion as a table."""
    table = Table(*HEAD, box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for row in list_figures(verdict):
        table.add_row(*(escape(cell) for cell in row))
    Console().print(table)
    for sentence in filter(None, (describe_power(verdict), describe_wear(verdict))):
        print(sentence)


def add_version(root: Path, home: Path, params: Params, training: TrainingManifest) -> Record:
    """Write the next free version into the ledger; another machine may take the number first."""
    name = params.registration.name
    commit = commit_snapshot(root, f"{name}: {training.identity}", say=print)
    while True:
        known = ledger.read_versions(root, name)
        version = known[-1].version + 1 if known else 1
        record = make_record(root, params, training, known, version, commit)
        ledger.add_version(root, record)
        if share_tag(root, home, record.tag()):
            if sentence := describe_trained_on(record.dataset.test_trained_on, record.dataset.images["test"]):
                print(sentence)
            return record
        git(root, "fetch", "--quiet", "--tags", "origin")
        if same := ledger.find_version(root, name, training.identity):
            return same


def add_scores(root: Path, params: Params, training: TrainingManifest, record: Record) -> None:
    """Keep what this run found of weights that are a version already, where the version's record does not say it.

    A record never changes. The scores go to the run of this training or, where the version's own run
    is that, to a run of their own.
    """
    scores = read_scores(paths.SCORES)
    if training.run_id != record.training.run_id:
        run_key, run_id = training.run_key, training.run_id
    elif scores != record.scores:
        run_key, run_id = f"{training.run_key}:{hashlib.sha256(scores.model_dump_json().encode()).hexdigest()[:12]}", ""
    else:
        return
    if scores != record.scores:
        test, then = scores.test, record.scores.test
        print(
            f"scored with other data or settings than {record.tag()}: mAP50 {show_score(test.map50)} instead of "
            f"{show_score(then.map50)}, mAP50-95 {show_score(test.map50_95)} instead of "
            f"{show_score(then.map50_95)} on test"
        )
    if not is_scored(find_store(root), run_id, headline(scores)):
        print(f"MLflow: scores in run {log_outputs(root, params, training, run_key, run_id)}")


def share_tag(root: Path, home: Path, tag: str) -> bool:
    """Bring a tag of a clean clone home; False where another was first."""
    return root == home or ledger.push_tag(root, tag)


def make_record(
    root: Path, params: Params, training: TrainingManifest, earlier: Sequence[Record], version: int, commit: str
) -> Record:
    """Gather what the stages wrote, and compare the data with that of earlier versions."""
    dataset = DatasetManifest.model_validate_json(paths.DATASET_MANIFEST.read_bytes())
    with paths.PRINTS.open(encoding="utf-8", newline="") as lines:
        trained_on = find_trained_on(root, earlier, dataset, read_prints(lines))
    outs = read_yaml(Path("dvc.lock"))["stages"]["fetch"]["outs"]
    return Record(
        name=params.registration.name,
        version=version,
        commit=commit,
        weights=WeightsFact(
            identity=training.identity,
            file_sha256=file_sha256(paths.BEST_WEIGHTS),
            safetensors_sha256=file_sha256(paths.SAFETENSORS),
        ),
        base=BaseManifest.model_validate_json(paths.BASE_MANIFEST.read_bytes()),
        dataset=DatasetFact(
            source=dataset.source,
            sha256=dataset.source_sha256,
            fingerprint=dataset.fingerprint,
            dvc_md5=next(out["md5"] for out in outs if out["path"] == paths.DATASET.as_posix()),
            licence=dataset.licence,
            classes=dataset.classes,
            images={split: counts.images for split, counts in dataset.splits.items()},
            test_trained_on={number: None if images is None else len(images) for number, images in trained_on.items()},
        ),
        params=params.model_dump(mode="json", by_alias=True),
        training=training,
        scores=read_scores(paths.SCORES),
        # Prefect's own name for it; unset where a person ran `dvc repro`
        prefect_flow_run_id=os.environ.get("PREFECT__FLOW_RUN_ID"),
        registered=datetime.now(UTC).replace(microsecond=0),
    )


if __name__ == "__main__":
    run_task(main)
