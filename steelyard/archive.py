"""Unpack a zip or tar archive that nobody vouches for.

Nothing is written outside the target folder, no links or devices are made, and sizes are counted
while they are written, not believed from a header. On any failure the target folder is gone again.
"""

import difflib
import errno
import lzma
import shutil
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from rich.console import Console
from rich.progress import Progress

from steelyard.errors import SourceError

SUFFIXES = (".zip", ".whl", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2")
WEIGHTS_SUFFIXES = (".pt", ".pth", ".onnx", ".safetensors")
CHUNK_BYTES = 1 << 20
FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
# zipfile raises NotImplementedError for a compression method or a version that it cannot read.
DAMAGE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError)


@dataclass(frozen=True)
class Limits:
    """What an archive may become.

    Attributes:
        members: most files and folders.
        total_bytes: most bytes of all files together.
        ratio: most unpacked bytes per packed byte, once there are more than ``free_bytes``.
        free_bytes: unpacked bytes that are allowed at any ratio, since small text packs well.
    """

    members: int = 1_000_000
    total_bytes: int = 200_000_000_000
    ratio: int = 200
    free_bytes: int = 1_000_000_000

    def bytes_for(self, packed_bytes: int) -> int:
        """Most unpacked bytes of an archive of this size."""
        return min(self.total_bytes, max(self.free_bytes, self.ratio * packed_bytes))


LIMITS = Limits()


class _Entry(NamedTuple):
    name: str
    is_folder: bool
    open: Callable[[], IO[bytes] | None]


def is_archive(path: Path) -> bool:
    """Whether a file is to be unpacked: by its name, or by its content where the name says nothing.

    A PyTorch checkpoint is a zip file inside, and is not an archive here.
    """
    name = path.name.lower()
    if name.endswith(WEIGHTS_SUFFIXES):
        return False
    return name.endswith(SUFFIXES) or zipfile.is_zipfile(path) or tarfile.is_tarfile(path)


def unpack(archive: Path, into: Path, member: str = "", limits: Limits = LIMITS) -> None:
    """Unpack an archive into a new folder.

    Args:
        archive: a zip (also a wheel) or a tar file, plain or packed with gzip, xz or bzip2.
        into: the folder to make; it must not exist.
        member: a file or folder of the archive; only this is unpacked. Empty: everything.
        limits: what the archive may become.

    Raises:
        SourceError: it is no archive, is damaged, would write outside ``into``, holds links, devices
            or two names for one file, is larger than allowed, or has no such member.
    """
    into.mkdir(parents=True)
    try:
        with refuse_full_disk(into), _say_damage(archive):
            _unpack(archive, into, member.strip("/"), limits)
    except BaseException:
        shutil.rmtree(into)
        raise


