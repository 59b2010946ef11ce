import io
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import imagehash
import numpy as np
import psutil
import pytest
from PIL import Image, ImageFilter

from steelyard.checks.inspection import inspect
from steelyard.checks.pixels import examine, examine_all
from steelyard.checks.prints import BLOCK, compute_prints, shrink
from steelyard.dataset.annotation import AnnotatedImage
from steelyard.errors import DatasetError
from tests.unit.checks.clean import draw_texture, encode


@pytest.fixture
def photograph():
    return draw_texture(np.random.default_rng(0)).resize((640, 480))


@pytest.fixture
def look(tmp_path):
    """Examines bytes as a file."""

    def look(content, name="picture.jpg"):
        path = tmp_path / name
        path.write_bytes(content)
        return examine(path)

    return look


def test_prints_are_those_of_imagehash():
    random = np.random.default_rng(1)
    pictures = [draw_texture(random).convert("L").resize((32, 32)) for _ in range(BLOCK + 100)]
    prints = compute_prints(np.array(pictures))
    assert [f"{print_:016x}" for print_ in prints.tolist()] == [str(imagehash.phash(picture)) for picture in pictures]


def test_a_picture_without_structure_has_one_print_on_every_machine():
    flat = np.arange(256, dtype=np.uint8).repeat(32 * 32).reshape(-1, 32, 32)
    assert {f"{print_:016x}" for print_ in compute_prints(flat).tolist()} == {"0" * 16, "8" + "0" * 15}


def test_a_shrunk_miniature_is_the_mean_of_its_cells():
    levels = np.random.default_rng(0).integers(0, 256, (3, 32, 32), dtype=np.uint8)
    reference = [Image.fromarray(one).resize((16, 16), Image.Resampling.BOX) for one in levels]
    assert np.abs(shrink(levels).reshape(3, 16, 16).astype(int) - np.array(reference)).max() <= 1


@pytest.mark.parametrize("kind", ["BMP", "JPEG", "PNG", "TIFF", "WEBP"])
def test_one_picture_has_one_print_in_every_format_and_size(photograph, look, kind):
    sizes = (photograph, photograph.resize((320, 240)), photograph.resize((1280, 960)))
    miniatures = [look(encode(picture, kind, quality=90)).miniature for picture in sizes]
    miniatures.append(look(encode(photograph, "PNG")).miniature)
    *prints, first = compute_prints(np.frombuffer(b"".join(miniatures), np.uint8).reshape(-1, 32, 32)).tolist()
    assert max((first ^ print_).bit_count() for print_ in prints) <= 4


@pytest.mark.parametrize("quality", [50, 85, 95, 100])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.99])
@pytest.mark.parametrize("filler", [b"", b"\0"])
def test_half_copied_jpeg_is_found_though_it_is_decoded_at_an_eighth(
    photograph, look, quality, progressive, share, filler
):
    whole = encode(photograph, "JPEG", quality=quality, progressive=progressive)
    assert look(whole).fault == ""
    there = int(len(whole) * share)
    assert look(whole[:there] + filler * (len(whole) - there)).fault == "image-truncated"


@pytest.mark.parametrize("filler", [b"", b"\0"])
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF"])
def test_half_copied_files_of_other_formats_are_found(photograph, look, kind, filler):
    whole = encode(photograph, kind)
    there = len(whole) // 2
    assert look(whole[:there] + filler * (len(whole) - there)).fault in ("image-truncated", "image-unreadable")


def test_a_jpeg_with_something_behind_its_end_is_whole(photograph, look):
    assert look(encode(photograph, "JPEG") + b"a trailer of a phone" + bytes(100)).fault == ""


def test_a_thumbnail_with_an_end_mark_of_its_own_does_not_make_a_half_jpeg_whole(photograph, look):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x927C] = encode(photograph.resize((64, 48)), "JPEG")
    whole = encode(photograph, "JPEG", quality=97, exif=exif)
    assert whole.count(b"\xff\xd9") > 1
    assert look(whole[:-20_000] + bytes(20_000)).fault == "image-truncated"


