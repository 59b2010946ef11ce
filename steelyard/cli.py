"""The command line: parses and prints, nothing else.

``steelyard --help`` stays light: what is heavy is imported by the command that needs it.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from steelyard.cli_check import add_parser as add_check_parser
from steelyard.cli_data import add_parser as add_data_parser
from steelyard.cli_gain import add_parser as add_gain_parser
from steelyard.cli_ledger import add_parser as add_ledger_parser
from steelyard.cli_report import add_parser as add_report_parser
from steelyard.cli_weights import add_parser as add_weights_parser
from steelyard.errors import SteelyardError, WorkspaceError


def main() -> None:
    """Entry point; exit code 1 for a mistake that the message explains, 2 for a wrong command line."""
    arguments = parse()
    try:
        code = arguments.command(arguments)
    except SteelyardError as error:
        sys.stderr.write(f"error: {error}\n")
        code = 1
    except BrokenPipeError:  # `| head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141  # as a shell counts SIGPIPE
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def parse() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="steelyard", description="A pipeline for model weights.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run_parser = commands.add_parser("run", help="run the pipeline in a clean clone, as the button in the UI does")
    run_parser.add_argument(
        "-S", "--set", action="append", default=[], metavar="SECTION.NAME=VALUE", dest="assignments"
    )
    run_parser.add_argument("--revision", default="HEAD", help="commit, branch or tag (default: HEAD)")
    run_parser.add_argument(
        "--update-data", action="store_true", help="look for new pictures where data/raw was imported from"
    )
    run_parser.set_defaults(command=run)
    versions_parser = commands.add_parser("versions", help="list the versions of the model")
    versions_parser.set_defaults(command=list_versions)
    add_ledger_parser(commands, find_root)
    add_gain_parser(commands, find_root)
    add_data_parser(commands, find_root)
    add_check_parser(commands)
    add_report_parser(commands, find_root)
    add_weights_parser(commands, find_root)
    up_parser = commands.add_parser("up", help="start Prefect, MLflow and a runner on loopback; Ctrl-C ends all")
    up_parser.add_argument("--prefect-port", type=int, default=4200)
    up_parser.add_argument("--mlflow-port", type=int, default=5000)
    up_parser.set_defaults(command=up)
    return parser.parse_args()


def run(arguments: argparse.Namespace) -> int:
    """Run the flow in a process of its own; the flow's file is Prefect's, not this library's."""
    from steelyard.flow_process import run_flow
    from steelyard.git import git, resolve_commit
    from steelyard.overrides import check_overrides, parse_assignments

    root = find_root()
    overrides = parse_assignments(arguments.assignments)
    commit = resolve_commit(root, arguments.revision)
    check_overrides(git(root, "show", f"{commit}:./params.yaml"), overrides)
    code = run_flow(
        root,
        "pipeline",
        [
            *("--revision", arguments.revision, "--settings", json.dumps(overrides)),
            *(["--update-data"] if arguments.update_data else []),
        ],
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )
    if code == 0:
        print("\nnext:")
        print("  make up                                      the Prefect and MLflow pages, and the nightly schedule")
        print("  .venv/bin/steelyard run -S finetune.epochs=40  another training, beside this one")
        print("  source .venv/bin/activate; dvc repro         the same stages here: brings data, weights and plots")
    return code


def list_versions(_: argparse.Namespace) -> int:
    """Print the ledger as a table."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    from steelyard.params import load_params
    from steelyard.record.earlier import describe_trained_on
    from steelyard.record.ledger import read_standing, read_versions
    from steelyard.scoring.scores import show_score

    root = find_root()
    name = load_params(root / "params.yaml").registration.name
    champion = read_standing(root, name).champion
    table = Table(title=f"{name}: versions", box=SIMPLE_HEAD, show_edge=False, padding=0)
    for column in ("version", "", "mAP50", "mAP50-95", "95 %", "weights", "data", "registered"):
        table.add_column(column, no_wrap=True)
    records = read_versions(root, name)
    for record in records:
        test = record.scores.test
        bounds = test.intervals.get("mAP50-95")
        table.add_row(
            f"v{record.version}",
            "champion" if record.version == champion else "",
            show_score(test.map50),
            show_score(test.map50_95),
            f"{bounds.low:.2f}-{bounds.high:.2f}{'?' if test.images_needed else ''}" if bounds else "",
            record.weights.identity[7:19],
            record.dataset.fingerprint[:12],
            f"{record.registered:%Y-%m-%d}",
        )
    console = Console()
    console.print(table)
    for record in records:
        if sentence := describe_trained_on(record.dataset.test_trained_on, record.dataset.images["test"]):
            console.print(f"v{record.version}: {sentence}", highlight=False)
    return 0


def up(arguments: argparse.Namespace) -> int:
    """Start the standing servers."""
    from steelyard.servers import serve

    return serve(find_root(), arguments.prefect_port, arguments.mlflow_port, say=lambda line: print(line, flush=True))


def find_root() -> Path:
    """The repository's folder: this one or one above it."""
    for folder in (Path.cwd(), *Path.cwd().parents):
        if (folder / "dvc.yaml").is_file() and (folder / "params.yaml").is_file():
            return folder
    raise WorkspaceError(f"{Path.cwd()}: no dvc.yaml and params.yaml here or above; run inside the repository")
