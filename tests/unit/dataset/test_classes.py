"""Renaming, merging, dropping and ordering of classes."""

import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.dataset.annotation import AnnotatedImage, Box
from steelyard.dataset.classes import choose_classes, rename_classes
from steelyard.errors import DatasetError
from steelyard.sections import AboutParams, FetchParams, SplitParams

NAMES = ("ant", "bee", "cat", "dog")


def params(rename=None, drop=(), classes=()) -> FetchParams:
    split = SplitParams(by="fraction", train=0.6, val=0.2, seed=0, group="")
    return FetchParams(
        source="x", sha256="", licence="MIT", format="auto", include=(), rename=rename or {}, drop=drop,
        classes=classes, tile=0, least_visible=0.4, split=split, about=AboutParams(csv="", columns=()),
    )  # fmt: skip


def images(*names_of_boxes: str) -> list[AnnotatedImage]:
    """One image for each word; its boxes are the classes that its letters begin."""
    named = {name[0]: name for name in NAMES}
    return [
        AnnotatedImage(
            Path(f"{number}.png"),
            f"{number}.png",
            64,
            48,
            tuple(Box(named.get(letter, letter), place, 0, place + 9, 9) for place, letter in enumerate(letters)),
            None,
            False,
        )
        for number, letters in enumerate(names_of_boxes)
    ]


def spell(found: list[AnnotatedImage]) -> list[str]:
    return [" ".join(box.name for box in image.boxes) for image in found]


def test_nothing_set_changes_nothing() -> None:
    source = images("ab", "", "c")
    assert rename_classes(source, NAMES, params()) == (source, NAMES, 0)


def test_a_chain_is_followed_once_and_two_names_can_swap() -> None:
    found, order, dropped = rename_classes(images("abc"), NAMES, params({"ant": "bee", "bee": "cat", "cat": "elk"}))
    assert (spell(found), order, dropped) == (["bee cat elk"], ("bee", "cat", "elk", "dog"), 0)
    found, order, _ = rename_classes(images("aab"), NAMES, params({"ant": "bee", "bee": "ant"}))
    assert (spell(found), order) == (["bee bee ant"], ("bee", "ant", "cat", "dog"))


def test_merged_classes_stand_at_the_place_of_the_first() -> None:
    found, order, _ = rename_classes(images("dcba"), NAMES, params({"dog": "pet", "bee": "pet"}))
    assert (spell(found), order) == (["pet cat pet ant"], ("ant", "pet", "cat"))
    found, order, _ = rename_classes(images("dcba"), NAMES, params({"dog": "ant"}))
    assert (spell(found), order) == (["ant cat bee ant"], ("ant", "bee", "cat"))


def test_dropped_classes_leave_their_boxes_the_list_and_a_count() -> None:
    found, order, dropped = rename_classes(images("abba", "b", "cb"), NAMES, params(drop=("bee", "dog")))
    assert (spell(found), order, dropped) == (["ant ant", "", "cat"], ("ant", "cat"), 4)
    assert found[0].boxes[1].left == 3


def test_a_dropped_name_can_be_given_to_another_class() -> None:
    found, order, dropped = rename_classes(images("ab"), NAMES, params({"ant": "bee"}, drop=("bee",)))
    assert (spell(found), order, dropped) == (["bee"], ("bee", "cat", "dog"), 1)


def test_the_order_is_that_of_the_settings_and_of_new_names() -> None:
    found, order, _ = rename_classes(images("ab"), NAMES, params({"ant": "emu"}, classes=("dog", "bee", "emu", "cat")))
    assert (spell(found), order) == (["emu bee"], ("dog", "bee", "emu", "cat"))
    assert choose_classes(found, order)[1] == ("dog", "bee", "emu", "cat")
    assert choose_classes(images("dab"), ())[1] == ("ant", "bee", "dog")


def test_settings_that_name_numbered_labels_are_the_sources_list() -> None:
    """A source without names takes them from fetch.classes, and reads as if it had published them."""
    names = ("ant", "bee", "cat")
    found, order, dropped = rename_classes(images("abc"), names, params({"ant": "bee"}, ("cat",), names))
    assert (spell(found), order, dropped) == (["bee bee"], ("bee",), 1)


