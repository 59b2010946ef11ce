"""Stages fetch and check of a large data set beside one decode of every image."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.clone import Clone, make_clone

STAGES = ("fetch", "check")
SIZES = ((640, 480), (1280, 720))  # as a small set on the web has them, and as a camera gives them
FEW = 1000  # images of the second data set, which shows whether memory grows with the number


def measure_data(folder: Path, images: int, size: tuple[int, int], rounds: int) -> dict[str, Any]:
    """Time by turns one decode of every image and the stages' commands, without DVC's own hashing.

    Args:
        folder: to make, and deleted at the end; 8 GB for 10,000 images of 1280x720 px and three rounds.
        images: of the larger data set.
        size: width and height of the images, px.
        rounds: of both sides.

    Returns:
        The number and size of the images, seconds of each round, and the peak memory in MB of the largest
        process of each stage, for few and for many images.
    """
    folder.mkdir()
    clone = make_clone(folder, "many", _settings())
    pictures = clone.root / "data/raw/pictures"
    clone.python("-m", "benchmarks.pictures", pictures, images, *size)
    seconds: dict[str, list[float]] = {side: [] for side in ("decode", *STAGES)}
    memory: dict[str, dict[str, float]] = {"few": {}, "many": {}}
    for number in range(rounds):
        # Put aside rather than deleted: ext4 does not reuse an inode at once, and looks for others at great length.
        if (clone.root / "data/dataset").exists():
            (clone.root / "data/dataset").rename(folder / f"dataset-{number}")
        seconds["decode"].append(_run(clone, "benchmarks.decode", pictures)[0])
        for stage in STAGES:
            took, peak = _run(clone, f"tasks.{stage}")
            seconds[stage].append(took)
            memory["many"][stage] = max(peak, memory["many"].get(stage, 0))
    few = make_clone(folder, "few", _settings())
    few.python("-m", "benchmarks.pictures", few.root / "data/raw/pictures", FEW, *size)
    for stage in STAGES:
        memory["few"][stage] = _run(few, f"tasks.{stage}")[1]
    shutil.rmtree(folder)
    return {"images": images, "size": size, "few": FEW, "seconds": seconds, "peak_mb": memory}


def _settings() -> dict[str, Any]:
    source = {"source": "data/raw/pictures", "sha256": "", "format": "auto", "include": [], "classes": [], "tile": 0}
    return {"fetch": {**source, "rename": {}, "drop": [], "split": {"by": "published"}}}


def _run(clone: Clone, module: str, *words: object) -> tuple[float, float]:
    """Wall time in seconds, and the peak memory in MB of the largest of its processes."""
    command = [sys.executable, "-m", module, *map(str, words)]
    with tempfile.TemporaryFile("w+") as output:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=clone.root, env=clone.env, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        took = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)  # Popen has not seen it end
        if process.returncode:
            output.seek(0)
            raise RuntimeError(f"{' '.join(command)} in {clone.root}:\n{output.read()[-3000:]}")
    unit = 1 if sys.platform == "darwin" else 1024  # bytes on macOS, KiB on Linux
    return took, usage.ru_maxrss * unit / 1e6
