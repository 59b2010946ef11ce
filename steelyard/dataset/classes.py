"""Classes: renamed, merged, dropped and put in order, as section fetch of params.yaml says."""

import difflib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from steelyard.dataset.annotation import AnnotatedImage, name_some
from steelyard.dataset.boxes import describe_box
from steelyard.dataset.formats.files import show
from steelyard.dataset.manifest import Problem
from steelyard.errors import DatasetError
from steelyard.sections import FetchParams


def rename_classes(
    images: Sequence[AnnotatedImage], published: Sequence[str], params: FetchParams
) -> tuple[list[AnnotatedImage], tuple[str, ...], int]:
    """Apply fetch.rename and fetch.drop, which speak of the source's names, and fetch.classes.

    Each name is looked up once: with ``{a: b, b: c}`` an a becomes b and not c, and ``{a: b, b: a}``
    swaps the two. Several with one new name are merged, at the place of the first.

    Args:
        images: with all boxes that the source has.
        published: the source's list; may be empty.
        params: of it rename, drop and classes.

    Returns:
        The images with new names; the new names in their order, empty where neither fetch.classes nor
        the source says it; how many boxes of dropped classes were left out.

    Raises:
        DatasetError: a name is not in the source, or the settings contradict each other.
    """
    counts = Counter(box.name for image in images for box in image.boxes)
    known = [*published, *sorted(counts.keys() - set(published))]
    _refuse_contradictions(known, params)
    new = {name: params.rename.get(name, name) for name in known if name not in params.drop}
    order = tuple(dict.fromkeys(new[name] for name in published if name in new))
    # Where labels are numbers without names, fetch.classes is the source's list, and so has the old names.
    if params.classes and params.classes != tuple(published):
        gone = sorted({*known} & {*params.classes} - {*new.values()})
        if gone:
            raise DatasetError(
                f"fetch.classes names {', '.join(map(show, gone))}, which fetch.rename or fetch.drop takes away; the "
                f"names there are the new ones: {', '.join(map(show, dict.fromkeys(new.values()))) or 'none is left'}"
            )
        order = params.classes
    if not (params.rename or params.drop):
        return list(images), order, 0
    renamed = [
        replace(image, boxes=tuple(replace(box, name=new[box.name]) for box in image.boxes if box.name in new))
        for image in images
    ]
    return renamed, order, sum(counts[name] for name in params.drop)


def choose_classes(
    images: Sequence[AnnotatedImage], order: Sequence[str]
) -> tuple[list[AnnotatedImage], tuple[str, ...], list[Problem]]:
    """Class names in the order of their numbers; boxes with other names are left out.

    Args:
        images: with all boxes that are to be used.
        order: the names, as far as they are known; empty: the sorted names of the boxes.

    Returns:
        The images, the names, and one problem for each box that was left out.

    Raises:
        DatasetError: no box is left, or no text file can hold a name.
    """
    found = Counter(box.name for image in images for box in image.boxes)
    if not found:
        raise DatasetError(f"there is no box in {len(images)} images")
    classes = tuple(order) or tuple(sorted(found))
    if bad := [name for name in (*classes, *found) if show(name) != name]:
        raise DatasetError(
            f"the class name {bad[0]!r:.200} has control characters, or half a character, which lists and pages cannot "
            "hold; rename the class at the source, or with fetch.rename"
        )
    if found.keys() <= {*classes}:
        return list(images), classes, []
    if not found.keys() & {*classes}:
        names = [f"{name} ({count} boxes)" for name, count in sorted(found.items())]
        raise DatasetError(
            f"no box is of the classes {', '.join(classes)}; there are {name_some(names, 10)}; put these into "
            "fetch.classes, or leave it empty"
        )
    problems = [
        describe_box("class-unknown", image, box) for image in images for box in image.boxes if box.name not in classes
    ]
    kept = [replace(image, boxes=tuple(box for box in image.boxes if box.name in classes)) for image in images]
    return kept, classes, problems


def _refuse_contradictions(known: Sequence[str], params: FetchParams) -> None:
    for setting, names in (("fetch.rename", params.rename), ("fetch.drop", params.drop)):
        for name in names:
            if name not in known:
                raise DatasetError(f"{setting} names {name!r}, which the source does not have{_suggest(name, known)}")
    both = sorted({*params.rename} & {*params.drop})
    if both:
        raise DatasetError(
            f"fetch.rename and fetch.drop both name {', '.join(both)}; a class is renamed or dropped: take it out of "
            "one of them"
        )
    empty = [name for name, new in params.rename.items() if not new.strip()]
    if empty:
        raise DatasetError(f"fetch.rename gives {empty[0]!r} an empty name; to leave out a class is fetch.drop's work")
    if len({*params.classes}) != len(params.classes):
        raise DatasetError(f"fetch.classes = {list(params.classes)}: each name may stand there once")


def _suggest(name: str, known: Sequence[str]) -> str:
    folded = {each.casefold(): each for each in known}
    near = [repr(folded[each]) for each in difflib.get_close_matches(name.casefold(), list(folded))]
    there = name_some([show(each) for each in known], 20)
    return f"{'; did you mean ' + ' or '.join(near) + '?' if near else ''}; it has {there}"
