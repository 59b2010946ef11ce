"""What a loaded model takes for a picture."""

import base64
import io

import pytest
from PIL import Image

from steelyard.paths import quiet_ultralytics

# MLflow warns of a class of its own when it is imported.
pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning")


@pytest.fixture
def open_picture():
    from steelyard.record.predictor import _open_picture  # heavy: mlflow, 2.7 s

    return _open_picture


@pytest.mark.parametrize("side", [1, 17, 70])
def test_a_picture_in_base64_is_opened_whatever_its_length(open_picture, side):
    file = io.BytesIO()
    Image.new("L", (side, side)).save(file, "PNG", compress_level=0)
    text = base64.b64encode(file.getvalue()).decode()
    if side == 17:  # as a path it begins with a folder whose name is longer than a file system allows
        assert 255 < len(text.partition("/")[0]) <= len(text) < 4096
    assert open_picture(text).size == (side, side)


def test_a_picture_is_opened_by_its_path(open_picture, tmp_path):
    Image.new("RGB", (3, 5)).save(tmp_path / "a.png")
    assert open_picture(str(tmp_path / "a.png")).size == (3, 5)


@pytest.mark.parametrize("text", ["missing.png", "bm8gcGljdHVyZQ==", "x" * 300, "x" * 5000, "a\0b"])
@pytest.mark.parametrize("library", ["Pillow", "Ultralytics"])
def test_what_is_no_picture_is_named(open_picture, text, library, tmp_path, monkeypatch):
    if library == "Ultralytics":  # its import replaces Pillow's open
        quiet_ultralytics(tmp_path)
        from ultralytics.utils.patches import image_open

        monkeypatch.setattr(Image, "open", image_open)
    with pytest.raises(ValueError, match="neither a file here nor a picture in base64"):
        open_picture(text)
