"""Fine-tuning: Ultralytics' detection trainer, made repeatable and resumable bit for bit.

Importing this module takes 5.6 s (torch, ultralytics), and ``quiet_ultralytics`` must have run
before: import it inside the function that trains.

What differs from a plain ``yolo train``: random numbers are seeded anew for each epoch, so an epoch
depends on the state before it and on nothing else; that state is saved after each epoch; the data
set is read through a folder of links, so nothing is written into it; mosaic draws from all images
whatever the cache; and the second validation at the end is left out.
"""

import copy
import random
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.nn.tasks import DetectionModel
from ultralytics.utils import LOGGER

from steelyard.device import choose_device, choose_precision, choose_threads
from steelyard.errors import ParamsError, WeightsError
from steelyard.sections import FinetuneParams
from steelyard.training.data import TrainingDataset, link_dataset, list_images, open_dataset, read_classes
from steelyard.training.resume import Say, State, load_state, save_state
from steelyard.weights.architecture import architecture_of, build_detector

Row = dict[str, float]
OnEpoch = Callable[[int, int, Row, float], None]
OnBatch = Callable[[int, int, int], None]

# Ultralytics' names of the validation figures, and those of curves.csv
_FIGURES = {
    "metrics/precision(B)": "precision",
    "metrics/recall(B)": "recall",
    "metrics/mAP50(B)": "mAP50",
    "metrics/mAP50-95(B)": "mAP50-95",
}
# Settings that are ours (threads, pretrained), or that Ultralytics wants in another form.
_TRANSLATED = {"device", "threads", "cache", "pretrained"}


@dataclass(frozen=True)
class Trained:
    """What a fine-tuning gave."""

    model: DetectionModel  # best EMA weights, fp32, on the CPU
    classes: tuple[str, ...]
    curves: list[Row]  # one row per epoch
    best_epoch: int
    stopped_early: bool
    resumed_at: tuple[int, ...]
    started: str
    epoch_seconds: tuple[float, ...]


def finetune(
    dataset: Path,
    base: DetectionModel,
    params: FinetuneParams,
    work: Path,
    say: Say,
    on_epoch: OnEpoch,
    on_batch: OnBatch,
) -> Trained:
    """Fine-tune ``base`` on the train split, choosing the epoch by mAP50-95 on the val split.

    Without ``params.pretrained`` training begins with random weights of the same architecture.

    Goes on from the last whole epoch that a killed training left in ``work``, to the same weights,
    bit for bit, that it would have reached unbroken.

    Args:
        dataset: folder in YOLO layout; only read.
        base: the parent weights, fp32.
        params: every setting.
        work: folder of this training, held by the caller; keeps its state.
        say: gets a line when a training goes on, or a state is damaged.
        on_epoch: called with epoch (1 is the first), epochs, the epoch's row of the curves, its seconds.
        on_batch: called with epoch, batch (1 is the first), batches per epoch.

    Raises:
        ParamsError: a setting does not fit this machine, these weights or this data.
        DatasetError: a split has no images, or images that cannot be used.
        WeightsError: the loss or the weights are no longer numbers, or the GPU's memory is too small.
        WorkspaceError: the state cannot be saved.
    """
    layers = len(base.model)
    if params.freeze >= layers:
        raise ParamsError(
            f"params.yaml: finetune.freeze = {params.freeze}: these weights have {layers} layers, so "
            f"nothing is left to train; at most {layers - 1} (11 is the whole YOLO11 backbone)"
        )
    images = {split: list_images(dataset, split) for split in ("train", "val")}
    if params.imgsz < 64 and len(images["train"]) % params.batch == 1:
        raise ParamsError(
            f"params.yaml: finetune.batch = {params.batch}: leaves a last batch of one image of the "
            f"{len(images['train'])}, too few for batch normalisation at imgsz = {params.imgsz}; "
            "take another batch"
        )
    classes = read_classes(dataset)
    state = load_state(work, say)
    if state is not None:
        say(f"going on after epoch {state['epoch']} of {params.epochs}")
        state["resumed_at"] = [*state["resumed_at"], state["epoch"]]
    if state is None or not state["stop"]:
        scratch = work / "scratch"
        shutil.rmtree(scratch, ignore_errors=True)
        try:
            link_dataset(images, dataset, scratch)
            state = _train(scratch, base, classes, params, work, state, on_epoch, on_batch)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    model = _make_model(base, classes, params)
    model.load_state_dict(state["best"])
    return Trained(
        model=model.eval(),
        classes=classes,
        curves=state["curves"],
        best_epoch=state["best_epoch"],
        stopped_early=state["epoch"] < params.epochs,
        resumed_at=tuple(state["resumed_at"]),
        started=state["started"],
        epoch_seconds=tuple(state["seconds"]),
    )


