from pathlib import Path

import pytest

from steelyard.errors import ParamsError
from steelyard.overrides import Overrides, apply_overrides, check_overrides, dump_overrides, parse_assignments
from steelyard.params import Params, check_params, load_params, read_yaml

ROOT = Path(__file__).parents[2]
FILE = ROOT / "params.yaml"


@pytest.fixture
def values():
    return read_yaml(FILE)


@pytest.fixture
def copy(tmp_path):
    file = tmp_path / "params.yaml"
    file.write_bytes(FILE.read_bytes())
    return file


def test_the_committed_file_holds():
    params = load_params(FILE)
    assert params.finetune.epochs == 20
    assert params.model_dump(mode="json", by_alias=True)["validate"]["iou"] == params.validation.iou


def test_params_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        load_params(FILE).finetune.epochs = 3


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("finetune.imgsz", 100, "params.yaml: finetune.imgsz = 100: 100 is not a multiple of 32 (allowed: integer"),
        ("finetune.epochs", 0, "finetune.epochs = 0: 0 is less than the minimum of 1"),
        ("finetune.epochs", "many", "finetune.epochs = 'many': 'many' is not of type 'integer'"),
        ("finetune.epochs", 2.5, "2.5 is not of type 'integer'"),
        ("finetune.cos_lr", 1, "1 is not of type 'boolean'"),
        ("finetune.optimizer", "auto", "'auto' is not one of ['SGD'"),
        ("finetune.epoch", 3, "did you mean 'epochs'?"),
        ("fetch.sha256", "abc", "fetch.sha256 = 'abc'"),
        ("fetch.split.val", 0.5, "together below 1"),
        ("register.name", "No Spaces", "register.name = 'No Spaces'"),
        ("nonsense", {}, "('nonsense' was unexpected)"),
    ],
)
def test_a_bad_value_is_one_clear_sentence(values, path, value, sentence):
    *sections, key = path.split(".")
    node = values
    for section in sections:
        node = node[section]
    node[key] = value
    with pytest.raises(ParamsError) as caught:
        check_params(values, "params.yaml")
    assert sentence in str(caught.value)
    assert str(caught.value).count("\n") == 0


def test_a_missing_value_is_named(values):
    del values["finetune"]["lr0"]
    with pytest.raises(ParamsError, match=r"params\.yaml: finetune: .lr0. is a required property"):
        check_params(values, "params.yaml")


def test_what_is_not_yaml_is_said(tmp_path):
    file = tmp_path / "params.yaml"
    file.write_text("fetch: [")
    with pytest.raises(ParamsError, match="is not YAML"):
        load_params(file)
    with pytest.raises(ParamsError, match="not found"):
        load_params(tmp_path / "none.yaml")


def test_every_field_says_what_it_is():
    for name, section in Params.model_fields.items():
        for key, field in section.annotation.model_fields.items():
            is_section = hasattr(field.annotation, "model_fields")
            assert is_section or field.description, f"{name}.{key} has no description"


def test_an_override_keeps_comments_types_and_what_is_equal(copy):
    before = copy.read_text()
    assert apply_overrides(copy, parse_assignments(["finetune.epochs=20", "finetune.warmup_epochs=1"])) == []
    assert copy.read_text() == before
    changes = apply_overrides(copy, parse_assignments(["finetune.lr0=1e-3", "fetch.split.seed=4", "finetune.scale=1"]))
    assert changes[0] == "finetune.lr0 = 0.001 (was 0.002)"
    after = copy.read_text().splitlines()
    changed = [line for line, old in zip(after, before.splitlines(), strict=True) if line != old]
    assert changed == ["    seed: 4", "  lr0: 0.001", "  scale: 1.0"]


@pytest.mark.parametrize(
    "text", ["finetune.imgsz=100", "finetune.epoch=3", "finetune=3", "epochs=3", "a.b", "=", "a.=1"]
)
def test_a_bad_override_changes_nothing(copy, text):
    before = copy.read_bytes()
    with pytest.raises(ParamsError):
        apply_overrides(copy, parse_assignments([text]))
    with pytest.raises(ParamsError):
        check_overrides(copy.read_text(), parse_assignments([text]))
    assert copy.read_bytes() == before


def test_the_form_shows_every_setting_with_its_range_and_requires_none():
    schema = Overrides.model_json_schema()
    assert list(schema["properties"]) == ["fetch", "check", "base", "finetune", "validate", "register"]
    epochs = schema["$defs"]["FinetuneOverrides"]["properties"]["epochs"]
    assert (epochs["minimum"], epochs["maximum"], "default" in epochs) == (1, 10000, False)
    assert "at least 1, at most 10000" in epochs["description"]
    assert not any("required" in each for each in [schema, *schema["$defs"].values()])
    assert all(each["additionalProperties"] is False for each in [schema, *schema["$defs"].values()])


def test_only_what_was_set_is_an_override():
    assert dump_overrides(Overrides()) == {}
    assert Overrides().model_dump(mode="json") == {}
    assert dump_overrides(Overrides.model_validate({"finetune": {"epochs": 3, "lr0": None}})) == {
        "finetune": {"epochs": 3}
    }
