"""Reading a stranger's pickle without running it: the only place in Steelyard that unpickles.

Unpickling runs what a pickle names. Here nothing that it names is ever imported: tensors become
:class:`StoredTensor`, classes of a network become :class:`Shell` without behaviour, a few plain types are
made here, and any other name is refused. No more is read than the pickle itself, of at most 8 MiB; keys are
plain, so that none takes for ever to hash.
"""

import io
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from steelyard.errors import WeightsError
from steelyard.weights.shell import Shell
from steelyard.weights.tensors import BYTES, StoredTensor

MOST_PICKLE_BYTES = 8 << 20
"""The largest checkpoint of YOLO11 with its optimizer has 1.5 MB of it; the numbers lie beside it."""

_MODULES = ("torch.nn.", "ultralytics.")
_STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
_LEFT_OUT = (
    pickle.DICT,
    pickle.EMPTY_SET,
    pickle.ADDITEMS,
    pickle.FROZENSET,
    pickle.BYTEARRAY8,
    pickle.NEXT_BUFFER,
    pickle.READONLY_BUFFER,
    pickle.EXT1,
    pickle.EXT2,
    pickle.EXT4,
)  # torch.save writes none of these


class _StorageType(NamedTuple):
    dtype: str


class _Storage(NamedTuple):
    """Where the numbers of one or more tensors lie."""

    start: int
    nbytes: int
    dtype: str


class _Dict(dict[Any, Any]):
    """A dict with plain keys; for OrderedDict, too, whose attributes are dropped."""

    __slots__ = ()

    def __setitem__(self, key: Any, value: Any) -> None:
        if not isinstance(key, str | int | float | bool | bytes | None):
            raise TypeError(f"a key of type {type(key).__name__}")
        super().__setitem__(key, value)

    def __setstate__(self, state: Any) -> None:
        pass


