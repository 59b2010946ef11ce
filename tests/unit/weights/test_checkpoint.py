import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from steelyard.errors import WeightsError
from steelyard.weights.architecture import architecture_of, build_detector
from steelyard.weights.checkpoint import load_checkpoint, save_checkpoint, save_safetensors, write_whole
from steelyard.weights.identity import file_sha256, identify

ROOT = Path(__file__).parents[3]


class Hostile:
    """A pickle that makes a file when it is opened the usual way."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_what_is_saved_is_what_is_loaded(detector, saved):
    checkpoint = load_checkpoint(saved)
    assert identify(checkpoint.model.state_dict()) == identify(detector.state_dict())
    assert checkpoint.classes == checkpoint.model.names == {0: "ball", 1: "hand", 2: "figure"}
    assert checkpoint.image_size == 320
    assert not checkpoint.model.training
    assert {tensor.dtype for tensor in checkpoint.model.parameters()} == {torch.float32}


def test_ultralytics_opens_what_is_saved(detector, saved):
    from ultralytics import YOLO

    opened = YOLO(saved)
    assert identify(opened.model.state_dict()) == identify(detector.state_dict())
    assert opened.names == {0: "ball", 1: "hand", 2: "figure"}
    assert opened.overrides["imgsz"] == 320
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(opened.model(image)[0], load_checkpoint(saved).model(image)[0])


def test_what_ultralytics_saves_is_loaded(detector, tmp_path):
    from ultralytics import YOLO

    theirs = YOLO("yolo11s.yaml")  # another scale, 80 classes
    theirs.save(tmp_path / "theirs.pt")  # in half precision, as Ultralytics does
    checkpoint = load_checkpoint(tmp_path / "theirs.pt")
    assert architecture_of(checkpoint.model.state_dict(), "") == ("s", 80, 128)
    half = {name: tensor.half() for name, tensor in theirs.model.state_dict().items()}
    loaded = {name: tensor.half() for name, tensor in checkpoint.model.state_dict().items()}
    assert identify(loaded) == identify(half)


def test_the_average_is_taken_where_a_file_holds_both(detector, saved, tmp_path):
    values = torch.load(saved, weights_only=False)
    average = build_detector("n", detector.names)
    torch.save(values | {"ema": average}, tmp_path / "both.pt")
    loaded = load_checkpoint(tmp_path / "both.pt").model
    assert identify(loaded.state_dict()) == identify(average.state_dict())


def test_loading_leaves_the_random_state_alone(saved):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    load_checkpoint(saved)
    assert torch.equal(torch.rand(1), expected)


def test_the_same_weights_give_the_same_bytes_whatever_became_of_the_object(detector, saved, tmp_path):
    worn = load_checkpoint(saved).model.train()
    worn.pt_path = str(saved)
    worn.args = {"data": "/somewhere/data.yaml"}
    for parameter in worn.parameters():
        parameter.requires_grad = False
    save_checkpoint(worn, tmp_path / "worn.pt", image_size=320)
    assert file_sha256(tmp_path / "worn.pt") == file_sha256(saved)
    assert str(tmp_path).encode() not in saved.read_bytes()


def test_another_process_writes_the_same_bytes(saved, tmp_path):
    code = (
        "import sys; from pathlib import Path\n"
        "from steelyard.paths import quiet_ultralytics; quiet_ultralytics(Path(sys.argv[1]))\n"
        "import torch; torch.set_num_threads(2)\n"
        "from steelyard.weights.checkpoint import *\n"
        "model = load_checkpoint(Path(sys.argv[2])).model\n"
        "save_checkpoint(model, Path(sys.argv[3]), image_size=320)\n"
        "save_safetensors(model, Path(sys.argv[4]), dict(zip('zamb', '1234')))\n"
    )
    again, tensors, here = (tmp_path / name for name in ("again.pt", "again.safetensors", "here.safetensors"))
    subprocess.run([sys.executable, "-c", code, ROOT, saved, again, tensors], check=True, cwd=ROOT)
    assert file_sha256(again) == file_sha256(saved)
    save_safetensors(load_checkpoint(saved).model, here, dict(zip("bmaz", "4321", strict=True)))
    assert file_sha256(tensors) == file_sha256(here)


def test_a_hostile_file_is_refused_and_not_run(tmp_path):
    trace = tmp_path / "was-here"
    path = tmp_path / "hostile.pt"
    torch.save({"model": Hostile(f"touch {trace}")}, path)
    with pytest.raises(WeightsError, match=r"hostile\.pt: refused, .* run (posix|nt)\.system"):
        load_checkpoint(path)
    assert not trace.exists()
    torch.load(path, weights_only=False)
    assert trace.exists(), "the file is not hostile, so the test shows nothing"


def test_a_hostile_file_of_another_pickle_protocol_is_refused(tmp_path):
    trace = tmp_path / "was-here"
    path = tmp_path / "hostile.pt"
    torch.save({"model": Hostile(f"touch {trace}")}, path, pickle_protocol=4)
    with pytest.raises(WeightsError, match=r"hostile\.pt: refused, .* run (posix|nt)\.system"):
        load_checkpoint(path)
    path.write_bytes(pickle.dumps(Hostile(f"touch {trace}")))
    with pytest.raises(WeightsError, match="is no checkpoint"):
        load_checkpoint(path)
    assert not trace.exists()


def test_python_in_the_description_of_a_network_is_not_run(saved, tmp_path):
    trace = tmp_path / "was-here"
    values = torch.load(saved, weights_only=False)
    values["model"].yaml["activation"] = f"__import__('os').system('touch {trace}')"
    torch.save(values, tmp_path / "described.pt")
    load_checkpoint(tmp_path / "described.pt")
    assert not trace.exists()


def test_files_that_are_no_checkpoint(saved, tmp_path):
    path = tmp_path / "file.pt"
    with pytest.raises(WeightsError, match="not found"):
        load_checkpoint(path)
    path.write_bytes(b"<html>404</html>")
    with pytest.raises(WeightsError, match=r"no checkpoint \(starts with b'<html>40'"):
        load_checkpoint(path)
    path.write_bytes(saved.read_bytes()[:100_000])
    with pytest.raises(WeightsError, match="is truncated"):
        load_checkpoint(path)
    torch.save({"weight": torch.ones(1)}, path)
    with pytest.raises(WeightsError, match=r"no checkpoint of Ultralytics \(holds keys weight"):
        load_checkpoint(path)
    torch.save({"model": {"weight": torch.ones(1)}}, path)
    with pytest.raises(WeightsError, match="'model' is no network"):
        load_checkpoint(path)
    torch.save([1, 2], path)
    with pytest.raises(WeightsError, match=r"no checkpoint of Ultralytics \(holds list"):
        load_checkpoint(path)


def test_damage_inside_a_file(saved, tmp_path):
    data = bytearray(saved.read_bytes())
    at = data.index(b"DetectionModel")
    data[at - 60 : at - 20] = bytes(40)
    (tmp_path / "damaged.pt").write_bytes(data)
    with pytest.raises(WeightsError, match="damaged"):
        load_checkpoint(tmp_path / "damaged.pt")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("yolo11n-seg.yaml", "the network is a SegmentationModel with head Segment; needed is a YOLO11"),
        ("yolo11n-cls.yaml", "the network is a ClassificationModel with head Classify; needed is a YOLO11"),
        ("yolov8n.yaml", r"\(yolov8n\): holds no YOLO11 detection network"),
        ("yolo26n.yaml", r"\(yolo26n\): tensors do not fit yolo11n: 43 missing"),
    ],
)
def test_another_architecture(config, message, tmp_path):
    from ultralytics import YOLO

    YOLO(config).save(tmp_path / "other.pt")
    with pytest.raises(WeightsError, match=message):
        load_checkpoint(tmp_path / "other.pt")


def _resave(saved, change):
    values = torch.load(saved, weights_only=False)
    change(values["model"])
    torch.save(values, saved)


def test_values_that_are_not_finite(detector, saved, tmp_path):
    with torch.no_grad():
        detector.model[3].conv.weight[0, 0, 0, 0] = float("nan")
        detector.model[3].conv.weight[1, 0, 0, 0] = float("inf")
    with pytest.raises(WeightsError, match=r"model\.3\.conv\.weight holds 2 of 36864 values that are NaN"):
        save_checkpoint(detector, tmp_path / "broken.pt", image_size=320)
    assert not list(tmp_path.glob("broken*"))
    _resave(saved, lambda model: model.model[4].cv1.bn.running_var.fill_(float("nan")))
    with pytest.raises(WeightsError, match=r"model\.4\.cv1\.bn\.running_var holds 64 of 64"):
        load_checkpoint(saved)


def test_tensors_that_do_not_fit(saved):
    def change(model):
        del model.model[1].conv.weight
        model.model[2].cv1.bn.running_mean = torch.zeros(5)
        model.model[5].extra = torch.nn.Parameter(torch.ones(1))

    _resave(saved, change)
    with pytest.raises(WeightsError) as caught:
        load_checkpoint(saved)
    assert "1 missing: model.1.conv.weight" in str(caught.value)
    assert "1 unexpected: model.5.extra" in str(caught.value)
    assert "1 mis-shaped: model.2.cv1.bn.running_mean [5] instead of [32]" in str(caught.value)


def test_class_names_that_do_not_fit(saved):
    _resave(saved, lambda model: model.names.pop(2))
    with pytest.raises(WeightsError, match=r"2 class names \(0, 1\) for a network of 3 classes"):
        load_checkpoint(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda model: setattr(model.model[0], "act", torch.nn.ReLU()), "model.0.act is ReLU .* has SiLU"),
        (lambda model: setattr(model.model[3].conv, "stride", (1, 1)), "model.3.conv is Conv2d"),
        (lambda model: setattr(model.model[3].bn, "eps", 1e-5), "model.3.bn is BatchNorm2d"),
    ],
)
def test_layers_that_compute_something_else(change, message, saved):
    _resave(saved, change)
    with pytest.raises(WeightsError, match=message):
        load_checkpoint(saved)


@pytest.mark.parametrize("scale", "nsmlx")
def test_every_scale_is_told_from_its_tensors(scale):
    from ultralytics.nn.tasks import DetectionModel

    with torch.random.fork_rng(devices=[]):
        state = DetectionModel(f"yolo11{scale}.yaml", verbose=False).state_dict()
    assert architecture_of(state, "")[:2] == (scale, 80)


def test_safetensors_hold_the_same_weights_and_the_metadata(detector, tmp_path):
    path = tmp_path / "weights.safetensors"
    save_safetensors(detector, path, {"licence": "MIT", "classes": json.dumps(["bäll"])})
    assert identify(load_file(path)) == identify(detector.state_dict())
    with safe_open(path, framework="pt") as file:
        assert file.metadata() == {"licence": "MIT", "classes": json.dumps(["bäll"])}


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "file"
    write_whole(path, b"bytes")
    assert path.read_bytes() == b"bytes"
    (path.parent / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_whole(path.parent / "folder", b"bytes")
    assert sorted(each.name for each in path.parent.iterdir()) == ["file", "folder"]