@given(
    letters=st.lists(st.text("abcd", max_size=9), min_size=1, max_size=9),
    rename=st.dictionaries(st.sampled_from(NAMES), st.sampled_from([*NAMES, "elk", "fox"]), max_size=4),
    drop=st.sets(st.sampled_from(NAMES), max_size=4),
)
def test_each_box_is_renamed_once_or_dropped_and_none_is_lost(letters, rename, drop) -> None:
    rename = {old: new for old, new in rename.items() if old not in drop}
    source = images(*letters)
    found, order, dropped = rename_classes(source, NAMES, params(rename, tuple(sorted(drop))))
    before = Counter(box.name for image in source for box in image.boxes)
    after = Counter(box.name for image in found for box in image.boxes)
    expected: Counter[str] = Counter()
    for name, count in before.items():
        if name not in drop:
            expected[rename.get(name, name)] += count
    assert after == expected
    assert dropped == before.total() - after.total()
    assert {*after} <= {*order} == {rename.get(name, name) for name in NAMES if name not in drop}
    for old, new in zip(source, found, strict=True):
        kept = [box for box in old.boxes if box.name not in drop]
        assert [(box.left, box.right) for box in new.boxes] == [(box.left, box.right) for box in kept]


ERRORS = [
    (
        params({"Bee": "wasp"}),
        r"fetch\.rename names 'Bee', which the source does not have; did you mean 'bee'\?; it has ant",
    ),
    (params(drop=("cats",)), r"fetch\.drop names 'cats', .*did you mean 'cat'"),
    (params(drop=("zebra",)), r"fetch\.drop names 'zebra', which the source does not have; it has ant, bee, cat, dog$"),
    (params({"bee": "wasp"}, ("bee",)), r"both name bee; a class is renamed or dropped: take it out of one"),
    (params({"bee": " "}), r"fetch\.rename gives 'bee' an empty name"),
    (params(classes=("cat", "cat")), "each name may stand there once"),
    (
        params({"bee": "wasp"}, classes=("ant", "bee")),
        r"classes names bee, which .* takes away; .*: ant, wasp, cat, dog",
    ),
    (
        params(drop=("dog",), classes=("ant", "dog")),
        r"classes names dog, which fetch\.rename or fetch\.drop takes",
    ),
]


@pytest.mark.parametrize(("settings", "says"), ERRORS)
def test_settings_that_do_not_fit_are_refused(settings: FetchParams, says: str) -> None:
    with pytest.raises(DatasetError, match=says):
        rename_classes(images("abcd"), NAMES, settings)


def test_names_of_boxes_count_where_the_source_has_no_list() -> None:
    found, order, _ = rename_classes(images("ab"), (), params({"ant": "emu"}))
    assert (spell(found), order) == (["emu bee"], ())
    with pytest.raises(DatasetError, match=r"names 'zebra', which the source does not have; it has ant, bee$"):
        rename_classes(images("ab"), (), params({"zebra": "emu"}))


def test_boxes_of_other_classes_are_left_out_and_told() -> None:
    found, classes, problems = choose_classes(images("abz", "z"), ("bee", "ant"))
    assert (spell(found), classes) == (["ant bee", ""], ("bee", "ant"))
    assert [(one.id, one.file, one.detail) for one in problems] == [
        ("class-unknown", "0.png", "z 2, 0, 11, 9"),
        ("class-unknown", "1.png", "z 0, 0, 9, 9"),
    ]


def test_classes_without_any_box_are_refused() -> None:
    with pytest.raises(DatasetError, match=r"no box is of the classes emu; there are ant \(2 boxes\), bee \(1"):
        choose_classes(images("aab"), ("emu",))
    with pytest.raises(DatasetError, match="there is no box in 2 images"):
        choose_classes(images("", ""), NAMES)


@pytest.mark.parametrize("name", ["c\ud83d", "cat\nline", "\x1b[31mcat", "cat\u2028"])
def test_a_name_that_no_text_file_can_hold_is_refused(name: str) -> None:
    says = f"the class name {re.escape(repr(name))} has control characters.* with fetch.rename$"
    for box, order in ((name, ()), ("ant", (name, "ant")), (name, ("ant",))):
        labelled = [AnnotatedImage(Path("a"), "a", 64, 48, (Box(box, 1, 1, 9, 9), Box("ant", 1, 1, 9, 9)), None, False)]
        with pytest.raises(DatasetError, match=says):
            choose_classes(labelled, order)
    renamed, order, _ = rename_classes(labelled, (), params({name: "cat"}))
    assert choose_classes(renamed, order)[1] == ("ant", "cat")
    with pytest.raises(DatasetError) as caught:
        rename_classes(labelled, (), params(drop=("zebra",)))
    assert caught.value.args[0].isprintable()
