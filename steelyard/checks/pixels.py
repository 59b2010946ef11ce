"""Each image is opened and decoded once, by a process per core; what the checks need of it is a few numbers.

Light on purpose: each process imports this module, so there is little here but Pillow and numpy.
"""

import os
import signal
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from PIL import Image, UnidentifiedImageError

from steelyard.dataset.jpeg import END, MOST_SCANS, count_scans, has_end
from steelyard.errors import DatasetError

MINIATURE_SIDE = 32  # what a perceptual hash is made from
DECODED_SIDE = 48  # JPEG is decoded at an eighth, quarter or half as long as both sides keep this
DARK, BRIGHT = 32, 240  # grey levels, 0 to 255
COLOURLESS = 3  # grey levels; more is no rounding of a grey JPEG
IMAGES_PER_TASK = 32
TASKS_AHEAD = 2  # of each process, so that it never waits for the next
IMAGES_PER_PROCESS = 128  # at least: one takes as long to start as to decode so many
EXIF_ORIENTATION = 274
TIFF_BITS_PER_SAMPLE = 258
FAULTS = ("image-empty", "image-unreadable", "image-truncated", "image-huge")


@dataclass(frozen=True, slots=True)
class Pixels:
    """What one decode tells.

    Attributes:
        fault: one of FAULTS, and then only ``detail`` is filled; else empty.
        detail: what the decoder said.
        kind: Pillow's name of the file format, such as "JPEG".
        mode: Pillow's mode, such as "RGB" or "CMYK".
        bits: per channel, as in the file.
        is_animated: it has further frames or pages.
        orientation: of EXIF, 1 to 8; 1 is upright.
        has_alpha: some pixel is not opaque.
        is_grey: no pixel has a colour.
        dark: share of pixels darker than DARK, 0 to 1.
        bright: share of pixels brighter than BRIGHT, 0 to 1.
        spread: brightest minus darkest grey level, or the same of a colour channel, 0 to 255.
        sharpness: root mean square of the steps between neighbouring pixels (of the reduced image) over
            their standard deviation.
        miniature: MINIATURE_SIDE x MINIATURE_SIDE grey levels, row by row.
    """

    fault: str = ""
    detail: str = ""
    kind: str = ""
    mode: str = ""
    bits: int = 8
    is_animated: bool = False
    orientation: int = 1
    has_alpha: bool = False
    is_grey: bool = False
    dark: float = 0.0
    bright: float = 0.0
    spread: int = 255
    sharpness: float = 1.0
    miniature: bytes = b""


