"""Stages finetune and validate beside ``yolo train`` and ``yolo val``."""

import csv
import json
import shutil
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.clone import BIN, Clone, make_clone
from steelyard.params import Params, load_params

# Both sides train every epoch: an early stop of one of them would decide the comparison.
NO_EARLY_STOP = {"patience": 0}
INTEGRATIONS = ("sync", "mlflow", "clearml", "comet", "dvc", "raytune", "tensorboard", "wandb", "hub")
VALIDATE = "import json, sys; from ultralytics import YOLO; settings = json.loads(sys.argv[2])\n"
VALIDATE += "print(json.dumps(YOLO(sys.argv[1]).val(**settings).results_dict))"


def measure_training(folder: Path, pairs: int, overrides: dict[str, Any]) -> dict[str, Any]:
    """Train by turns, ours first; nothing of one training is there for the next.

    Args:
        folder: temporary.
        pairs: trainings of each side.
        overrides: of section finetune.

    Returns:
        Seconds of each part of each training, and the last trainings' mAP50-95 on test.
    """
    ours = make_clone(folder, "training", {"finetune": NO_EARLY_STOP | overrides})
    ours.python("-m", "dvc", "repro", "fetch", "base")
    params = load_params(ours.root / "params.yaml")
    # An empty store, as the first `mlflow` command makes it: only a machine's first run waits for that.
    store = folder / "empty.db"
    ours.call(BIN / "mlflow", "db", "upgrade", f"sqlite:///{store}")
    plain = Plain(ours, params)
    rounds = []
    for _ in range(pairs):
        rounds.append({"ours": train_ours(ours, store), "plain": plain.train()})
    test = {
        "ours": plain.validate(ours.root / "weights/best.pt", "test")["metrics/mAP50-95(B)"],
        "plain": plain.validate(plain.best, "test")["metrics/mAP50-95(B)"],
    }
    return {"epochs": params.finetune.epochs, "rounds": rounds, "test_map50_95": test}


def train_ours(clone: Clone, store: Path) -> dict[str, float]:
    """Seconds of stage finetune (of these in epochs: ``loop``) and of stage validate."""
    for path in (".dvc/tmp/steelyard", "plots", "metrics", "mlartifacts"):
        shutil.rmtree(clone.root / path, ignore_errors=True)
    for path in ("best.pt", "weights.safetensors", "training.json"):
        (clone.root / "weights" / path).unlink(missing_ok=True)
    shutil.copyfile(store, clone.root / "mlflow.db")
    seconds = {name: clone.time("python", "-m", f"tasks.{name}") for name in ("finetune", "validate")}
    training = json.loads((clone.root / "weights/training.json").read_text(encoding="utf-8"))
    assert training["epochs_run"] == load_params(clone.root / "params.yaml").finetune.epochs
    return seconds | {"loop": sum(training["epoch_seconds"])}


class Plain:
    """Ultralytics' own commands on a copy of the data, with the same settings by their own names."""

    def __init__(self, ours: Clone, params: Params) -> None:
        root = ours.root.with_name("plain")
        root.mkdir()
        env = ours.env | {
            "YOLO_CONFIG_DIR": str(root / "config"),
            "YOLO_OFFLINE": "true",
            "YOLO_AUTOINSTALL": "false",
        }
        self.source, self.clone, self.epochs = ours.root, Clone(root, env), params.finetune.epochs
        (root / "config").mkdir()
        known = self.clone.call(BIN / "yolo", "settings")
        self.clone.call(BIN / "yolo", "settings", *(f"{each}=False" for each in INTEGRATIONS if f'"{each}"' in known))
        settings = params.finetune.model_dump(exclude={"threads"})  # its number of threads cannot be set
        if settings["device"] == "auto":
            del settings["device"]
        if settings["cache"] == "none":
            settings["cache"] = False
        data = {"data": str(root / "dataset/data.yaml"), "project": str(root / "runs")}
        self.training = settings | data
        self.validation = data | {name: settings[name] for name in ("imgsz", "batch", "device") if name in settings}
        scored = params.validation
        self.validation |= {"conf": scored.confidence, "iou": scored.iou, "max_det": scored.max_det}
        self.best = root / "runs/train/weights/best.pt"

    def train(self) -> dict[str, float]:
        """Seconds of ``yolo train`` (of these in epochs: ``loop``) and of ``yolo val`` on each split."""
        for path in ("runs", "dataset"):
            shutil.rmtree(self.clone.root / path, ignore_errors=True)
        shutil.copytree(self.source / "data/dataset", self.clone.root / "dataset")
        settings = [f"{name}={value}" for name, value in self.training.items()]
        base = self.source / "weights/base.pt"
        seconds = {"train": self.clone.time(BIN / "yolo", "detect", "train", f"model={base}", "name=train", *settings)}
        for split in ("val", "test"):
            words = [f"{name}={value}" for name, value in self.validation.items()]
            words += [f"split={split}", f"name={split}"]
            seconds[split] = self.clone.time(BIN / "yolo", "detect", "val", f"model={self.best}", *words)
        with (self.clone.root / "runs/train/results.csv").open(encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
        assert len(rows) == self.epochs
        return seconds | {"loop": float(rows[-1]["time"])}

    def validate(self, weights: Path, split: str) -> dict[str, float]:
        """Figures of Ultralytics' validator for any weights."""
        settings = self.validation | {"split": split, "name": f"check-{split}", "exist_ok": True, "plots": False}
        lines = self.clone.python("-c", VALIDATE, weights, json.dumps(settings)).splitlines()
        figures: dict[str, float] = json.loads(lines[-2 if lines[-1].startswith("Results") else -1])
        return figures


def totals(training: dict[str, Any]) -> dict[str, list[float]]:
    """Wall time of each training with its scores, in seconds, for ``ours`` and ``plain``."""
    return {
        side: [sum(value for name, value in each[side].items() if name != "loop") for each in training["rounds"]]
        for side in ("ours", "plain")
    }


def ratio(training: dict[str, Any]) -> float:
    """Ours to plain: the median over pairs, since two neighbours in time meet the same machine."""
    both = totals(training)
    return median(a / b for a, b in zip(both["ours"], both["plain"], strict=True))
