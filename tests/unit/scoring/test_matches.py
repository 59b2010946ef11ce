from pathlib import Path

import numpy as np
import pytest

from steelyard.paths import quiet_ultralytics
from steelyard.scoring.boxes import Boxes, Picture
from steelyard.scoring.matches import match, rank, sum_counts
from steelyard.scoring.sheet import choose
from steelyard.scoring.tables import write_confusion, write_pr


@pytest.fixture(scope="module", autouse=True)
def _quiet(tmp_path_factory: pytest.TempPathFactory) -> None:
    quiet_ultralytics(tmp_path_factory.mktemp("home"))


def boxes(*rows: tuple[float, ...]) -> Boxes:
    values = np.array(rows, dtype=np.float64).reshape(-1, 6)
    return Boxes(values[:, :4], values[:, 4].astype(np.int64), values[:, 5])


def picture(truth: Boxes, found: Boxes, name: str = "a.png") -> Picture:
    return Picture(Path(name), truth, found)


CAT, DOG = (0, 0, 10, 10, 0, 1.0), (50, 50, 60, 60, 1, 1.0)


def test_hits_misses_and_wrong_classes_are_counted() -> None:
    found = boxes(
        (0, 0, 10, 9, 0, 0.9),  # the cat
        (0, 0, 10, 10, 0, 0.8),  # the cat again: nothing is left to hit
        (50, 50, 60, 60, 0, 0.7),  # the dog, taken for a cat
        (80, 80, 90, 90, 1, 0.6),  # nothing there
        (80, 0, 90, 9, 1, 0.25),  # not above the confidence
    )
    ours = match(picture(boxes(CAT, DOG, (30, 0, 40, 10, 1, 1)), found), 2)
    assert ours.counts.tolist() == [[1, 1, 1], [0, 0, 1], [0, 1, 0]]
    assert ours.hits.confidences.tolist() == [0.9]
    assert sorted(ours.false.confidences.tolist()) == [0.6, 0.7, 0.8]
    assert sorted(ours.missed.corners[:, 0].tolist()) == [30, 50]
    assert ours.f1 == pytest.approx(2 / (2 + 3 + 2))


def test_an_overlap_of_one_half_is_not_enough() -> None:
    assert match(picture(boxes(CAT), boxes((0, 0, 10, 5, 0, 0.9))), 1).f1 == 0
    assert match(picture(boxes(CAT), boxes((0, 0, 10, 5.1, 0, 0.9))), 1).f1 == 1


@pytest.mark.parametrize(
    ("truth", "found", "f1"),
    [(boxes(), boxes(), 1), (boxes(CAT), boxes(), 0), (boxes(), boxes(CAT), 0), (boxes(CAT), boxes(CAT), 1)],
)
def test_empty_pictures(truth: Boxes, found: Boxes, f1: float) -> None:
    assert match(picture(truth, found), 1).f1 == f1


def test_pictures_are_ranked_and_chosen_once() -> None:
    found = [boxes(CAT)] * 3 + [boxes()] * 4
    truth = [boxes(CAT)] * 5 + [boxes(CAT, DOG), boxes()]
    ranked = rank([match(picture(t, f, f"{n}.png"), 2) for n, (t, f) in enumerate(zip(truth, found, strict=True))])
    # 6 shows nothing and is left out; 5 misses two boxes.
    assert [each.picture.path.stem for each in ranked] == ["0", "1", "2", "5", "3", "4"]

    def chosen(pictures: int, count: int) -> dict[str, list[str]]:
        groups = choose(ranked[:pictures], count)
        return {name: [each.picture.path.stem for each in group] for name, group in groups.items()}

    assert chosen(6, 2) == {"best": ["0", "1"], "median": ["2", "5"], "worst": ["3", "4"]}
    assert chosen(5, 1) == {"best": ["0"], "median": ["2"], "worst": ["3"]}
    assert chosen(3, 2) == {"best": ["0", "1"], "worst": ["2"]}
    assert chosen(1, 2) == {"best": ["0"]}
    assert chosen(6, 0) == {}


def test_confusion_has_one_row_a_pair(tmp_path: Path) -> None:
    taken_for_a_dog = (30, 0, 40, 10, 1, 0.9)
    truth = boxes(CAT, DOG, (30, 0, 40, 10, 0, 1))
    one = match(picture(truth, boxes(CAT, taken_for_a_dog, (80, 80, 90, 90, 1, 0.6))), 2)
    write_confusion(sum_counts([one, one], 2), ["cat", "big, dog"], tmp_path / "confusion.csv")
    assert (tmp_path / "confusion.csv").read_text().splitlines() == [
        "actual,predicted",
        *["cat,cat"] * 2,
        *['cat,"big, dog"'] * 2,
        *['"big, dog",background'] * 2,
        *['background,"big, dog"'] * 2,
    ]


def test_pr_has_101_points_a_class(tmp_path: Path) -> None:
    write_pr({"val": {"cat": np.linspace(1, 0, 101)}, "test": {}}, tmp_path / "pr.csv")
    lines = (tmp_path / "pr.csv").read_text().splitlines()
    assert lines[:2] == ["split,class,recall,precision", "val,cat,0.00,1.000000"]
    assert len(lines) == 102
    assert lines[-1] == "val,cat,1.00,0.000000"
