"""Fine-tuning: repeatable, reads only, and says what is wrong in one sentence."""

import csv
import json
import shutil

import pytest

from steelyard.errors import DatasetError, ParamsError, WeightsError


def test_the_same_inputs_give_the_same_weights(dataset, base, settings, run_training, tmp_path):
    first = run_training(dataset, base, settings(), tmp_path / "first")
    again = run_training(dataset, base, settings(), tmp_path / "again")
    assert first.identity == again.identity
    assert first.trained.curves == again.trained.curves
    assert first.trained.resumed_at == ()


def test_the_best_epoch_is_kept(dataset, learned, settings, run_training, work):
    trained = run_training(dataset, learned, settings(epochs=3), work).trained
    figures = [row["mAP50-95"] for row in trained.curves]
    assert max(figures) > 0.05
    assert trained.best_epoch == figures.index(max(figures)) + 1
    assert min(figures) < max(figures)


def test_nothing_is_written_into_the_data_set(dataset, base, settings, run_training, work):
    def listing():
        return {path: path.stat().st_mtime_ns for path in dataset.rglob("*")}

    before = listing()
    run_training(dataset, base, settings(epochs=1, cache="disk"), work)
    assert listing() == before
    assert not (work / "scratch").exists()


def test_the_base_is_not_changed(dataset, base, settings, run_training, work):
    from steelyard.weights.identity import identify

    before = identify(base.state_dict())
    run_training(dataset, base, settings(epochs=1), work)
    assert identify(base.state_dict()) == before


def test_threads_are_set(dataset, base, settings, run_training, work):
    import torch

    seen = set()
    params = settings(epochs=1, threads=3)
    run_training(dataset, base, params, work, on_batch=lambda *_: seen.add(torch.get_num_threads()))
    assert seen == {3}


def test_other_classes_keep_what_the_head_has_learned(dataset, settings, run_training, work):
    from steelyard.weights.architecture import build_detector

    base = build_detector("n", {number: str(number) for number in range(80)})
    trained = run_training(dataset, base, settings(epochs=1, lr0=1e-6, freeze=23), work).trained
    name = "model.23.cv3.0.1.1.conv.weight"
    assert trained.model.state_dict()[name].shape == base.state_dict()[name].shape
    assert trained.model.names == {0: "thing"}


def test_a_random_start_has_the_architecture_of_the_base_and_nothing_else_of_it(
    dataset, settings, run_training, tmp_path
):
    import copy

    from steelyard.weights.architecture import architecture_of, build_detector

    base = build_detector("n", {number: str(number) for number in range(80)})
    other = copy.deepcopy(base)
    for tensor in other.parameters():
        tensor.data *= 1.5
    identities = {
        (pretrained, name): run_training(
            dataset, each, settings(epochs=1, pretrained=pretrained), tmp_path / f"{name}{pretrained}"
        )
        for pretrained in (True, False)
        for name, each in (("base", base), ("other", other))
    }
    assert identities[True, "base"].identity != identities[True, "other"].identity
    assert identities[False, "base"].identity == identities[False, "other"].identity
    random, tuned = (identities[pretrained, "base"].trained.model for pretrained in (False, True))
    assert architecture_of(random.state_dict(), "") == architecture_of(tuned.state_dict(), "")


def test_a_random_start_is_written_down(repository, start_stage):
    params = json.loads((repository / "params.yaml").read_text())
    params["finetune"] |= {"pretrained": False, "epochs": 1}
    (repository / "params.yaml").write_text(json.dumps(params))
    child = start_stage()
    said, errors = child.communicate()
    assert child.returncode == 0, errors
    assert "from random weights" in said
    assert json.loads((repository / "weights" / "training.json").read_text())["pretrained"] is False


def test_a_split_without_images(dataset, base, settings, run_training, work, tmp_path):
    empty = tmp_path / "empty"
    shutil.copytree(dataset, empty)
    for path in (empty / "images" / "train").iterdir():
        path.unlink()
    with pytest.raises(DatasetError, match=r"images/train: no images for train; .* params.yaml: fetch.split"):
        run_training(empty, base, settings(), work)


def test_an_image_that_is_none(dataset, base, settings, run_training, work, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(dataset, broken)
    (broken / "images" / "train" / "003.png").write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=r"train: 1 images cannot be used .* 003.png"):
        run_training(broken, base, settings(), work)


def test_a_loss_that_is_no_number(dataset, base, settings, run_training, work):
    import copy

    broken = copy.deepcopy(base)
    broken.model[0].conv.weight.data *= float("nan")
    with pytest.raises(WeightsError, match=r"\(NaN\) in epoch 1; .* finetune.lr0 \(now 0.002\)"):
        run_training(dataset, broken, settings(), work)
    assert list(work.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"device": "7"}, r"params.yaml: finetune.device = '7': not in this machine, which has cpu"),
        ({"freeze": 24}, r"params.yaml: finetune.freeze = 24: these weights have 24 layers"),
        ({"imgsz": 32, "batch": 11}, r"params.yaml: finetune.batch = 11: leaves a last batch of one image"),
    ],
)
def test_a_setting_that_does_not_fit(dataset, base, settings, run_training, work, change, message):
    with pytest.raises(ParamsError, match=message):
        run_training(dataset, base, settings(**change), work)


def test_curves_have_no_times(repository, start_stage):
    child = start_stage()
    _, errors = child.communicate()
    assert child.returncode == 0, errors
    rows = list(csv.DictReader((repository / "metrics" / "curves.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert list(rows[0]) == [
        "epoch", "train/box_loss", "train/cls_loss", "train/dfl_loss", "val/box_loss", "val/cls_loss",
        "val/dfl_loss", "lr/pg0", "lr/pg1", "lr/pg2", "precision", "recall", "mAP50", "mAP50-95",
    ]  # fmt: skip
