"""Stage finetune: the base weights become the best weights for this data set."""

import csv
import io
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress

from steelyard.device import (
    choose_device,
    choose_precision,
    choose_threads,
    name_device,
    read_cpu_name,
    read_versions,
)
from steelyard.params import Params, load_params
from steelyard.paths import (
    BASE_WEIGHTS,
    BEST_WEIGHTS,
    CURVES,
    DATASET,
    PARAMS,
    SAFETENSORS,
    TRAINING,
    find_home,
    quiet_ultralytics,
)
from steelyard.record.run import EPOCH_SECONDS, TrackedRun, open_run
from steelyard.sections import FinetuneParams
from steelyard.task import run_task
from steelyard.training.manifest import TrainingManifest
from steelyard.training.resume import hash_dataset, hold_training, make_run_key
from steelyard.weights.checkpoint import (
    Checkpoint,
    load_checkpoint,
    save_checkpoint,
    save_safetensors,
    write_whole,
)
from steelyard.weights.identity import identify

if TYPE_CHECKING:
    from steelyard.training.trainer import Row, Trained

OUTPUTS = (BEST_WEIGHTS, SAFETENSORS, CURVES, TRAINING)


def main() -> None:
    signal.signal(signal.SIGTERM, _terminate)
    started = time.time() - time.process_time()  # so far it has done nothing but import
    root = Path()
    params = load_params(PARAMS)
    quiet_ultralytics(root)
    base = load_checkpoint(BASE_WEIGHTS)
    device = choose_device(params.finetune.device)
    facts = {
        "parent": identify(base.model.state_dict()),
        "device": name_device(device),
        "precision": choose_precision(device),
        "threads": choose_threads(params.finetune.threads),
        "cpu": read_cpu_name(),
        "versions": read_versions(),
    }
    settings = params.finetune.model_dump()
    key = make_run_key({"settings": settings, "dataset": hash_dataset(DATASET), **facts})
    work = find_home(root) / ".dvc" / "tmp" / "steelyard" / "training" / key
    finished = work / "finished"
    with hold_training(work, _say, started) as met:
        if met and finished.exists():
            print("using the result of another process, which trained the same at the same time")
            _publish(finished)
            return
        made = work / "made"
        shutil.rmtree(made, ignore_errors=True)
        _train(root, params, base, work, made, {"run_key": key, **facts})
        _publish(made)
        made.rename(finished)
        for path in work.glob("*.pt"):
            path.unlink()


def _train(root: Path, params: Params, base: Checkpoint, work: Path, made: Path, facts: dict[str, object]) -> None:
    from steelyard.training.trainer import finetune  # heavy: 5.6 s

    note = work / "run_id"
    earlier = note.read_text(encoding="utf-8") if note.exists() else None
    key = str(facts["run_key"])
    name = f"{params.registration.name}-{key[:8]}"
    run = open_run(root, params.registration.experiment, name, key, params, earlier)
    note.write_text(run.run_id, encoding="utf-8")

    console = Console(stderr=True)
    # rich would send printed lines to the bar's own stream; they belong on stdout.
    progress = Progress(console=console, transient=True, redirect_stdout=sys.stdout.isatty())
    bar = progress.add_task(f"epoch 1/{params.finetune.epochs}", total=None)

    def on_batch(epoch: int, batch: int, batches: int) -> None:
        done, total = (epoch - 1) * batches + batch, params.finetune.epochs * batches
        progress.update(bar, completed=done, total=total, description=f"epoch {epoch}/{params.finetune.epochs}")

    def on_epoch(epoch: int, total: int, row: "Row", seconds: float) -> None:
        _say(
            f"epoch {epoch}/{total}  mAP50 {row['mAP50']:.3f}  mAP50-95 {row['mAP50-95']:.3f}"
            f"  box {row['val/box_loss']:.3f}  cls {row['val/cls_loss']:.3f}"
        )
        _log_row(run, row, seconds)

    with _ended(run), progress:
        trained = finetune(DATASET, base.model, params.finetune, work, _say, on_epoch, on_batch)
        # A new run has none of the epochs from before a kill; the old one lacks that which was saved just before it.
        logged = run.read_epochs(EPOCH_SECONDS)
        for row, seconds in zip(trained.curves, trained.epoch_seconds, strict=True):
            if int(row["epoch"]) not in logged:
                _log_row(run, row, seconds)
        _write(trained, made, params.finetune, {"run_id": run.run_id, **facts})


def _say(line: str) -> None:
    # Flushed, since whoever reads the pipe wants it while the training runs.
    print(line, flush=True)


def _log_row(run: TrackedRun, row: "Row", seconds: float) -> None:
    values = {name: value for name, value in row.items() if name != "epoch"}
    run.log_epoch(int(row["epoch"]), {**values, EPOCH_SECONDS: seconds})


@contextmanager
def _ended(run: TrackedRun) -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        run.end("KILLED")
        raise
    except BaseException:
        run.end("FAILED")
        raise
    run.end("FINISHED")


def _write(trained: "Trained", made: Path, settings: FinetuneParams, facts: dict[str, object]) -> None:
    identity = identify(trained.model.state_dict())
    manifest = TrainingManifest.model_validate(
        {
            **facts,
            "identity": identity,
            "pretrained": settings.pretrained,
            "epochs_run": len(trained.curves),
            "best_epoch": trained.best_epoch,
            "stopped_early": trained.stopped_early,
            "resumed_at": trained.resumed_at,
            "resume_exact": not trained.resumed_at or facts["device"] == "cpu",  # the tests show it on a CPU
            "started": trained.started,
            "ended": datetime.now(UTC).isoformat(timespec="seconds"),
            "epoch_seconds": trained.epoch_seconds,
        }
    )
    save_checkpoint(trained.model, made / BEST_WEIGHTS, image_size=settings.imgsz)
    parent = {"parent": manifest.parent} if settings.pretrained else {}
    # Nothing of this run: the same weights are the same file.
    save_safetensors(trained.model, made / SAFETENSORS, {"identity": identity, **parent})
    text = io.StringIO()
    table = csv.DictWriter(text, trained.curves[0].keys(), lineterminator="\n")
    table.writeheader()
    table.writerows({**row, "epoch": int(row["epoch"])} for row in trained.curves)
    write_whole(made / CURVES, text.getvalue().encode())
    write_whole(made / TRAINING, (manifest.model_dump_json(indent=2) + "\n").encode())
    best = trained.curves[trained.best_epoch - 1]
    print(
        f"best epoch {trained.best_epoch} of {manifest.epochs_run}: mAP50 {best['mAP50']:.3f}, "
        f"mAP50-95 {best['mAP50-95']:.3f} on val" + (", stopped early" if trained.stopped_early else "")
    )
    print(f"{sum(trained.epoch_seconds):.0f} s on {manifest.device}, {manifest.threads} threads")
    print(f"weights {identity[:19]}, from {manifest.parent[:19] if settings.pretrained else 'random weights'}")


def _publish(made: Path) -> None:
    for path in OUTPUTS:
        write_whole(path, (made / path).read_bytes())


def _terminate(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    try:
        run_task(main)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