def examine_all(paths: Sequence[Path]) -> Iterator[Pixels]:
    """Examine images on all cores, in their order.

    Raises:
        DatasetError: a process died (a decoder crashed, or memory ran out).
    """
    tasks = [paths[start : start + IMAGES_PER_TASK] for start in range(0, len(paths), IMAGES_PER_TASK)]
    workers = [_Worker() for _ in range(min(os.cpu_count() or 1, -(-len(paths) // IMAGES_PER_PROCESS)))]
    by_pipe = {worker.pipe: worker for worker in workers}
    waiting, done = iter(range(len(tasks))), dict[int, list[Pixels]]()
    try:
        for worker in workers * TASKS_AHEAD:
            worker.hand_over(waiting, tasks)
        for number in range(len(tasks)):
            while number not in done:
                for pipe in wait([pipe for pipe, worker in by_pipe.items() if worker.numbers]):
                    worker = by_pipe[cast("Connection[Any, Any]", pipe)]
                    found = worker.pipe.recv()
                    done[worker.numbers.popleft()] = found
                    worker.hand_over(waiting, tasks)
            yield from done.pop(number)
    except (EOFError, OSError):  # of the pipe: in the middle of an answer, or of a question
        first = tasks[worker.numbers[0]]
        raise DatasetError(
            f"a process that decodes images died at {first[0].name} or one of the {len(first) - 1} images after it: "
            "the memory ran out, or a decoder crashed; leave the image out with fetch.include"
        ) from None
    finally:
        for worker in workers:
            worker.end()


class _Worker:
    """A process that decodes, with a pipe of its own.

    No pool of the standard library: where a process dies while it answers, that waits for the rest of
    the answer for ever, since it holds both ends of one pipe for all.

    Attributes:
        pipe: our end.
        numbers: of the tasks that it has, in their order.
    """

    def __init__(self) -> None:
        # spawn: a process that begins with this module alone, whatever threads and patches this one has
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.numbers: deque[int] = deque()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def hand_over(self, waiting: Iterator[int], tasks: Sequence[Sequence[Path]]) -> None:
        """Give it the next task, if there is one."""
        number = next(waiting, None)
        if number is not None:
            self.numbers.append(number)
            self.pipe.send([str(path) for path in tasks[number]])

    def end(self) -> None:
        self._process.kill()
        self._process.join()
        self.pipe.close()


def _serve(pipe: "Connection[Any, Any]") -> None:
    """Examine what comes, until the parent is gone; leave talking to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.simplefilter("ignore")
    with suppress(EOFError, ConnectionError):
        while True:
            pipe.send([examine(Path(path)) for path in pipe.recv()])


def examine(path: Path) -> Pixels:
    """Open and decode one image; whatever is wrong with it is an answer, not an exception."""
    try:
        with path.open("rb") as file:
            return _examine(file)
    except Image.DecompressionBombError as error:
        return Pixels("image-huge", str(error))
    except UnidentifiedImageError:
        return Pixels("image-unreadable", "no image format that is known")
    except Exception as error:  # decoders answer damage with every kind of exception
        said = f"{error}" or type(error).__name__
        is_cut = isinstance(error, OSError) and "truncated" in said
        return Pixels("image-truncated" if is_cut else "image-unreadable", said)


def _examine(file: BinaryIO) -> Pixels:
    head = file.read(32)
    if not head:
        return Pixels("image-empty")
    if not _is_whole(file, head):
        return Pixels("image-truncated", "the end of the file is missing, or is zeros")
    with Image.open(file) as image:
        kind, mode, bits = image.format or "", image.mode, _count_bits(image, head)
        orientation = image.getexif().get(EXIF_ORIENTATION, 1)
        if image.info.get("progressive"):
            _refuse_scans(file)
        image.draft(None, (DECODED_SIDE, DECODED_SIDE))
        image.load()
        # A phone's JPEG with a preview behind it is called MPO, and is one picture.
        is_animated = kind != "MPO" and bool(getattr(image, "is_animated", False))
        has_alpha = image.has_transparency_data and _has_clear_pixel(image)
        grey, *colours = _reduce(image).convert("YCbCr").split()
    # a pair for one channel; Pillow's own type thinks of several
    ranges = [cast("tuple[int, int]", channel.getextrema()) for channel in (grey, *colours)]
    histogram = grey.histogram()
    count = grey.width * grey.height
    return Pixels(
        kind=kind,
        mode=mode,
        bits=bits,
        is_animated=is_animated,
        orientation=orientation,
        has_alpha=has_alpha,
        is_grey=all(low > 128 - COLOURLESS and high < 128 + COLOURLESS for low, high in ranges[1:]),
        dark=sum(histogram[:DARK]) / count,
        bright=sum(histogram[BRIGHT + 1 :]) / count,
        spread=max(high - low for low, high in ranges),
        sharpness=_measure_sharpness(grey),
        miniature=grey.resize((MINIATURE_SIDE, MINIATURE_SIDE), Image.Resampling.BOX).tobytes(),
    )


def _is_whole(file: BinaryIO, head: bytes) -> bool:
    """What decoders do not see: zeros, as a copy that broke off may end in, are pixels to them."""
    size = file.seek(0, os.SEEK_END)
    file.seek(-min(size, 64), os.SEEK_END)
    tail = file.read()
    file.seek(0)
    if head.startswith(b"\xff\xd8"):
        return tail.endswith(END) or has_end(file.read())
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return any(tail) and size >= 8 + int.from_bytes(head[4:8], "little")
    return True


def _count_bits(image: Image.Image, head: bytes) -> int:
    if image.format == "PNG":
        return head[24]
    if image.format == "TIFF":
        return int(np.max(image.tag_v2.get(TIFF_BITS_PER_SAMPLE, 1)))  # type: ignore[attr-defined]
    return 8


def _refuse_scans(file: BinaryIO) -> None:
    place = file.tell()
    file.seek(0)
    scans = count_scans(file.read())
    file.seek(place)
    if scans > MOST_SCANS:
        raise ValueError(f"a JPEG of {scans} scans, which would take hours to decode")


def _has_clear_pixel(image: Image.Image) -> bool:
    alpha = image if "A" in image.getbands() else image.convert("RGBA")
    return alpha.getchannel("A").histogram()[255] < image.width * image.height


def _reduce(image: Image.Image) -> Image.Image:
    """The whole picture in few pixels, RGB of 8 bits."""
    if image.mode.startswith("I") or image.mode == "F":
        # As OpenCV does, and with it training: the upper 8 of 16 bits.
        image = Image.fromarray(np.clip(np.asarray(image) / 256, 0, 255).astype(np.uint8))
    elif image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    factor = min(image.size) // DECODED_SIDE
    return (image.reduce(factor) if factor > 1 else image).convert("RGB")


def _measure_sharpness(grey: Image.Image) -> float:
    levels = np.asarray(grey, np.float32)
    levels = levels - levels.mean()
    down, right = levels[1:] - levels[:-1], levels[:, 1:] - levels[:, :-1]
    steps = np.vdot(down, down) + np.vdot(right, right)
    # One grey level is added to the contrast, so that the noise of a flat picture is not sharp.
    return float(np.sqrt(steps / (np.vdot(levels, levels) + levels.size)))
