"""What MLflow holds of the ledger, and where the two disagree: without importing mlflow, which takes 2 s."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from steelyard.errors import RegistryError
from steelyard.record.aliases import DECISION_TAG, VERDICT_TAG, describe_foreign, want_aliases, want_verdicts
from steelyard.record.decision import Entry, find_standing
from steelyard.record.record import Record

IDENTITY_TAG = "steelyard.weights"

Say = Callable[[str], None]


class UnreadableError(RegistryError):
    """MLflow's store cannot be read in the short way."""


@dataclass(frozen=True)
class Mirror:
    """A registered model as MLflow has it.

    Attributes:
        versions: tags of each version; empty where there is no such model.
        aliases: version by alias.
        tags: of the model.
    """

    versions: Mapping[int, Mapping[str, str]]
    aliases: Mapping[str, int]
    tags: Mapping[str, str]


class AliasWriter(Protocol):
    """What writes aliases: a server by requests, or mlflow's own store of a local database."""

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Point an alias at a version."""

    def delete_alias(self, name: str, alias: str) -> None:
        """Remove an alias."""

    def set_tag(self, name: str, key: str, value: str) -> None:
        """Set a tag of the model."""


def list_missing(mirror: Mirror, records: Sequence[Record], history: Sequence[Entry]) -> list[str]:
    """What MLflow lacks of the versions, or has otherwise, in sentences."""
    found = {number: tags.get(IDENTITY_TAG) for number, tags in mirror.versions.items()}
    wanted = {record.version: record.weights.identity for record in records}
    sentences = [f"MLflow lacks version {number}" for number in wanted if number not in found]
    sentences += [
        f"MLflow's version {number} holds other weights ({found[number]}) than the ledger's ({identity})"
        for number, identity in wanted.items()
        if number in found and found[number] != identity
    ]
    sentences += [
        f"MLflow has a version {number}, of which the ledger knows nothing" for number in found.keys() - wanted
    ]
    sentences += [
        f"MLflow's page of version {number} does not show the last verdict"
        for number, verdict in want_verdicts(records, history).items()
        if number in found and mirror.versions[number].get(VERDICT_TAG) != verdict
    ]
    return sentences


def list_foreign(mirror: Mirror, history: Sequence[Entry]) -> list[str]:
    """Aliases that somebody changed in MLflow, in sentences."""
    return describe_foreign(mirror.aliases, mirror.tags.get(DECISION_TAG), history)


def list_lagging(mirror: Mirror, history: Sequence[Entry]) -> list[str]:
    """Where MLflow's aliases are behind the ledger, in sentences; those that somebody changed are not among them."""
    if list_foreign(mirror, history):
        return []
    sentences = [
        f"MLflow's alias {alias} {_show(mirror.aliases.get(alias))}; the ledger's {_show(wanted)}"
        for alias, wanted in want_aliases(find_standing(history)).items()
        if mirror.aliases.get(alias) != wanted
    ]
    last = history[-1].tag if history else None
    if not sentences and mirror.tags.get(DECISION_TAG) != last:
        sentences.append(f"MLflow does not know of the last decision ({last})")
    return sentences


def write_aliases(writer: AliasWriter, name: str, mirror: Mirror, history: Sequence[Entry], say: Say) -> None:
    """Bring MLflow's aliases to what the ledger says.

    Args:
        writer: to the store.
        name: of the registered model, which must be there, with its versions.
        mirror: as MLflow has it.
        history: the decisions.
        say: receives a line for each alias that somebody changed in MLflow.
    """
    for sentence in list_foreign(mirror, history):
        say(f"{sentence}; set back")
    for alias, wanted in want_aliases(find_standing(history)).items():
        if wanted is None and alias in mirror.aliases:
            writer.delete_alias(name, alias)
        elif wanted is not None and mirror.aliases.get(alias) != wanted:
            writer.set_alias(name, alias, wanted)
    if history and mirror.tags.get(DECISION_TAG) != history[-1].tag:
        writer.set_tag(name, DECISION_TAG, history[-1].tag)


def _show(version: int | None) -> str:
    return f"is version {version}" if version else "is not set"
