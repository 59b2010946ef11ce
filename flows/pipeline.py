"""Flow pipeline: the stages of ``dvc.yaml``, one Prefect task each, in a clean clone."""

import argparse
import json
import sys
from pathlib import Path

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from steelyard import paths, workspace
from steelyard.overrides import Overrides, dump_overrides
from steelyard.params import load_params
from steelyard.record.summary import Summary, summarise
from steelyard.training_manifest import TrainingManifest

HOME = Path(__file__).resolve().parents[1]


def name_run() -> str:
    """``HEAD finetune.epochs=50``: what the run is, in the lists of the UI."""
    parameters = flow_run.parameters
    settings = parameters.get("settings") or {}
    values = settings if isinstance(settings, dict) else dump_overrides(settings)
    changes = [f"{section}.{key}={value}" for section, each in values.items() if each for key, value in each.items()]
    return " ".join([str(parameters.get("revision", "HEAD")), *changes])


@task(task_run_name="{stage}", cache_policy=NO_CACHE)
def run_stage(stage: str, clone: Path) -> bool:
    """Run one DVC stage; its output becomes this task run's log.

    Returns:
        Whether it ran; False where DVC skipped it.
    """
    return workspace.run_stage(clone, stage, env={"PREFECT__FLOW_RUN_ID": str(flow_run.id)}, say=get_run_logger().info)


@flow(name="pipeline", flow_run_name=name_run)
def pipeline(
    revision: str = "HEAD",
    settings: Overrides = Overrides(),  # type: ignore[valid-type] # noqa: B008 - frozen
) -> Summary:
    """Fetch, base, finetune, validate, register: what has not changed is skipped.

    Args:
        revision: commit, branch or tag to run.
        settings: overrides of that revision's params.yaml for this run; what is empty stays as it is there.
    """
    logger = get_run_logger()
    with workspace.clean_clone(HOME, revision, dump_overrides(settings), say=logger.info) as clone:
        ran = {stage: run_stage(stage, clone) for stage in workspace.read_stages(clone)}
        training = TrainingManifest.model_validate_json((clone / paths.TRAINING).read_bytes())
        name = load_params(clone / paths.PARAMS).registration.name
    summary = summarise(HOME, name, training.identity, ran)
    create_markdown_artifact(summary.markdown(), key=name, description=summary.headline())
    logger.info(summary.headline())
    return summary


def main() -> None:
    """``python -m flows.pipeline``: run it in this process, as ``steelyard run`` does."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--revision", default="HEAD")
    parser.add_argument("--settings", type=json.loads, default={})
    arguments = parser.parse_args()
    from rich.console import Console

    summary = pipeline(arguments.revision, Overrides.model_validate(arguments.settings))
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 120)
    console.print(summary.table())


if __name__ == "__main__":
    main()
