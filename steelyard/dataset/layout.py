"""Writes ``data/dataset``: YOLO layout, the same bytes on every run.

Images that are kept whole are copied and not decoded; stage check does that, once. Tiles are PNG:
without loss, so a tile's pixels are exactly the photograph's. JPEG at quality 95 would take a third
of the space (84 kB rather than 280 kB for 320 px of aerial photograph), but it loses twice where the
photograph is a JPEG already, and 12 ms a tile is no reason.
"""

import hashlib
import io
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, groupby
from pathlib import Path

from PIL import Image, ImageOps

from steelyard.archive import CHUNK_BYTES, refuse_full_disk
from steelyard.dataset import jpeg
from steelyard.dataset.annotation import AnnotatedImage, Box, follow
from steelyard.dataset.formats.head import KINDS
from steelyard.dataset.formats.yolo import format_data_yaml, format_row
from steelyard.dataset.manifest import SPLITS, ImageRecord, Problem, Split
from steelyard.dataset.tiles import Region

BATCH = 32  # images


@dataclass(frozen=True, slots=True)
class Piece:
    """One image to write.

    Attributes:
        image: the image of the source.
        region: the part of it; None: the file as it is.
        boxes: in px of the piece.
        split: where it goes.
        name: file name without suffix, unique in its split.
        group: of images that are alike, as ImageRecord has it.
    """

    image: AnnotatedImage
    region: Region | None
    boxes: tuple[Box, ...]
    split: Split
    name: str
    group: str = ""


@dataclass
class Written:
    """What was made of pieces.

    Attributes:
        records: one for each image that was written.
        problems: images of the source that nothing could be made of.
        ends_added: JPEG files that got an end mark.
    """

    records: list[ImageRecord] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    ends_added: int = 0


class _FaultyImageError(Exception):
    """Nothing can be made of an image."""

    def __init__(self, check: str, detail: str) -> None:
        self.check = check
        super().__init__(detail)


@contextmanager
def make_folder(out: Path) -> Iterator[Path]:
    """Give a new folder that replaces ``out`` when the block ends well, and is gone when it does not."""
    new = out.with_name(f".{out.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    try:
        with refuse_full_disk(out.parent):
            yield new
        if out.exists():
            shutil.rmtree(out)
        new.rename(out)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise


def write_layout(pieces: Sequence[Piece], classes: Sequence[str], folder: Path) -> Written:
    """Write images, labels and data.yaml: several images at a time, and none of them kept in memory.

    Args:
        pieces: those of one image one after the other, so that it is opened once.
        classes: names in their order.
        folder: an empty folder.

    Returns:
        Records sorted by path, problems in the order of the pieces.
    """
    for split in SPLITS:
        (folder / "images" / split).mkdir(parents=True)
        (folder / "labels" / split).mkdir(parents=True)
    (folder / "data.yaml").write_text(format_data_yaml(classes, SPLITS), encoding="utf-8")
    numbers = {name: number for number, name in enumerate(classes)}
    jobs = [list(group) for _, group in groupby(pieces, key=lambda piece: piece.image.path)]
    written = Written()
    batches = [jobs[start : start + BATCH] for start in range(0, len(jobs), BATCH)]
    # Threads, since reading, hashing, compressing and writing do not hold Python's lock; handing over a single small
    # file costs more than writing it.
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        # Pillow warns above 89 Mpx, usual for aerial photographs. Filters are not a thread's own, so they are set here.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            results = pool.map(partial(_write_batch, folder, numbers), batches)
            for _, batch in zip(follow(batches, "write images"), results, strict=True):
                for made in batch:
                    written.records += made.records
                    written.problems += made.problems
                    written.ends_added += made.ends_added
    finally:
        pool.shutdown(cancel_futures=True)
    written.records.sort(key=lambda record: record.path)
    return written


def _write_batch(folder: Path, numbers: Mapping[str, int], jobs: Sequence[Sequence[Piece]]) -> list[Written]:
    return [_write_image(folder, numbers, pieces) for pieces in jobs]


def _write_image(folder: Path, numbers: Mapping[str, int], pieces: Sequence[Piece]) -> Written:
    image, made = pieces[0].image, Written()
    try:
        picture = _decode(image) if pieces[0].region else None
        for piece in pieces:
            if piece.region and picture:
                width, height = piece.region[2:]
                path = f"images/{piece.split}/{piece.name}.png"
                sha256 = _save(picture, piece.region, folder / path)
            else:
                width, height = image.width, image.height
                path = f"images/{piece.split}/{piece.name}{image.path.suffix.lower()}"
                sha256, end_added = _copy(image, folder / path)
                made.ends_added += end_added
            rows = "".join(format_row(box, numbers[box.name], width, height) for box in piece.boxes).encode()
            (folder / f"labels/{piece.split}/{piece.name}.txt").write_bytes(rows)
            made.records.append(
                ImageRecord(
                    path=path,
                    split=piece.split,
                    group=piece.group,
                    origin=image.origin,
                    region=piece.region,
                    width=width,
                    height=height,
                    boxes=len(piece.boxes),
                    sha256=sha256,
                    labels_sha256=hashlib.sha256(rows).hexdigest(),
                )
            )
    except _FaultyImageError as fault:
        return Written(problems=[Problem(id=fault.check, file=image.origin, detail=str(fault))])
    return made


def _decode(image: AnnotatedImage) -> Image.Image:
    try:
        with Image.open(image.path, formats=KINDS) as picture:
            if picture.format in ("JPEG", "MPO"):
                scans = jpeg.count_scans(image.path.read_bytes())
                if scans > jpeg.MOST_SCANS:
                    raise ValueError(f"a JPEG of {scans} scans, which would take hours to decode")
            picture.load()
    except Exception as error:  # Pillow's readers raise OSError, SyntaxError, struct.error and others
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno is not None):
            raise
        check = "image-truncated" if "truncated" in str(error) else "image-unreadable"
        raise _FaultyImageError(check, str(error)) from None
    return ImageOps.exif_transpose(picture) if image.is_rotated else picture


def _save(picture: Image.Image, region: Region, path: Path) -> str:
    x, y, width, height = region
    file = io.BytesIO()
    picture.crop((x, y, x + width, y + height)).save(file, format="PNG")
    path.write_bytes(file.getbuffer())
    return hashlib.sha256(file.getbuffer()).hexdigest()


def _copy(image: AnnotatedImage, target: Path) -> tuple[str, bool]:
    """Copy and hash in one pass; a JPEG file that does not end with its end mark gets one.

    Ultralytics encodes such a file anew, in place, with other pixels. Decoders ignore what comes
    after the first end mark, and so a second one. Without a first one the picture breaks off.

    Returns:
        The sha256 of the copy, and whether it got an end mark.
    """
    with image.path.open("rb", buffering=0) as source:
        end = b""
        if image.kind == "JPEG":
            source.seek(-len(jpeg.END), os.SEEK_END)
            end = jpeg.END if source.read() != jpeg.END else b""
            source.seek(0)
            if end and not jpeg.has_end(source.read()):
                raise _FaultyImageError("image-truncated", "has no end mark")
            source.seek(0)
        digest = hashlib.sha256()
        with target.open("xb", buffering=0) as copy:
            for chunk in chain(iter(partial(source.read, CHUNK_BYTES), b""), [end]):
                digest.update(chunk)
                copy.write(chunk)
    return digest.hexdigest(), bool(end)
