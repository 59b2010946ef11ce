"""The variables are Prefect's own names, and mean what is meant."""

import json
import os
import subprocess
import sys

import pytest

from steelyard.environment import HEARTBEAT_SECONDS, prefect_environment

ASK = """
import json
from prefect.settings import get_current_settings
settings = get_current_settings()
url = settings.server.database.connection_url
print(json.dumps([settings.flows.heartbeat_frequency, url and url.get_secret_value()]))
"""
DATABASE = "PREFECT_SERVER_DATABASE_CONNECTION_URL"
HEARTBEAT = "PREFECT_FLOWS_HEARTBEAT_FREQUENCY"


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "home"))


def ask_prefect(root):
    env = prefect_environment(root)
    return json.loads(subprocess.run([sys.executable, "-c", ASK], env=env, capture_output=True, check=True).stdout)


def test_a_repository_has_a_database_of_its_own(tmp_path):
    assert ask_prefect(tmp_path) == [HEARTBEAT_SECONDS, f"sqlite+aiosqlite:///{tmp_path}/prefect.db"]


def test_what_the_environment_sets(tmp_path, monkeypatch):
    """Its database is taken; rarer heartbeats are not, since the automation would crash such a run."""
    monkeypatch.setenv(DATABASE, "postgresql+asyncpg://host/prefect")
    monkeypatch.setenv(HEARTBEAT, "180")
    assert ask_prefect(tmp_path) == [HEARTBEAT_SECONDS, "postgresql+asyncpg://host/prefect"]
