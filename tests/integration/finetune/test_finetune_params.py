"""Every setting does what it says: another value gives other weights."""

import pytest

from steelyard.sections import FinetuneParams

# another value, and what else it needs to be able to matter
CHANGES = {
    "pretrained": ({"pretrained": False}, {}),
    "epochs": ({"epochs": 3}, {}),
    "imgsz": ({"imgsz": 96}, {}),
    "batch": ({"batch": 6}, {}),
    "nbs": ({"nbs": 8}, {}),
    "optimizer": ({"optimizer": "SGD"}, {}),
    "lr0": ({"lr0": 0.001}, {}),
    "lrf": ({"lrf": 0.5}, {}),
    "momentum": ({"momentum": 0.8}, {}),
    "weight_decay": ({"weight_decay": 0.05}, {}),
    "warmup_epochs": ({"warmup_epochs": 0.0}, {}),
    "cos_lr": ({"cos_lr": True}, {"epochs": 3}),  # after one of two epochs both schedules are half way
    "freeze": ({"freeze": 11}, {}),
    "seed": ({"seed": 1}, {}),
    "hsv_h": ({"hsv_h": 0.5}, {}),
    "hsv_s": ({"hsv_s": 0.1}, {}),
    "hsv_v": ({"hsv_v": 0.1}, {}),
    "degrees": ({"degrees": 45.0}, {}),
    "translate": ({"translate": 0.4}, {}),
    "scale": ({"scale": 0.1}, {}),
    "fliplr": ({"fliplr": 1.0}, {}),
    "flipud": ({"flipud": 1.0}, {}),
    "mosaic": ({"mosaic": 0.0}, {}),
    "mixup": ({"mixup": 1.0}, {}),
    "close_mosaic": ({"close_mosaic": 2}, {}),
}
# These say where and how fast it is computed, and need not give other weights.
ELSEWHERE = {
    "device": "the same network on another device, up to rounding",
    "workers": "processes that load images on a GPU; a CPU always uses none",
    "cache": "the same pictures, kept elsewhere: proved below",
    "threads": "the same sums in another order, up to rounding",
}
OWN_TEST = {"patience": "needs weights that have learned: below"}


@pytest.fixture(scope="module")
def identity_of(dataset, base, settings, tmp_path_factory):
    known: dict[str, str] = {}

    def find(run_training, **changes) -> str:
        params = settings(**changes)
        key = params.model_dump_json()
        if key not in known:
            known[key] = run_training(dataset, base, params, tmp_path_factory.mktemp("work")).identity
        return known[key]

    return find


def test_every_setting_has_a_test():
    assert set(CHANGES) | set(ELSEWHERE) | set(OWN_TEST) == set(FinetuneParams.model_fields)


@pytest.mark.parametrize("name", CHANGES)
def test_another_value_gives_other_weights(identity_of, run_training, name):
    change, beside = CHANGES[name]
    assert identity_of(run_training, **beside, **change) != identity_of(run_training, **beside)


@pytest.mark.parametrize("cache", ["none", "disk"])
def test_the_cache_does_not_change_the_weights(identity_of, run_training, cache):
    assert identity_of(run_training, cache=cache) == identity_of(run_training)


def test_patience_ends_the_training(dataset, learned, settings, run_training, work):
    # Warm-up costs what was learned, so the figures fall for two epochs and rise later.
    impatient = run_training(dataset, learned, settings(epochs=12, patience=2, mosaic=0.0), work / "impatient")
    patient = run_training(dataset, learned, settings(epochs=12, patience=0, mosaic=0.0), work / "patient")
    assert impatient.trained.stopped_early
    assert len(impatient.trained.curves) == 3
    assert not patient.trained.stopped_early
    assert patient.identity != impatient.identity
