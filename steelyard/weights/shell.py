"""What stands for an object of a class that a pickle names: its state, and no behaviour."""

from collections.abc import Iterator
from typing import Any

from steelyard.errors import WeightsError
from steelyard.weights.tensors import StoredTensor

_MOST_MODULES = 20_000  # YOLO11x has 1,000


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

    def walk(self) -> Iterator[tuple[str, "Shell"]]:
        """Names and shells, as ``torch.nn.Module.named_modules`` gives them.

        Raises:
            WeightsError: there is no end of them, since one holds another more than once, or itself.
        """
        waiting: list[tuple[str, Shell]] = [("", self)]
        count = 0
        while waiting:
            prefix, shell = waiting.pop()
            count += 1
            if count > _MOST_MODULES:
                raise WeightsError(f"more than {_MOST_MODULES} modules; no network of YOLO11 has so many")
            yield prefix, shell
            children = [
                (f"{prefix}.{name}" if prefix else str(name), child)
                for name, child in shell.group("_modules").items()
                if isinstance(child, Shell)
            ]
            waiting += reversed(children)

    def tensors(self) -> Iterator[tuple[str, StoredTensor]]:
        """Names and tensors, as ``torch.nn.Module.state_dict`` gives them."""
        for prefix, shell in self.walk():
            passing = shell.state.get("_non_persistent_buffers_set", ())
            for name, tensor in (shell.group("_parameters") | shell.group("_buffers")).items():
                if isinstance(tensor, StoredTensor) and name not in passing:
                    yield f"{prefix}.{name}" if prefix else name, tensor
