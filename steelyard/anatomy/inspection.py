"""What a weights file is made of: separated and counted as textbooks do, by part and by layer."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from steelyard.anatomy.file import WeightsFile
from steelyard.anatomy.findings import Finding, Frozen, find_epoch, list_findings
from steelyard.anatomy.numbers import Numbers, measure
from steelyard.anatomy.parts import BACKBONE_LAYERS, KINDS, PARTS, Kind, Part, find_kind, find_layer, find_part
from steelyard.record.record import Record
from steelyard.weights.identity import identify_stored
from steelyard.weights.tensors import StoredTensor


class Sums(Frozen):
    """What the numbers of some tensors are like."""

    tensors: int = Field(ge=0)
    count: int = Field(ge=0, description="numbers in them")
    bytes: int = Field(ge=0, description="as they are stored")
    norm: float = Field(description="Euclidean length of all of them as one vector")
    mean: float
    spread: float = Field(description="standard deviation")
    zeros: float = Field(ge=0, le=1, description="share that is exactly zero")


class TensorFacts(Sums):
    """One tensor."""

    name: str
    kind: Kind
    part: Part
    layer: int | None
    shape: tuple[int, ...]
    dtype: str
    trained: bool = Field(description="False: a buffer, or in a layer that was frozen")


class LayerFacts(Sums):
    """One top-level layer."""

    layer: int
    kind: str = Field(description="its class, such as C3k2; empty where the file does not say")
    part: Part
    frozen: bool


class Inspection(Frozen):
    """The whole of it."""

    schema_version: Literal[1] = 1
    shown: str
    file: str = Field(description="kind of the file: pt, safetensors or onnx")
    file_bytes: int
    identity: str = Field(description="sha256 over names, types, shapes and numbers of all tensors, whatever the file")
    architecture: str = Field(description="such as yolo11n; unknown where the tensors are of no known network")
    architecture_hash: str = Field(
        description="sha256 over names and shapes: the same network, whatever it has learned"
    )
    classes: tuple[str, ...]
    epoch: int | None = Field(description="of an unfinished training; None: finished, or the file does not say")
    settings: dict[str, Any] = Field(description="hyperparameters: set by a person, not learned")
    said: dict[str, Any] = Field(description="what else the file, or the record of the version, says")
    extra: dict[str, int] = Field(description="bytes beside the network: optimizer, ema")
    by_kind: dict[Kind, Sums]
    by_part: dict[Part, Sums] = Field(description="without buffers")
    layers: tuple[LayerFacts, ...] = Field(description="without buffers")
    tensors: tuple[TensorFacts, ...]
    findings: tuple[Finding, ...]


def inspect_file(shown: str, file: WeightsFile, record: Record | None = None) -> Inspection:
    """Look at every tensor once.

    Args:
        shown: what people call the weights.
        file: opened.
        record: of the version, where they are one; it says more than the file does.
    """
    names, backbone = file.tensors, file.backbone or BACKBONE_LAYERS
    last = max((layer for name in names if (layer := find_layer(name)) is not None), default=None)
    settings = dict(record.params["finetune"]) if record else dict(file.settings)
    frozen = _count_frozen(settings)
    numbers: dict[str, Numbers] = {}
    facts: list[TensorFacts] = []
    for name, tensor in names.items():
        numbers[name] = measure(tensor)
        layer, kind = find_layer(name), find_kind(name, tensor.shape, names)
        is_trained = kind != "buffers" and not (layer is not None and layer < frozen)
        facts.append(
            TensorFacts(
                name=name,
                kind=kind,
                part=find_part(layer, last, backbone),
                layer=layer,
                shape=tensor.shape,
                dtype=tensor.dtype,
                trained=is_trained,
                **_sum_up([numbers[name]]),
            )
        )
    classes = record.dataset.classes if record else tuple(file.classes.values())
    learned = [each for each in facts if each.kind != "buffers"]
    return Inspection(
        shown=shown,
        file=file.kind,
        file_bytes=file.path.stat().st_size,
        identity=identify_stored(names),
        architecture=_name_architecture(names),
        architecture_hash=hash_architecture(names),
        classes=classes,
        epoch=find_epoch(file),
        settings=settings,
        said=_list_facts(record) if record else dict(file.said),
        extra=dict(file.extra),
        by_kind={
            kind: Sums(**_sum_up([numbers[each.name] for each in facts if each.kind == kind]))
            for kind in KINDS
            if any(each.kind == kind for each in facts)
        },
        by_part={
            part: Sums(**_sum_up([numbers[each.name] for each in learned if each.part == part]))
            for part in PARTS
            if any(each.part == part for each in learned)
        },
        layers=tuple(
            LayerFacts(
                layer=layer,
                kind=file.layer_kinds.get(layer, ""),
                part=find_part(layer, last, backbone),
                frozen=layer < frozen,
                **_sum_up([numbers[each.name] for each in learned if each.layer == layer]),
            )
            for layer in sorted({each.layer for each in learned if each.layer is not None})
        ),
        tensors=tuple(facts),
        findings=tuple(list_findings(file, {each.name: each.kind for each in facts}, numbers, classes)),
    )


def hash_architecture(tensors: Mapping[str, StoredTensor]) -> str:
    """sha256 over names and shapes."""
    text = json.dumps(sorted([name, list(tensor.shape)] for name, tensor in tensors.items()))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _sum_up(numbers: Sequence[Numbers]) -> dict[str, Any]:
    whole = sum(numbers, Numbers())
    return {
        "tensors": len(numbers),
        "count": whole.count,
        "bytes": whole.nbytes,
        "norm": whole.norm,
        "mean": whole.mean,
        "spread": whole.spread,
        "zeros": whole.zero_share,
    }


def _name_architecture(tensors: Mapping[str, StoredTensor]) -> str:
    from steelyard.errors import WeightsError
    from steelyard.weights.architecture import architecture_of

    try:
        return f"yolo11{architecture_of(tensors, '').scale}"
    except WeightsError:
        return "unknown"


def _count_frozen(settings: Mapping[str, Any]) -> int:
    frozen = settings.get("freeze")
    return frozen if isinstance(frozen, int) and not isinstance(frozen, bool) else 0


def _list_facts(record: Record) -> dict[str, Any]:
    return {
        "version": record.version,
        "commit": record.commit,
        "licence of the base weights": record.base.licence,
        "licence of the data": record.dataset.licence,
        "base weights": record.base.source,
        "base identity": record.base.identity,
        "data": record.dataset.source,
        "data fingerprint": record.dataset.fingerprint,
        "best epoch": record.training.best_epoch,
        "epochs": record.training.epochs_run,
        "mAP50-95 on test": record.scores.test.map50_95,
        "registered": f"{record.registered:%Y-%m-%d %H:%M}",
    }
