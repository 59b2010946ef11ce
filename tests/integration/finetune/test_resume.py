"""A killed training goes on from its last whole epoch, to the same weights, bit for bit."""

import json
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from steelyard.errors import WorkspaceError
from steelyard.training.resume import hold_training, load_state, save_state, sweep

ROOT = Path(__file__).parents[3]
# Trains until an exact batch, then kills itself as the kernel would: no handler runs, nothing is tidied.
VICTIM = """
import os, pickle, signal, sys
from pathlib import Path
dataset, base, params, work, epoch, batch, settings = pickle.load(open(sys.argv[1], "rb"))
from steelyard.paths import quiet_ultralytics
quiet_ultralytics(Path(settings))
from steelyard.sections import FinetuneParams
from steelyard.training.trainer import finetune
from steelyard.weights.checkpoint import load_checkpoint
def kill(*now):
    if now[:2] == (epoch, batch):
        os.kill(os.getpid(), signal.SIGKILL)
params = FinetuneParams.model_validate(params)
finetune(Path(dataset), load_checkpoint(Path(base)).model, params, Path(work), print, lambda *_: None, kill)
"""


class Killed(BaseException):
    """Stands for Ctrl-C: it goes through every `except Exception`."""


def kill_at(epoch, batch):
    def on_batch(*now):
        if now[:2] == (epoch, batch):
            raise Killed

    return on_batch


