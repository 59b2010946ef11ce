"""``metrics/matches.parquet``: the match tables of val and test, from which every score can be made again.

Three kinds of rows, told apart by the column ``row``:

| row | columns beside split and image |
| --- | --- |
| image | none: every image of the split, in its order |
| boxes | class; boxes_all, _small, _medium, _large: how many boxes of it count on the image |
| detection | class, confidence, rank; hits_all, ... and ignored_all, ...: the IoU thresholds at which it hits a box, or counts neither as right nor as false, as bits: bit 0 is 0.50, bit 9 is 0.95; left, top, right, bottom: px of the image, missing in version 1 |
"""  # noqa: E501 (a table)

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from steelyard.errors import DatasetError
from steelyard.scoring.match_table import AREAS, MatchTable

if TYPE_CHECKING:
    from pyarrow import Table

SCHEMA_VERSION = 2
_READABLE = (1, 2)
_EDGES = ("left", "top", "right", "bottom")


def write_matches(tables: Mapping[str, MatchTable], path: Path) -> None:
    """Write the match tables of several splits, all of the same classes."""
    import pyarrow as pa  # heavy: 0.2 s
    from pyarrow import parquet

    parts = [part for split, table in tables.items() for part in _list_parts(split, table)]
    classes = next(iter(tables.values())).classes
    about = {"schema_version": str(SCHEMA_VERSION), "classes": json.dumps(classes)}
    whole = pa.concat_tables(parts, promote_options="default").replace_schema_metadata(about)
    parquet.write_table(whole, path, compression="zstd")


def read_matches(path: Path) -> dict[str, MatchTable]:
    """Read them back, by split.

    Raises:
        DatasetError: the file is missing, or is not what the stage validate writes.
    """
    import pyarrow as pa  # heavy: 0.2 s
    import pyarrow.compute as pc
    from pyarrow import parquet

    try:
        whole = parquet.ParquetFile(path).read()
        about = whole.schema.metadata or {}
        if (version := about[b"schema_version"].decode()) not in map(str, _READABLE):
            raise ValueError(f"schema_version {version}, not {' or '.join(map(str, _READABLE))}")
        classes = tuple(json.loads(about[b"classes"]))
        return {
            split.as_py(): _read_part(whole.filter(pc.equal(whole["split"], split)), classes)
            for split in whole["split"].unique()
        }
    except FileNotFoundError:
        raise DatasetError(f"{path}: not found; run the stage validate first (dvc repro validate)") from None
    except (pa.ArrowException, KeyError, ValueError) as error:
        raise DatasetError(f"{path}: is no match table ({error}); write it anew: dvc repro -f validate") from None


def _list_parts(split: str, table: MatchTable) -> list["Table"]:
    import pyarrow as pa

    images, classes = np.array(table.images, object), np.array(table.classes, object)

    def make(row: str, image: NDArray[np.object_], **columns: NDArray[np.generic]) -> pa.Table:
        return pa.table({"split": [split] * len(image), "row": [row] * len(image), "image": image, **columns})

    edges = {} if table.corners is None else dict(zip(_EDGES, table.corners.T, strict=True))

    def spread(name: str, values: NDArray[np.generic]) -> dict[str, NDArray[np.generic]]:
        return {f"{name}_{area}": values[:, number] for number, area in enumerate(AREAS)}

    return [
        make("image", images),
        make("boxes", images[table.box_image], **{"class": classes[table.box_kind]}, **spread("boxes", table.boxes)),
        make(
            "detection",
            images[table.image],
            **{"class": classes[table.kind]},
            confidence=table.confidence,
            rank=table.rank,
            **spread("hits", table.hits),
            **spread("ignored", table.ignored),
            **edges,
        ),
    ]


def _read_part(part: "Table", classes: tuple[str, ...]) -> MatchTable:
    import pyarrow.compute as pc

    rows = {kind: part.filter(pc.equal(part["row"], kind)) for kind in ("image", "boxes", "detection")}
    images = tuple(rows["image"]["image"].to_pylist())

    def number(kind: str, column: str, names: tuple[str, ...]) -> NDArray[np.int32]:
        places = {name: place for place, name in enumerate(names)}
        return np.array([places[name] for name in rows[kind][column].to_pylist()], np.int32)

    def gather(kind: str, name: str, dtype: type[np.generic]) -> NDArray[np.generic]:
        columns = [rows[kind][f"{name}_{area}"].to_numpy() for area in AREAS]
        return np.stack(columns, axis=1).astype(dtype)

    detections = rows["detection"]
    has_corners = "left" in detections.column_names and not detections["left"].null_count
    return MatchTable(
        images=images,
        classes=classes,
        image=number("detection", "image", images),
        kind=number("detection", "class", classes),
        confidence=detections["confidence"].to_numpy().astype(np.float64),
        rank=detections["rank"].to_numpy().astype(np.int32),
        hits=gather("detection", "hits", np.uint16),  # type: ignore[arg-type]
        ignored=gather("detection", "ignored", np.uint16),  # type: ignore[arg-type]
        box_image=number("boxes", "image", images),
        box_kind=number("boxes", "class", classes),
        boxes=gather("boxes", "boxes", np.int32),  # type: ignore[arg-type]
        corners=np.stack([detections[edge].to_numpy() for edge in _EDGES], axis=1) if has_corners else None,
    )
