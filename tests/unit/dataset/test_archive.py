import io
import os
import random
import stat
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from steelyard.archive import Limits, unpack
from steelyard.errors import SourceError

TINY = Limits(members=100, total_bytes=10_000, ratio=2, free_bytes=1_000)


def make_zip(path: Path, *members: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members:
            packed.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return path


def make_tar(path: Path, *members: tuple[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as packed:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content))
    return path


MAKERS = pytest.mark.parametrize(("make", "suffix"), [(make_zip, ".zip"), (make_tar, ".tar.gz")])


def refuse(archive: Path, tmp_path: Path, match: str, **options: object) -> None:
    with pytest.raises(SourceError, match=match):
        unpack(archive, tmp_path / "in" / "out", **options)  # type: ignore[arg-type]
    left = [path for path in tmp_path.rglob("*") if path.is_file() and path != archive]
    assert left == []
    assert not (tmp_path / "in" / "out").exists()


@pytest.mark.parametrize("suffix", ["", ":gz", ":bz2", ":xz"])
def test_unpacks_every_kind_of_tar(tmp_path: Path, suffix: str) -> None:
    archive = make_tar(tmp_path / "a.tar", ("./d/a.txt", b"one"), ("b", b"two" * 999), mode="w" + suffix)
    unpack(archive, tmp_path / "out")
    assert (tmp_path / "out/d/a.txt").read_bytes() == b"one"
    assert (tmp_path / "out/b").read_bytes() == b"two" * 999


def test_unpacks_only_the_member(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", ("d/a", b"1"), ("d2/b", b"2"), ("d/e/c", b"3"))
    unpack(archive, tmp_path / "out", "d")
    assert sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*") if p.is_file()) == [
        "d/a",
        "d/e/c",
    ]


@MAKERS
@pytest.mark.parametrize("name", ["../x", "a/../../x", "/tmp/x", "a\\..\\x", "c:/x", "new\nline"])  # noqa: S108
def test_refuses_names_that_lead_outside(tmp_path: Path, make: Callable[..., Path], suffix: str, name: str) -> None:
    archive = make(tmp_path / f"a{suffix}", ("good", b"1"), (name, b"2"))
    refuse(archive, tmp_path, "is not allowed")


@MAKERS
@pytest.mark.parametrize("second", ["a/b", "A/b", "./a/b", "a", "a/b/c"])
def test_refuses_two_names_for_one_file(tmp_path: Path, make: Callable[..., Path], suffix: str, second: str) -> None:
    with pytest.warns(UserWarning) if make is make_zip and second == "a/b" else nullcontext():
        archive = make(tmp_path / f"a{suffix}", ("a/b", b"1"), (second, b"2"))
    refuse(archive, tmp_path, "is in it twice")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_refuses_links_and_devices_in_a_tar(tmp_path: Path, kind: bytes) -> None:
    archive = tmp_path / "a.tar"
    with tarfile.open(archive, "w") as packed:
        packed.addfile(tarfile.TarInfo("good"), io.BytesIO())
        info = tarfile.TarInfo("bad")
        info.type, info.linkname = kind, "good"
        packed.addfile(info)
    refuse(archive, tmp_path, "'bad' is a link or a device")


def test_refuses_a_link_in_a_zip(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    info = zipfile.ZipInfo("bad")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr(info, "/etc/passwd")
    refuse(archive, tmp_path, "'bad' is a link or a device")


@MAKERS
def test_refuses_a_bomb_while_it_is_written(tmp_path: Path, make: Callable[..., Path], suffix: str) -> None:
    archive = make(tmp_path / f"a{suffix}", ("a", bytes(900)), ("b", bytes(900_000)))
    refuse(archive, tmp_path, "not\\s+believable", limits=TINY)


def test_counts_bytes_rather_than_believing_the_header(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", ("a", bytes(900_000)))
    true = (900_000).to_bytes(4, "little")
    archive.write_bytes(archive.read_bytes().replace(true, (10).to_bytes(4, "little")))
    with pytest.raises(SourceError):
        unpack(archive, tmp_path / "out", limits=TINY)
    assert not (tmp_path / "out").exists()


@MAKERS
def test_refuses_too_many_members(tmp_path: Path, make: Callable[..., Path], suffix: str) -> None:
    archive = make(tmp_path / f"a{suffix}", *((str(number), b"") for number in range(101)))
    refuse(archive, tmp_path, "more than 100 members", limits=TINY)


@MAKERS
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_refuses_a_truncated_archive(tmp_path: Path, make: Callable[..., Path], suffix: str, share: float) -> None:
    draw = random.Random(0)
    archive = make(tmp_path / f"a{suffix}", *((str(number), draw.randbytes(9000)) for number in range(9)))
    os.truncate(archive, int(archive.stat().st_size * share))
    refuse(archive, tmp_path, "is not a whole zip or tar archive")


@pytest.mark.parametrize("blocks", [2, 3, 4, 6])  # inside a, behind it, behind b's head, behind b
def test_refuses_a_plain_tar_that_ends_early(tmp_path: Path, blocks: int) -> None:
    archive = make_tar(tmp_path / "a.tar", ("a", bytes(1024)), ("b", bytes(1024)), mode="w")
    os.truncate(archive, blocks * 512)
    refuse(archive, tmp_path, "is not a whole zip or tar archive")


def test_refuses_a_tar_with_a_broken_head_in_its_middle(tmp_path: Path) -> None:
    archive = make_tar(tmp_path / "a.tar", ("a", bytes(512)), ("b", bytes(512)), mode="w")
    content = bytearray(archive.read_bytes())
    content[1024 + 10] ^= 255
    archive.write_bytes(content)
    refuse(archive, tmp_path, "end mark")


def test_refuses_what_is_no_archive(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    archive.write_text("<html>Please log in</html>")
    refuse(archive, tmp_path, "is not a whole zip or tar archive")


@pytest.mark.parametrize("member", ["weights/yolo11n.onx", "yolo11n.onnx"])
def test_names_what_is_near_an_absent_member(tmp_path: Path, member: str) -> None:
    archive = make_zip(tmp_path / "a.zip", ("weights/yolo11n.onnx", b"1"), ("other", b""))
    refuse(archive, tmp_path, "did you mean weights/yolo11n.onnx", member=member)


def test_a_member_cannot_lead_outside(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", ("a", b"1"))
    refuse(archive, tmp_path, "has no member '../..'", member="../..")