SETTINGS = {
    "as_it_comes": {"epochs": 4},
    # gradients of 3 batches wait for the 4th and 5th when the epoch ends
    "carried_gradient": {"epochs": 4, "nbs": 20, "warmup_epochs": 1.5},
    "long_warmup": {"epochs": 4, "optimizer": "SGD", "lr0": 0.01, "warmup_epochs": 2.5, "cos_lr": True},
    "rolling_buffer": {"epochs": 4, "cache": "none", "mixup": 0.5, "close_mosaic": 2},
    "frozen": {"epochs": 4, "freeze": 11, "optimizer": "NAdam"},
    "random_start": {"epochs": 4, "pretrained": False},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_broken_training_reaches_the_unbroken_weights(dataset, base, settings, run_training, tmp_path, name):
    params = settings(**SETTINGS[name])
    unbroken = run_training(dataset, base, params, tmp_path / "unbroken")
    broken = tmp_path / "broken"
    for epoch, batch in [(1, 2), (2, 1), (3, 3), (4, 3)]:  # epoch 1 again, two on each side of close_mosaic
        with pytest.raises(Killed):
            run_training(dataset, base, params, broken, on_batch=kill_at(epoch, batch))
    resumed = run_training(dataset, base, params, broken)
    assert resumed.trained.resumed_at == (1, 2, 3)
    assert resumed.said == ["going on after epoch 3 of 4"]
    assert resumed.identity == unbroken.identity
    assert resumed.trained.curves == unbroken.trained.curves


def test_killed_by_the_kernel(dataset, base, settings, run_training, tmp_path):
    from steelyard.weights.checkpoint import save_checkpoint

    params = settings(epochs=3)
    weights = tmp_path / "base.pt"
    save_checkpoint(base, weights, image_size=64)
    unbroken = run_training(dataset, base, params, tmp_path / "unbroken")
    work = tmp_path / "work"
    work.mkdir()
    for epoch, batch in [(1, 3), (2, 2), (3, 1)]:
        order = tmp_path / "order.pickle"
        facts = (str(dataset), str(weights), params.model_dump(), str(work), epoch, batch, str(tmp_path))
        order.write_bytes(pickle.dumps(facts))
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        victim = subprocess.run([sys.executable, "-c", VICTIM, order], env=environment, capture_output=True, text=True)
        assert victim.returncode == -signal.SIGKILL, victim.stderr
    resumed = run_training(dataset, base, params, work)
    assert resumed.trained.resumed_at == (1, 2)
    assert resumed.identity == unbroken.identity
    assert resumed.trained.curves == unbroken.trained.curves


def test_killed_when_all_epochs_were_done(dataset, base, settings, run_training, work):
    first = run_training(dataset, base, settings(), work)
    again = run_training(dataset, base, settings(), work, on_batch=kill_at(2, 1))
    assert again.identity == first.identity
    assert again.said == ["going on after epoch 2 of 2"]


def test_patience_and_best_outlive_the_kill(dataset, learned, settings, run_training, tmp_path):
    for seed in range(8):  # which one has its best epoch before both kills depends on the processor
        params = settings(epochs=6, patience=2, seed=seed)
        unbroken = run_training(dataset, learned, params, tmp_path / f"unbroken-{seed}")
        if unbroken.trained.best_epoch == 1:
            break
    assert unbroken.trained.best_epoch == 1
    for batch in (1, 2):
        with pytest.raises(Killed):
            run_training(dataset, learned, params, tmp_path / "broken", on_batch=kill_at(batch + 1, batch))
    resumed = run_training(dataset, learned, params, tmp_path / "broken")
    assert resumed.trained.stopped_early
    assert resumed.trained.curves == unbroken.trained.curves
    assert resumed.identity == unbroken.identity


@pytest.mark.parametrize("damage", ["truncated", "flipped", "half_written"])
def test_a_damaged_state(dataset, base, settings, run_training, tmp_path, damage):
    params = settings(epochs=3)
    unbroken = run_training(dataset, base, params, tmp_path / "unbroken")
    work = tmp_path / "work"
    with pytest.raises(Killed):
        run_training(dataset, base, params, work, on_batch=kill_at(3, 1))
    newest = work / "state-00002.pt"
    data = bytearray(newest.read_bytes())
    if damage == "truncated":
        newest.write_bytes(data[: len(data) // 2])
    elif damage == "flipped":
        middle = len(data) // 2
        data[middle : middle + 64] = bytes(byte ^ 1 for byte in data[middle : middle + 64])  # more than zip's padding
        newest.write_bytes(data)
    else:
        newest.rename(newest.with_suffix(".tmp"))
    resumed = run_training(dataset, base, params, work)
    assert resumed.trained.resumed_at == (1,)
    assert resumed.identity == unbroken.identity
    assert ("state-00002.pt of the unfinished training is damaged" in resumed.said[0]) == (damage != "half_written")
    assert not list(work.glob("*.tmp"))


def test_no_whole_state_starts_anew(work):
    (work / "state-00001.pt").write_bytes(b"PK")
    said = []
    assert load_state(work, said.append) is None
    assert "state-00001.pt of the unfinished training is damaged" in said[0]


def test_a_full_disk_leaves_the_state_before(work):
    state = {"epoch": 1, "best_epoch": 1}
    save_state(work, state, {})
    # A real one: this device has no room for anything.
    (work / "state-00002.tmp").symlink_to("/dev/full")
    with pytest.raises(WorkspaceError, match=r"state-00002.pt: .* No space left on device; make room"):
        save_state(work, state | {"epoch": 2}, None)
    assert sorted(path.name for path in work.iterdir()) == ["best-00001.pt", "state-00001.pt"]
    assert load_state(work, print) == state | {"best": {}}


def test_two_states_and_their_bests_are_kept(work):
    for epoch, best_epoch in [(1, 1), (2, 2), (3, 2), (4, 4), (5, 4)]:
        best = {"epoch": epoch} if best_epoch == epoch else None
        save_state(work, {"epoch": epoch, "best_epoch": best_epoch}, best)
    (work / "state-00005.pt").unlink()
    assert load_state(work, print) == {"epoch": 4, "best_epoch": 4, "best": {"epoch": 4}}
    assert len(list(work.iterdir())) == 3


def test_a_finished_result_is_not_for_who_did_not_wait(tmp_path):
    work = tmp_path / "key"
    (work / "finished").mkdir(parents=True)
    with hold_training(work, print, started=time.time() + 1) as met:
        assert not met
        assert list(work.iterdir()) == []


def test_a_result_that_was_finished_since_this_process_began_is_its_own(tmp_path):
    """It asked for the lock too late to wait, and yet DVC saw no result when it decided to train."""
    work = tmp_path / "key"
    (work / "made").mkdir(parents=True)
    started = time.time()
    (work / "made").rename(work / "finished")
    with hold_training(work, print, started) as met:
        assert met
        assert (work / "finished").exists()


def test_sweep(tmp_path):
    now = time.time()
    ages = {"old": 31 * 24 * 3600, "young": 29 * 24 * 3600, "used": 3700, "fresh": 3500}
    for name, age in ages.items():
        (tmp_path / f"{name}.lock").touch()
        (tmp_path / name / ("finished" if name in ("used", "fresh") else "unfinished")).mkdir(parents=True)
        os.utime(tmp_path / name, (now - age, now - age))
    sweep(tmp_path, keep=tmp_path / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fresh", "fresh.lock", "young", "young.lock"]


def test_a_training_that_is_held_is_not_swept(tmp_path):
    with hold_training(tmp_path / "held", print, time.time()):
        os.utime(tmp_path / "held", (0, 0))
        sweep(tmp_path, keep=tmp_path / "other")
        assert (tmp_path / "held").exists()


def test_the_stage_killed_and_run_again(repository, start_stage):
    """The same MLflow run goes on; nothing of the killed process stays behind."""
    first = start_stage()
    read_until(first, "epoch 1/3")
    first.kill()
    first.wait()
    outputs = ("weights/best.pt", "weights/weights.safetensors", "metrics/curves.csv", "weights/training.json")
    assert not any((repository / name).exists() for name in outputs)
    with sqlite3.connect(repository / "mlflow.db") as store:  # as killed between the saving of an epoch and its logging
        store.execute("delete from metrics")

    second = start_stage()
    read_until(second, "epoch 2/3")
    second.terminate()
    _, errors = second.communicate()
    assert second.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in errors
    assert run_statuses(repository) == ["KILLED"]

    third = start_stage()
    said, errors = third.communicate()
    assert third.returncode == 0, errors
    manifest = json.loads((repository / "weights" / "training.json").read_text())
    assert manifest["resumed_at"] == [1, 2]
    assert "going on after epoch 2 of 3" in said
    assert run_statuses(repository) == ["FINISHED"]
    with sqlite3.connect(repository / "mlflow.db") as store:
        assert sorted(store.execute("select step from metrics where key = 'mAP50-95'")) == [(1,), (2,), (3,)]
    assert sorted(path.name for path in (repository / "weights").iterdir()) == [
        "base.pt", "best.pt", "training.json", "weights.safetensors"
    ]  # fmt: skip
    assert (repository / "metrics" / "curves.csv").read_text().startswith("epoch,train/box_loss,")


def test_two_at_once_train_once(repository, start_stage):
    first = start_stage()
    read_until(first, "epoch 1/3")
    first.send_signal(signal.SIGSTOP)  # or it may be done before the second has imported torch
    second = start_stage()
    line = read_until(second, "the same training runs already")
    assert f"(process {first.pid} on " in line
    first.send_signal(signal.SIGCONT)
    said = {child: child.communicate() for child in (first, second)}
    assert [child.returncode for child in said] == [0, 0], said
    assert said[second][0] == "using the result of another process, which trained the same at the same time\n"
    assert run_statuses(repository) == ["FINISHED"]


def read_until(child, words):
    lines = []
    while not (lines and words in lines[-1]):
        lines.append(child.stdout.readline())
        assert lines[-1], [*lines, child.stderr.read()]
    return lines[-1]


def run_statuses(repository):
    with sqlite3.connect(repository / "mlflow.db") as store:
        return [status for (status,) in store.execute("select status from runs")]
