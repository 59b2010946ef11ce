"""Policy ask: the flow waits in the Prefect UI for a person, whose answer is in the ledger."""

import time

import pytest

from steelyard.record.ledger import read_history, read_standing


@pytest.fixture(scope="module")
def project(yard, weighed, tmp_path_factory):
    """A project with a champion, whose other versions are left to a person."""
    project = yard.adopt(weighed, tmp_path_factory.mktemp("ask") / "repo", "asked")
    yard.wait(yard.press())
    assert read_standing(project.root, "asked").champion == 1
    return project


def answer(yard, run_id, **values):
    """What the form behind the button Resume sends."""
    keyset = yard.ask("GET", f"/flow_runs/{run_id}")["state"]["state_details"]["run_input_keyset"]
    schema = yard.ask("GET", f"/flow_runs/{run_id}/input/{keyset['schema']}")
    assert {"promote", "name", "reason"} <= set(schema["properties"])
    return yard.ask("POST", f"/flow_runs/{run_id}/resume", {"run_input": values})


def press(yard, rate, hours):
    settings = {"finetune": {"lr0": rate}, "register": {"policy": "ask", "ask_hours": hours}}
    return yard.press(settings=settings)


def test_a_persons_answer_is_in_the_ledger(yard, project):
    run = press(yard, 0.001, 1.0)
    yard.wait(run, types=("PAUSED",))
    (decision,) = [entry.decision for entry in read_history(project.root, "asked")[1:]]
    assert (decision.action, decision.policy) == ("keep", "ask")
    assert "a person decides" in decision.reason
    refused = answer(yard, run, promote=True, name="", reason="I looked at the pictures")
    assert refused["status"] == "REJECT"
    answer(yard, run, promote=True, name="Grace Hopper", reason="I looked at the pictures")
    yard.wait(run)
    entry = read_history(project.root, "asked")[-1]
    assert (entry.decision.action, entry.decision.version, entry.decision.policy) == ("promote", 2, None)
    assert entry.decision.reason == "I looked at the pictures"
    assert entry.author.startswith("Grace Hopper <")
    assert project.client().get_model_version_by_alias("asked", "champion").version == "2"
    artifacts = yard.ask("POST", "/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run]}}})
    texts = [each["data"] for each in artifacts if each["key"] == "asked"]
    assert any("(champion)" in text for text in texts)
    assert any("(challenger)" in text for text in texts)


def test_where_nobody_answers_the_champion_stays_and_nobody_is_asked_again(yard, project):
    champion = read_standing(project.root, "asked").champion
    run = press(yard, 0.003, 0.002)
    yard.wait(run)
    entry = read_history(project.root, "asked")[-1]
    assert (entry.decision.action, entry.decision.policy) == ("keep", "ask")
    assert entry.decision.reason == "nobody answered within 0.002 hours, so the champion stays"
    assert read_standing(project.root, "asked").champion == champion
    count = len(read_history(project.root, "asked"))
    start = time.monotonic()
    yard.wait(press(yard, 0.003, 1.0))
    assert time.monotonic() - start < 200
    assert len(read_history(project.root, "asked")) == count
