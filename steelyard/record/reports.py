"""The page about a version and its model card, beside its run in MLflow."""

import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from steelyard.record.aliases import VERDICT_TAG, want_verdicts
from steelyard.record.decision import Entry
from steelyard.record.record import Record

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

REPORT_FOLDER = "report"


def attach_reports(
    client: "MlflowClient",
    root: Path,
    records: Sequence[Record],
    history: Sequence[Entry],
    versions: Mapping[int, "ModelVersion"],
) -> None:
    """Log ``report/report.html`` and ``report/README.md`` for each version whose page lacks the last verdict,
    or that was never weighed and has no page.

    The tag with the verdict is set after this, so that what is broken off here is done again.

    Args:
        client: of the store.
        root: repository or workspace.
        records: of all versions.
        history: the decisions.
        versions: of MLflow, by number.
    """
    verdicts = want_verdicts(records, history)
    for record in records:
        version = versions[record.version]
        wanted, run_id = verdicts.get(record.version), str(version.run_id)
        if version.tags.get(VERDICT_TAG) == wanted and (wanted or client.list_artifacts(run_id, REPORT_FOLDER)):
            continue
        from steelyard.report.files import write_report  # heavy: 1 s for numba, jinja2 and what they import

        with tempfile.TemporaryDirectory() as name:
            write_report(root, record, records, history, datetime.now(UTC), Path(name))
            client.log_artifacts(run_id, name, REPORT_FOLDER)
