import pytest
from pydantic import ValidationError

from steelyard.weights.manifest import BaseManifest

VALUES = {
    "source": "weights/mine.pt",
    "sha256": "0" * 64,
    "format": "pt",
    "licence": "MIT",
    "identity": "sha256:" + "1" * 64,
    "file_sha256": "2" * 64,
    "architecture": "yolo11n",
    "parameters": 10,
    "layers": 24,
    "classes": {0: "Tree"},
    "image_size": 640,
    "batchnorm": "as in the checkpoint",
}


def test_the_manifest_survives_json():
    manifest = BaseManifest.model_validate(VALUES)
    assert BaseManifest.model_validate_json(manifest.model_dump_json()) == manifest
    assert manifest.classes == {0: "Tree"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"schema_version": 2},
        {"sha256": "0"},
        {"identity": "1" * 64},
        {"architecture": "yolov8n"},
        {"classes": {}},
        {"batchnorm": "measured again on many crops"},
        {"unknown": 1},
    ],
)
def test_the_manifest_refuses(wrong):
    with pytest.raises(ValidationError):
        BaseManifest.model_validate(VALUES | wrong)
