"""Flow pipeline: the stages of ``dvc.yaml``, one Prefect task each, in a clean clone."""

import argparse
import base64
import json
import threading
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import flow, get_client, get_run_logger, pause_flow_run, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.input import RunInput
from prefect.runtime import deployment, flow_run
from prefect.states import Failed
from pydantic import Field

from steelyard import paths, workspace
from steelyard import stage as stages
from steelyard.checks.report import Report
from steelyard.checks.table import draw_markdown, judge
from steelyard.errors import SteelyardError
from steelyard.flow_process import finish, open_console
from steelyard.history.data_state import describe_news
from steelyard.markdown import escape_markdown
from steelyard.overrides import Overrides, dump_overrides
from steelyard.params import load_params
from steelyard.record.earlier import describe_earlier
from steelyard.scoring.scores import read_scores
from steelyard.standing.question import Answer, read_question, settle_question
from steelyard.summary import Summary, summarise
from steelyard.training.manifest import TrainingManifest

HOME = Path(__file__).resolve().parents[1]


def name_run() -> str:
    """``HEAD update_data finetune.epochs=50``: what the run is, in the lists of the UI."""
    parameters = flow_run.parameters
    settings = parameters.get("settings") or {}
    values = settings if isinstance(settings, dict) else dump_overrides(settings)
    changes = [
        f"{section}.{key}={value}"
        for section, each in values.items()
        for key, value in (each or {}).items()
        if value is not None  # as in params.yaml
    ]
    update = ["update_data"] if parameters.get("update_data") else []
    return " ".join([str(parameters.get("revision", "HEAD")), *update, *changes])


@task(task_run_name="{stage}", cache_policy=NO_CACHE)
def run_stage(stage: str, clone: Path) -> Any:  # bool, or a failed State
    """Run one DVC stage; its output becomes this task run's log.

    Returns:
        Whether it ran; False where DVC skipped it. Failed, with the stage's own sentence.
    """
    env = {"PREFECT__FLOW_RUN_ID": str(flow_run.id)}
    try:
        return stages.run_stage(clone, stage, env, say=get_run_logger().info)
    except SteelyardError as error:
        return Failed(message=str(error))


def show_data(clone: Path, refusal: str) -> None:
    """What stage check found, also where it stops the run, as an artifact with a sheet of pictures.

    Args:
        clone: in which it ran.
        refusal: its message where it stopped the run; it names the page with the pictures of all findings.
    """
    if not (clone / paths.SAMPLES).exists():
        return  # it did not get that far
    params = load_params(clone / paths.PARAMS)
    report = Report.model_validate_json((clone / paths.CHECK_REPORT).read_bytes())
    sheet = base64.b64encode((clone / paths.SAMPLES).read_bytes()).decode()
    table = draw_markdown(report, params.check.stop, params.check.accept)
    create_markdown_artifact(
        f"{escape_markdown(refusal)}\n\n{table}\n\n![Samples of the data](data:image/jpeg;base64,{sheet})",
        key=f"{params.registration.name}-data",
        description=judge(report, params.check.stop, params.check.accept),
    )


class PersonsAnswer(RunInput):
    """What the Prefect page asks a person for; the run goes on with it."""

    promote: bool = Field(title="Make it champion", description="off: the champion stays")
    name: str = Field(min_length=1, title="Your name", description="stands in the ledger as the one who decided")
    reason: str = Field(min_length=1, title="Reason", description="stands there, too")


def ask_person(summary: Summary, hours: float) -> None:
    """Pause until a person has decided about a version; where nobody does in time, the champion stays."""
    logger, run_id, seconds = get_run_logger(), UUID(flow_run.id), int(hours * 3600)
    record = summary.record
    lapsed = threading.Event()

    def give_up() -> None:
        lapsed.set()
        with get_client(sync_client=True) as client:
            client.resume_flow_run(run_id, run_input={"promote": False, "name": "nobody", "reason": "no answer"})

    # Prefect would fail a run whose pause is over, so it is resumed before that.
    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()
    about = f"{summary.description()}\n\nThe artifact `{record.name}` of this run shows the comparison."
    logger.info(f"waiting for a person: Resume, in this run's page; after {hours:g} hours the champion stays")
    question = PersonsAnswer.with_initial_data(description=about)
    given = pause_flow_run(question, timeout=seconds + 600, poll_interval=2)
    timer.cancel()
    answer = None if lapsed.is_set() else Answer(given.promote, given.name, given.reason)
    settle_question(HOME, record.name, record.version, answer, hours, logger.info)


@flow(name="pipeline", flow_run_name=name_run)
def pipeline(
    revision: str = "HEAD",
    settings: Overrides = Overrides(),  # type: ignore[valid-type] # noqa: B008 - frozen
    update_data: bool = False,
) -> Any:  # Summary, or a failed State
    """Fetch, check, base, finetune, validate, register: what has not changed is skipped.

    Args:
        revision: commit, branch or tag to run.
        settings: overrides of that revision's params.yaml for this run; what is empty stays as it is there.
        update_data: look for new pictures first, in the places that data/raw was imported from (dvc import-url).
    """
    logger = get_run_logger()
    ran = dict[str, bool]()
    try:
        changes = dump_overrides(settings)
        with workspace.clean_clone(HOME, revision, changes, logger.info, update_data) as clone:
            for stage in stages.read_stages(clone):
                state = run_stage(stage, clone, return_state=True)
                if stage == "check":
                    show_data(clone, "" if state.is_completed() else str(state.message))
                if not state.is_completed():  # the flow fails in the stage's own words, not "1/1 states failed"
                    return Failed(message=state.message)
                ran[stage] = state.result()
                if stage == "fetch" and (news := describe_news(clone)):
                    logger.info(news)
                if stage == "check" and ran[stage] and (warning := describe_earlier(clone)):
                    logger.warning(warning)
            training = TrainingManifest.model_validate_json((clone / paths.TRAINING).read_bytes())
            registration = load_params(clone / paths.PARAMS).registration
            name, hours = registration.name, registration.ask_hours
            scores = read_scores(clone / paths.SCORES)
        summary = summarise(HOME, name, training.identity, scores, ran, str(flow_run.id))
        create_markdown_artifact(summary.markdown(), key=name, description=summary.description())
        logger.info(summary.headline())
        # without a deployment there is no page that a person could answer on
        if deployment.id and read_question(HOME, name, summary.record.version):
            ask_person(summary, hours)
            summary = summarise(HOME, name, training.identity, scores, ran, str(flow_run.id))
            create_markdown_artifact(summary.markdown(), key=name, description=summary.description())
    except SteelyardError as error:
        return Failed(message=str(error))
    return summary


def main() -> None:
    """``python -m flows.pipeline``: run it in this process, as ``steelyard run`` does."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--revision", default="HEAD")
    parser.add_argument("--settings", type=json.loads, default={})
    parser.add_argument("--update-data", action="store_true")
    arguments = parser.parse_args()

    settings = Overrides.model_validate(arguments.settings)
    summary = finish(lambda: pipeline(arguments.revision, settings, arguments.update_data, return_state=True))
    open_console().print(summary.table())


if __name__ == "__main__":
    main()
