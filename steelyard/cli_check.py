"""``steelyard check``: what is wrong with a folder or archive of labelled images, without a pipeline."""

import argparse
import json
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steelyard.errors import DatasetError, ParamsError, SourceError, SteelyardError

if TYPE_CHECKING:
    from steelyard.checks.inspection import Inspection
    from steelyard.dataset.annotation import AnnotatedImage

CLEAN, STOPS, WRONG_USE = 0, 1, 2
OPTIONS = {"fetch.format": "--format", "fetch.classes": "--classes"}


def add_parser(commands: Any) -> None:
    """Add ``steelyard check``.

    Args:
        commands: subparsers of ``steelyard``.
    """
    parser = commands.add_parser(
        "check",
        help="find what is wrong with a folder or archive of labelled images",
        epilog="exit code: 0 nothing that stops, 1 findings that stop, 2 wrong use, or it failed",
    )
    parser.add_argument("path", metavar="PATH", nargs="?", type=Path, help="a folder, or a zip or tar archive")
    parser.add_argument("--explain", metavar="ID", help="what a check means and what to do, such as box-zero-area")
    parser.add_argument("--format", default="auto", help="such as coco (default: auto, found out)")
    parser.add_argument(
        "--classes", default="", metavar="NAME,NAME", help="in the order of their numbers, as fetch.classes"
    )
    parser.add_argument("--imgsz", type=int, default=640, help="training size in px, for what is small (default: 640)")
    parser.add_argument(
        "--stop", default="error", metavar="SEVERITIES", help="error,warning,note: which ones stop (default: error)"
    )
    parser.add_argument(
        "--accept", metavar="ID,ID", action="append", default=[], help="checks whose findings stop nothing; repeatable"
    )
    parser.add_argument("--json", action="store_true", help="format, what stops and the report as JSON; nothing else")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with pictures of what was found")
    parser.set_defaults(command=partial(check, parser))