def _make_model(base: DetectionModel, classes: tuple[str, ...], params: FinetuneParams) -> DetectionModel:
    # The seed is for what the base has no weights for: the last layer of the head, for other classes.
    # load() also gives that head the base's width, so yaml and class count alone do not make this model.
    torch.manual_seed(params.seed)
    if not params.pretrained:
        scale, _, width = architecture_of(base.state_dict(), "the base weights")
        model = build_detector(scale, dict(enumerate(classes)), width)
        model.model[-1].bias_init()  # as load() does after it has changed the head's width
        return model
    model = DetectionModel(copy.deepcopy(base.yaml), nc=len(classes), ch=3, verbose=False)
    model.names = dict(enumerate(classes))
    model.load(base, verbose=False)
    return model


def _train(
    scratch: Path,
    base: DetectionModel,
    classes: tuple[str, ...],
    params: FinetuneParams,
    work: Path,
    state: State | None,
    on_epoch: OnEpoch,
    on_batch: OnBatch,
) -> State:
    with _silence():
        trainer = _Trainer(scratch, base, classes, params, work, state, on_epoch, on_batch)
        try:
            trainer.train()
        except torch.OutOfMemoryError as error:
            raise WeightsError(
                f"finetune: the GPU's memory is too small for batch = {params.batch} at imgsz = "
                f"{params.imgsz}; lower finetune.batch or finetune.imgsz in params.yaml"
            ) from error
    done: State = trainer.state
    return done


@contextmanager
def _silence() -> Iterator[None]:
    level = LOGGER.level
    LOGGER.setLevel("ERROR")
    try:
        yield
    finally:
        LOGGER.setLevel(level)


