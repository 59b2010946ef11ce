"""MLflow's store, a server or a local database: read and written in the shortest way that it has."""

from typing import TYPE_CHECKING

from steelyard.address import show_address
from steelyard.record.local_store import DatabaseWriter, find_database, read_database
from steelyard.record.mirror import AliasWriter, Mirror, UnreadableError
from steelyard.record.rest import ServerWriter, read_server

if TYPE_CHECKING:
    from mlflow import MlflowClient


def read_mirror(store: str, name: str) -> Mirror:
    """What MLflow holds of a registered model, without importing mlflow.

    Args:
        store: address of the store.
        name: of the registered model.

    Raises:
        UnreadableError: it is neither a server that answers nor a SQLite file of this MLflow.
    """
    if store.startswith("http"):
        return read_server(store, name)
    if (file := find_database(store)) is not None:
        return read_database(file, name)
    raise UnreadableError(f"MLFLOW_TRACKING_URI = {show_address(store)!r}: neither a server nor a SQLite file")


def open_writer(store: str) -> AliasWriter:
    """What writes aliases to a store that `read_mirror` could read."""
    file = find_database(store)
    return DatabaseWriter(file) if file else ServerWriter(store)


class ClientWriter:
    """Writes aliases by mlflow's client, for stores of any kind; errors are mlflow's."""

    def __init__(self, client: "MlflowClient") -> None:
        self._client = client

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Point an alias at a version."""
        self._client.set_registered_model_alias(name, alias, str(version))

    def delete_alias(self, name: str, alias: str) -> None:
        """Remove an alias."""
        self._client.delete_registered_model_alias(name, alias)

    def set_tag(self, name: str, key: str, value: str) -> None:
        """Set a tag of the model."""
        self._client.set_registered_model_tag(name, key, value)
