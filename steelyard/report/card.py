"""The model card of a version: Markdown with the field names of Hugging Face, made of its record alone.

https://huggingface.co/docs/hub/model-cards, https://github.com/huggingface/hub-docs/blob/main/modelcard.md
"""

import re
from collections.abc import Iterable, Iterator
from io import StringIO
from typing import Any

from ruamel.yaml import YAML

from steelyard.checks.html import show
from steelyard.markdown import escape_markdown
from steelyard.record.record import Record
from steelyard.report.limits import list_limits
from steelyard.scoring.scores import (
    ClassScores,
    SizeScores,
    SplitScores,
    describe_operating_point,
    show_interval,
    show_map50_95,
    show_score,
)

# Hugging Face's names of licences, as far as weights and pictures have them; each other one is "other" there.
_LICENCES = {
    "agpl-3.0", "apache-2.0", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-3.0", "cc-by-4.0", "cc-by-nc-3.0",
    "cc-by-nc-4.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0",
    "gpl-2.0", "gpl-3.0", "lgpl-3.0", "mit", "odbl", "openrail", "pddl", "unlicense", "wtfpl",
}  # fmt: skip
_FIGURES = "mAP50-95 | mAP50 | precision | recall"
_RULE = "| --- | --- | --- | --- | --- | --- |"


def draw_card(record: Record) -> str:
    """Write the card of a version; nothing in it is from elsewhere than its record."""
    lines = [
        *("---", dump_front_matter(record) + "---", ""),
        f"# {record.name} v{record.version}",
        "",
        *_describe(record),
        *("", "## Data", "", *_describe_data(record)),
        *("", "## Parents", "", *_describe_parents(record)),
        *("", "## Training", "", *_describe_training(record)),
        *("", "## Scores", "", *_describe_scores(record)),
        *("", "## Limits", "", *_describe_limits(record)),
        *("", "## How to load it", "", *_tell_loading(record)),
        *("", "## How to make it again", "", *_tell_making(record)),
    ]
    return "\n".join(lines) + "\n"


def dump_front_matter(record: Record) -> str:
    """The card's metadata as YAML, with the field names of ``huggingface_hub.ModelCardData``."""
    stream = StringIO()
    yaml = YAML(pure=True)
    yaml.width = 4096  # a folded source is still one, and a line is easier to read
    yaml.dump(list_metadata(record), stream)
    return stream.getvalue()


def list_metadata(record: Record) -> dict[str, Any]:
    """The card's metadata as plain values."""
    licence = record.base.licence
    known = licence.lower() in _LICENCES
    return {
        "license": licence.lower() if known else "other",
        **({} if known else {"license_name": show(licence)}),
        "library_name": "ultralytics",
        "pipeline_tag": "object-detection",
        "tags": ["object-detection", "ultralytics", record.base.architecture, "steelyard"],
        "datasets": [show(record.dataset.source)],
        **({"base_model": show(record.base.source)} if record.training.pretrained else {}),
        "metrics": ["mAP50-95", "mAP50", "precision", "recall"],
        "model-index": [
            {
                "name": f"{record.name}-v{record.version}",
                "results": [_list_result(record, split, scores) for split, scores in _list_splits(record)],
            }
        ],
    }


def _list_splits(record: Record) -> tuple[tuple[str, SplitScores], ...]:
    return ("test", record.scores.test), ("val", record.scores.val)


def _list_result(record: Record, split: str, scores: SplitScores) -> dict[str, Any]:
    data = record.dataset
    values = (
        ("mAP50-95", scores.map50_95),
        ("mAP50", scores.map50),
        ("precision", scores.precision),
        ("recall", scores.recall),
    )
    metrics = []
    for name, value in values:
        bounds = {**scores.intervals}.get(name)  # type: ignore[call-overload]
        interval = {"args": {"level": 0.95, "low": bounds.low, "high": bounds.high}} if bounds else {}
        if value is not None:
            metrics.append({"type": name, "name": f"{name} on {split}", "value": value, **interval})
    return {
        "task": {"type": "object-detection"},
        "dataset": {
            "type": show(data.source),
            "name": show(data.source),
            "split": split,
            "revision": data.fingerprint,
        },
        "metrics": metrics,
    }


def _describe(record: Record) -> Iterator[str]:
    yield from _list_facts(
        ("finds", _text(", ".join(record.dataset.classes))),
        ("network", f"{record.base.architecture}, {record.base.parameters:,} parameters in the parent weights"),
        ("weights", _code(record.weights.identity)),
        ("`best.pt`", _code(f"sha256:{record.weights.file_sha256}")),
        ("`weights.safetensors`", _code(f"sha256:{record.weights.safetensors_sha256}")),
        ("version", f"{_code(record.tag())}, commit {_code(record.commit)}"),
        ("registered", f"{record.registered:%Y-%m-%d %H:%M} UTC"),
        ("licence of the weights", f"{_text(record.base.licence)}, that of the parent weights"),
        ("licence of the data", _text(record.dataset.licence)),
    )


