"""What a study is to train: arms, and for each of them and each seed a member."""

import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from steelyard.errors import ParamsError
from steelyard.overrides import Overrides, check_overrides, dump_overrides, parse_assignments
from steelyard.params import Params

# What MLflow takes as a part of a metric's name.
_ARM_NAME = r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$"


class Arm(BaseModel):
    """One of the ways of training that are compared."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(
        pattern=_ARM_NAME, max_length=40, description="letters, digits, spaces, dots, dashes; such as 'nbs 64'"
    )
    settings: Overrides = Field(  # type: ignore[valid-type]
        default=Overrides(), description="what this arm has otherwise than params.yaml"
    )


class Study(BaseModel):
    """What is compared, how often, and on which images."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(
        default="gain",
        pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
        max_length=64,
        description="of the folder below studies/ that gets its table and picture",
    )
    arms: tuple[Arm, ...] = Field(
        default=(),
        description="the first is what the others are compared with; none: random start, backbone frozen, "
        "all layers free",
    )
    seeds: int = Field(default=3, ge=1, le=100, description="trainings of each arm, with seeds from finetune.seed on")
    settings: Overrides = Field(  # type: ignore[valid-type]
        default=Overrides(), description="what all arms have otherwise than params.yaml"
    )
    split: Literal["val", "test"] = Field(
        default="test", description="what the final scores are of; val: to choose settings, and leave test unseen"
    )
    target_share: float = Field(
        default=0.9, gt=0, le=1, description="of the best mean score on val over all arms and epochs: the target"
    )


GAIN_ARMS = tuple(
    Arm(name=name, settings=Overrides.model_validate({"finetune": {"pretrained": pretrained, "freeze": freeze}}))
    for name, pretrained, freeze in (
        ("random start", False, 0),
        ("backbone frozen", True, 11),  # layers 0 to 10 of YOLO11
        ("all layers free", True, 0),
    )
)
"""What the base weights are worth."""


@dataclass(frozen=True)
class Member:
    """One training of a study.

    Attributes:
        arm: its name.
        seed: ``finetune.seed``.
        overrides: of ``params.yaml``, nested as it.
        params: all of the settings with them.
    """

    arm: str
    seed: int
    overrides: dict[str, Any]
    params: Params

    @property
    def title(self) -> str:
        """``all layers free, seed 0``."""
        return f"{self.arm}, seed {self.seed}"


def parse_arm(text: str, params: str) -> Arm:
    """``"nbs 64: finetune.nbs=64 finetune.lr0=0.01"`` becomes an arm; without a colon it changes nothing.

    Args:
        text: as above.
        params: text of the ``params.yaml`` that it is to change.

    Raises:
        ParamsError: not of that form, or a setting is not allowed.
    """
    name, _, rest = text.partition(":")
    form = "must be NAME: SECTION.NAME=VALUE ... (for example 'nbs 64: finetune.nbs=64')"
    try:
        settings = parse_assignments(shlex.split(rest))
        check_overrides(params, settings)  # says more than the model does
        return Arm.model_validate({"name": name.strip(), "settings": settings})
    except ParamsError as error:
        raise ParamsError(f"--arm {text!r}: {str(error).removeprefix('-S ')}") from None
    except ValidationError as error:
        raise ParamsError(f"--arm {text!r}: {_say(error)}; {form}") from None
    except ValueError as error:  # a quote without an end
        raise ParamsError(f"--arm {text!r}: {error}; {form}") from None


def make_study(**values: Any) -> Study:
    """Make a study of what a command line says.

    Raises:
        ParamsError: a name or value is not allowed.
    """
    try:
        return Study.model_validate(values)
    except ValidationError as error:
        raise ParamsError(f"study: {_say(error)}") from None


def plan_members(text: str, study: Study) -> list[Member]:
    """Every training of a study: all arms with the first seed, then all with the next.

    So a study that was cut short has as many of each arm. No training stops early, unless the study or an arm
    sets ``finetune.patience``: the budget is the same for all.

    Args:
        text: ``params.yaml`` of the revision that is run.
        study: what is wanted.

    Raises:
        ParamsError: a setting is not allowed, two arms have one name or the same settings, or an arm sets the seed.
    """
    arms = study.arms or GAIN_ARMS
    names = [arm.name for arm in arms]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ParamsError(f"two arms are called {twice[0]!r}; every arm needs a name of its own")
    common = _merge({"finetune": {"patience": 0}}, dump_overrides(study.settings))
    first = check_overrides(text, common).finetune.seed
    members = []
    for seed in range(first, first + study.seeds):
        for arm in arms:
            own = dump_overrides(arm.settings)
            if "seed" in own.get("finetune", {}):
                raise ParamsError(
                    f"arm {arm.name!r} sets finetune.seed; all arms have the seeds of the study: "
                    "set the first for all (-S finetune.seed=5)"
                )
            overrides = _merge(_merge(common, own), {"finetune": {"seed": seed}})
            members.append(Member(arm.name, seed, overrides, check_overrides(text, overrides)))
    for number, one in enumerate(members[: len(arms)]):
        for other in members[number + 1 : len(arms)]:
            if one.params == other.params:
                raise ParamsError(f"arms {one.arm!r} and {other.arm!r} have the same settings; there is no difference")
    return members


def make_study_key(members: Sequence[Member], split: str, data: str) -> str:
    """Hash of what a study is: 64 hexadecimal digits. The same study, begun again, has the same.

    Args:
        members: all of it.
        split: of the final scores.
        data: what ``data/raw`` holds at the revision, as git names it.
    """
    parts = [[member.arm, member.seed, member.params.model_dump(mode="json", by_alias=True)] for member in members]
    return hashlib.sha256(json.dumps([parts, split, data], sort_keys=True).encode()).hexdigest()


def _say(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where} = {first['input']!r}: {first['msg']}"


def _merge(tree: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """A tree with another one over it."""
    merged = dict(tree)
    for key, value in more.items():
        below = merged.get(key)
        merged[key] = _merge(below, value) if isinstance(value, Mapping) and isinstance(below, Mapping) else value
    return merged
