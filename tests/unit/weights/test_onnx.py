"""Files that are no export of YOLO11; the real one is read in tests/integration/test_base.py."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from steelyard.errors import WeightsError
from steelyard.weights.onnx import import_onnx


def _write(path, tensors, **properties):
    graph = helper.make_graph([], "graph", [], [], initializer=tensors)
    proto = helper.make_model(graph)
    helper.set_model_props(proto, properties)
    path.write_bytes(proto.SerializeToString())
    return path


def _tensor(name, *shape):
    return numpy_helper.from_array(np.ones(shape, dtype=np.float32), name)


def test_files_that_are_not_onnx(tmp_path):
    path = tmp_path / "file.onnx"
    with pytest.raises(WeightsError, match="not found"):
        import_onnx(path)
    path.write_bytes(b"\xff" * 100)
    with pytest.raises(WeightsError, match="is no ONNX file"):
        import_onnx(path)
    path.write_bytes(b"")
    with pytest.raises(WeightsError, match="0 tensors, task not given"):
        import_onnx(path)


def test_networks_that_are_not_yolo11(tmp_path):
    path = _write(tmp_path / "other.onnx", [_tensor("fc.weight", 2, 2)])
    with pytest.raises(WeightsError, match="1 tensors, task not given; needed is Ultralytics' own"):
        import_onnx(path)
    _write(path, [_tensor("model.0.conv.weight", 16, 3, 3, 3)], task="segment")
    with pytest.raises(WeightsError, match="task segment"):
        import_onnx(path)
    _write(path, [_tensor("model.0.conv.weight", 16, 3, 3, 3)], task="detect")
    with pytest.raises(WeightsError, match=r"no tensor model\.23\.cv3\.0\.2\.weight among 1"):
        import_onnx(path)
    _write(
        path,
        [_tensor("model.0.conv.weight", 17, 3, 3, 3), _tensor("model.23.cv3.0.2.weight", 2, 80, 1, 1)],
        task="detect",
    )
    with pytest.raises(WeightsError, match="17 channels and 0 bottlenecks"):
        import_onnx(path)


def test_tensors_in_other_files_are_refused(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(16 * 27 * 4))
    tensor = TensorProto(name="model.0.conv.weight", data_type=TensorProto.FLOAT, dims=[16, 3, 3, 3])
    onnx.external_data_helper.set_external_data(_with_data(tensor), location="secret")
    tensor.ClearField("raw_data")
    path = _write(tmp_path / "outside.onnx", [tensor], task="detect")
    with pytest.raises(WeightsError, match=r"model\.0\.conv\.weight lies in another file"):
        import_onnx(path)


def _with_data(tensor):
    tensor.raw_data = bytes(16 * 27 * 4)
    return tensor


def test_damaged_tensors_and_names(tmp_path):
    short = _tensor("model.0.conv.weight", 16, 3, 3, 3)
    short.raw_data = short.raw_data[:-4]
    path = _write(tmp_path / "damaged.onnx", [short], task="detect")
    with pytest.raises(WeightsError, match="not as many values as its shape"):
        import_onnx(path)
    tensors = [
        _tensor("model.0.conv.weight", 16, 3, 3, 3),
        _tensor("model.2.m.0.cv1.conv.weight", 8, 16, 3, 3),
        _tensor("model.23.cv3.0.2.weight", 2, 80, 1, 1),
    ]
    _write(path, tensors, task="detect", names="__import__('os').getcwd()")
    with pytest.raises(WeightsError, match=r"metadata names = .* cannot be read"):
        import_onnx(path)
    _write(path, tensors, task="detect", names="{0: 'one'}")
    with pytest.raises(WeightsError, match=r"1 class names \(0\) for a network of 2 classes"):
        import_onnx(path)
