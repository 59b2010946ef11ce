"""Versions that are broken on purpose, weighed against a champion that finds its squares and discs."""

import json
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from ruamel.yaml import YAML

from steelyard.record.ledger import read_history, read_standing
from steelyard.report.material import gather
from steelyard.scoring.match_file import read_matches, write_matches
from steelyard.summary import summarise

COUNTS = {"train": 60, "val": 30, "test": 40}


def draw_scenes(folder, seed=0):
    """Squares and discs on backgrounds that no other picture has, instead of what is in the folder."""
    for kind in ("images", "labels"):
        shutil.rmtree(folder / kind)
    random = np.random.default_rng(seed)
    for split, count in COUNTS.items():
        for number in range(count):
            coarse = random.integers(0, 110, (4, 4, 3), dtype=np.uint8)
            picture = cv2.resize(coarse, (96, 96), interpolation=cv2.INTER_CUBIC)
            lines = []
            for corner in random.permutation(4)[: random.integers(1, 4)]:
                side, label = int(random.integers(18, 36)), int(random.integers(2))
                x, y = (int(v) for v in random.integers(2, 46 - side, 2) + 48 * np.array(divmod(corner, 2)))
                colour = [int(v) for v in random.integers(170, 256, 3)]
                if label:
                    cv2.circle(picture, (x + side // 2, y + side // 2), side // 2, colour, -1)
                else:
                    cv2.rectangle(picture, (x, y), (x + side, y + side), colour, -1)
                lines.append(f"{label} {(x + side / 2) / 96} {(y + side / 2) / 96} {side / 96} {side / 96}")
            for kind in ("images", "labels"):
                (folder / kind / split).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / "images" / split / f"{number:03}.png"), picture)
            (folder / "labels" / split / f"{number:03}.txt").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def champion(template, tmp_path_factory):
    """A project whose first version is good."""
    project = template.copy(tmp_path_factory.mktemp("gate") / "repo", "scenes")
    draw_scenes(project.root / "data/raw/shapes")
    project.dvc("add", "data/raw/shapes")
    project.set(finetune={"epochs": 12, "imgsz": 96})
    project.dvc("repro")
    project.git("add", "--all")
    project.git("commit", "-qm", "a champion")
    assert project.read_records()[0].scores.test.map50_95 > 0.8
    assert read_standing(project.root, "scenes").champion == 1
    return project


@pytest.fixture
def project(champion, tmp_path):
    """A copy of it that remembers its versions."""
    root = tmp_path / "repo"
    shutil.copytree(champion.root, root, symlinks=True)
    return champion.at(root)


def change_data(project, change):
    """Let a function loose on data/raw, and commit."""
    project.dvc("unprotect", "data/raw/shapes")
    change(project.root / "data/raw/shapes")
    project.dvc("add", "data/raw/shapes")
    project.git("commit", "-qam", "other data")


def change_weights(project, change):
    """Let a function loose on the champion's network, as if that had been trained."""
    from steelyard.paths import quiet_ultralytics
    from steelyard.training.manifest import TrainingManifest

    quiet_ultralytics(project.root)
    from steelyard.weights.checkpoint import load_checkpoint, save_checkpoint, save_safetensors
    from steelyard.weights.identity import identify

    best, training = project.root / "weights/best.pt", project.root / "weights/training.json"
    checkpoint = load_checkpoint(best)
    change(checkpoint.model)
    save_checkpoint(checkpoint.model, best, image_size=96)
    save_safetensors(checkpoint.model, project.root / "weights/weights.safetensors", {})
    manifest = TrainingManifest.model_validate_json(training.read_bytes())
    manifest = manifest.model_copy(update={"identity": identify(checkpoint.model.state_dict()), "run_id": ""})
    training.write_text(manifest.model_dump_json())
    project.dvc("commit", "--force", "finetune")
    project.dvc("repro", "validate")


def register(project, standing=(1, 2)):
    """Register, and return the verdict on the new version; who is champion and challenger then is checked."""
    output = project.call(sys.executable, "-m", "tasks.register").stdout
    found = read_standing(project.root, project.name)
    assert (found.champion, found.challenger) == standing, output
    verdict = read_history(project.root, project.name)[-1].decision.verdict
    assert verdict.sentence() in output
    return verdict


