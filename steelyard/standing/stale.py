"""What a run would do now: stages that are not up to date, settings that are not committed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from steelyard.errors import WorkspaceError
from steelyard.git import git
from steelyard.params import parse_yaml, read_yaml
from steelyard.paths import PARAMS
from steelyard.record.run import flatten

ALWAYS = "always changed"  # DVC's word for a stage that runs every time; that says nothing


def read_stale(root: Path) -> dict[str, tuple[str, ...]]:
    """Stages that `dvc repro` would run in the working tree, with the reasons, as DVC tells them.

    Stages after one of them may run as well, and do not where its outputs come out the same. A stage that runs
    every time is not among them.

    Args:
        root: the repository.

    Raises:
        WorkspaceError: DVC cannot tell.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo  # heavy: 0.5 s

    try:
        with Repo(str(root)) as repo:
            status: Mapping[str, list[Any]] = repo.status()
    except DvcException as error:
        raise WorkspaceError(f"dvc status: {error}") from error
    return {stage: list_reasons(entries) for stage, entries in status.items() if ALWAYS not in entries}


def list_reasons(entries: Sequence[Any]) -> tuple[str, ...]:
    """What changed, such as ``data/raw/x modified`` or ``params.yaml finetune modified``.

    Args:
        entries: of one stage, as DVC's status has them: a phrase, or what changed by kind.
    """
    reasons: list[str] = []
    for entry in entries:
        kinds: Mapping[str, Mapping[str, Any]] = entry if isinstance(entry, Mapping) else {}
        if not kinds:
            reasons.append(str(entry))
        for changes in kinds.values():
            for path, state in changes.items():
                parts = state if isinstance(state, Mapping) else {"": state}
                reasons += [" ".join(filter(None, (path, part, str(how)))) for part, how in parts.items()]
    return tuple(reasons)


def diff_settings(root: Path) -> tuple[str, ...]:
    """Settings of ``params.yaml`` that the last commit has otherwise, as ``finetune.epochs = 3 (committed: 2)``.

    Raises:
        WorkspaceError: there is no commit that has one.
    """
    before = flatten(parse_yaml(git(root, "show", f"HEAD:./{PARAMS}"), PARAMS.name))
    now = flatten(read_yaml(root / PARAMS))
    absent = "none"
    return tuple(
        f"{key} = {now.get(key, absent)} (committed: {before.get(key, absent)})"
        for key in dict.fromkeys([*before, *now])
        if before.get(key, absent) != now.get(key, absent)
    )
