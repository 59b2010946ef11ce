"""The champion's weights, brought here and weighed on the test split of now."""

import hashlib
import tempfile
from pathlib import Path

from steelyard import paths
from steelyard.errors import RegistryError
from steelyard.gate.latency import measure_latency
from steelyard.gate.rescoring import SPLIT, keep, name_table, read_kept, score_again
from steelyard.gate.verdict import Latency
from steelyard.params import Params
from steelyard.record.record import Record
from steelyard.revision import open_revision, read_file
from steelyard.scoring.match_table import MatchTable
from steelyard.scoring.split import read_split

KEPT = Path(".dvc/tmp/steelyard/matches")


def read_weights(root: Path, record: Record) -> bytes:
    """``best.pt`` of a version, from DVC's cache or its remote.

    Raises:
        WorkspaceError: it is in neither.
        RegistryError: its bytes are not those that were registered.
    """
    with open_revision(root, record.commit) as files:
        content = read_file(files, paths.BEST_WEIGHTS.as_posix(), record.tag())
    found = hashlib.sha256(content).hexdigest()
    if found != record.weights.file_sha256:
        raise RegistryError(
            f"{paths.BEST_WEIGHTS} of {record.tag()}: sha256 {found[:12]}..., registered were "
            f"{record.weights.file_sha256[:12]}...: the file in DVC's cache or remote was changed; remove it there and "
            "bring it back from another place (dvc pull --all-tags)"
        )
    return content


def weigh_champion(
    root: Path, champion: Record, classes: tuple[str, ...], test_split: str, params: Params
) -> tuple[MatchTable, Latency | None]:
    """Score the champion on the test split of now, and time it beside the weights of now.

    The detections are kept, and taken from there where weights, images, code and settings are the same.

    Args:
        root: the workspace in which the stages have run.
        champion: its record.
        classes: of the data of now.
        test_split: hash of the test images and labels.
        params: of now; the champion is given images of the size that it was trained at.

    Returns:
        Its match table with the classes of now, and both latencies, None where the rules do not ask.

    Raises:
        WorkspaceError: the champion's weights are not to be had.
        RegistryError: they are not what was registered.
    """
    from rich.console import Console
    from rich.progress import Progress

    content = read_weights(root, champion)
    size = int(champion.params["finetune"]["imgsz"])
    finetune = params.finetune.model_copy(update={"imgsz": size})
    folder = paths.find_home(root) / KEPT
    name = name_table(champion.weights.identity, test_split, params.validation, finetune)
    table = read_kept(folder, name, say=print)
    slowdown = params.registration.gate.most_slowdown
    if table and not slowdown:
        return table, None
    paths.quiet_ultralytics(root)
    from steelyard.weights.checkpoint import load_checkpoint  # heavy: imports torch and Ultralytics

    with tempfile.NamedTemporaryFile(suffix=".pt") as file:
        file.write(content)
        file.flush()
        checkpoint = load_checkpoint(Path(file.name))
    images = read_split(paths.DATASET, SPLIT, len(classes))
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        if table is None:
            bar = progress.add_task(f"detect with v{champion.version}", total=len(images))
            table = score_again(
                checkpoint,
                paths.DATASET,
                images,
                classes,
                params.validation,
                finetune,
                lambda count: progress.advance(bar, count),
            )
            keep(folder, name, table)
        if not slowdown:
            return table, None
        progress.add_task("time both", total=None)
        ours = load_checkpoint(paths.BEST_WEIGHTS)
        latency = measure_latency(
            (ours.model, checkpoint.model),
            (params.finetune.imgsz, size),
            [image.path for image in images],
            params.validation,
            params.finetune,
        )
    return table, latency
