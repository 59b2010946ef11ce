"""Makes a Prefect server ready for this repository: work pool, deployments, automation.

Run by ``steelyard up`` as ``python -m flows.deploy``. Running it again makes the deployments what ``prefect.yaml``
says: a schedule that a person switched on or off stays so, but one edited in the Prefect page is as in the file again,
and one added there without a slug is gone.
"""

import os
import subprocess
import sys
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.states import Crashed

from steelyard.environment import HEARTBEAT_SECONDS

HOME = Path(__file__).resolve().parents[1]
POOL = "steelyard"
DEPLOYMENTS = {"pipeline": "retrain", "gain": "gain"}  # by flow
SCHEDULED = "pipeline/retrain"
AUTOMATION = "steelyard: crash runs without a heartbeat"
ENDS = ["Completed", "Failed", "Cancelled", "Crashed", "Cancelling", "Paused", "Suspended"]
SILENCE = timedelta(seconds=3 * HEARTBEAT_SECONDS)  # two may be lost


def main() -> None:
    """Make the server ready; ``--sweep`` also ends the runs that an earlier runner left behind."""
    with get_client(sync_client=True) as client:
        with suppress(ObjectAlreadyExists):
            client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        if "--sweep" in sys.argv:
            crash_orphans(client)
        crash_silent_runs(client)
        active = read_active_schedules(client)
        prefect = Path(sys.executable).parent / "prefect"
        subprocess.run(
            [str(prefect), "--no-prompt", "deploy", "--all"],
            cwd=HOME,
            env={**os.environ, "STEELYARD_HOME": str(HOME)},
            check=True,
        )
        keep_active_schedules(client, active)


def crash_orphans(client: SyncPrefectClient) -> None:
    """End runs that no process is behind: the server is this machine's own, and no runner has started yet."""
    alive = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]
    runs = client.read_flow_runs(
        flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=alive))),
        deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=list(DEPLOYMENTS.values()))),
    )
    for run in runs:
        client.set_flow_run_state(run.id, Crashed(message="its runner ended without it"), force=True)
        print(f"crashed: {run.name}, left behind by an earlier runner")  # noqa: T201


def crash_silent_runs(client: SyncPrefectClient) -> None:
    """An automation: a run whose process is gone sends no heartbeat and is set to Crashed."""
    heartbeat = "prefect.flow-run.heartbeat"
    automation = AutomationCore(
        name=AUTOMATION,
        trigger=EventTrigger(
            after={heartbeat},
            expect={heartbeat, *(f"prefect.flow-run.{end}" for end in ENDS)},
            match={"prefect.resource.id": ["prefect.flow-run.*"]},
            # other flows of this server may send heartbeats more rarely
            match_related={"prefect.resource.role": "flow", "prefect.resource.name": list(DEPLOYMENTS)},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=SILENCE,
        ),
        actions=[
            ChangeFlowRunState(state=StateType.CRASHED, name="Crashed", message="no heartbeat any more", force=False)
        ],
    )
    known = client.read_automations_by_name(AUTOMATION)
    if not known:
        client.create_automation(automation)
    # one of an earlier version knows fewer flows; one that a person changed otherwise stays
    elif not set(DEPLOYMENTS) <= _list_watched(known[0]):
        client.update_automation(known[0].id, automation)


def _list_watched(automation: AutomationCore) -> set[str]:
    related = getattr(automation.trigger, "match_related", None)
    return set(related.get("prefect.resource.name") or []) if isinstance(related, ResourceSpecification) else set()


def read_active_schedules(client: SyncPrefectClient) -> dict[str, bool]:
    """Which schedules a person has switched on or off; a new deployment would undo that."""
    try:
        deployment = client.read_deployment_by_name(SCHEDULED)
    except ObjectNotFound:
        return {}
    return {each.slug: each.active for each in deployment.schedules if each.slug}


def keep_active_schedules(client: SyncPrefectClient, active: dict[str, bool]) -> None:
    """Put them back."""
    deployment = client.read_deployment_by_name(SCHEDULED)
    for each in deployment.schedules:
        if each.slug in active and each.active != active[each.slug]:
            # with the parameters, which the server otherwise forgets
            client.update_deployment_schedule(
                deployment.id, each.id, active=active[each.slug], parameters=each.parameters
            )


if __name__ == "__main__":
    main()
