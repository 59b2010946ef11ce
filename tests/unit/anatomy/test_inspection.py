"""What weights are made of: counted beside torch, and moved by every break that a finding names."""

import json
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
import torch

from steelyard.anatomy.file import open_file
from steelyard.anatomy.inspection import inspect_file
from steelyard.anatomy.picture import draw_histograms
from steelyard.anatomy.words import WORDS
from steelyard.weights.architecture import build_detector
from steelyard.weights.checkpoint import save_checkpoint, save_safetensors
from steelyard.weights.identity import identify

BIN = Path(sys.executable).parent
CLASSES = {0: "square", 1: "disc"}


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    model = build_detector("n", CLASSES)
    with torch.no_grad():
        for tensor in model.parameters():
            tensor.add_(torch.randn_like(tensor) * 0.01)
    return model


@pytest.fixture
def file(network, tmp_path):
    save_checkpoint(network, tmp_path / "file.pt", image_size=64)
    return tmp_path / "file.pt"


def inspect(path):
    return inspect_file("file", open_file(path))


def find(path):
    return {each.name: (each.level, each.says) for each in inspect(path).findings}


def change(network, path, **tensors):
    """The network with some tensors changed, as safetensors, which hold anything."""
    state = {**network.state_dict(), **{name.replace("__", "."): tensor for name, tensor in tensors.items()}}

    class Holder(torch.nn.Module):
        def state_dict(self, *_, **__):
            return state

    save_safetensors(Holder(), path, {"classes": json.dumps(list(CLASSES.values()))})
    return path


def test_kinds_and_parts_are_those_of_torch(network, file):
    found = inspect(file)
    modules = dict(network.named_modules())
    norms = [name for name, module in modules.items() if isinstance(module, torch.nn.BatchNorm2d)]
    parameters = {name: tensor for name, tensor in network.named_parameters() if ".dfl." not in name}
    normalisation = {name for name in parameters if name.rpartition(".")[0] in norms}
    biases = {name for name in parameters if name.endswith(".bias")} - normalisation
    names = {kind: {each.name for each in found.tensors if each.kind == kind} for kind in found.by_kind}
    assert names["normalisation"] == normalisation
    assert names["biases"] == biases
    assert names["weights"] == set(parameters) - normalisation - biases
    assert names["buffers"] == set(network.state_dict()) - set(parameters)
    layers = {each.layer: each.kind for each in found.layers}
    assert layers == {
        number: type(layer).__name__ for number, layer in enumerate(network.model) if list(layer.parameters())
    }
    assert {each.layer for each in found.layers if each.part == "backbone"} == set(range(11))
    assert [each.layer for each in found.layers if each.part == "head"] == [23]
    assert sum(each.count for each in found.by_part.values()) == sum(each.numel() for each in parameters.values())


def test_the_numbers_are_those_of_torch(network, file):
    found = inspect(file)
    for each in found.tensors:
        tensor = network.state_dict()[each.name].double()
        assert each.shape == tuple(tensor.shape)
        assert each.norm == pytest.approx(float(tensor.norm()), rel=1e-6)
        assert each.mean == pytest.approx(float(tensor.mean()), abs=1e-6)
        assert each.spread == pytest.approx(float(tensor.std(correction=0)), rel=1e-4, abs=1e-5)
        assert each.zeros == pytest.approx(float((tensor == 0).double().mean()))
    assert found.identity == identify(network.state_dict())
    assert (found.architecture, found.classes) == ("yolo11n", ("square", "disc"))


def test_every_format_holds_the_same(network, file, tmp_path):
    found, other = inspect(file), inspect(change(network, tmp_path / "same.safetensors"))
    assert (found.identity, found.architecture_hash) == (other.identity, other.architecture_hash)
    assert found.by_kind.keys() == other.by_kind.keys()
    assert found.classes == other.classes


def test_an_onnx_export_is_read_as_it_is(network, tmp_path):
    state = {
        name: tensor for name, tensor in network.state_dict().items() if ".bn." not in name and ".dfl." not in name
    }
    state |= {
        name.replace(".bn.bias", ".conv.bias"): tensor
        for name, tensor in network.state_dict().items()
        if name.endswith(".bn.bias")
    }
    initializers = [onnx.numpy_helper.from_array(tensor.numpy(), name) for name, tensor in state.items()]
    model = onnx.helper.make_model(onnx.helper.make_graph([], "graph", [], [], initializers))
    onnx.helper.set_model_props(model, {"task": "detect", "names": str(CLASSES)})
    onnx.save(model, tmp_path / "file.onnx")
    found = inspect(tmp_path / "file.onnx")
    assert {each.name for each in found.tensors} == set(state)
    assert (found.architecture, found.classes) == ("yolo11n", ("square", "disc"))
    assert "normalisation" not in found.by_kind
    folded = sum(name.endswith(".conv.bias") for name in state)
    assert find(tmp_path / "file.onnx")["normalisation-folded"][1].startswith(f"{folded} convolutions")


