"""What ``mlflow.pyfunc.load_model("models:/NAME@champion")`` loads: the model as code, no pickle.

MLflow copies this file, and the library beside it, to the weights, and runs it where the model is
loaded, which may be a machine without Steelyard.
"""

import base64
import binascii
import io
import os.path
from typing import Any

from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel


class Detector(PythonModel):  # type: ignore[misc,unused-ignore]
    """Finds objects on pictures with the weights of one version."""

    def load_context(self, context: Any) -> None:
        """Build the network and fill it from safetensors."""
        from safetensors.torch import load_file
        from ultralytics import YOLO

        from steelyard.weights.architecture import architecture_of, build_detector, fill

        state = load_file(context.artifacts["weights"])
        scale, _, class_width = architecture_of(state, where="weights.safetensors")
        self._names = dict(enumerate(context.model_config["classes"]))
        model = build_detector(scale, self._names, class_width)
        fill(model, state, where="weights.safetensors")
        self._image_size = int(context.model_config["imgsz"])
        self._confidence = float(context.model_config["confidence"])
        self._yolo = YOLO(f"yolo11{scale}.yaml", task="detect")
        self._yolo.model = model

    # No type for what is returned: MLflow would take it for a schema, and warns of texts beside numbers.
    def predict(self, context: Any, model_input: list[str], params: Any = None):  # type: ignore[no-untyped-def] # noqa: ANN201
        """Detect.

        Args:
            context: unused; MLflow gives it.
            model_input: for each picture its path, or its bytes (JPEG, PNG) in base64.
            params: unused.

        Returns:
            For each picture its boxes: name, confidence (0 to 1) and box ``[x1, y1, x2, y2]`` in px of
            the picture, most confident first.
        """
        results = self._yolo.predict(
            [_open_picture(text) for text in model_input],
            imgsz=self._image_size,
            conf=self._confidence,
            verbose=False,
        )
        return [
            [
                {"name": self._names[int(label)], "confidence": float(score), "box": [float(x) for x in box]}
                for box, score, label in zip(each.boxes.xyxy, each.boxes.conf, each.boxes.cls, strict=True)
            ]
            for each in results
        ]


def _open_picture(text: str) -> Any:
    from PIL import Image

    if os.path.isfile(text):  # noqa: PTH113 - False, where Path's raises, for a name too long to be a file's
        return Image.open(text).convert("RGB")
    try:
        return Image.open(io.BytesIO(base64.b64decode(text, validate=True))).convert("RGB")
    except (binascii.Error, OSError, ImportError):  # the last from Ultralytics, which looks for a HEIF plugin then
        raise ValueError(f"picture = {text[:80]!r}: neither a file here nor a picture in base64") from None


set_model(Detector())
