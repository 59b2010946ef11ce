"""What stands beside YOLO's labels: the names of the classes, and which images are train, val and test.

data.yaml as Ultralytics, Roboflow and CVAT write it, with folders or with lists of images; obj.data and
obj.names of Darknet and CVAT's "YOLO 1.1"; or names alone, a line each, as Label Studio and LabelImg write
them. Paths in these were written for another place, so the longest end of one that exists is meant.
"""

import re
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from steelyard.dataset.annotation import SPLIT_NAMES, name_some
from steelyard.dataset.formats.files import Files, describe_absent, read_text, show, split_path
from steelyard.dataset.manifest import SPLITS, Problem, Split
from steelyard.errors import DatasetError

NAME_FILES = ("classes.txt", "obj.names", "_darknet.labels")
MOST_YAML_BYTES = 1 << 20  # a thousand names have 20 kB; a parser in Python takes a minute for 1 MiB
_NAMES_KEY = re.compile(r"\bnames[\"']?\s*:")


class Place(NamedTuple):
    """A folder or list of images.

    Attributes:
        path: as written, behind the description's ``path``.
        own_parts: how many of its parts are not of that.
    """

    path: str
    own_parts: int


class Description(NamedTuple):
    """What a description says.

    Attributes:
        where: the file.
        names: of the classes, in the order of their numbers.
        places: folders or lists of images, of each split.
        has_keypoints: whether keypoints follow the box in each row.
    """

    where: str
    names: tuple[str, ...]
    places: dict[Split, tuple[Place, ...]]
    has_keypoints: bool = False


def find_description(files: Files, classes: Sequence[str] = ()) -> Description | None:
    """Find and read the description.

    Args:
        files: of the source.
        classes: names to take where the source has none.

    Returns:
        None where there is neither a description nor a name.

    Raises:
        DatasetError: data.yaml cannot be understood, or there are several files that could be it.
    """
    if found := _read_yaml(files) or _read_obj_data(files):
        return found
    names = _read_names(files)
    if not names and not classes:
        return None
    return Description("fetch.classes", names or tuple(classes), {})


def read_splits(files: Files, description: Description) -> tuple[dict[str, Split], list[Problem]]:
    """The split of each image that a description names, and what is wrong with the lists.

    An image in two splits is kept in one: test before val before train.
    """
    splits: dict[str, Split] = {}
    problems: list[Problem] = []
    for split in SPLITS[::-1]:
        for place in description.places.get(split, ()):
            for origin in _list_images(files, description.where, place, problems):
                if splits.setdefault(origin, split) != split:
                    detail = f"in {split} and in {splits[origin]}, by {description.where}"
                    problems.append(Problem(id="image-in-two-splits", file=origin, detail=detail))
    return splits, problems


def _read_yaml(files: Files) -> Description | None:
    found = []
    for origin in (*files.list_others(".yaml"), *files.list_others(".yml")):
        is_named = origin.rpartition("/")[2].startswith("data.")
        try:
            text = read_text(files.folder, origin)
            if not _NAMES_KEY.search(text):
                continue
            if len(text) > MOST_YAML_BYTES:
                raise DatasetError(f"has more than {MOST_YAML_BYTES >> 20} MiB, too many for the names of classes")
            values = YAML(typ="safe", pure=True).load(text)
        except (YAMLError, DatasetError, ValueError, RecursionError) as error:
            if is_named:
                said = " ".join(str(error).split())[:300]
                raise DatasetError(f"{origin}: is not YAML that names classes ({said})") from None
            continue  # somebody else's file; data.yaml alone must be readable
        if isinstance(values, dict) and "names" in values:
            found.append((is_named, origin, values))
    named = [each for each in found if each[0]] or found
    if len(named) > 1:
        names = name_some([origin for _, origin, _ in named])
        raise DatasetError(f"several files could be data.yaml: {names}; give a source with one")
    return _check_yaml(*named[0][1:]) if named else None


