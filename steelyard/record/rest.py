"""The few questions that every run asks an MLflow server, as plain requests: importing mlflow for them takes 2 s."""

import json
import urllib.parse
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException
from typing import Any

from steelyard.record.aliases import VERDICT_TAG, want_aliases, want_verdicts
from steelyard.record.decision import Entry, find_standing
from steelyard.record.record import Record

IDENTITY_TAG = "steelyard.weights"
# What goes wrong between here and a server: no answer, half of one, or one that is not MLflow's.
TROUBLE = (OSError, HTTPException, KeyError, ValueError)


def is_mirrored(server: str, name: str, records: Sequence[Record], history: Sequence[Entry]) -> bool:
    """Whether an MLflow server holds exactly what the ledger says.

    Args:
        server: its address; anything else than http is answered with False.
        name: of the registered model.
        records: the versions of the ledger.
        history: its decisions.

    Returns:
        False also where the server does not answer, or asks for a password: then mlflow itself finds out why.
    """
    if not server.startswith("http"):
        return False
    try:
        model = ask(server, "registered-models/get", name=name)["registered_model"]
        answer = ask(server, "model-versions/search", filter=f"name='{name}'", max_results="1000")
    except TROUBLE:
        return False
    tags = {
        int(version["version"]): {tag["key"]: tag["value"] for tag in version.get("tags", [])}
        for version in answer.get("model_versions", [])
    }
    aliases = {each["alias"]: int(each["version"]) for each in model.get("aliases", [])}
    return (
        {version: each.get(IDENTITY_TAG) for version, each in tags.items()}
        == {record.version: record.weights.identity for record in records}
        and all(tags[number].get(VERDICT_TAG) == verdict for number, verdict in want_verdicts(records, history).items())
        and all(aliases.get(alias) == number for alias, number in want_aliases(find_standing(history)).items())
    )


def is_scored(server: str, run_id: str, figures: dict[str, float]) -> bool:
    """Whether a run on an MLflow server has these metrics already; False as in ``is_mirrored``."""
    if not server.startswith("http"):
        return False
    try:
        metrics = ask(server, "runs/get", run_id=run_id)["run"]["data"].get("metrics", [])
    except TROUBLE:
        return False
    return figures.items() <= {metric["key"]: metric["value"] for metric in metrics}.items()


def ask(server: str, question: str, **query: str) -> dict[str, Any]:
    """One GET request of MLflow's REST API.

    Raises:
        OSError: the server does not answer, or refuses.
        HTTPException: it breaks off.
        ValueError: it answers with something else than JSON.
    """
    address = f"{server.rstrip('/')}/api/2.0/mlflow/{question}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310 - http, see the callers
        values: dict[str, Any] = json.load(answer)
    return values
