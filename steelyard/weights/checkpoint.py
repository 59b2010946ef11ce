"""Checkpoints on disk: reading a stranger's safely, writing our own to the same bytes.

The tensors of a file move into a network that is built here; nothing else of it is used.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steelyard.errors import WeightsError
from steelyard.weights.architecture import architecture_of, build_detector, check_classes, fill
from steelyard.weights.identity import identify
from steelyard.weights.pickled import read_pickled
from steelyard.weights.shell import Shell

if TYPE_CHECKING:
    import torch
    from ultralytics.nn.tasks import DetectionModel

# Settings of a layer that change what it computes and leave no trace in its tensors.
_LAYER_SETTINGS = ("kernel_size", "stride", "padding", "dilation", "groups", "eps", "scale_factor", "mode")
_IMAGE_SIZE = 640  # Ultralytics' own, for files that do not say


@dataclass(frozen=True)
class Checkpoint:
    """Weights in memory.

    Attributes:
        model: YOLO11 in fp32 and evaluation mode, built by the installed Ultralytics.
        classes: names by class number, 0 to n - 1.
        image_size: side in px that images had in training; 640, as for Ultralytics, where the file
            does not say.
    """

    model: "DetectionModel"
    classes: dict[int, str]
    image_size: int


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a YOLO11 detection checkpoint, Ultralytics' or our own, without running any of it.

    Where a file holds an averaged network (``ema``) beside the trained one, it is the one taken, as
    Ultralytics does. Call :func:`steelyard.paths.quiet_ultralytics` before.

    Args:
        path: a ``.pt`` file.

    Raises:
        WeightsError: not a checkpoint, damaged, naming code, another architecture, or tensors that
            do not fit or are not finite.
    """
    shell, values = find_network(read_pickled(path), path)
    where = f"{path} ({Path(str(shell.group('yaml').get('yaml_file'))).stem})"
    state = {name: tensor.to_torch() for name, tensor in shell.tensors()}
    scale, count, width = architecture_of(state, where)
    classes = check_classes(shell.state.get("names"), count, where)
    model = build_detector(scale, classes, width)
    fill(model, state, where)
    _compare_layers(shell, model, path)
    image_size = values["train_args"].get("imgsz") if isinstance(values.get("train_args"), dict) else None
    return Checkpoint(model, classes, image_size if isinstance(image_size, int) else _IMAGE_SIZE)


def save_checkpoint(model: "DetectionModel", path: Path, *, image_size: int) -> None:
    """Write a checkpoint that ``ultralytics.YOLO(path)`` opens, in fp32.

    The tensors and class names are put into a network that is built anew, so that the file depends
    on nothing else: the same weights give the same bytes. No date, no path is in it.

    Args:
        model: a YOLO11 detection network with its class names in ``names``.
        path: written under a temporary name beside it and then renamed.
        image_size: side of the training images, in px, which Ultralytics predicts at.

    Raises:
        WeightsError: the network is not YOLO11 detection, or holds NaN or infinity; nothing is
            written then.
    """
    import torch  # heavy: 2.8 s
    from ultralytics import __version__  # heavy: 2.8 s

    state = model.state_dict()
    scale, count, width = architecture_of(state, where=path.name)
    fresh = build_detector(scale, check_classes(model.names, count, where=path.name), width)
    fill(fresh, state, where=path.name)
    fresh.args = {"task": "detect", "imgsz": image_size}
    buffer = io.BytesIO()  # written to a path, the path's name would be in the file
    torch.save(
        {
            "epoch": -1,
            "model": fresh,
            "ema": None,
            "optimizer": None,
            "train_args": {"task": "detect", "imgsz": image_size, "model": f"yolo11{scale}.yaml"},
            "version": __version__,
            "license": "AGPL-3.0",
        },
        buffer,
    )
    write_whole(path, buffer.getvalue())


def save_safetensors(model: "torch.nn.Module", path: Path, metadata: Mapping[str, str]) -> None:
    """Write a state dict as safetensors, a format that holds no code, to the same bytes each time.

    Args:
        model: any network.
        path: written under a temporary name beside it and then renamed.
        metadata: texts for the file's head.

    Raises:
        WeightsError: what was written reads back as other weights; nothing is left then.
    """
    from safetensors.torch import load, save  # heavy: imports torch

    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    data = save(state)
    # The library writes metadata in the random order of a hash map, so it is put in here, sorted.
    size = int.from_bytes(data[:8], "little")
    head = {"__metadata__": dict(sorted(metadata.items())), **json.loads(data[8 : 8 + size])}
    text = json.dumps(head, separators=(",", ":")).encode()
    text = text.ljust(-(-len(text) // 8) * 8)  # padded with spaces: the tensors start at a multiple of 8
    data = len(text).to_bytes(8, "little") + text + data[8 + size :]
    if identify(load(data)) != identify(state):
        raise WeightsError(f"{path}: safetensors read back as other weights than were written")
    write_whole(path, data)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: under a temporary name beside it, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def find_network(values: Any, path: Path) -> tuple[Shell, dict[str, Any]]:
    """The network that a checkpoint is about, and all values of the checkpoint."""
    if not isinstance(values, dict) or not {"model", "ema"} & set(values):
        found = f"keys {', '.join(map(str, values))}" if isinstance(values, dict) else type(values).__name__
        raise WeightsError(
            f"{path}: is no checkpoint of Ultralytics (holds {found:.120}); needed is a dict with "
            "the network as 'model', as Ultralytics saves it"
        )
    shell = values["ema"] if isinstance(values.get("ema"), Shell) else values.get("model")
    if not isinstance(shell, Shell):
        raise WeightsError(f"{path}: 'model' is no network; needed is the network itself, as Ultralytics saves it")
    layers = [each for name, each in shell.walk() if name.startswith("model.") and name.count(".") == 1]
    head = layers[-1].kind if layers else "none"
    if (shell.kind, head) != ("DetectionModel", "Detect"):
        raise WeightsError(
            f"{path}: the network is a {shell.kind} with head {head}; "
            "needed is a YOLO11 DetectionModel with head Detect, such as yolo11n.pt"
        )
    return shell, values


def _compare_layers(shell: Shell, model: "DetectionModel", path: Path) -> None:
    """Refuse a network whose tensors fit and whose layers compute something else."""
    ours = dict(model.named_modules(remove_duplicate=False))
    for name, each in shell.walk():
        if not each.global_name.startswith("torch.nn."):
            continue
        layer = ours.get(name)
        theirs = {key: each.state[key] for key in _LAYER_SETTINGS if key in each.state}
        expected = {key: getattr(layer, key, None) for key in theirs}
        if layer is None or type(layer).__name__ != each.kind or expected != theirs:
            raise WeightsError(
                f"{path}: layer {name} is {each.kind} {theirs}, where YOLO11 has "
                f"{type(layer).__name__} {expected}; needed are weights of an unchanged YOLO11"
            )
