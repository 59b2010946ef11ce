import hashlib
import os
import re
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from steelyard.errors import SourceError
from steelyard.source import download, open_source

CONTENT = bytes(range(256)) * 4000
CONTENT_SHA256 = hashlib.sha256(CONTENT).hexdigest()
NOTHING_SHA256 = hashlib.sha256(b"").hexdigest()


class Server(ThreadingHTTPServer):
    """Serves CONTENT, with the faults that a test asks for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.ranges: list[str | None] = []
        self.answers_503 = 0
        self.breaks = 0
        self.supports_range = True
        self.etag = '"one"'
        self.changes_after_break = False

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/files/data.bin"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server = self.server
        if "missing" in self.path:
            self.send_error(404)
            return
        if server.answers_503:
            server.answers_503 -= 1
            self.send_error(503)
            return
        wanted = self.headers.get("Range")
        server.ranges.append(wanted)
        start = 0
        if wanted and server.supports_range and self.headers.get("If-Range") == server.etag:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        else:
            self.send_response(200)
        body = CONTENT[start:]
        self.send_header("ETag", server.etag)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if server.breaks:
            server.breaks -= 1
            if server.changes_after_break:
                server.etag = '"two"'
            self.wfile.write(body[: len(body) // 2])
            return  # HTTP/1.0: the connection is closed, half of the promised bytes short
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def fetch(server: Server, tmp_path: Path) -> bytes:
    download(server.address, tmp_path / "file", pause_seconds=0.01)
    return (tmp_path / "file").read_bytes()


def test_downloads_over_http(server: Server, tmp_path: Path) -> None:
    with open_source(server.address, CONTENT_SHA256, tmp_path) as path:
        assert path.name == "data.bin"
        assert path.read_bytes() == CONTENT
    assert not path.exists()


def test_goes_on_where_the_connection_broke(server: Server, tmp_path: Path) -> None:
    server.breaks = 2
    assert fetch(server, tmp_path) == CONTENT
    assert server.ranges == [None, "bytes=512000-", "bytes=768000-"]


def test_begins_anew_where_range_is_not_supported(server: Server, tmp_path: Path) -> None:
    server.breaks, server.supports_range = 1, False
    assert fetch(server, tmp_path) == CONTENT


def test_does_not_glue_a_new_file_to_an_old_ones_start(server: Server, tmp_path: Path) -> None:
    server.breaks, server.changes_after_break = 1, True
    assert fetch(server, tmp_path) == CONTENT
    assert server.ranges == [None, "bytes=512000-"]


def test_waits_for_a_busy_server(server: Server, tmp_path: Path) -> None:
    server.answers_503 = 2
    assert fetch(server, tmp_path) == CONTENT


def test_gives_up_on_a_server_that_stays_busy(server: Server, tmp_path: Path) -> None:
    server.answers_503 = 99
    with pytest.raises(SourceError, match=r"5 tries \(the server answers 503"):
        fetch(server, tmp_path)
    assert server.answers_503 == 94


def test_gives_up_on_a_file_that_never_comes_whole(server: Server, tmp_path: Path) -> None:
    server.breaks, server.supports_range = 99, False
    with pytest.raises(SourceError, match=r"ended after 512,000 of 1,024,000 bytes"):
        fetch(server, tmp_path)


def test_does_not_repeat_a_wrong_address(server: Server, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="404 Not Found; is the address right"):
        download(server.address + "/missing", tmp_path / "file", pause_seconds=60)


def test_says_that_there_may_be_no_network(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"Connection refused.*Is there a network here"):
        download("http://127.0.0.1:1/x", tmp_path / "file", pause_seconds=0.01)


def test_keeps_a_password_out_of_params(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="user name or password") as caught:
        download("https://me:secret@example.org/x", tmp_path / "file")
    assert "secret" not in str(caught.value)


def test_a_full_disk_is_one_sentence(server: Server, tmp_path: Path) -> None:
    small = tmp_path / "small"
    with small_disk(small), pytest.raises(SourceError, match="the disk is full"):
        code = (
            "import sys, tempfile; from pathlib import Path; from steelyard.source import open_source\n"
            "with open_source(sys.argv[1], sys.argv[2], Path()): pass"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, server.address, CONTENT_SHA256],
            env={"TMPDIR": str(small)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert list(small.iterdir()) == []
        raise SourceError(done.stderr.splitlines()[-1])


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small disk can only be mounted by root")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize(("sha256", "says"), [("", "sha256 is empty"), (NOTHING_SHA256, NOTHING_SHA256)])
def test_an_unchecked_download_is_not_used(server: Server, tmp_path: Path, sha256: str, says: str) -> None:
    with pytest.raises(SourceError, match=says) as caught, open_source(server.address, sha256, tmp_path):
        pass
    assert CONTENT_SHA256 in str(caught.value)


def test_a_watched_file_needs_no_sha256_but_keeps_to_one(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(CONTENT)
    for sha256 in ("", CONTENT_SHA256):
        with open_source("a.onnx", sha256, tmp_path, ".") as path:
            assert path == tmp_path / "a.onnx"
    with pytest.raises(SourceError, match=CONTENT_SHA256), open_source("a.onnx", NOTHING_SHA256, tmp_path):
        pass


def test_a_local_archive_is_unpacked_beside_nothing_of_the_users(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("1")
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as packed:
        packed.add(tmp_path / "a.txt", "d/a.txt")
    with open_source("a.tgz", "", tmp_path, ".") as path:
        assert (path / "d/a.txt").read_text() == "1"
    assert not path.exists()
    assert len(list(tmp_path.iterdir())) == 2


def test_a_checkpoint_is_no_archive_though_it_is_a_zip(tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes(b"PK\x05\x06" + bytes(18))
    with open_source("a.pt", "", tmp_path, ".") as path:
        assert path == tmp_path / "a.pt"


def test_a_folder_has_no_sha256(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    with (
        pytest.raises(SourceError, match="is a folder, which has no sha256"),
        open_source("d", CONTENT_SHA256, tmp_path),
    ):
        pass
    with open_source("d", "", tmp_path, ".") as path:
        assert path == tmp_path / "d"


def test_says_what_lies_beside_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "birds.zip").touch()
    with pytest.raises(SourceError, match=r"not found.*birds\.zip"), open_source("bird.zip", "", tmp_path):
        pass


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """A package index with one wheel, made-0.1, of 1 MB."""
    folder = tmp_path / "index/made"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "made-0.1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("made/data.bin", CONTENT)
        wheel.writestr("made-0.1.dist-info/METADATA", "Metadata-Version: 2.1\nName: made\nVersion: 0.1\n")
        wheel.writestr("made-0.1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("made-0.1.dist-info/RECORD", "")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder.parent))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def read_some(source: int) -> bytes:
    try:
        return os.read(source, 65536)
    except OSError:  # how Linux tells that the other side of a terminal is closed
        return b""


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_wheel_comes_by_pip_whose_bar_is_on_a_terminal_only(index: str, tmp_path: Path, is_terminal: bool) -> None:
    (wheel,) = tmp_path.glob("index/made/*.whl")
    code = (
        "import sys; from pathlib import Path; from steelyard.source import open_source\n"
        "with open_source(sys.argv[1], sys.argv[2], Path()) as path: print(path.stat().st_size)"
    )
    ours, theirs = os.openpty() if is_terminal else os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", code, "pypi:made==0.1/made/data.bin", hashlib.sha256(wheel.read_bytes()).hexdigest()],
        env={"PIP_INDEX_URL": index, "PIP_CONFIG_FILE": os.devnull, "HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    )
    os.close(theirs)
    said = b"".join(iter(lambda: read_some(ours), b"")).decode()
    os.close(ours)
    assert process.communicate()[0] == f"{len(CONTENT)}\n"
    assert ("1.0/1.0 MB" in said) == is_terminal
    assert is_terminal or not said


@pytest.mark.parametrize(
    "source",
    [
        "pypi:deepforest",
        "pypi:deepforest>=2",
        "pypi:deepforest==2.*",
        "pypi:--index-url=http://x==1",
        "pypi:-r==1",
        "pypi:a b==1",
        "pypi:a==1 --pre",
        "pypi:a==1\n-r x",
        "pypi:a@http://x==1",
    ],
)
def test_nothing_but_a_name_and_a_version_reaches_pip(tmp_path: Path, source: str) -> None:
    with (
        pytest.raises(SourceError, match=re.escape("must be pypi:NAME==VERSION")),
        open_source(source, CONTENT_SHA256, tmp_path),
    ):
        pass


def test_an_unknown_kind_of_address_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="not a known kind"), open_source("ftp://x/y", "", tmp_path):
        pass


def test_a_local_source_is_watched_by_the_graph_or_has_a_sha256(tmp_path: Path) -> None:
    (tmp_path / "data/raw").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "a.onnx").write_bytes(CONTENT)
    with pytest.raises(SourceError, match="must lie in data/raw"), open_source("elsewhere", "", tmp_path, "data/raw"):
        pass
    with (
        pytest.raises(SourceError, match=f"is empty; .* has sha256 {CONTENT_SHA256}"),
        open_source("a.onnx", "", tmp_path),
    ):
        pass
    with open_source("a.onnx", CONTENT_SHA256, tmp_path, "data/raw") as path:
        assert path == tmp_path / "a.onnx"
