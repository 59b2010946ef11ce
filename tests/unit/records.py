"""A record and decisions as the register stage would write them."""

from datetime import UTC, datetime

from steelyard.record.decision import Decision
from steelyard.record.record import DatasetFact, Record, WeightsFact
from steelyard.scoring.scores import Scores
from steelyard.training.manifest import TrainingManifest
from steelyard.weights.manifest import BaseManifest

RATES = {"precision": 0.5, "recall": 0.25, "mAP50": 0.125, "mAP50-95": None}
SPLIT = {
    **RATES,
    "images": 1,
    "boxes": 2,
    "classes": {"Tree": {**RATES, "images": 1, "boxes": 2}},
    "ultralytics": RATES,
}


def make_record(commit, version=1, identity="sha256:" + "a" * 64):
    return Record(
        name="trees",
        version=version,
        commit=commit,
        weights=WeightsFact(identity=identity, file_sha256="b" * 64, safetensors_sha256="c" * 64),
        base=BaseManifest(
            source="pypi:x==1/y.onnx",
            sha256="d" * 64,
            format="onnx",
            licence="AGPL-3.0",
            identity="sha256:" + "e" * 64,
            file_sha256="f" * 64,
            architecture="yolo11n",
            parameters=1,
            layers=24,
            classes={0: "person"},
            image_size=640,
            batchnorm="as in the checkpoint",
        ),
        dataset=DatasetFact(
            source="data/raw", sha256="", fingerprint="0" * 64, dvc_md5="1" * 32, licence="MIT",
            classes=("Tree",), images={"train": 1, "val": 1, "test": 1},
        ),
        params={"finetune": {"epochs": 1}},
        training=TrainingManifest(
            run_id="r", run_key="k", parent="p", identity=identity, epochs_run=1, best_epoch=1, stopped_early=False,
            resumed_at=(), resume_exact=True, started="2026-01-01T00:00:00Z", ended="2026-01-01T00:01:00Z",
            epoch_seconds=(1.0,), device="cpu", precision="fp32", threads=2, cpu="a cpu", versions={"python": "3.11"},
        ),
        scores=Scores.model_validate({"val": SPLIT, "test": SPLIT}),
        prefect_flow_run_id=None,
        registered=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip


def make_decision(record, action, before=None, policy="auto", verdict=None, reason="for a reason"):
    return Decision(
        action=action, version=record.version, identity=record.weights.identity, before=before and before.version,
        identity_before=before and before.weights.identity, policy=policy, reason=reason, verdict=verdict,
    )  # fmt: skip
