"""Which weights these are: a hash of the numbers, not of the file around them."""

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from steelyard.weights.tensors import StoredTensor

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

    def read(tensor: "Tensor") -> Iterator[bytes]:
        elements = tensor.reshape(-1, 1).contiguous().view(torch.uint8)  # one row of bytes per element
        yield (elements.flip(1) if sys.byteorder == "big" else elements).numpy().tobytes()

    digest = _Digest()
    for name in sorted(state):
        tensor = state[name].detach().cpu()
        digest.add(name, str(tensor.dtype).removeprefix("torch."), tensor.shape, read(tensor))
    return digest.show()


def identify_stored(tensors: Mapping[str, StoredTensor]) -> str:
    """Identity of a state dict that lies in a file, read a piece at a time: that of :func:`identify`."""
    digest = _Digest()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.add(name, tensor.dtype, tensor.shape, (piece.tobytes() for piece in tensor.raw_pieces()))
    return digest.show()


def file_sha256(path: Path) -> str:
    """The sha256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Digest:
    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, name: str, dtype: str, shape: Iterable[int], content: Iterable[bytes]) -> None:
        self._hash.update(json.dumps([name, dtype, list(shape)]).encode() + b"\n")
        for part in content:
            self._hash.update(part)

    def show(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"
