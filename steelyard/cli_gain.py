"""``steelyard gain``: what the base weights, or one setting or another, are worth."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def add_parser(commands: Any, find_root: Callable[[], Path]) -> None:
    """Add ``steelyard gain``.

    Args:
        commands: subparsers of ``steelyard``.
        find_root: gives the repository.
    """
    gain = commands.add_parser(
        "gain",
        help="train arms with several seeds each and weigh them: what transfer, or a setting, is worth",
        description="Without --arm: random start, backbone frozen, all layers free. What was trained before is not "
        "trained again; a study that was cut short goes on.",
    )
    gain.add_argument(
        "--arm",
        action="append",
        default=[],
        metavar="'NAME: SECTION.NAME=VALUE ...'",
        dest="arms",
        help="such as 'nbs 64: finetune.nbs=64'; the first is what the others are compared with",
    )
    gain.add_argument("--seeds", type=int, default=None, metavar="N", help="trainings of each arm (default: 3)")
    gain.add_argument(
        "-S",
        "--set",
        action="append",
        default=[],
        metavar="SECTION.NAME=VALUE",
        dest="assignments",
        help="for all arms",
    )
    gain.add_argument(
        "--split",
        default=None,
        metavar="test|val",
        help="of the final scores (default: test); val to choose settings and leave test unseen",
    )
    gain.add_argument("--target-share", type=float, default=None, metavar="SHARE", help="of the best score (0.9)")
    gain.add_argument("--name", default=None, help="of the folder below studies/ (default: gain)")
    gain.add_argument("--revision", default="HEAD", help="commit, branch or tag (default: HEAD)")
    gain.set_defaults(command=lambda arguments: run_study(find_root(), arguments))


def run_study(root: Path, arguments: argparse.Namespace) -> int:
    """Run the flow in a process of its own, as ``steelyard run`` does."""
    from steelyard.flow_process import run_flow
    from steelyard.git import git, resolve_commit
    from steelyard.overrides import check_overrides, parse_assignments
    from steelyard.study.plan import make_study, parse_arm, plan_members

    given = {name: getattr(arguments, name) for name in ("name", "seeds", "split", "target_share")}
    # a mistake is told before anything starts
    params = git(root, "show", f"{resolve_commit(root, arguments.revision)}:./params.yaml")
    settings = parse_assignments(arguments.assignments)
    check_overrides(params, settings)
    study = make_study(
        arms=[parse_arm(text, params) for text in arguments.arms],
        settings=settings,
        **{name: value for name, value in given.items() if value is not None},
    )
    plan_members(params, study)
    return run_flow(
        root,
        "gain",
        ["--revision", arguments.revision, "--study", study.model_dump_json(exclude_unset=True)],
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )
