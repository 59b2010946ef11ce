"""What Prefect's processes are told by environment variables, alike in ``steelyard up`` and ``steelyard run``."""

import os
from pathlib import Path

HEARTBEAT_SECONDS = 30  # Prefect's least; the automation of flows/deploy.py counts in it


def prefect_environment(root: Path) -> dict[str, str]:
    """The environment of this process, and what it does not say.

    Args:
        root: the repository. Prefect's own database would be one for all projects of a person, and the work pool,
            the deployment and the sweep of one would then be those of the other.
    """
    return {
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{root / 'prefect.db'}",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",  # it would call home, and say where it could not
        **os.environ,
        # Not a default: with rarer ones the automation would crash a run that is alive.
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
    }
