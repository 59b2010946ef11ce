"""``steelyard history``, ``status``, ``promote``, ``rollback``, ``demote``: what the ledger says, and decisions."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def add_parser(commands: Any, find_root: Callable[[], Path]) -> None:
    """Add the commands of the ledger.

    Args:
        commands: subparsers of ``steelyard``.
        find_root: gives the repository.
    """
    history = commands.add_parser("history", help="who decided when which version is champion, and why")
    history.add_argument("--json", action="store_true", help="all of it, as JSON")
    history.set_defaults(command=lambda arguments: show_history(find_root(), arguments.json))
    status = commands.add_parser("status", help="champion, challenger, last runs, what is stale, MLflow's mirror")
    status.add_argument("--json", action="store_true", help="all of it, as JSON")
    status.add_argument("--repair", action="store_true", help="bring MLflow to what the ledger says")
    status.set_defaults(command=lambda arguments: show_status(find_root(), arguments.json, arguments.repair))
    promote = commands.add_parser("promote", help="make a version champion")
    promote.add_argument("version", metavar="vN", type=parse_version, help="such as v3")
    promote.add_argument("--reason", required=True, type=parse_reason, metavar="TEXT", help="why, for the history")
    rollback = commands.add_parser("rollback", help="back to the champion before")
    rollback.add_argument("--reason", default="", metavar="TEXT", help="why, for the history")
    demote = commands.add_parser("demote", help="withdraw the champion; nothing takes its place")
    demote.add_argument("--reason", required=True, type=parse_reason, metavar="TEXT", help="why, for the history")
    for parser, wish in ((promote, "promote"), (rollback, "roll back"), (demote, "demote")):
        parser.add_argument("--local", action="store_true", help="in this repository only, not in its origin")
        parser.set_defaults(command=lambda arguments, wish=wish: decide(find_root(), wish, arguments))


def parse_version(text: str) -> int:
    """``v3`` is 3."""
    number = text.removeprefix("v")
    if not (text.startswith("v") and number.isascii() and number.isdigit() and int(number)):
        raise argparse.ArgumentTypeError(f"{text!r}: a version is a v and a number, such as v3")
    return int(number)


def parse_reason(text: str) -> str:
    """A reason that says something."""
    if not text.strip():
        raise argparse.ArgumentTypeError("is empty; say why, it is kept in the history")
    return text.strip()


def decide(root: Path, wish: Any, arguments: argparse.Namespace) -> int:
    """Change the champion, and say what came of it."""
    from steelyard.standing.change import Change, change_champion, describe_decision, has_origin

    name = _read_name(root)
    change = Change(wish, arguments.reason.strip(), getattr(arguments, "version", None))
    share = has_origin(root) and not arguments.local
    entry = change_champion(root, name, change, share, say=lambda line: print(line, file=sys.stderr, flush=True))
    print(describe_decision(name, entry))
    if arguments.local and has_origin(root):
        print(f"only here; git push origin '{entry.tag}' shares it")
    return 0


def show_history(root: Path, as_json: bool) -> int:
    """Print the decisions."""
    from steelyard.record.ledger import read_history, read_versions
    from steelyard.standing.timeline import draw_timeline, tell

    name = _read_name(root)
    events = tell(read_versions(root, name), read_history(root, name))
    if as_json:
        print(json.dumps([event.model_dump(mode="json") for event in events], indent=1))
        return 0
    if not events:
        print(f"{name}: nothing was decided yet; a first version becomes champion when it is registered")
        return 0
    from rich.console import Console

    Console().print(draw_timeline(name, events))
    return 0


def show_status(root: Path, as_json: bool, repair: bool) -> int:
    """Print how things stand."""
    from datetime import UTC, datetime

    from steelyard.standing.status import draw_status, read_status

    if repair:
        from steelyard.record.registry import mirror_ledger

        mirror_ledger(root, _read_name(root), say=lambda line: print(line, file=sys.stderr, flush=True))
    status = read_status(root)
    if as_json:
        print(status.model_dump_json(indent=1))
        return 0
    from rich.console import Console

    Console().print(draw_status(status, datetime.now(UTC)))
    return 0


def _read_name(root: Path) -> str:
    from steelyard.params import load_params

    return load_params(root / "params.yaml").registration.name
