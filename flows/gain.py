"""Flow gain: the members of a study, one after another in clean clones, weighed side by side."""

import argparse
import base64
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run
from prefect.states import Failed

from steelyard import paths, workspace
from steelyard import stage as stages
from steelyard.errors import SteelyardError
from steelyard.flow_process import finish, open_console
from steelyard.git import git, resolve_commit
from steelyard.overrides import dump_overrides
from steelyard.record import study as record
from steelyard.record.run import Status
from steelyard.scoring.scores import read_scores
from steelyard.study.files import STUDIES, list_figures, write_report
from steelyard.study.outcome import Outcome, Split, read_outcome
from steelyard.study.plan import GAIN_ARMS, Member, Study, make_study_key, plan_members
from steelyard.study.report import Report, weigh
from steelyard.study.table import describe_settings, draw_markdown
from steelyard.study.verdict import judge

HOME = Path(__file__).resolve().parents[1]
LAST_STAGE = "validate"  # a member is no candidate: nothing is registered


def name_run() -> str:
    """``HEAD gain: 3 arms, 3 seeds``: what the run is, in the lists of the UI."""
    parameters = flow_run.parameters
    study = Study.model_validate(parameters.get("study") or {})
    return f"{parameters.get('revision', 'HEAD')} {describe_study(study)}"


def describe_study(study: Study) -> str:
    """``gain: 3 arms, 3 seeds``."""
    arms = len(study.arms or GAIN_ARMS)
    return f"{study.name}: {arms} arm{'s' if arms > 1 else ''}, {study.seeds} seed{'s' if study.seeds > 1 else ''}"


@task(task_run_name="{title}", cache_policy=NO_CACHE)
def run_member(title: str, member: Member, commit: str, study_id: str, split: Split) -> Any:  # or a failed State
    """Fetch, check, base, finetune, validate: what was made before, by whichever study or run, is not made again.

    Returns:
        The outcome, whether anything ran, and the id of its MLflow run. Failed, with the stage's own sentence.
    """
    say = get_run_logger().info
    env = {"PREFECT__FLOW_RUN_ID": str(flow_run.id)}

    def say_changes(line: str) -> None:  # what the clone lacks was said once, for all members
        if line.startswith("override: "):
            say(line)

    try:
        with workspace.clean_clone(HOME, commit, member.overrides, say_changes) as clone:
            ran = stages.run_stage(clone, LAST_STAGE, env, say, alone=False)
            outcome = read_outcome(clone, member.arm, member.seed, split)
            scores = read_scores(clone / paths.SCORES)
            run_id = record.add_member(
                clone, study_id, member.arm, member.seed, member.params, outcome.training, scores
            )
    except SteelyardError as error:
        return Failed(message=f"{title}: {error}")
    return outcome, ran, run_id


def show_report(report: Report, picture: Path, name: str) -> None:
    """The table and the picture, as an artifact."""
    drawn = base64.b64encode(picture.read_bytes()).decode()
    create_markdown_artifact(
        f"{draw_markdown(report)}\n![Scores on val](data:image/png;base64,{drawn})",
        key=f"study-{name}",
        description=judge(report),
    )


@flow(name="gain", flow_run_name=name_run)
def gain(revision: str = "HEAD", study: Study = Study()) -> Any:  # noqa: B008 - frozen; Report, or a failed State
    """Train each arm with several seeds, and weigh them: without arms, what the base weights are worth.

    Args:
        revision: commit, branch or tag to run.
        study: what is compared; empty: random start, backbone frozen, all layers free, with three seeds.
    """
    logger = get_run_logger()
    try:
        commit = resolve_commit(HOME, revision)
        members = plan_members(git(HOME, "show", f"{commit}:./params.yaml"), study)
        for line in workspace.describe_unseen(HOME, commit):
            logger.info(line)
        key = make_study_key(members, study.split, git(HOME, "ls-tree", "-r", commit, "data/raw"))
        settings = {arm.name: dump_overrides(arm.settings) for arm in study.arms or GAIN_ARMS}
        common = dump_overrides(study.settings)
        logged = {"all arms": common} | {f"arm/{name}": values for name, values in settings.items()}
        shown = {name: describe_settings(values) or "as in params.yaml" for name, values in logged.items()}
        experiment = members[0].params.registration.experiment
        study_id = record.open_study(HOME, experiment, describe_study(study), key, shown)
    except SteelyardError as error:
        return Failed(message=str(error))
    outcomes, children = list[Outcome](), list[str]()
    broken: Status | None = "KILLED"
    try:
        for number, member in enumerate(members, start=1):
            title = f"{number} of {len(members)}: {member.title}"
            state = run_member(title, member, commit, study_id, study.split, return_state=True)
            if not state.is_completed():
                broken = "FAILED"
                return Failed(message=state.message)
            outcome, ran, child = state.result()
            logger.info(f"{title}: {'ran' if ran else 'made before'}")
            outcomes.append(outcome)
            children.append(child)
        report = weigh(key, commit, study.split, study.target_share, settings, outcomes, common)
        files = write_report(report, HOME / STUDIES / study.name)
        table = draw_markdown(report)
        record.close_study(HOME, study_id, children, list_figures(report), table, files)
        broken = None
    except SteelyardError as error:
        broken = "FAILED"
        return Failed(message=str(error))
    finally:
        if broken:
            record.break_study(HOME, study_id, broken)
    show_report(report, files[-1], study.name)
    logger.info(judge(report))
    return report


def main() -> None:
    """``python -m flows.gain``: run it in this process, as ``steelyard gain`` does."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--revision", default="HEAD")
    parser.add_argument("--study", type=Study.model_validate_json, default=Study())
    arguments = parser.parse_args()
    from steelyard.study.table import describe_figures, draw_table
    from steelyard.study.verdict import list_doubts

    report: Report = finish(lambda: gain(arguments.revision, arguments.study, return_state=True))
    console = open_console()
    console.print(draw_table(report))
    for line in (judge(report), *list_doubts(report), describe_figures(report)):
        console.print(line, highlight=False, markup=False)
    console.print(f"picture and figures: {STUDIES / arguments.study.name}/", highlight=False)


if __name__ == "__main__":
    main()
