"""Which part of a network a tensor belongs to, and what it is, by its name."""

import re
from collections.abc import Collection
from typing import Literal

Kind = Literal["weights", "biases", "normalisation", "buffers"]
Part = Literal["backbone", "neck", "head", "other"]
KINDS: tuple[Kind, ...] = ("weights", "biases", "normalisation", "buffers")
PARTS: tuple[Part, ...] = ("backbone", "neck", "head", "other")
BACKBONE_LAYERS = 11
"""Of YOLO11: layers 0 to 10."""

_LAYER = re.compile(r"^model\.(\d+)\.")
_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def find_kind(name: str, shape: tuple[int, ...], names: Collection[str]) -> Kind:
    """What a tensor is, as textbooks tell them apart.

    Args:
        name: of the tensor.
        shape: of it.
        names: of all tensors of the network.

    Returns:
        ``weights``: kernels of convolutions and linear layers; ``biases``; ``normalisation``: scale and shift,
        learned; ``buffers``: running statistics and fixed kernels, not learned by gradient.
    """
    module, _, last = name.rpartition(".")
    if last in _STATISTICS or module.endswith(".dfl.conv"):
        return "buffers"
    if f"{module}.running_mean" in names:
        return "normalisation"
    if last == "bias":
        return "biases"
    return "weights" if len(shape) > 1 else "normalisation"


def find_layer(name: str) -> int | None:
    """Number of the top-level layer that a tensor is in, as ``finetune.freeze`` counts them."""
    found = _LAYER.match(name)
    return int(found[1]) if found else None


def find_part(layer: int | None, last: int | None, backbone: int) -> Part:
    """Backbone, neck or head.

    Args:
        layer: number of the top-level layer; None: in none.
        last: number of the last one, which is the head.
        backbone: how many layers it has.
    """
    if layer is None or last is None:
        return "other"
    return "head" if layer == last else "backbone" if layer < backbone else "neck"