def read_pickled(path: Path) -> Any:
    """What a file of ``torch.save`` holds: plain values, :class:`StoredTensor`, and shells.

    Raises:
        WeightsError: no such file, truncated or damaged, or it names what weights do not need.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: not found")
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            start = file.read(8)
        found = "truncated" if start[:2] == b"PK" else f"no checkpoint (starts with {start!r})"
        raise WeightsError(f"{path}: is {found}; needed is a zip file as torch.save writes it, fetch it again")
    try:
        with zipfile.ZipFile(path) as archive:
            data, entries = _read_archive(archive, path)
        return _Unpickler(data, path, entries).load()
    except WeightsError:
        raise
    except Exception as error:  # bytes made to confuse can raise anything in an unpickler
        usual = isinstance(error, pickle.UnpicklingError | RuntimeError | TypeError | ValueError) and str(error)
        reason = str(error).splitlines()[0] if usual else type(error).__name__
        raise WeightsError(
            f"{path}: is damaged, or no checkpoint of torch.save ({reason:.160}); fetch it again"
        ) from None


def load_tensors(values: Any) -> Any:
    """Values of :func:`read_pickled` with their tensors in memory, as torch's, in dicts, lists and tuples."""
    if isinstance(values, StoredTensor):
        return values.to_torch()
    if isinstance(values, dict):
        return {key: load_tensors(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return type(values)(load_tensors(value) for value in values)
    return values


class _Unpickler(pickle._Unpickler):
    """The unpickler in Python: its memo is a dict, where the one in C makes room for any number it is told."""

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {
        **{code: method for code, method in pickle._Unpickler.dispatch.items() if bytes([code]) not in _LEFT_OUT},
        pickle.EMPTY_DICT[0]: lambda self: self.append(_Dict()),
    }

    def __init__(self, data: bytes, path: Path, entries: dict[str, tuple[int, int]]) -> None:
        super().__init__(io.BytesIO(data))
        self._path = path
        self._entries = entries
        self._shells: dict[str, type[Shell]] = {}
        self._functions: dict[str, Any] = {
            "collections.OrderedDict": _Dict,
            "torch._utils._rebuild_tensor_v2": self._make_tensor,
            "torch._utils._rebuild_tensor_v3": self._make_typed_tensor,
            "torch._utils._rebuild_parameter": _keep_first,
            "torch.Size": _make_tuple,
            "builtins.set": _make_set,
            "__builtin__.set": _make_set,
            "_codecs.encode": _encode,
            "pathlib.PosixPath": _join,
            "pathlib.WindowsPath": _join,
            "pathlib._local.PosixPath": _join,
            "numpy.dtype": _NumpyType,
            "numpy.core.multiarray.scalar": _make_number,
            "numpy._core.multiarray.scalar": _make_number,
            "torch.storage.UntypedStorage": _StorageType("uint8"),
            **{f"torch.{name}": _StorageType(dtype) for name, dtype in _STORAGES.items()},
            **{f"torch.{dtype}": _StorageType(dtype) for dtype in BYTES},
        }

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if full in self._functions:
            return self._functions[full]
        if full.startswith(_MODULES) or full in ("types.SimpleNamespace", "torch.device"):
            return self._shells.setdefault(full, type(name, (Shell,), {"global_name": full}))
        raise WeightsError(
            f"{self._path}: refused, since opening it as usual would run {full:.200}, "
            "which weights do not need; nothing of it was run, use another file"
        )

    def persistent_load(self, pid: Any) -> _Storage:
        kind, storage, key, _, count = pid
        if kind != "storage" or not isinstance(storage, _StorageType) or not isinstance(key, str):
            raise ValueError("no storage of a tensor")
        start, nbytes = self._entries[key]
        if not isinstance(count, int) or count < 0 or count * BYTES[storage.dtype] > nbytes:
            raise ValueError(f"storage {key} has {nbytes} bytes, and {count} numbers of {storage.dtype} are said to be")
        return _Storage(start, count * BYTES[storage.dtype], storage.dtype)

    def _make_tensor(self, storage: _Storage, offset: int, shape: Any, strides: Any, *_: Any) -> StoredTensor:
        return self._place(storage, storage.dtype, offset, shape, strides)

    def _make_typed_tensor(
        self, storage: _Storage, offset: int, shape: Any, strides: Any, _: Any, __: Any, dtype: _StorageType, *___: Any
    ) -> StoredTensor:
        return self._place(storage, dtype.dtype, offset, shape, strides)

    def _place(self, storage: _Storage, dtype: str, offset: int, shape: Any, strides: Any) -> StoredTensor:
        shape, strides = tuple(shape), tuple(strides)
        numbers = (offset, *shape, *strides)
        if not isinstance(storage, _Storage) or not all(type(each) is int and each >= 0 for each in numbers):
            raise ValueError("a tensor without a place")
        if len(shape) != len(strides) or len(shape) > 32:
            raise ValueError(f"a tensor of {len(shape)} sizes and {len(strides)} strides")
        size = BYTES[dtype]
        reach = offset + sum((each - 1) * stride for each, stride in zip(shape, strides, strict=True)) + 1
        tensor = StoredTensor(self._path, storage.start + offset * size, dtype, shape, strides)
        if tensor.count and (reach * size > storage.nbytes or tensor.nbytes > storage.nbytes):
            raise ValueError(f"a tensor of shape {list(shape)} in a storage of {storage.nbytes} bytes")
        return tensor


class _NumpyType(Shell):
    """``numpy.dtype``; of a scalar it says how its bytes are read."""

    def __init__(self, code: Any = None, *_: Any) -> None:
        self.code = code


def _make_number(dtype: Any, data: Any) -> Any:
    import numpy as np

    if isinstance(dtype, _NumpyType) and dtype.code in ("f8", "f4", "f2", "i8", "i4", "b1") and isinstance(data, bytes):
        return np.frombuffer(data, f"<{dtype.code}", 1)[0].item()
    raise ValueError("a scalar of numpy that is no number")


def _make_tuple(values: Any) -> tuple[int, ...]:
    if not isinstance(values, list | tuple):
        raise TypeError("a size that is no list")
    return tuple(values)


def _make_set(values: Any = ()) -> set[str]:
    if not isinstance(values, list | tuple) or not all(isinstance(each, str) for each in values):
        raise ValueError("a set of other things than names")
    return set(values)


def _encode(text: Any, encoding: Any) -> bytes:
    if not isinstance(text, str) or encoding != "latin1":
        raise ValueError("bytes in another coding than latin1")
    return text.encode("latin1")


def _join(*parts: Any) -> str:
    if not all(isinstance(part, str) for part in parts):
        raise ValueError("a path of other things than names")
    return str(Path(*parts))


def _keep_first(data: Any, *_: Any) -> Any:
    return data


def _read_archive(archive: zipfile.ZipFile, path: Path) -> tuple[bytes, dict[str, tuple[int, int]]]:
    """The pickle, and start and size in bytes of each storage by its key."""
    infos = {info.filename: info for info in archive.infolist()}
    outside = next((name for name in infos if name.startswith(("/", "\\")) or ".." in Path(name).parts), None)
    if outside is not None or len(infos) != len(archive.infolist()):
        raise ValueError(f"an entry {outside!r:.60} that leads elsewhere" if outside else "two entries of one name")
    pickles = [name for name in infos if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise ValueError(f"{len(pickles)} pickles in it, and one is needed")
    folder = pickles[0].removesuffix("data.pkl")
    used = [infos[pickles[0]], *(info for name, info in infos.items() if name.startswith(f"{folder}data/"))]
    size = path.stat().st_size
    for info in used:
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size or info.file_size > size:
            raise ValueError(f"{info.filename} is compressed, which torch.save never does")
    if used[0].file_size > MOST_PICKLE_BYTES:
        raise ValueError(f"a pickle of {used[0].file_size} bytes; {MOST_PICKLE_BYTES} are the most")
    damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"the checksum of {damaged:.60} does not fit")
    order = infos.get(f"{folder}byteorder")
    if order is not None and archive.read(order)[:16] != b"little":
        raise ValueError("numbers in another byte order than little-endian; save it again on a usual machine")
    with path.open("rb") as file:
        entries = {info.filename.removeprefix(f"{folder}data/"): _locate(file, info, size) for info in used[1:]}
    return archive.read(used[0]), entries


def _locate(file: io.BufferedReader, info: zipfile.ZipInfo, size: int) -> tuple[int, int]:
    """Where the bytes of an entry begin, behind its own head, and how many they are."""
    file.seek(info.header_offset)
    head = file.read(30)
    if len(head) < 30 or head[:4] != b"PK\x03\x04":
        raise ValueError(f"{info.filename} is not where the zip file's list says")
    name, extra = struct.unpack("<HH", head[26:30])
    start = info.header_offset + 30 + name + extra
    if start + info.file_size > size:
        raise ValueError(f"{info.filename} ends behind the end of the file")
    return start, info.file_size
