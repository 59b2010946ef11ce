"""A weights file of any kind, opened to be looked at: its tensors, and what it says of itself."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from steelyard.errors import WeightsError
from steelyard.weights.checkpoint import find_network
from steelyard.weights.pickled import read_pickled
from steelyard.weights.tensors import BYTES, StoredTensor, row_major

Kind = Literal["pt", "safetensors", "onnx"]
_SAFE_TYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip


@dataclass(frozen=True)
class WeightsFile:
    """What is in a file, nothing of the numbers read yet.

    Attributes:
        path: of the file.
        kind: of the file.
        tensors: of the network, by name, in the order of the file; of an averaged one (EMA) where there are both.
        classes: names by number; empty where the file does not say.
        layer_kinds: class of each top-level layer, by its number; empty where the file does not say.
        backbone: how many layers the backbone has; None where the file does not say.
        settings: what was set for the training (``train_args``), plain values only.
        said: other plain facts of the file: epoch, date, version, licence, figures.
        extra: bytes of what is beside the network: ``optimizer``, ``ema``.
    """

    path: Path
    kind: Kind
    tensors: Mapping[str, StoredTensor]
    classes: Mapping[int, str] = field(default_factory=dict)
    layer_kinds: Mapping[int, str] = field(default_factory=dict)
    backbone: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    said: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, int] = field(default_factory=dict)


def open_file(path: Path) -> WeightsFile:
    """Open a weights file without running any of it.

    Args:
        path: ``.pt`` of Ultralytics, ``.safetensors`` or ``.onnx``.

    Raises:
        WeightsError: damaged, hostile, or no such file.
    """
    match path.suffix.lower():
        case ".pt":
            return _open_checkpoint(path)
        case ".safetensors":
            return _open_safetensors(path)
        case ".onnx":
            return _open_onnx(path)
    raise WeightsError(f"{path}: is of no kind that can be opened; allowed are .pt, .safetensors and .onnx")


def _open_checkpoint(path: Path) -> WeightsFile:
    shell, values = find_network(read_pickled(path), path)
    names = shell.state.get("names")
    names = dict(enumerate(names)) if isinstance(names, list | tuple) else names
    layers = {
        int(number): each.kind
        for name, each in shell.walk()
        if name.startswith("model.") and (number := name.removeprefix("model.")).isdigit()
    }
    backbone = shell.group("yaml").get("backbone")
    settings = values.get("train_args")
    said = {key: value for key, value in values.items() if isinstance(value, str | int | float | bool)}
    figures = values.get("train_metrics")
    if isinstance(figures, dict):
        said |= {key: value for key, value in figures.items() if isinstance(value, int | float)}
    extra = {"optimizer": _count_bytes(values.get("optimizer"))}
    if values.get("ema") is shell and values.get("model") is not None:
        extra["ema"] = sum(tensor.nbytes for _, tensor in shell.tensors())
    return WeightsFile(
        path,
        "pt",
        dict(shell.tensors()),
        {key: name for key, name in names.items() if isinstance(key, int) and isinstance(name, str)}
        if isinstance(names, dict)
        else {},
        layers,
        len(backbone) if isinstance(backbone, list) else None,
        {key: value for key, value in settings.items() if _is_plain(value)} if isinstance(settings, dict) else {},
        said,
        {name: size for name, size in extra.items() if size},
    )


def _open_safetensors(path: Path) -> WeightsFile:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as file:  # checks the head against the file
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: is no safetensors file, or a damaged one ({error}); fetch it again") from None
    with path.open("rb") as stream:
        size = int.from_bytes(stream.read(8), "little")
        head: dict[str, Any] = json.loads(stream.read(size))
    head.pop("__metadata__", None)
    tensors = {}
    for name, entry in sorted(head.items(), key=lambda item: item[1]["data_offsets"]):
        dtype = _SAFE_TYPES.get(entry["dtype"])
        if dtype is None:
            raise WeightsError(f"{path}: {name} is of type {entry['dtype']}; allowed are {', '.join(BYTES)}")
        shape = tuple(entry["shape"])
        tensors[name] = StoredTensor(path, 8 + size + entry["data_offsets"][0], dtype, shape, row_major(shape))
    return WeightsFile(path, "safetensors", tensors, _read_classes(metadata.get("classes")), said=metadata)


def _open_onnx(path: Path) -> WeightsFile:
    from steelyard.weights.onnx import locate_tensors  # heavy: 0.4 s

    tensors, properties = locate_tensors(path)
    return WeightsFile(path, "onnx", tensors, _read_classes(properties.get("names")), said=properties)


def _read_classes(text: str | None) -> dict[int, str]:
    """Class names as a file's metadata holds them, JSON or Python."""
    import ast

    try:
        names = ast.literal_eval(text or "{}")
    except (ValueError, SyntaxError):
        return {}
    names = dict(enumerate(names)) if isinstance(names, list) else names
    if not isinstance(names, dict):
        return {}
    return {int(number): str(name) for number, name in names.items() if str(number).isdigit()}


def _count_bytes(values: Any) -> int:
    """Of all tensors in nested dicts and lists."""
    waiting, seen, total = [values], set(), 0
    while waiting:
        value = waiting.pop()
        if isinstance(value, StoredTensor):
            total += value.nbytes
        elif isinstance(value, dict | list | tuple) and id(value) not in seen:
            seen.add(id(value))
            waiting += value.values() if isinstance(value, dict) else value
    return total


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return len(value) < 100 and all(_is_plain(each) and not isinstance(each, list) for each in value)
    return value is None or isinstance(value, str | int | float | bool)