def test_a_class_whose_head_is_broken_is_named(project):
    def break_square(model):
        for branch in model.model[-1].cv3:
            branch[-1].bias.data[0] = -20

    change_weights(project, break_square)
    verdict = register(project)
    assert verdict.outcome == "keep"
    assert "fell by more than most_loss = 0.05: " in verdict.sentence()
    assert "square -0." in verdict.sentence()
    assert verdict.figures.classes["square"].candidate == 0
    assert abs(verdict.figures.classes["disc"].gain) < 0.02
    version = project.client().get_model_version("scenes", "2")
    assert version.tags["steelyard.verdict"] == verdict.sentence()
    file = project.client().download_artifacts(version.run_id, "metrics/verdict.json")
    assert json.loads(Path(file).read_text())["outcome"] == "keep"
    assert project.client().get_registered_model("scenes").aliases == {"champion": 1, "challenger": 2}


def test_the_page_shows_where_a_broken_version_differs(project):
    def break_square(model):
        for branch in model.model[-1].cv3:
            branch[-1].bias.data[0] = -20

    change_weights(project, break_square)
    verdict = register(project)
    version = project.client().get_model_version("scenes", "2")
    folder = Path(project.client().download_artifacts(version.run_id, "report"))
    page, card = (folder / "report.html").read_text(), (folder / "README.md").read_text()
    assert f"v2: {verdict.sentence()}".replace("'", "&#39;") in page
    counts = [
        [tuple(map(int, found)) for found in re.findall(rf"{who}: (\d+) right, (\d+) wrong, (\d+) missed", page)]
        for who in ("v2", "v1")
    ]
    assert len(counts[0]) == len(counts[1]) == 6
    for (ours, _, lost), (theirs, _, missed) in zip(*counts, strict=True):
        assert ours < theirs
        assert ours + lost == theirs + missed, "the boxes that people drew"
    assert page.count("data:image/jpeg") == 12
    assert len(page) < 1_500_000
    assert "- test: weak on square: mAP50-95 0.000, " in card
    assert "finds: square, disc" in card
    assert project.read_records()[1].commit in page
    project.steelyard("report", "v2", "--output", "out")
    made = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC")
    assert made.sub("", (project.root / "out/report.html").read_text()) == made.sub("", page)
    assert (project.root / "out/README.md").read_text() == card
    # of scores that are of other images no interval is shown, those of the champion are made again
    ours, theirs = reversed(project.read_records())
    test = theirs.scores.test.model_copy(update={"map50_95": 0.123, "intervals": {}})
    other = theirs.model_copy(update={"scores": theirs.scores.model_copy(update={"test": test})})
    again = gather(project.root, ours, verdict, other, project.root / "out").champion
    assert again.whole.map50_95 == theirs.scores.test.map50_95
    assert again.whole.intervals == theirs.scores.test.intervals
    # a table from before it kept where detections are has no pictures, and the page says so
    (kept,) = (project.root / ".dvc/tmp/steelyard/matches").iterdir()
    write_matches({"test": replace(read_matches(kept)["test"], corners=None)}, kept)
    older = gather(project.root, ours, verdict, theirs, project.root / "out")
    assert older.contrasts == ()
    assert older.no_contrasts.startswith("the match table is from before it kept where detections are")
    # without what was kept of the weighing, the champion's own snapshot has the same detections
    shutil.rmtree(project.root / ".dvc/tmp/steelyard/matches")
    project.steelyard("report", "v2", "--output", "out")
    assert made.sub("", (project.root / "out/report.html").read_text()) == made.sub("", page)


