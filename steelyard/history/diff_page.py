"""The page about two versions of a data set: the images that differ, with their boxes before and after."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from steelyard.checks.figures import MOST_BOXES, Figure, Layer, get_corners, trace
from steelyard.checks.html import write_html
from steelyard.checks.pictures import View, cut_views
from steelyard.dataset.annotation import Box

Change = tuple[str, Path, Sequence[Box], Sequence[Box]]
_MOST_PICTURES = 24  # of a group


class BoxChanges(NamedTuple):
    """What became of the boxes of an image."""

    same: list[Box]
    gone: list[Box]
    new: list[Box]
    relabelled: list[tuple[Box, Box]]


def write_diff_page(out: Path, title: str, groups: Mapping[str, Sequence[Change]]) -> None:
    """Write the page: one HTML file with its pictures in it, the same bytes for the same input.

    Args:
        out: the file to make, or to replace.
        title: such as "trees@v1.0.0 to trees@v2.0.0".
        groups: what happened, such as "relabelled", to each image: its name, its picture, and its boxes before and
            after in px of it. The first 24 of each group are shown; a picture that cannot be decoded is only named.
    """
    shown = {name: [_show_change(*change) for change in changes[:_MOST_PICTURES]] for name, changes in groups.items()}
    write_html(
        out,
        "diff_page.html.jinja",
        title=title,
        counts={name: len(changes) for name, changes in groups.items()},
        groups=shown,
        pictures=cut_views(figure.view for figures in shown.values() for figure in figures if figure.view),
    )


def compare_boxes(before: Iterable[Box], after: Iterable[Box]) -> BoxChanges:
    """Match the boxes of an image by their place, to a tenth of a px."""
    old, young = Counter(map(_round, before)), Counter(map(_round, after))
    gone, new = list((old - young).elements()), []
    relabelled = []
    for box in (young - old).elements():
        match = next((one for one in gone if get_corners(one) == get_corners(box)), None)
        if match is None:
            new.append(box)
        else:
            gone.remove(match)
            relabelled.append((match, box))
    return BoxChanges(list((old & young).elements()), gone, new, relabelled)


def _show_change(name: str, picture: Path, before: Sequence[Box], after: Sequence[Box]) -> Figure:
    changes = compare_boxes(before, after)
    changed = [box for _, box in changes.relabelled]
    layers = [
        Layer(trace(map(get_corners, boxes[:MOST_BOXES])), look, title)
        for boxes, look, title in (
            (changes.same, "same", "unchanged"),
            (changes.gone, "gone", "gone"),
            (changes.new, "new", "new"),
        )
    ]
    names = Counter(f"{old.name} → {young.name}" for old, young in changes.relabelled)
    layers.append(Layer(trace(map(get_corners, changed[:MOST_BOXES])), "relabelled", ", ".join(names)))
    words = [
        f"{len(boxes):,} {word}"
        for boxes, word in ((changes.new, "new"), (changes.gone, "gone"), (changes.same, "unchanged"))
        if boxes
    ]
    words += [f"{count:,} {each}" for each, count in names.items()]
    return Figure(name, View(picture), note=", ".join(words) or "no boxes", layers=tuple(layers))


def _round(box: Box) -> Box:
    return Box(box.name, *(round(edge, 1) for edge in get_corners(box)))
