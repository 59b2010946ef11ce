"""Boxes on one picture: those that people drew, and those that weights found."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Boxes:
    """Axis-parallel boxes in pixels of the picture as it is decoded, in no order.

    Attributes:
        corners: shape (n, 4): left, top, right, bottom.
        classes: shape (n,): index into the class names.
        confidences: shape (n,): 0 to 1; 1 for boxes that people drew.
    """

    corners: NDArray[np.float64]
    classes: NDArray[np.int64]
    confidences: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.classes)

    def keep(self, chosen: Sequence[bool]) -> "Boxes":
        """Only the boxes that are chosen; ``chosen`` has one entry per box."""
        mask = np.array(chosen, dtype=bool)
        return Boxes(self.corners[mask], self.classes[mask], self.confidences[mask])


@dataclass(frozen=True)
class Picture:
    """One picture of a split with its ground truth and with what the weights found on it."""

    path: Path
    truth: Boxes
    found: Boxes
