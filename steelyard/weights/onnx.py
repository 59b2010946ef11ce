"""YOLO11 from an ONNX export: the same outputs, and BatchNorm back in place for fine-tuning.

An export holds each convolution with its BatchNorm folded in, under the names that the modules had.
A network without BatchNorm does not fine-tune as one that has it. So the mean and variance of each
convolution's output are measured again on photographs, and the layer set so that the two cancel::

    y = weight * (x - mean) / sqrt(var + eps) + bias,   weight = sqrt(var + eps),  bias = folded + mean

which is ``x + folded`` for any mean and variance.
"""

import ast
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steelyard.errors import WeightsError
from steelyard.weights.architecture import architecture_of, build_detector, check_classes, fill
from steelyard.weights.checkpoint import Checkpoint
from steelyard.weights.tensors import HeldTensor, row_major

if TYPE_CHECKING:
    from torch import Tensor
    from ultralytics.nn.tasks import DetectionModel

CROPS = 8
_CROP = 320  # px, a multiple of the network's largest stride
_DECIMALS = 4  # of the statistics; float64 sums differ between machines far behind that


def import_onnx(path: Path, watch: Callable[[int, int], None] | None = None) -> Checkpoint:
    """Read Ultralytics' ONNX export of a YOLO11 detector.

    The statistics are measured in float64 and rounded, so that every machine and any number of
    threads gives the same weights. Call :func:`steelyard.paths.quiet_ultralytics` before.

    Args:
        path: an ``.onnx`` file with fp32 or fp16 tensors inside it.
        watch: is told (crops done, crops in all).

    Raises:
        WeightsError: not ONNX, tensors in other files, no YOLO11 detector, changed layers, or
            values that are not finite.
    """
    graph, properties = _read(path)
    tensors = _read_tensors(graph, path)
    scale, count, width = architecture_of(tensors, where=str(path))
    classes = check_classes(_literal(properties, "names", path), count, where=str(path))
    model = build_detector(scale, classes, width)
    _compare_graph(graph, model, path)
    fill(model, _unfold(tensors, model), where=str(path))
    _measure_batchnorm(model, watch or (lambda done, total: None))
    sides = _literal(properties, "imgsz", path)
    return Checkpoint(model, classes, max(sides))


def locate_tensors(path: Path) -> tuple[dict[str, HeldTensor], dict[str, str]]:
    """The network's tensors of an ONNX export, as they are in it, and what the export says of itself.

    Raises:
        WeightsError: as :func:`import_onnx`.
    """
    graph, properties = _read(path)
    values = {name: tensor.numpy() for name, tensor in _read_tensors(graph, path).items()}
    tensors = {
        name: HeldTensor(path, 0, str(each.dtype), each.shape, row_major(each.shape), each)
        for name, each in values.items()
    }
    return tensors, properties


def _read(path: Path) -> tuple[Any, dict[str, str]]:
    """The graph and the export's own description of it."""
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    if not path.is_file():
        raise WeightsError(f"{path}: not found")
    try:
        # Tensors in other files would be any file that this user can read.
        proto = onnx.load(path, format="protobuf", load_external_data=False)
    except DecodeError:
        raise WeightsError(f"{path}: is no ONNX file, or a truncated one; fetch it again") from None
    properties = {each.key: each.value for each in proto.metadata_props}
    if not proto.graph.initializer or properties.get("task") != "detect":
        raise WeightsError(
            f"{path}: {len(proto.graph.initializer)} tensors, task {properties.get('task', 'not given')}; "
            "needed is Ultralytics' own ONNX export of a YOLO11 detector"
        )
    return proto.graph, properties


def _literal(properties: dict[str, str], key: str, path: Path) -> Any:
    try:
        return ast.literal_eval(properties[key])
    except (KeyError, ValueError, SyntaxError):
        raise WeightsError(
            f"{path}: metadata {key} = {properties.get(key)!r:.60} cannot be read; "
            "needed is Ultralytics' own ONNX export"
        ) from None


def _read_tensors(graph: Any, path: Path) -> "dict[str, Tensor]":
    """The network's tensors by their names; constants that the exporter made are left out."""
    import numpy as np
    import torch  # heavy: 2.8 s
    from onnx import TensorProto, numpy_helper

    tensors = {}
    for each in graph.initializer:
        if each.data_location == TensorProto.EXTERNAL:
            raise WeightsError(f"{path}: tensor {each.name} lies in another file; needed is an export in one file")
        if each.name.startswith("model."):
            try:
                values = numpy_helper.to_array(each).astype(np.float32)
            except ValueError:
                raise WeightsError(
                    f"{path}: tensor {each.name} has not as many values as its shape {list(each.dims)} says; "
                    "the file is damaged, fetch it again"
                ) from None
            tensors[each.name] = torch.from_numpy(values)
    return tensors


