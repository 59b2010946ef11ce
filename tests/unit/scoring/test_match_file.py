"""The match tables in one Parquet file: what is read is what was written."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from steelyard.errors import DatasetError
from steelyard.scoring.boxes import Boxes
from steelyard.scoring.match_file import read_matches, write_matches
from steelyard.scoring.match_table import MatchTable, match_boxes

NOTHING = Boxes(np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0))
CLASSES = ["tree", 'no tree, but "häuser"']


def make_table(images: list[str]) -> MatchTable:
    """The first image has boxes and detections, the second a detection, the third nothing, the fourth a box."""
    box = Boxes(np.array([[0.0, 0, 40, 40], [50, 0, 60, 10]]), np.array([0, 1]), np.ones(2))
    found = Boxes(np.array([[0.0, 0, 40, 36], [0, 0, 40, 40]]), np.array([0, 0]), np.array([0.1, 0.7]))
    return match_boxes(images, CLASSES, [box, NOTHING, NOTHING, box], [found, found, NOTHING, NOTHING])


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    tables = {"val": make_table(["z.png", "a.png", "é.png", "b.png"]), "test": make_table(list("dcba"))}
    write_matches(tables, tmp_path / "matches.parquet")
    again = read_matches(tmp_path / "matches.parquet")
    assert list(again) == ["val", "test"]
    for split, table in tables.items():
        for field in fields(MatchTable):
            one, other = getattr(table, field.name), getattr(again[split], field.name)
            np.testing.assert_array_equal(one, other)
            assert getattr(one, "dtype", None) == getattr(other, "dtype", None)


def test_a_split_without_any_box_or_detection(tmp_path: Path) -> None:
    write_matches({"val": match_boxes(["a.png"], CLASSES, [NOTHING], [NOTHING])}, tmp_path / "m")
    table = read_matches(tmp_path / "m")["val"]
    assert (table.images, len(table.image), table.boxes.shape) == (("a.png",), 0, (0, 4))


def test_a_file_of_version_1_has_no_corners(tmp_path: Path) -> None:
    path = tmp_path / "matches.parquet"
    table = make_table(list("abcd"))
    write_matches({"val": table}, path)
    whole = parquet.read_table(path)
    about = {**whole.schema.metadata, b"schema_version": b"1"}
    older = whole.drop_columns(["left", "top", "right", "bottom"]).replace_schema_metadata(about)
    parquet.write_table(older, path)
    again = read_matches(path)["val"]
    assert again.corners is None
    np.testing.assert_array_equal(again.hits, table.hits)


def test_a_table_without_corners_stays_one(tmp_path: Path) -> None:
    bare = replace(make_table(list("abcd")), corners=None)
    write_matches({"val": bare, "test": make_table(list("abcd"))}, tmp_path / "m")
    again = read_matches(tmp_path / "m")
    assert again["val"].corners is None
    assert again["test"].corners is not None


def test_corners_are_those_of_the_detections() -> None:
    table = make_table(list("abcd"))
    assert table.corners is not None
    assert table.corners[table.confidence == 0.7].tolist() == [[0, 0, 40, 40]] * 2
    assert table.corners[table.confidence == 0.1].tolist() == [[0, 0, 40, 36]] * 2


def test_other_tools_can_read_it(tmp_path: Path) -> None:
    write_matches({"val": make_table(list("abcd"))}, tmp_path / "m.parquet")
    frame = parquet.read_table(tmp_path / "m.parquet").to_pandas()
    found = frame[(frame.row == "detection") & (frame.image == "a")]
    assert found.confidence.tolist() == [0.7, 0.1]
    assert found["class"].unique().tolist() == ["tree"]
    assert found.bottom.tolist() == [40, 36]
    assert found.hits_all.tolist() == [0b11_1111_1111, 0]
    assert frame[frame.row == "boxes"].boxes_all.sum() == 4


@pytest.mark.parametrize("kind", ["missing", "text", "cut", "other", "newer"])
def test_what_is_no_match_table_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "matches.parquet"
    write_matches({"val": make_table(list("abcd"))}, path)
    if kind == "missing":
        path.unlink()
    elif kind == "text":
        path.write_text("no")
    elif kind == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif kind == "other":
        parquet.write_table(pa.table({"a": [1]}), path)
    else:
        table = parquet.read_table(path)
        parquet.write_table(table.replace_schema_metadata({"schema_version": "3", "classes": "[]"}), path)
    with pytest.raises(DatasetError, match=r"matches.parquet: (not found|is no match table).*dvc repro"):
        read_matches(path)
