"""How things stand: champion and challenger, the last verdict and runs, what is stale, where the mirror disagrees."""

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from steelyard.address import show_address
from steelyard.errors import SteelyardError
from steelyard.params import load_params
from steelyard.paths import PARAMS
from steelyard.record.decision import Entry, find_standing
from steelyard.record.ledger import read_history, read_versions
from steelyard.record.local_store import find_database
from steelyard.record.mirror import UnreadableError, list_foreign, list_lagging, list_missing
from steelyard.record.record import Record
from steelyard.record.run import find_store
from steelyard.record.store import read_mirror
from steelyard.standing.runs import Run, read_runs
from steelyard.standing.stale import diff_settings, read_stale
from steelyard.standing.timeline import Event, Score, read_score, tell

if TYPE_CHECKING:
    from rich.table import Table

RUNS = 3


class Role(BaseModel):
    """A version that is champion or challenger.

    Attributes:
        version: its number.
        score: that it was registered with.
        registered: when.
        decided: when it got the role.
        author: who decided that.
        reason: why.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int
    score: Score
    registered: datetime
    decided: datetime
    author: str
    reason: str


class Status(BaseModel):
    """What `steelyard status` says.

    Attributes:
        name: of the registered model.
        versions: how many there are.
        champion: None where there is none.
        challenger: None where there is none.
        withdrawn: where there is no champion since a person withdrew it: who and why, in a sentence.
        last: decision.
        verdict: the gate's last one, on whichever version, in a sentence.
        store: address of MLflow's store.
        runs: the last ones; None where the store could not be read.
        stale: stages that are not up to date in the working tree, with the reasons; None where DVC cannot tell.
        settings: that differ from the last commit's.
        disagreements: between the ledger and MLflow.
        troubles: what could not be found out, and why.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    versions: int
    champion: Role | None
    challenger: Role | None
    withdrawn: str | None
    last: Event | None
    verdict: str | None
    store: str
    runs: tuple[Run, ...] | None
    stale: dict[str, tuple[str, ...]] | None
    settings: tuple[str, ...]
    disagreements: tuple[str, ...]
    troubles: tuple[str, ...]


def read_status(root: Path) -> Status:
    """Find out how things stand; what does not answer is said, and hides nothing else.

    Args:
        root: the repository.
    """
    registration = load_params(root / PARAMS).registration
    name, store = registration.name, find_store(root)
    records, history = read_versions(root, name), read_history(root, name)
    troubles: list[str] = []
    disagreements: list[str] = []
    runs: tuple[Run, ...] | None = None
    try:
        disagreements = _compare(store, name, records, history)
        runs = tuple(read_runs(store, registration.experiment, RUNS))
    except UnreadableError as error:
        troubles.append(f"{error}; the runs and the mirror are not told")
    try:
        stale: dict[str, tuple[str, ...]] | None = read_stale(root)
    except SteelyardError as error:
        troubles.append(str(error))
        stale = None
    try:
        settings = diff_settings(root)
    except SteelyardError as error:
        troubles.append(str(error))
        settings = ()
    standing = find_standing(history)
    return Status(
        name=name,
        versions=len(records),
        champion=find_role(standing.champion, records, history),
        challenger=find_role(standing.challenger, records, history),
        withdrawn=_describe_withdrawn(standing.withdrawn) if standing.withdrawn else None,
        last=next(iter(tell(records, history)), None),
        verdict=find_last_verdict(history),
        store=_show_store(store),
        runs=runs,
        stale=stale,
        settings=settings,
        disagreements=tuple(disagreements),
        troubles=tuple(troubles),
    )


def find_role(version: int | None, records: Sequence[Record], history: Sequence[Entry]) -> Role | None:
    """A version with the decision that gave it its role: the last one about it."""
    record = next((each for each in records if each.version == version), None)
    if record is None:
        return None
    entry = next(each for each in reversed(history) if each.decision.version == version)
    return Role(
        version=record.version,
        score=read_score(record),
        registered=record.registered,
        decided=entry.time,
        author=entry.author if entry.decision.policy is None else f"the gate, run by {entry.author}",
        reason=entry.decision.reason,
    )


