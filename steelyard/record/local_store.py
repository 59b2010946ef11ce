"""MLflow's local database, read and written by SQL: importing mlflow's own store for a few rows takes 2 s.

Only where its schema is the one that this was written for; else mlflow itself does the work.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from steelyard.errors import RegistryError
from steelyard.record.mirror import Mirror, UnreadableError

# Of MLflow 3.17's tables, as alembic counts; a test compares it with the installed MLflow's.
SCHEMA = "dc11669786a5"

_SCHEME = "sqlite:///"
_MODEL = "where name = ? and workspace = 'default'"


def find_database(store: str) -> Path | None:
    """File of a store's address; None where the store is no SQLite file."""
    if not store.startswith(_SCHEME) or "?" in store:
        return None
    return Path(store.removeprefix(_SCHEME))


@contextmanager
def open_database(file: Path, mode: str = "ro") -> Iterator[sqlite3.Connection]:
    """The database; what is written is committed at the end, or not at all.

    Args:
        file: it must be there.
        mode: ro, or rw for writing.

    Raises:
        UnreadableError: it is no database, is locked for long, or has other tables than this was written for.
    """
    address = f"file:{quote(str(file.resolve()))}?mode={mode}"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=10)) as database, database:
            found = database.execute("select version_num from alembic_version").fetchall()
            if found != [(SCHEMA,)]:
                raise UnreadableError(f"MLflow's store {file.name} is of another MLflow (schema {found})")
            yield database
    except sqlite3.Error as error:
        raise UnreadableError(f"MLflow's store {file.name} does not answer ({error})") from error


def read_database(file: Path, name: str) -> Mirror:
    """What the local store holds of a registered model; nothing where there is no store.

    Raises:
        UnreadableError: see :func:`open_database`.
    """
    if not file.exists():
        return Mirror({}, {}, {})
    with open_database(file) as database:
        # a deleted version stays in the table, in this stage, and so do its tags
        rows = database.execute(
            f"select version from model_versions {_MODEL} and current_stage != 'Deleted_Internal'",  # noqa: S608 - fixed
            (name,),
        )
        versions: dict[int, dict[str, str]] = {number: {} for (number,) in rows}
        tags = database.execute(f"select version, key, value from model_version_tags {_MODEL}", (name,))  # noqa: S608
        for number, key, value in tags:
            versions.get(number, {})[key] = value
        aliases = database.execute(f"select alias, version from registered_model_aliases {_MODEL}", (name,))  # noqa: S608
        of_model = database.execute(f"select key, value from registered_model_tags {_MODEL}", (name,))  # noqa: S608
        return Mirror(versions, dict(aliases.fetchall()), dict(of_model.fetchall()))


class DatabaseWriter:
    """Writes aliases of a registered model into a database, as MLflow's store does: one row each, nothing else."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Point an alias at a version."""
        row: dict[str, str | int] = {"name": name, "alias": alias, "version": version, "workspace": "default"}
        self._write(
            "insert or replace into registered_model_aliases (name, alias, version, workspace) "
            "values (:name, :alias, :version, :workspace)",
            row,
        )

    def delete_alias(self, name: str, alias: str) -> None:
        """Remove an alias."""
        self._write(
            "delete from registered_model_aliases where name = :name and alias = :alias and workspace = 'default'",
            {"name": name, "alias": alias},
        )

    def set_tag(self, name: str, key: str, value: str) -> None:
        """Set a tag of the model."""
        row = {"name": name, "key": key, "value": value, "workspace": "default"}
        self._write(
            "insert or replace into registered_model_tags (name, key, value, workspace) "
            "values (:name, :key, :value, :workspace)",
            row,
        )

    def _write(self, statement: str, row: Mapping[str, str | int]) -> None:
        try:
            with open_database(self._file, "rw") as database:
                database.execute("pragma foreign_keys = on")  # SQLite forgets them for each connection
                database.execute(statement, row)
        except UnreadableError as error:
            raise RegistryError(f"{error}; {row['name']} is not changed there") from error
