"""Which weights these are: a hash of the numbers, not of the file around them."""

import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def identify(state: Mapping[str, "Tensor"]) -> str:
    """Identity of a state dict, the same on every machine and in every file format.

    Hashed for each tensor, in the order of the names: one line of JSON ``[name, dtype, shape]``,
    then its elements in row-major order, little-endian. The line says how many bytes follow, so no
    two different state dicts give the same stream.

    Args:
        state: names and tensors of any type, on any device, in any memory layout.

    Returns:
        ``sha256:`` and 64 hexadecimal digits.
    """
    import torch  # heavy: 2.8 s

    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu()
        head = [name, str(tensor.dtype).removeprefix("torch."), list(tensor.shape)]
        digest.update(json.dumps(head).encode() + b"\n")
        elements = tensor.reshape(-1, 1).contiguous().view(torch.uint8)  # one row of bytes per element
        if sys.byteorder == "big":
            elements = elements.flip(1)
        digest.update(elements.numpy().tobytes())
    return f"sha256:{digest.hexdigest()}"


def file_sha256(path: Path) -> str:
    """The sha256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
