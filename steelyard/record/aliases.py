"""MLflow's aliases and what its pages say of decisions: a mirror of the ledger's history, repaired from it."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from steelyard.record.decision import Entry, Standing, find_standing, find_verdict
from steelyard.record.ledger import CHALLENGER, CHAMPION
from steelyard.record.record import Record

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

DECISION_TAG = "steelyard.decision"
VERDICT_TAG = "steelyard.verdict"
_MOST_LETTERS = 4000  # of a tag; MLflow's own limit is 5000


def want_aliases(standing: Standing) -> dict[str, int | None]:
    """Version of each alias."""
    return {CHAMPION: standing.champion, CHALLENGER: standing.challenger}


def want_verdicts(records: Sequence[Record], history: Sequence[Entry]) -> dict[int, str]:
    """The last verdict on each version that was ever weighed, as the tag shows it."""
    verdicts = {record.version: find_verdict(history, record.version) for record in records}
    return {version: verdict.sentence()[:_MOST_LETTERS] for version, verdict in verdicts.items() if verdict}


def describe_foreign(aliases: Mapping[str, int], mirrored: str | None, history: Sequence[Entry]) -> list[str]:
    """Aliases that somebody changed in MLflow, in sentences.

    Args:
        aliases: as MLflow has them.
        mirrored: tag of the decision that they were last brought to; None: they never were.
        history: of the ledger.
    """
    places = [place for place, entry in enumerate(history) if entry.tag == mirrored]
    if not places:
        return []
    then = want_aliases(find_standing(history[: places[0] + 1]))
    return [
        _describe_change(alias, aliases.get(alias), version)
        for alias, version in then.items()
        if aliases.get(alias) != version
    ]


def _describe_change(alias: str, found: int | None, version: int | None) -> str:
    did = f"set the alias {alias} to version {found}" if found else f"removed the alias {alias}"
    truth = f"v{version} is {alias}" if version else f"no version is {alias}"
    advice = f" (steelyard promote v{found} --reason ... is one)" if found else ""
    return f"MLflow: somebody {did}; the ledger says that {truth}. That was no promotion{advice}"


def mirror_verdicts(
    client: "MlflowClient",
    name: str,
    records: Sequence[Record],
    history: Sequence[Entry],
    versions: Mapping[int, "ModelVersion"],
) -> None:
    """Bring the verdicts on the pages of MLflow's versions to what the ledger says.

    Args:
        client: of the store.
        name: of the registered model, which must be there.
        records: the versions.
        history: the decisions.
        versions: of MLflow, by number.
    """
    for version, sentence in want_verdicts(records, history).items():
        if versions[version].tags.get(VERDICT_TAG) != sentence:
            verdict = find_verdict(history, version)
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "verdict.json"
                file.write_text(verdict.model_dump_json(indent=1) if verdict else "")
                client.log_artifact(versions[version].run_id, str(file), "metrics")
            client.set_model_version_tag(name, str(version), VERDICT_TAG, sentence)
