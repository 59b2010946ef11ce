"""Histograms of the numbers of a network, by part and kind."""

from typing import TYPE_CHECKING

from steelyard.anatomy.file import WeightsFile
from steelyard.anatomy.inspection import Inspection
from steelyard.anatomy.parts import KINDS, PARTS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = {"backbone": "#2f7ebc", "neck": "#3c9d6b", "head": "#c8442e", "other": "#68727d"}
_BINS = 81


def draw_histograms(inspection: Inspection, file: WeightsFile) -> "Figure":
    """A row for each part, a column for each kind of learned numbers; ends hold what lies beyond four spreads.

    Args:
        inspection: of the file.
        file: opened; read a second time.
    """
    import numpy as np
    from matplotlib.figure import Figure

    parts = [part for part in PARTS if part in inspection.by_part]
    kinds = [kind for kind in KINDS if kind in inspection.by_kind and kind != "buffers"]
    figure = Figure((3.6 * len(kinds), 2.1 * len(parts) + 0.6), layout="constrained")
    panels = figure.subplots(len(parts), len(kinds), squeeze=False)
    for row, part in enumerate(parts):
        for column, kind in enumerate(kinds):
            axes = panels[row][column]
            chosen = [each for each in inspection.tensors if (each.part, each.kind) == (part, kind)]
            axes.set_title(f"{part}: {kind}, {sum(each.count for each in chosen):,}", fontsize=9)
            axes.spines[["top", "right"]].set_visible(False)
            axes.set_yticks([])
            if not chosen:
                axes.set_axis_off()
                axes.set_title("")
                continue
            total = sum(each.count for each in chosen)
            middle = sum(each.mean * each.count for each in chosen) / total
            far = 4 * max(1e-6, (sum(each.spread**2 * each.count for each in chosen) / total) ** 0.5)
            edges = np.linspace(middle - far, middle + far, _BINS)
            counts = np.zeros(_BINS - 1)
            for each in chosen:
                for piece in file.tensors[each.name].pieces():
                    finite = piece[np.isfinite(piece)].astype(np.float64)
                    counts += np.histogram(np.clip(finite, edges[0], edges[-1]), edges)[0]
            axes.stairs(counts, edges, fill=True, color=_COLOURS[part])
            axes.tick_params(labelsize=8)
    figure.suptitle(f"{inspection.shown}: what the numbers of {inspection.architecture} are like", fontsize=11)
    return figure
