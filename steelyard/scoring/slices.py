"""The scores of slices: of the images of a split that have one value of a column.

Who looks at many slices finds a bad one by chance. So a slice is called weak where a test says that its
mAP50-95 is below the split's, with Holm's correction for the number of slices that have enough images.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from steelyard.scoring.average_precision import average_precision
from steelyard.scoring.bootstrap import find_broken
from steelyard.scoring.coco import bound
from steelyard.scoring.columns import Column
from steelyard.scoring.figures import LEAST_IMAGES, OVERALL, count_enough, list_figures, measure_overall, scale_up
from steelyard.scoring.match_table import MatchTable
from steelyard.scoring.scores import SliceScores

MOST_VALUES = 12
"""Of a column; with more of them there are few images for each, and many chances to look bad."""


def choose_columns(columns: Mapping[str, Column], images: Sequence[str]) -> tuple[dict[str, Column], list[str]]:
    """The columns that tell the images of a split apart.

    Args:
        columns: by name.
        images: of the split, paths.

    Returns:
        Those with 2 to 12 values here, and for each other one why it is left out, in a sentence.
    """
    chosen, left_out = {}, []
    for name, column in columns.items():
        values = {column.values[image] for image in images if image in column.values}
        if 1 < len(values) <= MOST_VALUES:
            chosen[name] = column
        elif values:
            found = f"has {len(values)} values, of at most {MOST_VALUES}" if len(values) > 1 else "has a single value"
            left_out.append(f"{name} {found}")
        else:
            left_out.append(f"{name} has no value")
    return chosen, left_out


def score_slices(
    table: MatchTable, columns: Mapping[str, Column], groups: Sequence[str] | None = None
) -> dict[str, dict[str, SliceScores]]:
    """Score each slice as a split of its own, with intervals by resamples of its own images.

    Args:
        table: the matches.
        columns: by name.
        groups: of each image, where several are alike; see ``bootstrap.draw_weights``.

    Returns:
        By column and value; thirds from the least up, other values in the order of the alphabet.
    """
    slices: dict[str, dict[str, SliceScores]] = {}
    p_values: dict[tuple[str, str], float] = {}
    whole = list_figures(average_precision(table))[0, : len(OVERALL)]
    for name, column in columns.items():
        found = np.array([column.values.get(image, "") for image in table.images])
        order = column.limits or sorted({*found.tolist()} - {""})
        slices[name] = {}
        for value in (value for value in order if (found == value).any()):
            limits = column.limits.get(value, (None, None))
            slices[name][value], p_value = _score(table, found == value, groups, limits, whole)
            if p_value is not None and not slices[name][value].images_needed:
                p_values[name, value] = p_value
    falls = find_broken(np.array(list(p_values.values())))
    for name, value in (key for key, does in zip(p_values, falls, strict=True) if does):
        slices[name][value] = slices[name][value].model_copy(update={"weak": True})
    return slices


def cut_out(table: MatchTable, chosen: NDArray[np.bool_]) -> MatchTable:
    """The match table of some images: what their detections hit does not depend on other images.

    Args:
        table: of all images.
        chosen: shape (images,), at least one.
    """
    numbers = (np.cumsum(chosen) - 1).astype(np.int32)
    found, drawn = chosen[table.image], chosen[table.box_image]
    return replace(
        table,
        images=tuple(image for image, is_chosen in zip(table.images, chosen, strict=True) if is_chosen),
        image=numbers[table.image[found]],
        kind=table.kind[found],
        confidence=table.confidence[found],
        rank=table.rank[found],
        hits=table.hits[found],
        ignored=table.ignored[found],
        box_image=numbers[table.box_image[drawn]],
        box_kind=table.box_kind[drawn],
        boxes=table.boxes[drawn],
    )


def _score(
    table: MatchTable,
    chosen: NDArray[np.bool_],
    groups: Sequence[str] | None,
    limits: tuple[float | None, float | None],
    whole: NDArray[np.float64],
) -> tuple[SliceScores, float | None]:
    """The scores, and how well the images fit with the slice being as good as the whole split."""
    part = cut_out(table, chosen)
    members = None if groups is None else [group for group, here in zip(groups, chosen, strict=True) if here]
    figures = measure_overall(part, members, whole)
    bounds = {name: bound(figure) for name, figure in figures.items()}
    independent = len(part.images) if members is None else len(set(members))
    least = count_enough(LEAST_IMAGES, figures["mAP50-95"].value if figures else 0)
    scores = SliceScores(
        map50=figures["mAP50"].value if figures else None,
        map50_95=figures["mAP50-95"].value if figures else None,
        images=len(part.images),
        boxes=int(part.boxes[:, 0].sum()),
        intervals={name: bound for name, bound in bounds.items() if bound},  # type: ignore[misc]
        images_needed=scale_up(len(table.images), independent, least) or None,
        least=limits[0],
        below=limits[1],
    )
    return scores, figures["mAP50-95"].p_value if figures else None
