"""The model card: every fact of the record moves it, and nothing else is in it."""

import re

import pytest
from markdown_it import MarkdownIt
from ruamel.yaml import YAML

from steelyard.report.card import draw_card
from tests.unit.report.samples import make_full_record

HOSTILE = '<img src=x onerror=alert(1)>|](http://x.y)`code` #\n- "a": {b'


def read_front_matter(card):
    head, _, body = card.removeprefix("---\n").partition("\n---\n")
    return YAML(typ="safe", pure=True).load(head), body


def change(record, path, value):
    """The record with another value at a path such as dataset.licence."""
    tree = record.model_dump(by_alias=True)
    *above, last = path.split(".")
    part = tree
    for name in above:
        part = part[name]
    part[last] = value
    return type(record).model_validate(tree)


FACTS = {
    "name": "shrubs",
    "version": 7,
    "commit": "9" * 40,
    "weights.identity": "sha256:" + "1" * 64,
    "weights.file_sha256": "2" * 64,
    "weights.safetensors_sha256": "3" * 64,
    "base.source": "https://example.org/base.pt",
    "base.sha256": "4" * 64,
    "base.identity": "sha256:" + "5" * 64,
    "base.format": "pt",
    "base.licence": "Apache-2.0",
    "base.architecture": "yolo11m",
    "base.parameters": 20_114_688,
    "base.image_size": 1280,
    "base.batchnorm": "measured again on 12 crops",
    "base.classes": {0: "a", 1: "b"},
    "dataset.source": "data/raw/shrubs",
    "dataset.sha256": "6" * 64,
    "dataset.fingerprint": "7" * 64,
    "dataset.dvc_md5": "8" * 32,
    "dataset.licence": "CC-BY-4.0",
    "dataset.classes": ("Shrub",),
    "dataset.images": {"train": 11, "val": 12, "test": 13},
    "dataset.test_trained_on": {1: 3},
    "params.finetune.lr0": 0.123,
    "params.finetune.imgsz": 416,
    "params.check.accept": ["duplicate-across-splits"],
    "params.register.gate.accept": ["seen"],
    "training.epochs_run": 33,
    "training.best_epoch": 3,
    "training.stopped_early": True,
    "training.pretrained": False,
    "training.resumed_at": (4,),
    "training.resume_exact": False,
    "training.started": "2026-02-02T00:00:00Z",
    "training.ended": "2026-02-03T00:00:00Z",
    "training.epoch_seconds": (9999.0,),
    "training.device": "cuda",
    "training.precision": "bf16",
    "training.threads": 77,
    "training.cpu": "another cpu",
    "training.versions": {"torch": "9.9"},
    "scores.test.mAP50-95": 0.321,
    "scores.test.mAP50": 0.654,
    "scores.test.precision": 0.111,
    "scores.test.recall": 0.222,
    "scores.test.images": 9876,
    "scores.test.intervals": {"mAP50-95": {"low": 0.301, "high": 0.4}},
    "scores.test.images_needed": 44,
    "scores.test.calibration": {"error": 0.0765},
    "scores.val.mAP50-95": 0.432,
    "scores.operating_point.confidence": 0.377,
    "registered": "2027-01-01T00:00:00Z",
}
NOT_SAID = {
    "schema_version", "prefect_flow_run_id", "training.schema_version", "training.run_id", "training.run_key",
    "training.parent", "training.identity", "base.schema_version", "base.file_sha256", "base.layers",
}  # fmt: skip


@pytest.mark.parametrize("path", FACTS)
def test_every_fact_moves_the_card(better, path):
    before = draw_card(better.record)
    after = draw_card(change(better.record, path, FACTS[path]))
    assert after != before
    value = FACTS[path]
    if isinstance(value, str) and path != "registered":
        assert value.lower() in after.lower()


