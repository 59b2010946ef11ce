"""By what images are told apart."""

from pathlib import Path

import pytest

from steelyard.dataset.manifest import Changes, DatasetManifest, ImageRecord
from steelyard.errors import DatasetError
from steelyard.scoring.columns import cut_thirds, list_columns, read_pixels

NAMES = ("dark", "middle", "bright")
Region = tuple[int, int, int, int]


def make_record(
    name: str, origin: str, split: str = "test", group: str = "", region: Region | None = None, **columns: str
) -> ImageRecord:
    values = {"path": name, "split": split, "group": group, "origin": origin, "region": region, "columns": columns}
    rest = {"width": 9, "height": 9, "boxes": 0, "sha256": "", "labels_sha256": ""}
    return ImageRecord.model_validate(values | rest)


def make_manifest(*records: ImageRecord) -> DatasetManifest:
    about = {"source": "x", "source_sha256": "", "licence": "MIT", "origin": "", "format": "yolo"}
    rest = {"classes": ("a",), "tile": 0, "splits": {}, "changes": Changes(), "fingerprint": ""}
    return DatasetManifest.model_validate({"schema_version": 1, "images": records, **about, **rest})


def test_thirds_have_as_many_images_and_their_limits_are_numbers() -> None:
    column = cut_thirds({f"{number}.png": 100 + number for number in range(30)}, NAMES)
    assert [list(column.values.values()).count(name) for name in NAMES] == [10, 10, 10]
    assert column.limits == {"dark": (None, 109.7), "middle": (109.7, 119.3), "bright": (119.3, None)}
    assert (column.values["9.png"], column.values["10.png"], column.values["29.png"]) == NAMES


@pytest.mark.parametrize(
    ("levels", "found"),
    [
        ([5, 5, 5], ["bright"] * 3),
        ([5, 5, 5, 7], ["dark", "dark", "dark", "bright"]),
        ([5, 7, 7, 7], ["dark", "bright", "bright", "bright"]),
        ([], []),
    ],
)
def test_images_that_look_alike_are_not_torn_apart(levels: list[float], found: list[str]) -> None:
    column = cut_thirds({str(number): level for number, level in enumerate(levels)}, NAMES)
    assert list(column.values.values()) == found


def test_columns_are_photographs_groups_looks_and_what_a_file_says() -> None:
    region = (0, 0, 9, 9)
    manifest = make_manifest(
        make_record("a", "1.tif", "val", "1.tif", region, weather="fog"),
        make_record("b", "1.tif", "test", "1.tif", region),
        make_record("c", "2.tif", "test", "film", region),
        make_record("d", "3.tif", "train", "film", weather="snow"),
    )
    pixels = {"brightness": {"a": 10.0, "b": 20.0, "d": 0.0}, "sharpness": {}}
    columns = list_columns(manifest, pixels)
    assert {name: dict(column.values) for name, column in columns.items()} == {
        "photograph": {"a": "1.tif", "b": "1.tif", "c": "2.tif"},
        "group": {"c": "film"},
        "weather": {"a": "fog"},
        "brightness": {"a": "dark", "b": "bright"},
        "sharpness": {},
    }


def test_whole_images_have_no_column_of_photographs() -> None:
    manifest = make_manifest(make_record("a", "1.tif"), make_record("b", "2.tif"))
    assert list(list_columns(manifest, {"brightness": {}, "sharpness": {}})) == ["brightness", "sharpness"]


def test_figures_of_pixels_are_read_and_refused(tmp_path: Path) -> None:
    path = tmp_path / "pixels.csv"
    with pytest.raises(DatasetError, match="run the stage check first"):
        read_pixels(path)
    path.write_text("path,brightness,sharpness\na.png,10.5,0.25\n")
    assert read_pixels(path) == {"brightness": {"a.png": 10.5}, "sharpness": {"a.png": 0.25}}
    for wrong in (
        "path,print\na.png,1\n",
        "path,brightness,sharpness\na.png,ten,1\n",
        "path,brightness,sharpness\na\n",
    ):
        path.write_text(wrong)
        with pytest.raises(DatasetError, match="is not what stage check writes"):
            read_pixels(path)
