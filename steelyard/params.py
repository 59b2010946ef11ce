"""The settings: ``params.yaml`` as one frozen, typed tree.

Values are checked against the JSON schema of :class:`Params`, by the same library that Prefect's
API uses on the same schema; so a bad value is refused with the same words in the file, on the
command line and in the form of the Prefect UI.
"""

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError as SchemaError
from pydantic import Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from steelyard.errors import ParamsError
from steelyard.sections import (
    BaseParams,
    CheckParams,
    FetchParams,
    FinetuneParams,
    RegisterParams,
    Section,
    ValidateParams,
)


class Params(Section):
    """All of ``params.yaml``, one section per stage."""

    fetch: FetchParams
    check: CheckParams
    base: BaseParams
    finetune: FinetuneParams
    # BaseModel has methods called validate and register, so the attributes are nouns.
    validation: ValidateParams = Field(alias="validate")
    registration: RegisterParams = Field(alias="register")


def load_params(path: Path) -> Params:
    """Read and check ``params.yaml``.

    Args:
        path: the file; its name stands at the head of every error.

    Raises:
        ParamsError: the file is missing, is not YAML, or holds a value that is not allowed.
    """
    return check_params(read_yaml(path), where=path.name)


def read_yaml(path: Path) -> Any:
    """Read a YAML file as plain Python values, by YAML 1.2 as DVC does (``1e-3`` is a number)."""
    try:
        return parse_yaml(path.read_text(encoding="utf-8"), path.name)
    except FileNotFoundError:
        raise ParamsError(f"{path}: not found; run from the repository's folder") from None
    except UnicodeDecodeError as error:
        raise ParamsError(f"{path.name}: is not UTF-8 text: {error}") from None


def parse_yaml(text: str, where: str) -> Any:
    """The same from text; ``where`` heads the error message."""
    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise ParamsError(f"{where}: is not YAML: {' '.join(str(error).split())}") from None


def check_params(values: Any, where: str) -> Params:
    """Turn plain values into :class:`Params`.

    Args:
        values: what the YAML file holds.
        where: head of the error message, such as ``params.yaml`` or ``-S``.

    Raises:
        ParamsError: one sentence for each wrong value.
    """
    errors = sorted(_VALIDATOR.iter_errors(values), key=lambda error: [str(part) for part in error.path])
    if errors:
        raise ParamsError("\n".join(_say(error, where) for error in errors))
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        raise ParamsError(
            "\n".join(
                f"{where}: {'.'.join(str(part) for part in each['loc'])} = {_show(each['input'])}: "
                f"{re.sub('^Value error, ', '', each['msg'])}"
                for each in error.errors(include_url=False)
            )
        ) from None


def _say(error: SchemaError, where: str) -> str:
    path = ".".join(str(part) for part in error.absolute_path)
    found = "" if error.validator in ("additionalProperties", "required") else f" = {_show(error.instance)}"
    head = f"{where}: {path}{found}" if path else where
    return f"{head}: {error.message}{_allowed(error)}"


def _allowed(error: SchemaError) -> str:
    schema: dict[str, Any] = dict(error.schema)
    if error.validator == "additionalProperties":
        known = sorted(schema["properties"])
        unknown = sorted(set(error.instance) - set(known))
        near = difflib.get_close_matches(unknown[0], known, n=1)
        return (f"; did you mean {near[0]!r}?" if near else "") + f" Known: {', '.join(known)}"
    if error.validator == "required":
        return "; every value stands in the file, there are no hidden defaults"
    about = f"; {schema['description']}" if "description" in schema else ""
    allowed = describe_range(schema)
    return f" (allowed: {allowed}{about})" if allowed else ""


def describe_range(schema: Mapping[str, Any]) -> str:
    """``integer, at least 1, at most 10000``: what a field's JSON schema allows, in words."""
    bounds = (
        ("minimum", "at least"),
        ("exclusiveMinimum", "above"),
        ("maximum", "at most"),
        ("exclusiveMaximum", "below"),
        ("multipleOf", "a multiple of"),
        ("enum", "one of"),
        ("pattern", "matching"),
    )
    parts = [str(schema["type"])] if "type" in schema else []
    return ", ".join(parts + [f"{words} {schema[key]}" for key, words in bounds if key in schema])


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


_VALIDATOR = Draft202012Validator(Params.model_json_schema())