def check(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    """Explain a check, or check a data set and print what was found.

    Returns:
        0 nothing that stops, 1 findings that stop, 2 wrong use, nothing that can be checked, or a failure.
    """
    if arguments.explain is None and arguments.path is None:
        parser.error("PATH or --explain ID is needed")
    try:
        if arguments.explain is not None:
            return explain(arguments.explain)
        return _check(arguments)
    except SteelyardError as error:
        sys.stderr.write(f"error: {_name_options(str(error))}\n")
    except OSError as error:
        sys.stderr.write(f"error: {_name_options(f'{error.filename or arguments.path}: {error.strerror or error}')}\n")
    except Exception:  # of exit code 1 a script would think that there are findings
        traceback.print_exc()
    return WRONG_USE


def explain(check_id: str) -> int:
    """Print what a check means.

    Raises:
        ParamsError: there is none with this id.
    """
    from rich.console import Console
    from rich.markup import escape

    from steelyard.checks.catalogue import CHECKS, name_near
    from steelyard.checks.table import STYLES

    if check_id not in CHECKS:
        raise ParamsError(f"--explain: no check has the id {check_id!r}; {name_near(check_id)}")
    one = CHECKS[check_id]
    console = Console(highlight=False)
    console.print(f"[bold]{check_id}[/] [{STYLES[one.severity]}]{one.severity}[/]: {one.title}")
    for head, text in (("means", one.means), ("do", one.do)):
        console.print(f"\n[bold]{head}[/]: {escape(text)}", soft_wrap=not console.is_terminal)
    return CLEAN


def _check(arguments: argparse.Namespace) -> int:
    from steelyard.checks.catalogue import check_accept

    stop = _parse_severities(arguments.stop)
    accept = _split(",".join(arguments.accept))
    check_accept(accept, "--accept")
    classes = _split(arguments.classes)
    if len({*classes}) < len(classes):
        raise ParamsError(f"--classes {arguments.classes}: each name may stand there once")
    if arguments.imgsz < 1:
        raise ParamsError(f"--imgsz {arguments.imgsz}: must be at least 1 px")
    if arguments.html and arguments.html.is_dir():
        raise ParamsError(f"--html {arguments.html}: is a folder; name a file, such as {arguments.html}/page.html")
    if arguments.html and not arguments.html.absolute().parent.is_dir():
        raise ParamsError(f"--html {arguments.html}: its folder is not there; make it first")
    with _open(arguments.path) as folder:
        name, images, inspection = inspect_folder(folder, arguments.format, arguments.imgsz, classes)
        report = inspection.report
        stopping = report.choose_stopping(stop, accept)
        if arguments.html:
            from steelyard.checks.page import write_page

            facts = {"source": str(arguments.path), "format": name}
            write_page(arguments.html, report, {image.origin: image for image in images}, stopping, facts)
    if arguments.json:
        ids = [one.id for one in stopping]
        print(json.dumps({"format": name, "stopping": ids, **report.model_dump(mode="json")}, indent=1))
        return STOPS if stopping else CLEAN
    from rich.console import Console
    from rich.markup import escape

    from steelyard.checks.catalogue import CHECKS
    from steelyard.checks.table import draw_table, judge

    console = Console(highlight=False)
    console.print(f"format: {name}" + (" (found out)" if arguments.format == "auto" else ""))
    if report.findings:
        console.print(draw_table(report, stop, accept))
    else:
        console.print(judge(report, stop, accept))
    for one in stopping:
        console.print(f"[bold]{one.id}[/]: {escape(CHECKS[one.id].do)}", soft_wrap=not console.is_terminal)
    if stopping:
        accepting = ",".join(one.id for one in stopping)
        console.print(f"looked at and right? --accept {accepting}", soft_wrap=not console.is_terminal)
    if arguments.html:
        console.print(f"page: {arguments.html}", markup=False, emoji=False)
    return STOPS if stopping else CLEAN


def inspect_folder(
    folder: Path, format: str, imgsz: int, classes: Sequence[str] = ()
) -> "tuple[str, list[AnnotatedImage], Inspection]":
    """Read a folder as stage fetch does, with all that is in it, and check it.

    Args:
        folder: of the source.
        format: name of the annotation format, or auto.
        imgsz: training size, px.
        classes: names in the order of their numbers, as fetch.classes; empty: as the source has them.

    Returns:
        The name of the format, the images as they were checked, and what was found.

    Raises:
        DatasetError: the folder as a whole cannot be understood, or has no image.
        ParamsError: there is no such format.
    """
    from steelyard.checks.inspection import inspect
    from steelyard.dataset.boxes import clean_all
    from steelyard.dataset.build import FORMATS, find_format
    from steelyard.dataset.classes import choose_classes

    if format not in ("auto", *FORMATS):
        raise ParamsError(f"--format {format}: must be auto, {', '.join(FORMATS)}")
    name = find_format(folder) if format == "auto" else format
    found = FORMATS[name].read(folder, (), classes)
    if not found.images and not found.problems:
        raise DatasetError(f"{folder}: read as {name}, there is no image in it")
    images, counts = clean_all(found.images)
    problems, names = [*found.problems, *counts.problems], tuple(classes) or found.classes
    if any(image.boxes for image in images):
        images, names, unknown = choose_classes(images, names)
        problems += unknown
    return name, images, inspect(images, names, problems, imgsz, say=lambda _: None)


@contextmanager
def _open(path: Path) -> Iterator[Path]:
    from steelyard.archive import is_archive, unpack

    if path.is_dir():
        yield path
        return
    if not path.is_file():
        raise SourceError(f"{path}: not found; give a folder, or a zip or tar archive")
    if not is_archive(path):
        raise SourceError(f"{path}: is neither a folder nor a zip or tar archive")
    with tempfile.TemporaryDirectory(prefix="steelyard-") as temporary:
        unpack(path, Path(temporary) / "unpacked")
        yield Path(temporary) / "unpacked"


def _parse_severities(text: str) -> tuple[Any, ...]:
    from steelyard.checks.table import STYLES

    severities = _split(text)
    unknown = [one for one in severities if one not in STYLES]
    if unknown:
        raise ParamsError(f"--stop {text}: {unknown[0]!r} is no severity; they are {', '.join(STYLES)}")
    return severities


def _split(text: str) -> tuple[str, ...]:
    return tuple(filter(None, map(str.strip, text.split(","))))


def _name_options(message: str) -> str:
    """The message of a reader, which speaks of params.yaml and of names as they are, for this command line."""
    from steelyard.checks.html import show

    options = [option for setting, option in OPTIONS.items() if setting in message]
    hint = f" (here: {', '.join(options)})" if options else ""
    return "\n".join(map(show, message.split("\n"))) + hint