def test_damage_of_every_kind_is_an_answer_and_never_an_exception(photograph, look):
    draw = random.Random(0)
    small = photograph.resize((64, 48))
    faults = set()
    for kind in ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP"):
        whole = encode(small, kind)
        for _ in range(150):
            broken = bytearray(whole)
            for _ in range(draw.choice((1, 5, 50))):
                broken[draw.randrange(min(len(broken), draw.choice((60, len(broken)))))] = draw.randrange(256)
            faults.add(look(bytes(broken[: draw.choice((len(broken), len(broken) // 2))])).fault)
    assert faults >= {"", "image-unreadable", "image-truncated"}


def test_a_jpeg_of_countless_scans_is_refused_at_once(photograph, look):
    whole = encode(photograph, "JPEG", progressive=True)
    scan = whole.rindex(b"\xff\xda")
    start = time.monotonic()
    pixels = look(whole[:scan] + whole[scan:-2] * 2000 + whole[-2:])
    assert pixels.fault == "image-unreadable"
    assert "scans" in pixels.detail
    assert time.monotonic() - start < 2


def test_a_phones_jpeg_with_a_preview_is_no_animation(photograph, look):
    content = io.BytesIO()
    photograph.save(content, "MPO", save_all=True, append_images=[photograph.resize((64, 48))])
    pixels = look(content.getvalue())
    assert (pixels.kind, pixels.is_animated) == ("MPO", False)


def test_an_alpha_channel_that_hides_nothing_is_none(photograph, look):
    photograph.putalpha(255)
    assert not look(encode(photograph, "PNG"), "picture.png").has_alpha


def test_colours_of_a_palette_are_seen(look):
    picture = Image.new("P", (64, 64))
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.paste(1, (0, 0, 32, 64))
    pixels = look(encode(picture, "PNG"), "picture.png")
    assert not pixels.is_grey
    assert pixels.spread > 100


def test_16_bits_are_seen_as_training_sees_them(look):
    ramp = np.linspace(0, 1000, 64 * 64).reshape(64, 64).astype(np.uint16)
    pixels = look(encode(Image.fromarray(ramp), "PNG"), "picture.png")
    assert pixels.bits == 16
    assert pixels.spread == 3  # of 65535 a thousandth and a half is 3 of 255
    assert pixels.is_grey


def test_answers_come_in_the_order_of_the_files(photograph, tmp_path):
    paths = []
    for number in range(300):
        paths.append(tmp_path / f"{number}.png")
        Image.new("L", (32 + number, 40), number % 256).save(paths[-1])
    paths[7].write_bytes(b"")
    found = list(examine_all(paths))
    assert [paths[place] for place, pixels in enumerate(found) if pixels.fault] == [paths[7]]
    assert all(abs(pixels.miniature[0] - number % 256) <= 1 for number, pixels in enumerate(found) if number != 7)


def test_a_process_that_dies_is_said_with_the_place(photograph, tmp_path):
    path = tmp_path / "picture.jpg"
    photograph.save(path)
    found = examine_all([path] * 20_000)
    next(found)
    for process in psutil.Process().children():
        if "spawn_main" in " ".join(process.cmdline()):
            process.kill()
    with pytest.raises(DatasetError, match=r"died at picture\.jpg.*memory ran out"):
        list(found)


def test_no_process_outlives_a_killed_parent(photograph, tmp_path):
    path = tmp_path / "picture.jpg"
    photograph.save(path)
    code = (
        "import pathlib, sys; from steelyard.checks.pixels import examine_all\n"
        f"if __name__ == '__main__':\n for _ in examine_all([pathlib.Path({str(path)!r})] * 200_000): print(flush=True)"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    parent = subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(Path.cwd())}
    )
    parent.stdout.readline()
    children = psutil.Process(parent.pid).children(recursive=True)
    assert len(children) >= 2
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive


def test_a_darker_and_a_blurred_picture_look_so(photograph, tmp_path):
    pictures = {
        "usual": photograph,
        "darker": photograph.point(lambda level: level // 3),
        "blurred": photograph.filter(ImageFilter.GaussianBlur(30)),
    }
    images = []
    for name, picture in pictures.items():
        picture.save(tmp_path / f"{name}.png")
        images.append(AnnotatedImage(tmp_path / f"{name}.png", name, *picture.size, (), None, is_rotated=False))
    found = inspect(images, ("thing",), (), imgsz=640, say=lambda _: None).appearances
    assert list(found) == ["usual", "darker", "blurred"]
    for name, picture in pictures.items():
        assert found[name].brightness == pytest.approx(np.asarray(picture.convert("L")).mean(), abs=2)
    assert found["darker"].sharpness == pytest.approx(found["usual"].sharpness, rel=0.1)
    assert found["blurred"].sharpness < 0.7 * found["usual"].sharpness