def find_last_verdict(history: Sequence[Entry]) -> str | None:
    """What the gate said last, in a sentence; a person's decision repeats an earlier verdict and is none."""
    for entry in reversed(history):
        if entry.decision.verdict and entry.decision.policy:
            return f"v{entry.decision.version}, {entry.time:%Y-%m-%d %H:%M}: {entry.decision.verdict.sentence()}"
    return None


def _describe_withdrawn(entry: Entry) -> str:
    return f"v{entry.decision.version} was withdrawn by {entry.author}: {entry.decision.reason}"


def _compare(store: str, name: str, records: Sequence[Record], history: Sequence[Entry]) -> list[str]:
    mirror = read_mirror(store, name)
    return [
        *list_missing(mirror, records, history),
        *list_foreign(mirror, history),
        *list_lagging(mirror, history),
    ]


def _show_store(store: str) -> str:
    file = find_database(store)
    return os.path.relpath(file) if file else show_address(store)


def draw_status(status: Status, now: datetime) -> "Table":
    """As a table for the terminal.

    Args:
        status: what was found out.
        now: with a time zone; ages are told from it.
    """
    from rich.table import Table
    from rich.text import Text

    title = f"{status.name}: {status.versions} versions"
    table = Table(title=title, title_justify="left", title_style="bold", show_header=False)
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for label, lines in list_rows(status, now):
        table.add_row(label, Text("\n".join(lines)))
    return table


def list_rows(status: Status, now: datetime) -> list[tuple[str, list[str]]]:
    """Label and lines, in the order in which they are read."""
    rows = [
        ("champion", [f"none: {status.withdrawn}"] if status.withdrawn else _show_role(status.champion, now)),
        ("challenger", _show_role(status.challenger, now)),
    ]
    rows.append(("last verdict", [status.verdict or "none"]))
    if status.runs is not None:
        shown = [_show_run(run) for run in status.runs]
        rows.append(("last runs", [*(shown or ["none"]), f"from MLflow, {status.store}"]))
    if status.stale is not None:
        stale = [f"{stage}: {_shorten(reasons)}" for stage, reasons in status.stale.items()]
        rows.append(("stale", stale or ["nothing: dvc repro would train nothing"]))
    if status.settings:
        rows.append(("params.yaml", ["not committed:", *status.settings]))
    if not any("mirror" in trouble for trouble in status.troubles):
        rows.append(("MLflow's mirror", list(status.disagreements) or ["agrees with the ledger"]))
        if status.disagreements:
            rows.append(("", ["steelyard status --repair puts it right"]))
    if status.troubles:
        rows.append(("not found out", list(status.troubles)))
    return rows


def _show_role(role: Role | None, now: datetime) -> list[str]:
    if role is None:
        return ["none"]
    return [
        f"v{role.version}  mAP50-95 {role.score.shown} on test",
        f"since {role.decided:%Y-%m-%d %H:%M} ({_show_age((now - role.decided).total_seconds())}), by {role.author}",
        role.reason,
    ]


def _show_run(run: Run) -> str:
    took = "" if run.seconds is None else f" in {_show_age(run.seconds)}"
    score = "" if run.map50_95 is None else f", mAP50-95 {run.map50_95:.3f} on test"
    return f"{run.started:%Y-%m-%d %H:%M} UTC  {run.status.lower()}{took}{score}  {run.name}"


def _show_age(seconds: float) -> str:
    """``3 days``, ``5 hours`` or ``2 minutes``."""
    for length, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * length:
            return f"{int(seconds // length)} {unit}"
    return f"{max(0, int(seconds))} seconds"


def _shorten(reasons: Sequence[str]) -> str:
    return ", ".join(reasons[:3]) + (f" and {len(reasons) - 3} more" if len(reasons) > 3 else "")
