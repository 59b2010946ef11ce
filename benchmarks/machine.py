"""The machine that was measured on, as far as the figures depend on it."""

import os
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from steelyard.device import choose_threads, read_cpu_name, read_versions
from steelyard.git import git


def describe_machine(home: Path) -> dict[str, Any]:
    """Processor, cores, memory, versions, date, commit."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    versions = read_versions() | {name: version(name) for name in ("dvc", "prefect", "mlflow")}
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": git(home, "rev-parse", "HEAD"),
        "cpu": read_cpu_name(),
        "cores": choose_threads(0),
        "memory_gb": round(memory / 1e9),
        "versions": versions,
    }