def _describe_data(record: Record) -> Iterator[str]:
    data = record.dataset
    yield from _list_facts(
        ("source", _code(data.source)),
        ("sha256", _code(data.sha256) if data.sha256 else "none, a local source"),
        ("images", ", ".join(f"{count:,} {split}" for split, count in data.images.items())),
        ("fingerprint", _code(data.fingerprint)),
        ("DVC's hash of `data/dataset`", _code(data.dvc_md5)),
        ("licence", _text(data.licence)),
    )


def _describe_parents(record: Record) -> Iterator[str]:
    base = record.base
    if not record.training.pretrained:
        yield "- taken over: the network alone; the training began with random weights"
    yield from _list_facts(
        ("source", _code(base.source)),
        ("sha256", _code(base.sha256)),
        ("identity", _code(base.identity)),
        ("format", base.format),
        ("BatchNorm", base.batchnorm),
        ("trained on", f"{len(base.classes)} classes, images of {base.image_size} px"),
        ("licence", _text(base.licence)),
    )


def _describe_training(record: Record) -> Iterator[str]:
    training = record.training
    ended = ", stopped early" if training.stopped_early else ""
    resumed = f", went on after epoch {', '.join(map(str, training.resumed_at))}" if training.resumed_at else ""
    settings = ", ".join(f"{name} {value}" for name, value in record.params["finetune"].items())
    yield from _list_facts(
        ("epochs", f"{training.epochs_run}, best {training.best_epoch}{ended}{resumed}"),
        ("time", f"{sum(training.epoch_seconds):,.0f} s, from {_text(training.started)} to {_text(training.ended)}"),
        ("on", _text(f"{training.device} ({training.cpu}), {training.threads} threads, {training.precision}")),
        ("with", _text(", ".join(f"{name} {version}" for name, version in training.versions.items()))),
        ("settings", _text(settings)),
    )


def _describe_scores(record: Record) -> Iterator[str]:
    yield "By COCO's protocol, with 95 % intervals from resamples of the images; ?: too few images for the interval."
    yield from ("", f"| split | images | {_FIGURES} |", _RULE)
    for split, scores in _list_splits(record):
        yield f"| {split} | {scores.images:,} | {' | '.join(_list_figures(scores))} |"
    yield from ("", f"| on test | boxes | {_FIGURES} |", _RULE)
    for name, one in record.scores.test.classes.items():
        yield f"| {_text(name)} | {one.boxes:,} | {' | '.join(_list_figures(one))} |"
    for name, size in record.scores.test.sizes.items():
        yield f"| {name} boxes | {size.boxes:,} | {_show_size(size)} | | | |"
    if calibration := record.scores.test.calibration:
        bounds = f" ({show_interval(calibration.interval)})" if calibration.interval else ""
        yield from ("", f"Calibration error on test: {calibration.error:.3f}{bounds}.")
    if point := record.scores.operating_point:
        sentence = describe_operating_point(point)
        yield from ("", f"{sentence[0].upper()}{sentence[1:]}.")


def _describe_limits(record: Record) -> Iterator[str]:
    for limit in list_limits(record) or ["none that the record tells"]:
        yield f"- {_text(limit)}"


def _list_figures(scores: ClassScores) -> tuple[str, ...]:
    bounds = scores.intervals.get("mAP50")
    doubt = "?" if scores.images_needed else ""
    map50 = show_score(scores.map50) + (f" ({show_interval(bounds)}{doubt})" if bounds else "")
    return show_map50_95(scores), map50, show_score(scores.precision), show_score(scores.recall)


def _show_size(size: SizeScores) -> str:
    doubt = "?" if size.images_needed else ""
    return show_score(size.map50_95) + (f" ({show_interval(size.interval)}{doubt})" if size.interval else "")


def _tell_loading(record: Record) -> Iterator[str]:
    yield "From the MLflow store that holds it:"
    yield from ("", "```python", "import mlflow", "")
    yield f'model = mlflow.pyfunc.load_model("models:/{record.name}/{record.version}")'
    yield from ('boxes = model.predict(["picture.jpg"])', "```", "", "From the repository:", "", "```bash")
    yield f"dvc get . weights/best.pt --rev {record.tag()} --out best.pt"
    yield from ("```", "", "```python", "from ultralytics import YOLO", "")
    size = record.params["finetune"]["imgsz"]
    yield f'boxes = YOLO("best.pt").predict("picture.jpg", imgsz={size}, conf={record.confidence():g})'
    yield "```"


def _tell_making(record: Record) -> Iterator[str]:
    bring = "dvc checkout  # from DVC's cache; where it is elsewhere: dvc pull"
    yield from ("```bash", f"git checkout {record.tag()}", bring, "dvc repro --force --single-item finetune")
    yield from ("```", "", "`weights/training.json` then tells the identity of the new weights; of this version it is")
    yield f"{_code(record.weights.identity)}."


def _list_facts(*facts: tuple[str, str]) -> Iterable[str]:
    return (f"- {label}: {text}" for label, text in facts)


def _text(text: str) -> str:
    return escape_markdown(show(text))


def _code(text: str) -> str:
    """A code span; one of a text with backticks needs longer ones around it."""
    text = show(text)
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence} {text} {fence}" if "`" in text else f"`{text}`"