class _Trainer(DetectionTrainer):  # type: ignore[misc] # ultralytics has no types
    """Ultralytics' training loop with our state, seeds, threads and messages."""

    def __init__(
        self,
        scratch: Path,
        base: DetectionModel,
        classes: tuple[str, ...],
        params: FinetuneParams,
        work: Path,
        state: State | None,
        on_epoch: OnEpoch,
        on_batch: OnBatch,
    ) -> None:
        self.scratch, self.base, self.classes, self.params, self.work = scratch, base, classes, params, work
        self.on_epoch, self.on_batch = on_epoch, on_batch
        self.state: State = state or {
            "epoch": 0, "curves": [], "seconds": [], "resumed_at": [], "last_step": -1, "gradients": {},
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
        }  # fmt: skip
        device = choose_device(params.device)
        super().__init__(
            overrides={
                **{name: value for name, value in params.model_dump().items() if name not in _TRANSLATED},
                "model": "base.pt",  # a label only: setup_model makes the model
                "data": str(scratch / "data.yaml"),
                "device": device,
                "cache": False if params.cache == "none" else params.cache,
                "amp": "bf16" if choose_precision(device) == "bf16" else False,
                "save_dir": str(scratch / "run"),
                "plots": False,
                "deterministic": True,
            }
        )
        self.add_callback("on_train_start", _Trainer._set_threads)
        self.add_callback("on_train_epoch_start", _Trainer._start_epoch)
        self.add_callback("on_train_batch_end", _Trainer._end_batch)

    def get_dataset(self) -> dict[str, Any]:
        folders = {split: str(self.scratch / "images" / split) for split in ("train", "val")}
        return {**folders, "names": dict(enumerate(self.classes)), "nc": len(self.classes), "channels": 3}

    def setup_model(self) -> None:
        self.model = _make_model(self.base, self.classes, self.params)

    def build_dataset(self, img_path: str, mode: str = "train", batch: int | None = None) -> TrainingDataset:
        stride = max(int(self.model.stride.max()), 32)
        return open_dataset(Path(img_path), self.args, self.data, augment=mode == "train", batch=batch, stride=stride)

    def resume_training(self, ckpt: Any) -> None:
        if not self.state["epoch"]:
            return
        self.model.load_state_dict(self.state["model"])
        self.ema.ema.load_state_dict(self.state["ema"])
        self.ema.updates = self.state["updates"]
        self.optimizer.load_state_dict(self.state["optimizer"])
        self.scheduler.load_state_dict(self.state["scheduler"])
        self.stopper.__dict__.update(self.state["stopper"])
        self.best_fitness = self.state["best_fitness"]
        self.start_epoch = self.state["epoch"]

    def _set_threads(self) -> None:
        # Ultralytics has set cores - 1 when it chose the device.
        torch.set_num_threads(choose_threads(self.params.threads))

    def _start_epoch(self) -> None:
        self.epoch_started = time.monotonic()
        seed = int(np.random.SeedSequence([self.params.seed, self.epoch]).generate_state(1)[0])
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        self.train_loader.generator.manual_seed(seed)
        self.train_loader.sampler.generator.manual_seed(seed)
        self.train_loader.reset()
        self.batches = len(self.train_loader)
        self.batch_index = self.epoch * self.batches
        self._oom_retries = 3  # or Ultralytics would halve the batch and train with another than was asked for
        # Gradients of the last batches of the epoch before, where nbs is larger than batch.
        for name, parameter in self.model.named_parameters():
            if (gradient := self.state["gradients"].get(name)) is not None and parameter.grad is None:
                parameter.grad = gradient.to(parameter.device)

    def optimizer_step(self) -> None:
        """Nothing: the loop's own count of batches since the last step starts anew with the process."""

    def _end_batch(self) -> None:
        if self.batch_index - self.state["last_step"] >= self.accumulate:
            super().optimizer_step()
            self.state["last_step"] = self.batch_index
        self.batch_index += 1
        self.on_batch(self.epoch + 1, self.batch_index - self.epoch * self.batches, self.batches)

    def _handle_nan_recovery(self, epoch: int) -> bool:
        numbers = [*self.tloss.values(), *self.ema.ema.state_dict().values()]
        if all(bool(torch.isfinite(value).all()) for value in numbers):
            return False
        raise WeightsError(
            f"finetune: the loss or the weights are no longer numbers (NaN) in epoch {epoch + 1}; "
            f"nothing was written. Lower finetune.lr0 (now {self.params.lr0:g}) in params.yaml, "
            "or raise finetune.warmup_epochs"
        )

    def save_metrics(self, metrics: dict[str, float]) -> None:
        losses = {name: value for name, value in metrics.items() if name.startswith(("train/", "val/"))}
        row = {"epoch": self.epoch + 1, **losses, **self.lr}  # of each group of parameters
        row |= {ours: metrics[theirs] for theirs, ours in _FIGURES.items()}
        self.state["curves"].append({name: float(f"{value:.6g}") for name, value in row.items()})

    def save_model(self) -> bool:
        is_best = self.stopper.best_epoch == self.epoch + 1
        ema = self.ema.ema.state_dict()
        self.state |= {
            "epoch": self.epoch + 1,
            "model": self.model.state_dict(),
            "ema": ema,
            "updates": self.ema.updates,
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "stopper": dict(self.stopper.__dict__),
            "best_fitness": self.best_fitness,
            "best_epoch": self.stopper.best_epoch,
            "gradients": {name: p.grad for name, p in self.model.named_parameters() if p.grad is not None},
            "stop": bool(self.stop),
        }
        self.state["seconds"].append(round(time.monotonic() - self.epoch_started, 3))
        if is_best:
            self.state["best"] = {name: value.detach().cpu().clone() for name, value in ema.items()}
        saved = {name: value for name, value in self.state.items() if name != "best"}
        save_state(self.work, saved, self.state["best"] if is_best else None)
        self.on_epoch(self.epoch + 1, self.epochs, self.state["curves"][-1], self.state["seconds"][-1])
        return False  # Ultralytics' own checkpoint was not written

    def final_eval(self) -> None:
        """Nothing: the best epoch has been validated, and stage validate scores the weights."""
