"""Bad overrides, servers, repositories, and runs that meet, as the user of `steelyard run` meets them."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.integration.bad_input.refusal import CLOSED, DVC_FAILED, hash_tree, read_errors, run_and_fail, set_values

ASSIGNMENTS = {
    "finetune.epoch=3": "did you mean 'epochs'?",
    "finetun.epochs=3": "did you mean 'finetune'?",
    "finetune.epochs=many": "finetune.epochs = 'many'",
    "finetune.imgsz=100": "a multiple of 32",
    "finetune.lr0=0": "above 0",
    "finetune=3": "must be section.name=value",
    "finetune.epochs": "must be section.name=value",
    "finetune.epochs=[1": "not YAML",
    "fetch.sha256=": "the value is empty",
}


@pytest.mark.parametrize("text", ASSIGNMENTS)
def test_a_bad_override_is_refused_before_anything_starts(bad, text):
    before = hash_tree(bad.root)
    done = bad.steelyard("run", "-S", text, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert ASSIGNMENTS[text] in line
    assert hash_tree(bad.root) == before


def test_two_values_for_one_setting_are_refused(bad):
    done = bad.steelyard("run", "-S", "fetch.split=1", "-S", "fetch.split.seed=1", check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert "given a value of its own by another -S" in done.stderr


def test_a_flow_run_fails_in_the_words_of_its_stage(bad):
    failed = run_and_fail(bad, "-S", "fetch.source=data/raw/nope")
    assert failed.sentence.startswith("error: source 'data/raw/nope': not found")


def test_a_revision_that_is_not_there(bad):
    failed = run_and_fail(bad, "--revision", "nope")
    assert "revision = 'nope': not a commit" in failed.sentence
    assert "main" in failed.sentence


def test_an_mlflow_that_does_not_answer_is_found_before_the_training(bad):
    failed = run_and_fail(bad, "-S", "finetune.lr0=0.003", MLFLOW_TRACKING_URI=CLOSED)
    assert f"MLFLOW_TRACKING_URI = '{CLOSED}': the MLflow store does not answer (Connection refused)" in failed.sentence
    assert "unset it" in failed.sentence
    assert "epoch 1/" not in failed.output


def test_a_prefect_that_does_not_answer(bad):
    started = time.monotonic()
    failed = run_and_fail(bad, PREFECT_API_URL=f"{CLOSED}/api")
    assert time.monotonic() - started < 60
    assert "PREFECT_API_URL" in failed.sentence
    assert f"{CLOSED}/api" in failed.sentence
    assert "unset it" in failed.sentence


def test_a_detached_and_dirty_repository_runs_and_says_what_is_left_out(bad):
    bad.git("checkout", "-q", "--detach")
    (bad.root / "data/raw/loose.png").write_bytes(b"never added")
    set_values(bad, finetune={"lr0": 0.5})
    before = hash_tree(bad.root)
    done = bad.steelyard("run")
    assert "not in this run: 1 uncommitted changes of the working tree (params.yaml)" in done.stderr
    assert "not in this run: data/raw/loose.png" in done.stderr
    assert "dvc add data/raw/loose.png" in done.stderr
    assert "finetune skipped" in done.stdout
    assert hash_tree(bad.root) == before
    bad.git("checkout", "-q", ".")
    bad.git("checkout", "-q", "main")


def test_a_repository_without_a_commit(weighed, tmp_path):
    project = weighed.copy(tmp_path / "repo", "uncommitted")
    project.call("rm", "-rf", ".git")
    project.git("init", "-q")
    done = project.dvc("repro", check=False)
    assert done.returncode == DVC_FAILED
    (sentence,) = read_errors(done.stderr)
    assert "it has no commit yet: git add, git commit" in sentence
    assert len(project.client().search_registered_models()) == 0
    failed = run_and_fail(project)
    assert "it has no commit yet: git add, git commit" in failed.sentence


def test_dvc_says_that_another_repro_is_at_work(bad):
    set_values(bad, finetune={"lr0": 0.004})
    command = [sys.executable, "-m", "dvc", "repro", "finetune"]
    with subprocess.Popen(command, cwd=bad.root, env=bad.env, stdout=subprocess.PIPE, text=True) as first:
        for line in first.stdout:
            if "tasks.finetune" in line:
                break
        second = bad.dvc("repro", check=False)
        rest = first.stdout.read()
    assert second.returncode == DVC_FAILED
    assert "is busy, it is being blocked by" in second.stderr
    assert str(first.pid) in second.stderr
    assert "Traceback" not in second.stderr
    assert first.returncode == 0
    assert "epoch 2/2" in rest
    bad.git("checkout", "-q", ".")
    bad.dvc("repro", "finetune")


def test_the_same_run_twice_at_once_trains_once(bad):
    command = [Path(sys.executable).with_name("steelyard"), "run", "-S", "finetune.lr0=0.005"]
    both = [
        subprocess.Popen(
            command, cwd=bad.root, env=bad.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for _ in range(2)
    ]
    output = "\n".join(process.communicate()[0] for process in both)
    assert [process.returncode for process in both] == [0, 0], output
    assert output.count("epoch 1/2") == 1
    assert output.count("- registered bad@v2.0.0") == 1
    assert [record.version for record in bad.read_records()] == [1, 2]
    assert len(bad.client().search_model_versions("name = 'bad'")) == 2
