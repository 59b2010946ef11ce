"""The stage base, on the real export of YOLO11n and on a checkpoint of a real training."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from PIL import Image
from ruamel.yaml import YAML

from steelyard.errors import WeightsError
from steelyard.params import load_params
from steelyard.paths import BASE_MANIFEST, BASE_WEIGHTS, quiet_ultralytics
from steelyard.source import open_source
from steelyard.weights.checkpoint import load_checkpoint
from steelyard.weights.identity import file_sha256, identify
from steelyard.weights.manifest import BaseManifest
from steelyard.weights.onnx import import_onnx

ROOT = Path(__file__).parents[2]
# Of Ultralytics' own yolo11n.pt on its bus.jpg at its stock settings: a bus and four persons.
BUS_SCORES = [0.94015, 0.88822, 0.87826, 0.85577, 0.62192]


@pytest.fixture(scope="module", autouse=True)
def _ultralytics_kept_here():
    quiet_ultralytics(ROOT)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # small networks on a busy machine: threads that wait for each other cost tenfold
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def coco_onnx():
    """The export that params.yaml names, 11 MB."""
    params = load_params(ROOT / "params.yaml").base
    with open_source(params.source, params.sha256, ROOT) as path:
        yield path


def _run_stage(folder, **base):
    """Run the stage in a folder of its own, with some values of the section ``base`` changed."""
    yaml = YAML()
    values = yaml.load(ROOT / "params.yaml")
    values["base"].update(base)
    folder.mkdir(exist_ok=True)
    yaml.dump(values, folder / "params.yaml")
    return subprocess.run(
        [sys.executable, "-m", "tasks.base"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="session")
def made(coco_onnx, tmp_path_factory):
    """The folder in which the stage has run on the export, and what it said."""
    folder = tmp_path_factory.mktemp("base")
    return folder, _run_stage(folder, source=str(coco_onnx), sha256=file_sha256(coco_onnx))


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """An unfinished checkpoint as Ultralytics' trainer leaves it: average, optimizer, metrics."""
    from ultralytics import YOLO

    folder = tmp_path_factory.mktemp("trained")
    pixels = np.random.default_rng(0)
    for split in ("train", "val"):
        for part in ("images", "labels"):
            (folder / part / split).mkdir(parents=True)
        for index in range(2):
            image = Image.fromarray(pixels.integers(0, 255, (64, 64, 3), dtype=np.uint8))
            image.save(folder / "images" / split / f"{index}.png")
            (folder / "labels" / split / f"{index}.txt").write_text("1 .5 .5 .4 .4\n")
    data = folder / "data.yaml"
    data.write_text(f"path: {folder}\ntrain: images/train\nval: images/val\nnames: [ball, hand]\n")
    YOLO("yolo11n.yaml").train(
        data=data, epochs=1, imgsz=64, batch=2, device="cpu", workers=0, optimizer="AdamW", amp=False,
        project=folder, name="run", save_period=1, plots=False, verbose=False,
    )  # fmt: skip
    return folder / "run" / "weights" / "epoch0.pt"


def test_the_stage_makes_weights_and_manifest(made, coco_onnx):
    folder, done = made
    assert done.returncode == 0, done.stderr
    manifest = BaseManifest.model_validate_json((folder / BASE_MANIFEST).read_text())
    checkpoint = load_checkpoint(folder / BASE_WEIGHTS)
    assert manifest.identity == identify(checkpoint.model.state_dict())
    assert manifest.file_sha256 == file_sha256(folder / BASE_WEIGHTS)
    assert manifest.sha256 == file_sha256(coco_onnx)
    assert (manifest.format, manifest.architecture, manifest.layers) == ("onnx", "yolo11n", 24)
    assert manifest.parameters == 2_624_080  # as Ultralytics' yolo11.yaml says
    assert manifest.batchnorm == "measured again on 8 crops"
    assert manifest.image_size == checkpoint.image_size == 640
    assert manifest.classes == checkpoint.classes
    assert (len(manifest.classes), manifest.classes[0], manifest.classes[79]) == (80, "person", "toothbrush")
    facts = ["2,624,080 parameters", "classes: 80 (person, bicycle, car, ...)", "AGPL-3.0", manifest.identity]
    assert all(fact in done.stdout for fact in facts), done.stdout
    assert sorted(path.name for path in (folder / "weights").iterdir()) == ["base.json", "base.pt"]


def test_the_imported_network_scores_as_the_official_one(made):
    from ultralytics import YOLO
    from ultralytics.utils import ASSETS

    [result] = YOLO(made[0] / BASE_WEIGHTS).predict(ASSETS / "bus.jpg", verbose=False)
    assert result.boxes.conf.tolist() == pytest.approx(BUS_SCORES, abs=2e-5)
    assert [result.names[int(number)] for number in result.boxes.cls] == ["bus"] + ["person"] * 4


@pytest.mark.parametrize("threads", [1, 2])
def test_every_process_makes_the_same_file(threads, made, coco_onnx, tmp_path):
    code = (
        "import sys; from pathlib import Path\n"
        "from steelyard.paths import quiet_ultralytics; quiet_ultralytics(Path(sys.argv[1]))\n"
        "import torch; torch.set_num_threads(int(sys.argv[2]))\n"
        "from steelyard.weights.checkpoint import save_checkpoint\n"
        "from steelyard.weights.onnx import import_onnx\n"
        "save_checkpoint(import_onnx(Path(sys.argv[3])).model, Path(sys.argv[4]), image_size=640)\n"
    )
    again = tmp_path / "again.pt"
    command = [sys.executable, "-c", code, ROOT, str(threads), coco_onnx, again]
    environment = {"PYTHONHASHSEED": str(threads), "OMP_WAIT_POLICY": "passive"}
    subprocess.run(command, check=True, cwd=ROOT, env=os.environ | environment)
    assert file_sha256(again) == file_sha256(made[0] / BASE_WEIGHTS)


