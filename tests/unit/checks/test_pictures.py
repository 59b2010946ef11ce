import base64
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from steelyard.checks.pictures import Picture, View, cut_views, encode

GIF = bytes.fromhex("47494638396101000100800000ff0000ffffff2c00000000010001000002024401003b")  # 1 px, no kind of KINDS
RED, BLUE = (220, 30, 30), (30, 30, 220)


def open_uri(picture: Picture) -> Image.Image:
    head, content = picture.uri.split(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(BytesIO(base64.b64decode(content)))


def is_like(picture: Image.Image, place: tuple[float, float], color: tuple[int, int, int]) -> bool:
    """Whether the colour is at this place, given as shares of width and height."""
    at = picture.getpixel((int(place[0] * picture.width), int(place[1] * picture.height)))
    return max(abs(a - b) for a, b in zip(at, color, strict=True)) < 25


def paint_halves(width=400, height=200):
    """Left half red, right half blue."""
    picture = Image.new("RGB", (width, height), RED)
    picture.paste(BLUE, (width // 2, 0, width, height))
    return picture


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_whole_view_is_small_and_a_region_is_that_region(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    paint_halves(2000, 1000).save(path)
    whole, right = View(path), View(path, (1000, 0, 1100, 100), 160)
    pictures = cut_views([whole, right])
    assert pictures[whole].region == (0, 0, 2000, 1000)
    opened = open_uri(pictures[whole])
    assert opened.size == (320, 160)
    assert is_like(opened, (0.25, 0.5), RED)
    assert is_like(opened, (0.75, 0.5), BLUE)
    opened = open_uri(pictures[right])
    assert opened.size == (100, 100), "a small region is not enlarged"
    assert is_like(opened, (0.1, 0.5), BLUE)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_exif_turns_the_picture_and_regions_are_of_the_turned_one(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    exif = Image.Exif()
    exif[274] = 6  # to be turned clockwise: left becomes top
    paint_halves(800, 400).save(path, exif=exif)
    whole, bottom = View(path), View(path, (0, 700, 100, 800), 80)
    pictures = cut_views([whole, bottom])
    assert pictures[whole].region == (0, 0, 400, 800)
    opened = open_uri(pictures[whole])
    assert opened.size == (160, 320)
    assert is_like(opened, (0.5, 0.25), RED)
    assert is_like(opened, (0.5, 0.75), BLUE)
    assert is_like(open_uri(pictures[bottom]), (0.5, 0.5), BLUE)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.jpg", b""),
        ("text.jpg", b"not a picture"),
        ("cut.png", None),
        ("other.gif", GIF),
    ],
)
def test_what_cannot_be_decoded_has_no_picture(tmp_path: Path, name: str, content: bytes | None) -> None:
    path = tmp_path / name
    if content is None:
        stream = BytesIO()
        paint_halves().save(stream, "PNG")
        content = stream.getvalue()[: stream.tell() // 2]
    path.write_bytes(content)
    good = tmp_path / "good.png"
    paint_halves().save(good)
    pictures = cut_views([View(path), View(tmp_path / "missing.jpg"), View(good)])
    assert pictures[View(path)] is None
    assert pictures[View(tmp_path / "missing.jpg")] is None
    assert pictures[View(good)] is not None


def test_a_jpeg_of_endless_scans_is_not_decoded(tmp_path: Path) -> None:
    path = tmp_path / "scans.jpg"
    paint_halves().save(path, progressive=True)
    assert cut_views([View(path)])[View(path)] is not None
    content = path.read_bytes()
    last = content.rindex(b"\xff\xda")
    path.write_bytes(content[:last] + content[last:-2] * 300 + content[-2:])
    assert cut_views([View(path)])[View(path)] is None


def test_every_mode_becomes_a_picture(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0, 1000, 64, dtype=np.uint16), (64, 1))
    pictures = {
        "deep.png": Image.fromarray(ramp),
        "grey.png": Image.new("L", (64, 64), 90),
        "clear.png": Image.new("RGBA", (64, 64), (*RED, 10)),
        "palette.png": Image.new("RGB", (64, 64), RED).quantize(4),
        "ink.jpg": Image.new("CMYK", (64, 64)),
        "bit.png": Image.new("1", (64, 64)),
    }
    for name, picture in pictures.items():
        more = {"transparency": bytes((9, 99, 255))} if picture.mode == "P" else {}
        picture.save(tmp_path / name, **more)
    cut = cut_views(View(tmp_path / name) for name in pictures)
    assert len(cut) == len(pictures)
    assert all(cut.values())
    deep = np.asarray(open_uri(cut[View(tmp_path / "deep.png")]).convert("L"))
    assert deep[:, :4].mean() < 20, "16 bits are stretched"
    assert deep[:, -4:].mean() > 235
    assert is_like(open_uri(cut[View(tmp_path / "clear.png")]), (0.5, 0.5), RED), "as training sees it"


@pytest.mark.parametrize("most", [4_000, 12_800, 26_000])
def test_noise_is_encoded_within_the_bytes_given(most: int) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (320, 320, 3), dtype=np.uint8))
    assert most / 2 < len(encode(noise, most)) <= most
    assert len(encode(noise, 10**6)) > 30_000