@contextmanager
def refuse_full_disk(folder: Path) -> Iterator[None]:
    """Turn "no space left" into one sentence about ``folder``."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL_DISK:
            raise
        raise SourceError(
            f"{folder}: the disk is full; nothing half-written was kept. Free some space, or let TMPDIR "
            "name a folder with more of it, and run again"
        ) from None


def _unpack(archive: Path, into: Path, member: str, limits: Limits) -> None:
    allowed_bytes = limits.bytes_for(archive.stat().st_size)
    written_bytes = 0
    found = not member
    console = Console(stderr=True)
    names: list[str] = []
    seen: dict[str, bool] = {}  # folded name: is a folder
    with (
        _open_entries(archive) as (entries, total_bytes),
        Progress(console=console, transient=True, disable=not console.is_terminal) as progress,
    ):
        bar = progress.add_task(f"unpack {archive.name}", total=total_bytes)
        for entry in entries:
            if len(names) == limits.members:
                raise SourceError(f"{archive.name}: has more than {limits.members:,} members; refused")
            names.append(entry.name)
            path = _check_name(archive, entry, seen)
            if path is None or (member and not path.is_relative_to(member)):
                continue
            found = True
            target = into / path
            if entry.is_folder:
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            content = entry.open()
            if content is None:
                raise SourceError(f"{archive.name}: {entry.name!r} has no content that can be read")
            with content as reader, target.open("xb") as writer:
                while chunk := reader.read(CHUNK_BYTES):
                    written_bytes += len(chunk)
                    if written_bytes > allowed_bytes:
                        raise SourceError(
                            f"{archive.name}: unpacks to more than {allowed_bytes:,} bytes, which is not "
                            f"believable for {archive.stat().st_size:,} packed ones; refused"
                        )
                    writer.write(chunk)
                    progress.advance(bar, len(chunk))
    if not found:
        raise SourceError(f"{archive.name}: has no member {member!r}; {_near(member, names)}")


def _check_name(archive: Path, entry: _Entry, seen: dict[str, bool]) -> PurePosixPath | None:
    """The entry's path below the target folder; None for the archive's own top (``./``)."""
    name = entry.name
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or not name.isprintable():
        raise SourceError(
            f"{archive.name}: the name {name!r} is not allowed (absolute, with '..', a backslash, a colon or "
            "unprintable characters: it could be written outside the folder, or not at all elsewhere)"
        )
    if not path.parts:
        return None
    folded = unicodedata.normalize("NFC", str(path)).casefold()
    parents = [str(parent) for parent in PurePosixPath(folded).parents][:-1]
    clash = any(seen.get(parent) is False for parent in parents)
    if clash or (folded in seen and not (entry.is_folder and seen[folded])):
        raise SourceError(
            f"{archive.name}: {name!r} is in it twice (names that differ only in capitals are one name "
            "on some disks); refused"
        )
    seen[folded] = entry.is_folder
    for parent in parents:
        seen[parent] = True
    return path


@contextmanager
def _open_entries(archive: Path) -> Iterator[tuple[Iterator[_Entry], int | None]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            yield _zip_entries(archive, packed), sum(info.file_size for info in packed.infolist())
    else:
        with tarfile.open(archive) as packed_tar:
            yield _tar_entries(archive, packed_tar), None


def _zip_entries(archive: Path, packed: zipfile.ZipFile) -> Iterator[_Entry]:
    for info in packed.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise SourceError(f"{archive.name}: {info.filename!r} is a link or a device; refused")
        if info.flag_bits & 1:
            raise SourceError(f"{archive.name}: {info.filename!r} is encrypted; give one without password")
        yield _Entry(info.filename, info.is_dir(), partial(packed.open, info))


def _tar_entries(archive: Path, packed: tarfile.TarFile) -> Iterator[_Entry]:
    for info in packed:
        if not (info.isreg() or info.isdir()):
            raise SourceError(f"{archive.name}: {info.name!r} is a link or a device; refused")
        yield _Entry(info.name, info.isdir(), partial(packed.extractfile, info))
    # tarfile takes a cut or broken header for the end, so look for the block of zeros that is the end.
    if packed.fileobj is not None:
        packed.fileobj.seek(packed.offset)
        if packed.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("ends without tar's end mark")


@contextmanager
def _say_damage(archive: Path) -> Iterator[None]:
    try:
        yield
    except DAMAGE as error:
        said = str(error).partition("\n")[0].rstrip(":")  # below it tarfile lists every form that it tried
    except OSError as error:
        if error.errno is not None:  # gzip and bz2 say damage with an OSError that has no number
            raise
        said = str(error)
    else:
        return
    raise SourceError(
        f"{archive.name}: is not a whole zip or tar archive ({said}); fetch it again, or see whether the "
        "address answers with a web page instead"
    ) from None


def _near(member: str, names: list[str]) -> str:
    paths = [PurePosixPath(name) for name in names]
    known = sorted({str(part) for path in paths for part in (path, *path.parents)} - {"."})
    same = [name for name in known if PurePosixPath(name).name == PurePosixPath(member).name][:3]
    # Comparing is slow: 0.1 ms a name.
    near = dict.fromkeys(same + difflib.get_close_matches(member, known[:20_000], n=3))
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"at its top are {', '.join([name for name in known if '/' not in name][:10]) or 'no files'}"
