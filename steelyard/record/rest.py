"""The few questions that every run asks an MLflow server, as plain requests: importing mlflow for them takes 2 s."""

import json
import urllib.error
import urllib.parse
import urllib.request
from http.client import HTTPException
from typing import Any

from steelyard.errors import RegistryError
from steelyard.record.mirror import Mirror, UnreadableError

# What goes wrong between here and a server: no answer, half of one, or one that is not MLflow's.
TROUBLE = (OSError, HTTPException, KeyError, ValueError)


def read_server(server: str, name: str) -> Mirror:
    """What an MLflow server holds of a registered model.

    Args:
        server: its address.
        name: of the registered model.

    Raises:
        UnreadableError: the server does not answer, or asks for a password: mlflow itself finds out why.
    """
    try:
        model = ask(server, "registered-models/get", name=name)["registered_model"]
        answer = ask(server, "model-versions/search", filter=f"name='{name}'", max_results="1000")
        return Mirror(
            versions={
                int(version["version"]): _read_tags(version.get("tags", []))
                for version in answer.get("model_versions", [])
            },
            aliases={each["alias"]: int(each["version"]) for each in model.get("aliases", [])},
            tags=_read_tags(model.get("tags", [])),
        )
    except urllib.error.HTTPError as error:
        if error.code == 404 and b"RESOURCE_DOES_NOT_EXIST" in error.read():
            return Mirror({}, {}, {})
        raise UnreadableError(f"MLflow's server answers with {error.code} {error.reason}") from error
    except TROUBLE as error:
        raise UnreadableError(f"MLflow's server does not answer ({error})") from error


class ServerWriter:
    """Writes aliases of a registered model to a server; errors are RegistryError."""

    def __init__(self, server: str) -> None:
        self._server = server

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Point an alias at a version."""
        self._send("POST", "registered-models/alias", name=name, alias=alias, version=str(version))

    def delete_alias(self, name: str, alias: str) -> None:
        """Remove an alias."""
        self._send("DELETE", "registered-models/alias", name=name, alias=alias)

    def set_tag(self, name: str, key: str, value: str) -> None:
        """Set a tag of the model."""
        self._send("POST", "registered-models/set-tag", name=name, key=key, value=value)

    def _send(self, method: str, what: str, **body: str) -> None:
        try:
            send(self._server, method, what, body)
        except TROUBLE as error:
            raise RegistryError(f"MLflow: {body['name']}: {what} is not set ({error})") from error


def is_scored(server: str, run_id: str, figures: dict[str, float]) -> bool:
    """Whether a run on an MLflow server has these metrics already.

    Returns:
        False also where the server does not answer, and where it is none.
    """
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
    return _open(f"{_address(server, question)}?{urllib.parse.urlencode(query)}")


def send(server: str, method: str, question: str, body: dict[str, Any]) -> dict[str, Any]:
    """One request with a body; errors as of :func:`ask`."""
    return _open(
        urllib.request.Request(  # noqa: S310 - http, see the callers
            _address(server, question),
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
    )


def _address(server: str, question: str) -> str:
    return f"{server.rstrip('/')}/api/2.0/mlflow/{question}"


def _open(request: str | urllib.request.Request) -> dict[str, Any]:
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - http, see the callers
        values: dict[str, Any] = json.load(answer)
    return values


def _read_tags(tags: list[dict[str, str]]) -> dict[str, str]:
    return {tag["key"]: tag.get("value", "") for tag in tags}
