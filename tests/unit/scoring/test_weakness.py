"""The weakest slice: named where it is clearly below the whole, and drawn so that it is seen."""

from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from steelyard.scoring.forest import draw_forest
from steelyard.scoring.plots import save_figure
from steelyard.scoring.scores import SplitScores
from steelyard.scoring.weakness import describe_few, describe_weakest, sort_slices

RATES = {"precision": 0.5, "recall": 0.5, "mAP50": 0.6, "mAP50-95": 0.4}


def make_slice(value: float | None, low: float = 0, high: float = 0, **more: Any) -> dict[str, Any]:
    intervals = {"mAP50-95": {"low": low, "high": high}} if high else {}
    return {"mAP50": value, "mAP50-95": value, "images": 30, "boxes": 50, "intervals": intervals, **more}


def make_split(**slices: dict[str, Any]) -> SplitScores:
    part = {**RATES, "images": 60, "boxes": 90, "intervals": {"mAP50-95": {"low": 0.35, "high": 0.45}}}
    rest = {"classes": {"cat": part, "dog": part}, "sizes": {"small": {"mAP50-95": 0.2, "boxes": 9}}}
    return SplitScores.model_validate({**part, **rest, "slices": slices, "ultralytics": RATES})


SPLIT = make_split(
    weather={
        "clear": make_slice(0.5, 0.45, 0.55),
        "fog": make_slice(0.2, 0.1, 0.3, weak=True),
        "rain": make_slice(0.1, 0.05, 0.45),
        "snow": make_slice(0.01, 0.001, 0.02, images_needed=400),
        "night": make_slice(None),
    },
    brightness={
        "dark": make_slice(0.3, 0.25, 0.39, below=83.25, weak=True),
        "middle": make_slice(0.4, 0.3, 0.5, least=83.25, below=99),
    },
)


def test_the_weakest_is_named_of_those_that_are_clearly_below_and_have_enough_images() -> None:
    sentence = "test is weakest where weather = fog: mAP50-95 0.200 (0.100 to 0.300) on 30 images, 0.400 on all 60"
    assert describe_weakest("test", SPLIT) == sentence
    without = make_split(brightness=SPLIT.slices["brightness"])  # type: ignore[arg-type]
    assert describe_weakest("test", without).startswith(
        "test is weakest where brightness = dark (below 83.25): mAP50-95"
    )


def test_nothing_is_named_where_nothing_is_clearly_below() -> None:
    assert describe_weakest("test", make_split(weather={"rain": make_slice(0.1, 0.05, 0.4)})) == ""
    assert describe_weakest("test", make_split(weather={"snow": make_slice(0, images_needed=400)})) == ""
    assert describe_weakest("test", make_split()) == ""


def test_slices_are_in_order_of_weakness_those_with_too_few_images_last() -> None:
    names = [each.name() for each in sort_slices(SPLIT)]
    assert names == [
        *["weather = rain", "weather = fog", "brightness = dark (below 83.25)"],
        *["brightness = middle (83.25 to 99)", "weather = clear", "weather = snow"],
    ]
    assert describe_few("val", SPLIT).startswith("val: 1 of 7 slices have too few images for an interval")
    assert describe_few("val", make_split(weather={"fog": make_slice(0.2, 0.1, 0.3)})) == ""


def list_texts(figure: Figure, panel: int) -> dict[str, str]:
    """Text of a panel and its colour."""
    return {text.get_text(): str(text.get_color()) for text in figure.axes[panel].texts}


def test_the_forest_shows_every_part_and_the_weak_in_red() -> None:
    figure = draw_forest({"val": make_split(), "test": SPLIT}, "title")
    rows = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert rows == [
        *["all", "small", "cat", "dog", "clear", "fog", "rain", "snow"],
        *["dark (below 83.25)", "middle (83.25 to 99)"],
    ]
    texts = list_texts(figure, 1)
    red = {text for text, color in texts.items() if color == "#c8442e"}
    assert {"0.200 (0.100 to 0.300)", "0.300 (0.250 to 0.390)"} == {text for text in red if "(" in text}
    assert texts["0.010 (0.001 to 0.020?)"] == "#9aa3ad"
    assert "0.200 (0.100 to 0.300)" not in list_texts(figure, 0)


@pytest.mark.parametrize("scores", [{}, {"mAP50-95": None, "mAP50": None}])
def test_the_forest_of_strange_names_and_of_nothing_is_drawn(tmp_path: Path, scores: dict[str, None]) -> None:
    strange = make_split(**{"a$b$": {"$\\frac$" + "x" * 80: make_slice(0.2, 0.1, 0.3), "{}": make_slice(None)}})
    values = strange.model_dump(by_alias=True) | {"intervals": {}} | scores
    split = SplitScores.model_validate(values)
    save_figure(draw_forest({"test": split}, "title"), tmp_path / "one.png")
    save_figure(draw_forest({"test": split}, "title"), tmp_path / "two.png")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
