"""What a person should know about a weights file before using it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from steelyard.anatomy.file import WeightsFile
from steelyard.anatomy.numbers import Numbers, find_dead
from steelyard.anatomy.parts import Kind


class Frozen(BaseModel):
    """No unknown keys, and nothing changes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Finding(Frozen):
    """Something that a person should know."""

    level: Literal["error", "warning", "note"]
    name: str
    says: str


def list_findings(
    file: WeightsFile, kinds: Mapping[str, Kind], numbers: Mapping[str, Numbers], classes: Sequence[str]
) -> list[Finding]:
    """All findings, errors first.

    Args:
        file: opened.
        kinds: of its tensors, by name.
        numbers: of them.
        classes: names.
    """
    found = [*_check_numbers(numbers), *_check_filters(file, kinds), *_check_classes(file, classes)]
    if file.kind == "pt" and (find_epoch(file) is not None or "optimizer" in file.extra):
        at = "" if (epoch := find_epoch(file)) is None else f" at epoch {epoch}"
        says = f"an unfinished training{at}, with what it needs to go on; not for handing out"
        found.append(Finding(level="note", name="unfinished", says=says))
    return sorted(found, key=lambda each: ("error", "warning", "note").index(each.level))


def find_epoch(file: WeightsFile) -> int | None:
    """Of an unfinished training, from 0; None where it is finished, or the file does not say."""
    epoch = file.said.get("epoch")
    return epoch if isinstance(epoch, int) and epoch >= 0 else None


def _check_numbers(numbers: Mapping[str, Numbers]) -> Iterator[Finding]:
    whole = sum(numbers.values(), Numbers())
    if whole.broken:
        where = [name for name, each in numbers.items() if each.broken]
        says = f"{whole.broken} numbers are NaN or infinite, in {_some(where)}"
        yield Finding(level="error", name="not-finite", says=says)
    if whole.too_large:
        where = [name for name, each in numbers.items() if each.too_large]
        says = f"{whole.too_large} numbers are infinite in fp16, in {_some(where)}"
        yield Finding(level="warning", name="fp16-overflow", says=says)
    if whole.too_small:
        share = whole.too_small / max(1, whole.count)
        says = f"{whole.too_small} numbers ({share:.2%}) become zero in fp16"
        yield Finding(level="note", name="fp16-underflow", says=says)


def _check_filters(file: WeightsFile, kinds: Mapping[str, Kind]) -> Iterator[Finding]:
    kernels = {name: file.tensors[name] for name, kind in kinds.items() if kind == "weights"}
    dead = {name: count for name, tensor in kernels.items() if (count := find_dead(tensor))}
    if dead:
        filters = sum(tensor.shape[0] for tensor in kernels.values())
        says = f"{sum(dead.values())} of {filters} filters are all zero, in {_some(list(dead))}"
        yield Finding(level="warning", name="dead-filters", says=says)
    folded = [
        name
        for name, kind in kinds.items()
        if kind == "biases"
        and name.endswith(".conv.bias")
        and f"{name.removesuffix('.conv.bias')}.bn.weight" not in kinds
    ]
    if folded:
        says = (
            f"{len(folded)} convolutions have their normalisation folded in: right for prediction; to fine-tune it "
            "must come back, as stage base does"
        )
        yield Finding(level="note", name="normalisation-folded", says=says)


def _check_classes(file: WeightsFile, classes: Sequence[str]) -> Iterator[Finding]:
    heads = {tensor.shape[0] for name, tensor in file.tensors.items() if ".cv3." in name and name.endswith(".2.weight")}
    if heads and classes and heads != {len(classes)}:
        says = f"the head has {', '.join(map(str, sorted(heads)))} classes, and {len(classes)} names are given"
        yield Finding(level="error", name="class-count", says=says)
    if heads and not classes:
        says = f"the head has {max(heads)} classes, and the file does not name them"
        yield Finding(level="note", name="class-names", says=says)


def _some(names: Sequence[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
