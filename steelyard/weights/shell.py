"""Reading a stranger's pickle without running it.

Unpickling runs what a pickle names. Here nothing it names is ever imported: torch's weights-only
unpickler makes tensors and plain values, each class of a network becomes a :class:`Shell` without
behaviour, and any other name is refused.
"""

import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steelyard.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

# What an Ultralytics checkpoint may name beside tensors and plain values.
_MODULES = ("torch.nn.", "ultralytics.")
_NAMES = {
    "numpy.core.multiarray.scalar",  # metrics of the training
    "numpy._core.multiarray.scalar",
    "numpy.dtype",
    "pathlib.PosixPath",  # paths among its arguments
    "pathlib.WindowsPath",
    "types.SimpleNamespace",
}


class Shell:
    """Stands for an object of a class that a pickle names; keeps its state and does nothing."""

    global_name = ""
    state: dict[str, Any]

    def __new__(cls, *args: Any, **kwargs: Any) -> "Shell":
        shell = super().__new__(cls)
        shell.state = {}
        return shell

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        self.state = state if isinstance(state, dict) else {}

    @property
    def kind(self) -> str:
        """The class's name, without its module."""
        return self.global_name.rpartition(".")[2]

    def group(self, name: str) -> dict[str, Any]:
        """One of a network's dicts: ``_modules``, ``_parameters``, ``_buffers`` or ``yaml``."""
        group = self.state.get(name)
        return group if isinstance(group, dict) else {}

    def walk(self, prefix: str = "") -> Iterator[tuple[str, "Shell"]]:
        """Names and shells, as ``torch.nn.Module.named_modules`` gives them."""
        yield prefix, self
        for name, child in self.group("_modules").items():
            if isinstance(child, Shell):
                yield from child.walk(f"{prefix}.{name}" if prefix else name)

    def tensors(self) -> Iterator[tuple[str, "Tensor"]]:
        """Names and tensors, as ``torch.nn.Module.state_dict`` gives them."""
        import torch  # heavy: 2.8 s

        for prefix, shell in self.walk():
            passing = shell.state.get("_non_persistent_buffers_set", ())
            for name, tensor in (shell.group("_parameters") | shell.group("_buffers")).items():
                if isinstance(tensor, torch.Tensor) and name not in passing:
                    yield f"{prefix}.{name}" if prefix else name, tensor


def read_shells(path: Path) -> Any:
    """Unpickle a file of ``torch.save``: tensors (on the CPU), plain values, and shells.

    Raises:
        WeightsError: no such file, truncated or damaged, or a name that weights do not need.
    """
    import torch  # heavy: 2.8 s

    if not path.is_file():
        raise WeightsError(f"{path}: not found")
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            start = file.read(8)
        found = "truncated" if start[:2] == b"PK" else f"no checkpoint (starts with {start!r})"
        raise WeightsError(f"{path}: is {found}; needed is a zip file as torch.save writes it, fetch it again")
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        _refuse(sorted(names), path)
        shells: list[Any] = [(type(name, (Shell,), {"global_name": name}), name) for name in names]
        with torch.serialization.safe_globals(shells):
            return torch.load(path, map_location="cpu", weights_only=True)
    except WeightsError:
        raise
    except Exception as error:  # bytes made to confuse can raise anything in an unpickler
        usual = isinstance(error, pickle.UnpicklingError | RuntimeError | ValueError) and str(error)
        reason = str(error).splitlines()[0] if usual else type(error).__name__
        raise WeightsError(
            f"{path}: is damaged, or no checkpoint of torch.save ({reason:.160}); fetch it again"
        ) from None


def _refuse(names: list[str], path: Path) -> None:
    refused = [name for name in names if name not in _NAMES and not name.startswith(_MODULES)]
    if refused:
        raise WeightsError(
            f"{path}: refused, since opening it as usual would run {', '.join(refused[:3])}, "
            "which weights do not need; nothing of it was run, use another file"
        )
