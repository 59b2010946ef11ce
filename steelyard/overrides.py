"""Overrides of ``params.yaml`` for one run: from the Prefect form, or from ``-S``."""

import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.json_schema import SkipJsonSchema
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from steelyard.errors import ParamsError
from steelyard.params import Params, check_params, describe_range, parse_yaml, read_yaml
from steelyard.paths import PARAMS


def _show_range(schema: dict[str, Any]) -> None:
    """The form shows a field's description, not its bounds; and no default, which would be sent back."""
    schema.pop("default", None)
    if schema.get("type") == "boolean":
        # A plain switch has no third position: the form would send false for what nobody touched.
        del schema["type"]
        schema["anyOf"] = [{"type": "null", "title": "as in params.yaml"}, {"type": "boolean", "title": "set"}]
    if schema.get("type") in ("integer", "number"):
        schema["description"] += f" ({describe_range(schema)})"


def _make_optional(model: type[BaseModel], name: str) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    for key, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            inner = _make_optional(inner, inner.__name__.replace("Params", "Overrides"))
        elif field.metadata:
            inner = Annotated[(inner, *field.metadata)]  # type: ignore[assignment]
        fields[field.alias or key] = (
            inner | SkipJsonSchema[None],  # type: ignore[misc]
            Field(
                None,
                title=field.alias or key,
                description=field.description,
                json_schema_extra=_show_range,
                exclude_if=lambda value: value is None,
            ),
        )
    # `validate` and `register` stand in the form under these names; the methods of BaseModel that
    # they cover are pydantic 1's, which nobody calls on this class.
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*shadows an attribute in parent.*")
        return create_model(name, __config__=ConfigDict(extra="forbid", frozen=True), **fields)


#: Every setting of :class:`steelyard.params.Params`, with its range, and none of them required:
#: what is left empty is as in ``params.yaml`` of the revision that is run.
Overrides = _make_optional(Params, "Overrides")


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """``["finetune.epochs=50"]`` becomes ``{"finetune": {"epochs": 50}}``.

    Raises:
        ParamsError: not of the form ``section.name=value``.
    """
    tree: dict[str, Any] = {}
    for text in assignments:
        path, equals, value = text.partition("=")
        keys = path.split(".")
        if not equals or len(keys) < 2 or not all(keys):
            raise ParamsError(f"-S {text}: must be section.name=value (for example finetune.epochs=50)")
        node = tree
        for key in keys[:-1]:
            node = node.setdefault(key, {})
            if not isinstance(node, dict):
                raise ParamsError(f"-S {text}: {key} was given a value of its own by another -S; give one of them")
        try:
            given = YAML(typ="safe", pure=True).load(value)
        except YAMLError:
            raise ParamsError(f"-S {text}: the value is not YAML; put it in quotes") from None
        if given is None:  # it would mean "as in the file", and nobody types -S for that
            raise ParamsError(f"-S {text}: the value is empty; give one, or '\"\"' for an empty text")
        node[keys[-1]] = given
    return tree


def apply_overrides(file: Path, overrides: Mapping[str, Any]) -> list[str]:
    """Write overrides into a ``params.yaml``, keeping its comments and the types that it has.

    A value equal to the file's is left as it is written: ``1`` where the file has ``1.0`` would be
    another value to DVC, and every stage after it would run again.

    Args:
        file: the ``params.yaml`` of a clean clone.
        overrides: nested as the file; None means "as in the file".

    Returns:
        What was changed, as ``section.name = value (was ...)``.

    Raises:
        ParamsError: a name or value is not allowed; the file is then as it was.
    """
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    check_params(read_yaml(file), where=file.name)
    tree = yaml.load(file.read_text(encoding="utf-8"))
    changes = _merge(tree, overrides, "")
    text = io.StringIO()
    yaml.dump(tree, text)
    if changes:
        check_params(YAML(typ="safe", pure=True).load(text.getvalue()), where="params.yaml")
        file.write_text(text.getvalue(), encoding="utf-8")
    return changes


def check_overrides(text: str, overrides: Mapping[str, Any]) -> Params:
    """Check overrides against the text of a ``params.yaml``, and write nothing; the settings with them.

    Raises:
        ParamsError: a name or value is not allowed.
    """
    tree = parse_yaml(text, PARAMS.name)
    check_params(tree, where=PARAMS.name)
    _merge(tree, overrides, "")
    return check_params(tree, where=PARAMS.name)


def _merge(tree: Any, overrides: Mapping[str, Any], head: str) -> list[str]:
    changes = []
    for key, value in overrides.items():
        path = f"{head}{key}"
        if value is None:
            continue
        if isinstance(value, Mapping) and isinstance(tree.get(key, {}), Mapping):
            changes += _merge(tree.setdefault(key, {}), value, f"{path}.")
            continue
        before = tree.get(key)
        if isinstance(before, float) and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        value = list(value) if isinstance(value, tuple) else value
        if before != value or isinstance(before, bool) != isinstance(value, bool):
            tree[key] = value
            changes.append(f"{path} = {value!r} (was {before!r})")
    return changes


def dump_overrides(overrides: BaseModel | None) -> dict[str, Any]:
    """Only what was set, as plain values nested as ``params.yaml``."""
    return {} if overrides is None else overrides.model_dump(exclude_none=True, exclude_unset=True)
