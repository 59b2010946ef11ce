"""The one architecture that is used here, YOLO11 detection, and how a state dict is put into it.

A network is always built from the YAML file of the installed Ultralytics, never from what a weights
file says about itself: that text may name Python to evaluate (``activation``), and the classes in a
pickle may be any.
"""

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from steelyard.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor
    from ultralytics.nn.tasks import DetectionModel

    from steelyard.weights.tensors import StoredTensor

# Channels of the first convolution and bottlenecks of the first C3k2 block, which together tell the
# scales apart; both follow from the width and depth multiples in Ultralytics' yolo11.yaml.
_SCALES = {(16, 1): "n", (32, 1): "s", (64, 1): "m", (64, 2): "l", (96, 2): "x"}
_FIRST = "model.0.conv.weight"
_LAST = "model.23.cv3.0.2.weight"


def build_detector(scale: str, classes: Mapping[int, str], class_width: int = 0) -> "DetectionModel":
    """Build YOLO11 with random weights, in fp32 and evaluation mode.

    The random state of torch is left as it was.

    Args:
        scale: ``n``, ``s``, ``m``, ``l`` or ``x``.
        classes: names by class number, 0 to n - 1.
        class_width: channels of the head's class branches; 0: as follows from the number of classes.
            Fine-tuned weights keep their parent's, which had other classes.
    """
    import torch  # heavy: 2.8 s
    from ultralytics.nn.tasks import DetectionModel  # heavy: 2.8 s
    from ultralytics.utils import ROOT, YAML

    config = YAML.load(ROOT / "cfg" / "models" / "11" / "yolo11.yaml")
    config |= {"scale": scale, "yaml_file": f"yolo11{scale}.yaml", "nc": len(classes)}
    with torch.random.fork_rng(devices=[]):
        model = DetectionModel(config, verbose=False)
        head = model.model[-1]
        if class_width and class_width != head.cv3[0][-1].in_channels:
            # Ultralytics gives the branches max(first input, min(classes, 100)) channels.
            wide = DetectionModel({**config, "nc": class_width}, verbose=False)
            head.cv3 = wide.model[-1].cv3
            for branch in head.cv3:
                branch[-1] = torch.nn.Conv2d(branch[-1].in_channels, len(classes), 1)
    model.names = dict(classes)
    model.task = "detect"
    return model.eval()


class Architecture(NamedTuple):
    """What tells one YOLO11 detection network from another."""

    scale: str  # n, s, m, l or x
    classes: int
    class_width: int  # channels of the head's class branches


def architecture_of(state: "Mapping[str, Tensor | StoredTensor]", where: str) -> Architecture:
    """Which YOLO11 detection network a state dict is of, from its tensors.

    Args:
        state: the state dict, or only its convolutions' weights.
        where: head of the error message.

    Returns:
        For example ``("n", 80, 80)``.

    Raises:
        WeightsError: the tensors are not those of YOLO11 detection.
    """
    if _FIRST not in state or _LAST not in state:
        absent = _FIRST if _FIRST not in state else _LAST
        raise WeightsError(
            f"{where}: holds no YOLO11 detection network (no tensor {absent} among {len(state)}); "
            "needed are weights of yolo11n, s, m, l or x"
        )
    channels = state[_FIRST].shape[0]
    blocks = {name.split(".")[3] for name in state if name.startswith("model.2.m.")}
    scale = _SCALES.get((channels, len(blocks)))
    if scale is None:
        raise WeightsError(
            f"{where}: a first convolution of {channels} channels and {len(blocks)} bottlenecks in layer 2 "
            "are no scale of YOLO11; needed are weights of yolo11n, s, m, l or x"
        )
    count, width = state[_LAST].shape[:2]
    return Architecture(scale, count, width)


def check_classes(names: Any, count: int, where: str) -> dict[int, str]:
    """Class names as ``{0: name, ...}``.

    Args:
        names: a list, or a dict by class number, as found in a file.
        count: number of classes that the network has.
        where: head of the error message.

    Raises:
        WeightsError: not ``count`` names, numbered from 0.
    """
    if isinstance(names, list | tuple):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise WeightsError(f"{where}: class names are no texts by number; needed is a name for each class number")
    if list(names) != list(range(count)):
        raise WeightsError(
            f"{where}: {len(names)} class names ({_some(map(str, names))}) for a network of {count} classes; "
            f"needed are the numbers 0 to {count - 1} in order"
        )
    return names


def fill(model: "DetectionModel", state: Mapping[str, "Tensor"], where: str) -> None:
    """Put a state dict into a network, each tensor as the network's own type.

    Args:
        model: a network from :func:`build_detector`; changed.
        state: exactly the network's tensors, in any floating type.
        where: head of the error message.

    Raises:
        WeightsError: a tensor is missing, unexpected, of another shape, or holds NaN or infinity.
    """
    wanted = model.state_dict()
    problems = {
        "missing": [name for name in wanted if name not in state],
        "unexpected": [name for name in state if name not in wanted],
        "mis-shaped": [
            f"{name} {list(state[name].shape)} instead of {list(tensor.shape)}"
            for name, tensor in wanted.items()
            if name in state and state[name].shape != tensor.shape
        ],
    }
    found = "; ".join(f"{len(names)} {kind}: {_some(names)}" for kind, names in problems.items() if names)
    if found:
        raise WeightsError(f"{where}: tensors do not fit {model.yaml['yaml_file'][:-5]}: {found}")
    for name, tensor in state.items():
        bad = tensor.numel() - int(tensor.float().isfinite().sum())
        if bad:
            raise WeightsError(
                f"{where}: {name} holds {bad} of {tensor.numel()} values that are NaN or infinite; "
                "take weights from before the training broke down"
            )
    model.load_state_dict(dict(state), strict=True)


def count_parameters(model: "DetectionModel") -> int:
    """Number of weights and biases; running statistics are not counted."""
    return sum(math.prod(tensor.shape) for tensor in model.parameters())


def _some(names: Iterable[str], most: int = 3) -> str:
    names = list(names)
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