def test_no_fact_of_the_record_is_forgotten(better):
    paths = set()
    for name, part in better.record.model_dump(by_alias=True).items():
        inside = isinstance(part, dict) and name not in ("params", "scores")
        paths |= {f"{name}.{key}" for key in part} if inside else {name}
    said = {path if path.split(".")[0] not in ("params", "scores") else path.split(".")[0] for path in FACTS}
    assert paths - NOT_SAID <= said


def test_each_class_and_size_stands_there_with_its_scores(better):
    card = draw_card(better.record)
    for name, one in better.record.scores.test.classes.items():
        assert f"| {name} | {one.boxes} | {one.map50_95:.3f} ({one.intervals['mAP50-95'].low:.3f} to " in card
    for name, size in better.record.scores.test.sizes.items():
        assert f"| {name} boxes | {size.boxes} | {size.map50_95:.3f} (" in card


def test_the_front_matter_has_hugging_faces_names(better):
    metadata, body = read_front_matter(draw_card(better.record))
    record = better.record
    assert list(metadata) == [
        "license", "library_name", "pipeline_tag", "tags", "datasets", "base_model", "metrics", "model-index",
    ]  # fmt: skip
    assert (metadata["license"], metadata["pipeline_tag"]) == ("agpl-3.0", "object-detection")
    assert metadata["library_name"] == "ultralytics"
    assert metadata["base_model"] == record.base.source
    (model,) = metadata["model-index"]
    test, val = model["results"]
    assert test["task"] == {"type": "object-detection"}
    assert (test["dataset"]["split"], val["dataset"]["split"]) == ("test", "val")
    assert set(test["dataset"]) == {"type", "name", "split", "revision"}
    values = {metric["type"]: metric for metric in test["metrics"]}
    assert values["mAP50-95"]["value"] == record.scores.test.map50_95
    bounds = record.scores.test.intervals["mAP50-95"]
    assert values["mAP50-95"]["args"] == {"level": 0.95, "low": bounds.low, "high": bounds.high}
    assert "args" not in values["recall"]
    assert body.lstrip().startswith("# trees v2\n")


def test_a_licence_that_hugging_face_does_not_know_is_named(better):
    card = draw_card(change(better.record, "base.licence", "Yard-1.0 (ours)"))
    metadata, body = read_front_matter(card)
    assert (metadata["license"], metadata["license_name"]) == ("other", "Yard-1.0 (ours)")
    assert "- licence of the weights: Yard-1.0" in body


def test_texts_of_strangers_stay_texts(better):
    scores = better.record.scores
    test = scores.test.model_copy(update={"classes": {HOSTILE: scores.test.classes["disc"]}})
    record = make_full_record(2, "a", scores.model_copy(update={"test": test}))
    for path in ("dataset.source", "dataset.licence", "base.source", "training.cpu"):
        record = change(record, path, HOSTILE)
    record = change(record, "dataset.classes", (HOSTILE,))
    metadata, body = read_front_matter(draw_card(record))
    assert metadata["datasets"] == [HOSTILE.replace("\n", "\\n")]
    html = MarkdownIt("commonmark").enable("table").render(body)
    assert "<img" not in html
    assert "<a " not in html
    assert html.count("&lt;img src=x onerror=alert(1)&gt;|") == 7
    assert len(re.findall("<h2>", html)) == 7


def test_random_weights_have_no_parent(better):
    metadata, body = read_front_matter(draw_card(change(better.record, "training.pretrained", False)))
    assert "base_model" not in metadata
    assert "- taken over: the network alone; the training began with random weights\n" in body


def test_where_nothing_was_found_there_is_none(better):
    empty = better.record.scores.test.model_copy(update={"map50_95": None, "intervals": {}})
    card = draw_card(
        better.record.model_copy(update={"scores": better.record.scores.model_copy(update={"test": empty})})
    )
    metadata, body = read_front_matter(card)
    test = metadata["model-index"][0]["results"][0]
    assert "mAP50-95" not in {metric["type"] for metric in test["metrics"]}
    assert "| test | 60 | none |" in body