def test_the_architecture_has_a_hash_of_its_own(network, file, tmp_path):
    name = "model.0.conv.weight"
    other = inspect(change(network, tmp_path / "other.safetensors", **{name: network.state_dict()[name] * 2}))
    assert other.architecture_hash == inspect(file).architecture_hash
    assert other.identity != inspect(file).identity
    wide = build_detector("n", {0: "square"})
    save_checkpoint(wide, tmp_path / "wide.pt", image_size=64)
    assert inspect(tmp_path / "wide.pt").architecture_hash != inspect(file).architecture_hash


def test_what_is_broken_is_found(network, file, tmp_path):
    assert find(file).keys() <= {"fp16-underflow"}
    name = "model.5.conv.weight"
    kernel = network.state_dict()[name]
    broken = kernel.clone()
    broken[0, 0, 0, 0], broken[1, 0, 0, 0] = float("nan"), float("inf")
    found = find(change(network, tmp_path / "broken.safetensors", **{name: broken}))
    assert found["not-finite"] == ("error", f"2 numbers are NaN or infinite, in {name}")
    large = kernel.clone()
    large[0, 0, 0, 0] = 70000
    assert find(change(network, tmp_path / "large.safetensors", **{name: large}))["fp16-overflow"][0] == "warning"
    dead = kernel.clone()
    dead[3:5] = 0
    says = find(change(network, tmp_path / "dead.safetensors", **{name: dead}))["dead-filters"][1]
    assert says.startswith("2 of ") and says.endswith(f"filters are all zero, in {name}")
    small = kernel.clone()
    small[:] = 1e-9
    says = find(change(network, tmp_path / "small.safetensors", **{name: small}))["fp16-underflow"][1]
    assert int(says.split()[0]) >= kernel.numel()


def test_names_that_do_not_fit_and_unfinished_trainings_are_found(network, file, tmp_path):
    values = torch.load(file, weights_only=False)
    values["model"].names = {0: "square"}
    values |= {"epoch": 7, "optimizer": {"state": {0: {"step": torch.ones(1000)}}}, "ema": values["model"]}
    torch.save(values, tmp_path / "last.pt")
    found, seen = find(tmp_path / "last.pt"), inspect(tmp_path / "last.pt")
    assert found["class-count"] == ("error", "the head has 2 classes, and 1 names are given")
    assert found["unfinished"][1].startswith("an unfinished training at epoch 7")
    assert seen.epoch == 7
    assert seen.extra["optimizer"] == 4000
    assert seen.extra["ema"] > 10_000_000
    assert inspect(file).epoch is None


def test_bfloat16_is_read_as_it_is(tmp_path):
    """Half of its bits are those of a float32; numpy has no such type."""
    model = build_detector("n", CLASSES).bfloat16()
    values = {"model": model, "ema": None, "epoch": -1}
    torch.save(values, tmp_path / "half.pt")
    found = inspect(tmp_path / "half.pt")
    first = next(each for each in found.tensors if each.name == "model.0.conv.weight")
    assert (first.dtype, first.bytes) == ("bfloat16", 2 * first.count)
    assert first.norm == pytest.approx(float(model.state_dict()["model.0.conv.weight"].double().norm()), rel=1e-6)
    assert found.identity == identify(model.state_dict())


def test_the_picture_shows_each_part(file):
    figure = draw_histograms(inspect(file), open_file(file))
    titles = [axes.get_title() for axes in figure.axes]
    assert [title.split(",")[0] for title in titles if title] == [
        *["backbone: weights", "backbone: normalisation", "neck: weights", "neck: normalisation"],
        *["head: weights", "head: biases", "head: normalisation"],
    ]
    counted = [sum(patch.get_data().values) for axes in figure.axes for patch in axes.patches]
    assert sum(counted) == pytest.approx(sum(each.count for each in inspect(file).by_part.values()))


def call(*arguments, cwd):
    done = subprocess.run([BIN / "steelyard", "inspect", *arguments], cwd=cwd, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def test_the_command_works_outside_of_a_repository(network, file, tmp_path):
    code, out, _ = call(file, "--explain", cwd=tmp_path)
    assert code == 0
    assert "yolo11n" in out and "backbone" in out and "normalisation" in out
    assert all(name in out for name in WORDS)
    code, out, _ = call(file, "--json", cwd=tmp_path)
    assert json.loads(out)["identity"] == identify(network.state_dict())
    code, _, error = call("v1", cwd=tmp_path)
    assert code == 1 and "in no repository of Steelyard" in error
    kernel = torch.full_like(network.state_dict()["model.0.conv.weight"], float("nan"))
    bad = torch.load(file, weights_only=False)
    bad["model"].model[0].conv.weight = torch.nn.Parameter(kernel)
    torch.save(bad, tmp_path / "bad.pt")
    code, out, _ = call(tmp_path / "bad.pt", cwd=tmp_path)
    assert code == 1 and "432 numbers are NaN" in " ".join(out.split())


def test_it_is_light(file):
    """No torch: looking at a file takes less than loading what it is for."""
    code = (
        "import sys, pathlib\nfrom steelyard.anatomy.inspection import inspect_file\n"
        "from steelyard.anatomy.file import open_file\ninspect_file('x', open_file(pathlib.Path(sys.argv[1])))\n"
        "sys.exit(str(sorted({'torch', 'ultralytics', 'mlflow', 'matplotlib'} & set(sys.modules))) "
        "if {'torch', 'ultralytics', 'mlflow', 'matplotlib'} & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code, file], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
