import hashlib
import subprocess
import sys

import torch

from steelyard.weights.identity import file_sha256, identify

STATE = {"b.weight": torch.tensor([[1.0, 2.0], [3.0, 4.0]]), "a.steps": torch.tensor(7)}


def test_identity_is_the_documented_hash():
    stream = (
        b'["a.steps", "int64", []]\n'
        + bytes([7, 0, 0, 0, 0, 0, 0, 0])
        + b'["b.weight", "float32", [2, 2]]\n'
        + bytes.fromhex("0000803f 00000040 00004040 00008040")
    )
    assert identify(STATE) == "sha256:" + hashlib.sha256(stream).hexdigest()


def test_identity_does_not_depend_on_order_layout_or_gradient():
    weight = STATE["b.weight"].t().contiguous().t().requires_grad_()
    assert not weight.is_contiguous()
    assert identify({"b.weight": weight, "a.steps": STATE["a.steps"]}) == identify(STATE)


def test_identity_of_a_view_is_that_of_its_values():
    column = torch.arange(12.0).reshape(3, 4)[:, 1]
    assert identify({"w": column}) == identify({"w": torch.tensor([1.0, 5.0, 9.0])})
    assert identify({"w": torch.ones(1).expand(4)}) == identify({"w": torch.ones(4)})


def test_identity_depends_on_name_type_shape_and_every_value():
    weight = STATE["b.weight"]
    others = [
        {"a.steps": STATE["a.steps"], "c.weight": weight},
        {"a.steps": STATE["a.steps"], "b.weight": weight.double()},
        {"a.steps": STATE["a.steps"], "b.weight": weight.reshape(4)},
        {"a.steps": STATE["a.steps"], "b.weight": weight * 1.0000001},
        {"a.steps": STATE["a.steps"] + 1, "b.weight": weight},
        {"b.weight": weight},
    ]
    assert len({identify(state) for state in [STATE, *others]}) == 7


def test_identity_of_half_precision_and_empty_tensors():
    assert identify({"w": torch.ones(2, dtype=torch.bfloat16)}) != identify({"w": torch.ones(2).half()})
    assert identify({"w": torch.empty(0, 3)}) != identify({"w": torch.empty(3, 0)})


def test_a_zeroed_layer_has_another_identity(detector):
    before = identify(detector.state_dict())
    assert identify(detector.state_dict()) == before
    with torch.no_grad():
        detector.model[5].conv.weight.zero_()
    assert identify(detector.state_dict()) != before


def test_file_sha256(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_sha256(tmp_path / "file") == expected


def test_importing_identity_imports_nothing_heavy():
    code = (
        "import sys, steelyard.weights.identity, steelyard.weights.checkpoint, steelyard.weights.manifest\n"
        "heavy = sorted({'torch', 'ultralytics', 'onnx', 'numpy'} & set(sys.modules))\n"
        "sys.exit(f'imports {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