def _check_yaml(where: str, values: Mapping[Any, Any]) -> Description:
    names = values["names"]
    pairs = list(names.items() if isinstance(names, dict) else enumerate(names) if isinstance(names, list) else ())
    try:
        numbered = {int(number): str(name).strip() for number, name in pairs if not isinstance(name, dict | list)}
    except (ValueError, TypeError):
        numbered = {}
    if sorted(numbered) != list(range(len(pairs))) or len(set(numbered.values())) != len(pairs) or not pairs:
        raise DatasetError(
            f"{where}: names = {reprlib.repr(names)[:200]}: must be a list, or pairs of 0, 1, 2, ... and a name, "
            "each name once"
        )
    base = "".join(_list_paths(where, "path", values.get("path"))[:1])
    places = {
        key: [
            Place(f"{base}/{written}" if base and not written.startswith("/") else written, len(split_path(written)))
            for written in _list_paths(where, key, entry)
        ]
        for key, entry in values.items()
        if isinstance(key, str) and key in SPLIT_NAMES
    }
    in_order = tuple(numbered[number] for number in sorted(numbered))
    return Description(where, in_order, _name_splits(places), "kpt_shape" in values)


def _list_paths(where: str, key: str, entry: object) -> list[str]:
    found = [path for path in (entry if isinstance(entry, list) else [entry]) if path]
    paths = [path for path in found if isinstance(path, str)]
    if len(paths) < len(found):
        raise DatasetError(f"{where}: {key} = {reprlib.repr(entry)[:200]}: must be a path, or a list of paths")
    return paths


def _read_obj_data(files: Files) -> Description | None:
    for origin in files.list_others("obj.data"):
        lines = _read_lines(files, origin)
        values = {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines)}
        named = _find_end(values.get("names", ""), origin, files.others)
        if named is None:
            raise DatasetError(f"{origin}: names = {values.get('names')!r}, which is not there; add it")
        places = {key: [Place(value, len(split_path(value)))] for key, value in values.items()}
        return Description(origin, tuple(_read_lines(files, named)), _name_splits(places))
    return None


def _read_names(files: Files) -> tuple[str, ...]:
    found = {
        origin: tuple(_read_lines(files, origin)) for origin in files.others if origin.rpartition("/")[2] in NAME_FILES
    }
    if len(set(found.values())) > 1:
        raise DatasetError(f"the names of the classes differ: {name_some(list(found))}; make them equal")
    return next(iter(found.values()), ())


def _name_splits(places: Mapping[str, Sequence[Place]]) -> dict[Split, tuple[Place, ...]]:
    splits: dict[Split, tuple[Place, ...]] = {}
    for key, entries in places.items():
        if split := SPLIT_NAMES.get(key):
            splits[split] = (*splits.get(split, ()), *entries)
    return splits


def _list_images(files: Files, where: str, place: Place, problems: list[Problem]) -> Iterator[str]:
    """The images of a folder or a list; those of a place that is not there are a split that the source lacks."""
    if place.path.lower().endswith(".txt"):
        if (listed := _find_end(place.path, where, files.others)) is not None:
            for line in _read_lines(files, listed):
                found = files.find_image(line, listed.rpartition("/")[0])
                if found is None:
                    problems.append(describe_absent(listed, line))
                else:
                    yield found[0]
        return
    # With one part alone, as in images, any folder of that name would do.
    folder = _find_end(place.path, where, _list_folders(files.images), least_parts=min(2, place.own_parts))
    if folder is not None:
        yield from (origin for origin in files.images if origin.startswith(f"{folder}/") or not folder)


def _find_end(written: str, where: str, there: Sequence[str] | frozenset[str], least_parts: int = 1) -> str | None:
    """The file or folder that a path means: its longest end that exists beside the description or below the source."""
    parts = split_path(written)
    start = where.rpartition("/")[0]
    for skipped in range(len(parts) - least_parts + 1):
        end = "/".join(parts[skipped:])
        for path in (f"{start}/{end}".strip("/"), end):
            if path in there:
                return path
    return None


def _list_folders(images: Sequence[str]) -> frozenset[str]:
    folders = {""}
    for origin in images:
        folder = origin.rpartition("/")[0]
        while folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    return frozenset(folders)


def _read_lines(files: Files, origin: str) -> list[str]:
    try:
        text = read_text(files.folder, origin)
    except DatasetError as error:
        raise DatasetError(f"{show(origin)}: {error}") from None
    return [line.strip() for line in text.splitlines() if line.strip()]