def _unfold(tensors: "dict[str, Tensor]", model: "DetectionModel") -> "dict[str, Tensor]":
    """The state dict of a network with BatchNorm (mean 0, variance 1 - eps) from folded tensors."""
    import torch  # heavy: 2.8 s

    state = dict(tensors)
    for name, norm in _norms(model).items():
        bias = state.pop(f"{name}.conv.bias", None)
        if bias is None:
            continue  # told as missing, under its own name, by fill
        state |= {
            f"{name}.bn.weight": torch.ones_like(bias),
            f"{name}.bn.bias": bias,
            f"{name}.bn.running_mean": torch.zeros_like(bias),
            f"{name}.bn.running_var": torch.full_like(bias, 1 - norm.eps),
            f"{name}.bn.num_batches_tracked": torch.zeros((), dtype=torch.long),
        }
    return state


def _norms(model: "DetectionModel") -> dict[str, Any]:
    """BatchNorm layers by the name of the block that they and their convolution stand in."""
    return {name.removesuffix(".bn"): module for name, module in model.named_modules() if name.endswith(".bn")}


def _compare_graph(graph: Any, model: "DetectionModel", path: Path) -> None:
    """Refuse a graph whose tensors fit and whose convolutions are used in another way."""
    activated = {node.input[0] for node in graph.node if node.op_type == "Sigmoid"}
    nodes = {node.input[1]: node for node in graph.node if node.op_type == "Conv"}
    for name in _norms(model):
        node = nodes.get(f"{name}.conv.weight")
        if node is None:
            raise WeightsError(f"{path}: no convolution uses {name}.conv.weight; needed is an unchanged YOLO11")
        block = model.get_submodule(name)
        expected = _describe(list(block.conv.stride), type(block.act).__name__ == "SiLU")
        strides = next((list(each.ints) for each in node.attribute if each.name == "strides"), [1, 1])
        found = _describe(strides, node.output[0] in activated)
        if found != expected:
            raise WeightsError(
                f"{path}: convolution {name} has {found}, where YOLO11 has {expected}; needed is an unchanged YOLO11"
            )


def _describe(strides: list[int], activated: bool) -> str:
    return f"strides {strides} and {'a SiLU' if activated else 'no activation'}"


def _measure_batchnorm(model: "DetectionModel", watch: Callable[[int, int], None]) -> None:
    """Give each BatchNorm the statistics of its input, and leave the network's output as it is."""
    import torch  # heavy: 2.8 s

    norms = _norms(model)
    sums = {name: torch.zeros(3, norm.num_features, dtype=torch.float64) for name, norm in norms.items()}

    def gather(name: str) -> Callable[[Any, Any, Any], None]:
        def hook(module: Any, inputs: Any, output: "Tensor") -> None:
            values = output[0].flatten(1)
            count = torch.full_like(sums[name][0], values.shape[1])
            sums[name] += torch.stack([values.sum(1), (values * values).sum(1), count])

        return hook

    hooks = [model.get_submodule(f"{name}.conv").register_forward_hook(gather(name)) for name in norms]
    crops = _crop_photographs()
    model.double()
    with torch.no_grad():
        for done, crop in enumerate(crops):
            watch(done, len(crops))
            model(crop)
        for name, norm in norms.items():
            total, squares, count = sums[name]
            mean = (total / count).round(decimals=_DECIMALS)
            variance = (squares / count - (total / count) ** 2).clamp(min=0).round(decimals=_DECIMALS)
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(variance)
            norm.weight.copy_((variance + norm.eps).sqrt())
            norm.bias.add_(mean)
    for hook in hooks:
        hook.remove()
    model.float()
    watch(len(crops), len(crops))


def _crop_photographs() -> "list[Tensor]":
    """The four corners of the two photographs in the ultralytics package.

    Returns:
        Tensors [1, 3, 320, 320], RGB, float64 in [0, 1], in the photographs' own resolution.
    """
    import numpy as np
    import torch  # heavy: 2.8 s
    from PIL import Image
    from ultralytics.utils import ASSETS

    crops = []
    for name in ("bus.jpg", "zidane.jpg"):
        with Image.open(ASSETS / name) as image:
            pixels = np.asarray(image.convert("RGB"))
        for rows in (slice(0, _CROP), slice(-_CROP, None)):
            for columns in (slice(0, _CROP), slice(-_CROP, None)):
                crop = torch.from_numpy(pixels[rows, columns].transpose(2, 0, 1).copy())
                crops.append(crop[None].double() / 255)
    return crops
