"""The CSV files that ``dvc plots`` draws."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from steelyard.scoring.average_precision import RECALLS

BACKGROUND = "background"
"""Predicted where a box is missed, actual where a detection hits nothing."""


def write_pr(curves: Mapping[str, Mapping[str, NDArray[np.float64]]], path: Path) -> None:
    """Write precision over recall at IoU 0.5: columns split, class, recall, precision.

    Args:
        curves: by split and class, precision at the 101 recalls.
        path: the file.
    """
    rows = (
        (split, name, f"{recall:.2f}", f"{precision:.6f}")
        for split, by_class in curves.items()
        for name, curve in by_class.items()
        for recall, precision in zip(RECALLS, curve, strict=True)
    )
    _write(("split", "class", "recall", "precision"), rows, path)


def write_confusion(counts: NDArray[np.int64], classes: Sequence[str], path: Path) -> None:
    """Write one row ``actual,predicted`` per pair, as DVC's template ``confusion`` counts them.

    Args:
        counts: shape (classes + 1, classes + 1), predicted by actual; the last is background.
        classes: the class names.
        path: the file.
    """
    names = (*classes, BACKGROUND)
    rows = (
        (names[actual], names[predicted])
        for actual in range(len(names))
        for predicted in range(len(names))
        for _ in range(counts[predicted, actual])
    )
    _write(("actual", "predicted"), rows, path)


def _write(columns: Sequence[str], rows: Iterable[Sequence[str]], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