def test_batchnorm_holds_the_statistics_of_its_input(made):
    from ultralytics.utils import ASSETS

    model = load_checkpoint(made[0] / BASE_WEIGHTS).model
    pixels = [np.asarray(Image.open(ASSETS / name)) for name in ("bus.jpg", "zidane.jpg")]
    corners = [slice(0, 320), slice(-320, None)]
    crops = np.stack([image[rows, columns] for image in pixels for rows in corners for columns in corners])
    inputs = {}
    for name, module in model.named_modules():
        if name.endswith(".bn"):
            module.register_forward_hook(lambda _, given, __, name=name: inputs.update({name: given[0]}))
    with torch.no_grad():
        model(torch.from_numpy(crops.transpose(0, 3, 1, 2) / 255).float())
    assert len(inputs) == 81  # 87 convolutions, less the last of each branch of the head
    for name, values in inputs.items():
        norm = model.get_submodule(name)
        variance, mean = torch.var_mean(values, dim=(0, 2, 3), correction=0)
        torch.testing.assert_close(norm.running_mean, mean, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(norm.running_var, variance, rtol=1e-3, atol=1e-3)


def _edit(coco_onnx, path, change):
    proto = onnx.load(coco_onnx)
    change(proto.graph, {each.name: each for each in proto.graph.initializer})
    onnx.save(proto, path)
    return path


def test_an_export_with_values_that_are_not_finite(coco_onnx, tmp_path):
    def change(graph, tensors):
        values = numpy_helper.to_array(tensors["model.3.conv.weight"]).copy()
        values[0, 0, 0, 0] = np.nan
        tensors["model.3.conv.weight"].CopyFrom(numpy_helper.from_array(values, "model.3.conv.weight"))

    path = _edit(coco_onnx, tmp_path / "nan.onnx", change)
    with pytest.raises(WeightsError, match=r"model\.3\.conv\.weight holds 1 of 36864 values that are NaN"):
        import_onnx(path)


def test_an_export_without_one_tensor(coco_onnx, tmp_path):
    def change(graph, tensors):
        graph.initializer.remove(tensors["model.7.conv.bias"])

    path = _edit(coco_onnx, tmp_path / "gap.onnx", change)
    with pytest.raises(WeightsError, match=r"5 missing: model\.7\.bn\.weight"):
        import_onnx(path)


def test_an_export_whose_layers_compute_something_else(coco_onnx, tmp_path):
    def node(graph, name):
        return next(each for each in graph.node if each.name == name)

    def swap_activation(graph, tensors):
        node(graph, "/model.9/cv1/act/Sigmoid").op_type = "Tanh"

    def swap_stride(graph, tensors):
        strides = next(each for each in node(graph, "/model.5/conv/Conv").attribute if each.name == "strides")
        strides.ints[:] = [1, 1]

    with pytest.raises(WeightsError, match=r"model\.9\.cv1 has strides \[1, 1\] and no activation, where"):
        import_onnx(_edit(coco_onnx, tmp_path / "tanh.onnx", swap_activation))
    with pytest.raises(WeightsError, match=r"model\.5 has strides \[1, 1\] and a SiLU, where .* \[2, 2\]"):
        import_onnx(_edit(coco_onnx, tmp_path / "stride.onnx", swap_stride))


def test_a_checkpoint_of_a_real_training(trained, tmp_path):
    from ultralytics import YOLO

    done = _run_stage(tmp_path, source=str(trained), sha256=file_sha256(trained), licence="MIT")
    assert done.returncode == 0, done.stderr
    manifest = BaseManifest.model_validate_json((tmp_path / BASE_MANIFEST).read_text())
    assert (manifest.format, manifest.batchnorm, manifest.licence) == ("pt", "as in the checkpoint", "MIT")
    assert (manifest.classes, manifest.image_size) == ({0: "ball", 1: "hand"}, 64)
    ours, theirs = YOLO(tmp_path / BASE_WEIGHTS).model, YOLO(trained).model
    assert identify(ours.state_dict()) == identify(theirs.state_dict()) == manifest.identity
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(ours.eval()(image)[0], theirs.eval()(image)[0])


def test_a_bad_source_ends_in_one_line_and_leaves_the_last_weights(trained, tmp_path):
    assert _run_stage(tmp_path, source=str(trained), sha256=file_sha256(trained)).returncode == 0
    before = {path: file_sha256(tmp_path / path) for path in (BASE_WEIGHTS, BASE_MANIFEST)}
    truncated = tmp_path / "truncated.pt"
    truncated.write_bytes(trained.read_bytes()[:50_000])
    (tmp_path / "notes.txt").write_text("weights")
    for source, message in {
        "truncated.pt": "error: truncated.pt: is truncated; needed is",
        "notes.txt": "error: notes.txt: ends with '.txt'; needed is a .pt checkpoint or an .onnx export",
    }.items():
        done = _run_stage(tmp_path, source=source, sha256=file_sha256(tmp_path / source))
        assert done.returncode == 1
        assert done.stderr.startswith(message)
        assert done.stderr.count("\n") == 1
        assert {path: file_sha256(tmp_path / path) for path in before} == before
        assert not list(tmp_path.rglob("*.part"))
