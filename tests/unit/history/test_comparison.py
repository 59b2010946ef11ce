"""Two states in the terminal: names of files and classes are shown as they are or as codes, never obeyed."""

import io

from rich.console import Console

from steelyard.history.comparison import Comparison, State, draw_comparison
from steelyard.history.diff import diff_manifests
from tests.unit.history.test_diff import OLD, image, manifest


def draw(before, after, shown="v1"):
    out = io.StringIO()
    states = State(shown, "a", before), State("v2", "b", after)
    Console(file=out, width=300, force_terminal=True, color_system=None).print(
        draw_comparison(Comparison(*states, diff_manifests(before, after)))
    )
    return out.getvalue()


def test_names_are_no_markup():
    before = manifest(*OLD, image("p[/q]"), classes=("cat",))
    leaked = image("p[/q]", "test")
    text = draw(before, manifest(*OLD, leaked, image("img[bold]:cat:"), classes=("c[/at]", "[red]dog")), "[/v1]")
    lines = text.splitlines()
    assert lines[0] == (
        "[/v1] to v2: 1 image added, 1 moved to another split, classes c[/at], [red]dog added, class cat removed"
    )
    assert any("added" in line and "images/train/img[bold]:cat:.png" in line for line in lines)
    assert any("moved from train to test" in line and "images/test/p[/q].png" in line for line in lines)
    assert any(line.startswith("boxes [red]dog") for line in lines)
    assert lines[-1].startswith("warning: 1 image that was in train is in val or test now")
    assert lines[-1].endswith("(images/test/p[/q].png)")


def test_unprintable_letters_are_shown_as_codes():
    name = "a\x1b[31m"
    before = manifest(*OLD, image(name))
    text = draw(before, manifest(*OLD, image(name, "test"), classes=("cat", "dog", "owl\x1b")))
    assert "\x1b" not in text
    assert text.count(r"images/test/a\x1b[31m.png") == 2
    assert text.count(r"owl\x1b") == 2


def test_the_same_is_one_line():
    assert draw(manifest(*OLD), manifest(*OLD)) == "v1 to v2: nothing changed\n"