def test_the_summary_of_a_run_leads_to_the_page(champion, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(champion.root)
    (record,) = champion.read_records()
    summary = summarise(champion.root, "scenes", record.weights.identity, record.scores, {}, None)
    place = Path(summary.look["the version, on a page"])
    # copies of this project share its MLflow files, and weights changed by hand the run of those that they were
    assert "<title>scenes v" in place.read_text()
    assert f"the version, on a page: `{place}`" in summary.markdown()


def test_the_champions_copy_is_no_better(project):
    def count_on(model):
        model.state_dict()["model.0.bn.num_batches_tracked"] += 1

    change_weights(project, count_on)
    verdict = register(project)
    assert verdict.outcome == "keep"
    assert "both find just the same, with the same confidences: the same weights in all but name" in verdict.sentence()


def test_the_champions_copy_under_another_name_is_known(project):
    project.set(register={"name": "copy"})
    project.dvc("repro", "validate")
    verdict = register(project, standing=(None, 1))
    assert verdict.outcome == "undecided"
    assert verdict.sentence() == "undecided: these weights are scenes@v1.0.0 already, under another name"


def test_swapped_class_names_never_get_that_far(project):
    def swap(model):
        model.names = {0: "disc", 1: "square"}

    with pytest.raises(AssertionError, match="class 0 is 'disc' in the weights and 'square' in the data"):
        change_weights(project, swap)


def test_swapped_class_names_in_the_data_are_named(project):
    change_data(project, lambda raw: (raw / "data.yaml").write_text((raw / "data.yaml").read_text().replace(
        "[square, disc]", "[disc, square]")))  # fmt: skip
    project.set(finetune={"epochs": 1})
    project.dvc("repro", "validate")
    verdict = register(project)
    assert verdict.outcome == "undecided"
    assert verdict.figures is None
    assert "v1 knows the same classes in another order (square, disc) than v2 (disc, square)" in verdict.sentence()


def test_weights_that_trained_on_the_test_images_are_not_compared(project):
    def leak(raw):
        for kind in ("images", "labels"):
            for file in (raw / kind / "test").glob("*"):
                (raw / kind / "train" / f"test-{file.name}").write_bytes(file.read_bytes())

    change_data(project, leak)
    project.set(check={"accept": ["duplicate-across-splits"]}, finetune={"epochs": 1})
    project.dvc("repro", "validate")
    verdict = register(project)
    assert verdict.outcome == "undecided"
    assert "v2 trained on 40 of the 40 test images (images/test/" in verdict.sentence()


def test_shuffled_labels_are_worse_and_a_test_split_wears_out(project):
    def shuffle(raw):
        for split in ("train", "val"):
            files = sorted((raw / "labels" / split).glob("*.txt"))
            texts = [file.read_text() for file in files]
            for file, place in zip(files, np.random.default_rng(0).permutation(len(files)), strict=True):
                file.write_text(texts[place])

    change_data(project, shuffle)
    project.set(finetune={"epochs": 3}, register={"policy": "never"})
    project.dvc("repro", "validate")
    verdict = register(project)
    assert verdict.outcome == "keep"
    assert "the classes and the test split are those of v1" in verdict.findings[0].reason
    assert "with 95 % confidence not above least_gain = 0" in verdict.sentence()
    assert verdict.uses == 1
    # other rules are another question, asked of the same images
    gate = YAML(typ="safe").load((project.root / "params.yaml").read_text())["register"]["gate"]
    project.set(register={"gate": {**gate, "least_gain": 0.01}})
    assert register(project).uses == 2
    assert "v2 was weighed before" in project.call(sys.executable, "-m", "tasks.register").stdout


def test_where_the_champions_weights_are_gone_it_stays(project):
    outs = YAML(typ="safe").load((project.root / "dvc.lock").read_text())["stages"]["finetune"]["outs"]
    md5 = next(out["md5"] for out in outs if out["path"] == "weights/best.pt")
    object_file = project.root / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    original = object_file.read_bytes()

    def nudge(model):
        model.state_dict()["model.0.bn.num_batches_tracked"] += 2

    change_weights(project, nudge)
    object_file.chmod(0o644)
    object_file.write_bytes(original[:-1] + b"x")
    verdict = register(project)
    assert verdict.outcome == "undecided"
    assert "the champion cannot be weighed: weights/best.pt of scenes@v1.0.0: sha256" in verdict.sentence()


def test_a_better_version_is_promoted_or_left_to_a_person(champion, template, tmp_path):
    project = template.copy(tmp_path / "repo", "better")
    draw_scenes(project.root / "data/raw/shapes")
    project.dvc("add", "data/raw/shapes")
    project.dvc("config", "cache.dir", champion.root / ".dvc/cache", "--local")
    project.set(finetune={"epochs": 1, "imgsz": 96})
    project.dvc("repro")
    project.set(finetune={"epochs": 12})
    assert "epoch 1/" not in project.dvc("repro", "validate").stdout  # the champion's own training
    asked = template.at(tmp_path / "asked")
    project.call("cp", "-r", project.root, asked.root)
    verdict = register(project, standing=(2, None))
    assert verdict.outcome == "promote"
    assert project.client().get_registered_model("better").aliases == {"champion": 2}
    gain = verdict.figures.overall["mAP50-95"]
    scores = [record.scores.test.map50_95 for record in project.read_records()]
    assert gain.gain == pytest.approx(scores[1] - scores[0], abs=1e-5)
    entry = read_history(project.root, "better")[-1]
    assert (entry.decision.before, entry.decision.version, entry.author) == (1, 2, "Tester <tester@localhost>")
    assert "v2 is the champion" in project.call(sys.executable, "-m", "tasks.register").stdout
    asked.set(register={"policy": "ask"})
    assert register(asked, standing=(1, 2)).outcome == "promote"
    reason = read_history(asked.root, "better")[-1].decision.reason
    assert reason.startswith("policy ask: a person decides (steelyard promote v2 --reason ...); promote: ")
