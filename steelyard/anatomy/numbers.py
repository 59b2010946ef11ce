"""What the numbers of a tensor are like: sums over pieces of it, so that none is in memory whole."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from math import sqrt
from typing import TYPE_CHECKING, Any

from steelyard.weights.tensors import StoredTensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_FP16 = 65504.0
LEAST_FP16 = 2.0**-25
"""Half of the smallest number of fp16: what is not above it becomes zero."""


@dataclass(frozen=True)
class Numbers:
    """Sums over the numbers of one or more tensors.

    Attributes:
        count: of them.
        nbytes: as they are stored.
        total: their sum; of the finite ones, as all that follow.
        squares: sum of their squares.
        zeros: how many are zero.
        broken: NaN or infinite.
        too_large: would be infinite in fp16.
        too_small: are not zero, and would be in fp16.
    """

    count: int = 0
    nbytes: int = 0
    total: float = 0.0
    squares: float = 0.0
    zeros: int = 0
    broken: int = 0
    too_large: int = 0
    too_small: int = 0

    def __add__(self, other: "Numbers") -> "Numbers":
        return Numbers(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    @property
    def norm(self) -> float:
        """Euclidean length."""
        return sqrt(self.squares)

    @property
    def mean(self) -> float:
        """Of the finite ones."""
        return self.total / max(1, self.count - self.broken)

    @property
    def spread(self) -> float:
        """Standard deviation."""
        return sqrt(max(0.0, self.squares / max(1, self.count - self.broken) - self.mean**2))

    @property
    def zero_share(self) -> float:
        """Share that is zero."""
        return self.zeros / max(1, self.count)


def add_up(tensors: Iterable[StoredTensor]) -> Numbers:
    """The sums over several tensors."""
    return sum((measure(tensor) for tensor in tensors), Numbers())


def measure(tensor: StoredTensor) -> Numbers:
    """The sums over one tensor, read once."""
    found = Numbers(nbytes=tensor.nbytes)
    for piece in tensor.pieces():
        found += _measure_piece(piece)
    return found


def find_dead(tensor: StoredTensor) -> int:
    """Filters of a convolution of which every number is zero: shape (filters, ...)."""
    flat = tensor.read().reshape(tensor.shape[0], -1)
    return int((~flat.any(axis=1)).sum())


def _measure_piece(piece: "NDArray[Any]") -> Numbers:
    import numpy as np

    if piece.dtype.kind not in "f":
        values = piece.astype(np.float64)
        return Numbers(len(piece), 0, float(values.sum()), float(values @ values), int((values == 0).sum()))
    finite = np.isfinite(piece)
    broken = len(piece) - int(finite.sum())
    values = piece[finite] if broken else piece
    size = np.abs(values)
    wide = values.astype(np.float64)
    zeros = int((size == 0).sum())
    return Numbers(
        count=len(piece),
        total=float(wide.sum()),
        squares=float(wide @ wide),
        zeros=zeros,
        broken=broken,
        too_large=int((size > MOST_FP16).sum()),
        too_small=int((size <= LEAST_FP16).sum()) - zeros,
    )
