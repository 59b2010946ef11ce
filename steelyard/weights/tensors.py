"""A tensor as it lies in a weights file: nothing of it is read before somebody asks, and then in pieces."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

PIECE = 1 << 20  # elements
_STORED = {"bfloat16": "uint16"}  # numpy has none; its bits are the upper half of a float32's
BYTES = {
    "float64": 8,
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "int64": 8,
    "int32": 4,
    "int16": 2,
    "int8": 1,
    "uint8": 1,
    "bool": 1,
}
"""Size of an element, by type as torch names it."""


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """Numbers in a file.

    Attributes:
        path: of the file.
        start: of the first element, in bytes.
        dtype: as torch names it; a key of BYTES.
        shape: the sizes.
        strides: in elements.
    """

    path: Path
    start: int
    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def count(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return self.count * BYTES[self.dtype]

    def read(self) -> "NDArray[Any]":
        """All of it, as it is stored; of bfloat16 the bits, as uint16."""
        import numpy as np

        stored = self._stored()
        if self.is_contiguous():
            return np.fromfile(self.path, stored, self.count, offset=self.start).reshape(self.shape)
        reach = sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True)) + 1
        flat = np.fromfile(self.path, stored, reach, offset=self.start)
        steps = tuple(stride * stored.itemsize for stride in self.strides)
        return np.lib.stride_tricks.as_strided(flat, self.shape, steps, writeable=False).copy()

    def raw_pieces(self) -> "Iterator[NDArray[Any]]":
        """Its numbers in order, as they are stored, at most PIECE at a time, shape (n,)."""
        import numpy as np

        if not self.is_contiguous():
            yield self.read().reshape(-1)
            return
        stored = self._stored()
        for first in range(0, self.count, PIECE):
            count = min(PIECE, self.count - first)
            yield np.fromfile(self.path, stored, count, offset=self.start + first * stored.itemsize)

    def pieces(self) -> "Iterator[NDArray[Any]]":
        """The same, of bfloat16 as float32."""
        for piece in self.raw_pieces():
            yield _widen(piece, self.dtype)

    def to_torch(self) -> "Tensor":
        """As a tensor in memory, on the CPU."""
        import torch  # heavy: 2.8 s

        tensor = torch.from_numpy(self.read())
        return tensor.view(torch.bfloat16) if self.dtype == "bfloat16" else tensor

    def _stored(self) -> "np.dtype[Any]":
        import numpy as np

        return np.dtype(_STORED.get(self.dtype, self.dtype)).newbyteorder("<")

    def is_contiguous(self) -> bool:
        """Whether its elements follow one another in the file, in row-major order."""
        return all(
            size == 1 or stride == following
            for size, stride, following in zip(self.shape, self.strides, row_major(self.shape), strict=True)
        )


@dataclass(frozen=True, slots=True)
class HeldTensor(StoredTensor):
    """A tensor of a file whose format does not say where it lies: it is in memory.

    Attributes:
        values: shape as ``shape``, row-major.
    """

    values: "NDArray[Any]"

    def read(self) -> "NDArray[Any]":
        """All of it."""
        return self.values

    def raw_pieces(self) -> "Iterator[NDArray[Any]]":
        """As of a stored one."""
        flat = self.values.reshape(-1)
        for first in range(0, len(flat), PIECE):
            yield flat[first : first + PIECE]


def row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides in elements of a tensor whose elements follow one another."""
    return tuple(math.prod(shape[place + 1 :]) for place in range(len(shape)))


def _widen(values: "NDArray[Any]", dtype: str) -> "NDArray[Any]":
    if dtype != "bfloat16":
        return values
    import numpy as np

    wide: NDArray[Any] = (values.astype(np.uint32) << 16).view(np.float32)
    return wide
