"""Whether a JPEG file is all there."""

import io

import numpy as np
import pytest
from PIL import Image

from steelyard.dataset.jpeg import END, MOST_SCANS, count_scans, has_end

KINDS = {
    "plain": {},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_rows": 1},
    "full": {"quality": 100, "subsampling": 0},
    "comment": {"comment": END},
}
APPENDED = {
    "nothing": b"",
    "zeros": b"\0" * 512,
    "notes": b"notes of the camera",
    "filler": b"\xff",
    "picture": b"\xff\xd8\xff\xe0" + b"x" * 99,
}


def encode(**save) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "JPEG", **save)
    return file.getvalue()


def with_thumbnail() -> bytes:
    exif = Image.Exif()
    exif[37500] = encode(quality=10)
    return encode(exif=exif)


WHOLE = {name: encode(**save) for name, save in KINDS.items()} | {"thumbnail": with_thumbnail()}


@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.parametrize("appended", APPENDED)
def test_a_whole_picture_has_its_end_whatever_was_appended(kind: str, appended: str) -> None:
    assert has_end(WHOLE[kind] + APPENDED[appended])


@pytest.mark.parametrize("kind", WHOLE)
def test_a_picture_that_breaks_off_has_none_wherever_that_is(kind: str) -> None:
    data = WHOLE[kind]
    end = data.rindex(END)
    for length in [*range(2, end, 97), end, end + 1]:
        for tail in (b"", b"\0" * 2048, b"\xff" * 7):
            assert not has_end(data[:length] + tail), length


def test_bytes_without_any_segment_have_none() -> None:
    assert not has_end(b"")
    assert not has_end(b"\xff\xd8")
    assert not has_end(b"\xff\xd8\xff\xda\0\0" * 99)


def test_scans_are_counted_and_an_encoders_are_few() -> None:
    assert {name: count_scans(data) for name, data in WHOLE.items()} == dict.fromkeys(WHOLE, 1) | {
        "progressive": 10,
        "thumbnail": 2,
    }
    assert count_scans(WHOLE["progressive"]) < MOST_SCANS // 10
