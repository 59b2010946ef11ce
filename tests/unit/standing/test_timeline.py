"""What history and status say, from the ledger alone."""

import io
import json
from datetime import UTC, datetime

import pytest
from rich.console import Console

from steelyard.git import git
from steelyard.record.decision import Entry
from steelyard.standing.stale import diff_settings, list_reasons
from steelyard.standing.status import draw_status, read_status
from steelyard.standing.timeline import draw_timeline, tell
from tests.unit.records import make_decision, make_record
from tests.unit.standing.conftest import call

# DVC asks the library of its tries in a way that this one is to drop.
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value will soon raise:DeprecationWarning")


def make_history():
    first, second = make_record("c", 1, "sha256:1"), make_record("d", 2, "sha256:2")
    scores = second.scores.test.model_copy(update={"map50_95": 0.25})
    second = second.model_copy(update={"scores": second.scores.model_copy(update={"test": scores})})
    decisions = [
        make_decision(first, "promote", reason="the first"),
        make_decision(second, "keep", first, reason="worse: by far"),
        make_decision(second, "promote", first, policy=None, reason=f"better at dusk, {'and so on ' * 20}to the end"),
        make_decision(first, "roll back", second, policy=None),
        make_decision(first, "demote", first, policy=None),
    ]
    times = [datetime(2026, 1, day, 12, tzinfo=UTC) for day in range(1, 6)]
    entries = [
        Entry(number, f"trees#{number}", "Ada Lovelace <ada@localhost>", time, decision)
        for number, (time, decision) in enumerate(zip(times, decisions, strict=True), start=1)
    ]
    return [first, second], entries


def show(table):
    console = Console(width=80, file=io.StringIO())
    console.print(table)
    return console.file.getvalue()


def test_a_history_is_told_from_the_last_decision_on():
    events = tell(*make_history())
    assert [event.number for event in events] == [5, 4, 3, 2, 1]
    assert [event.show_change() for event in events] == [
        "v1 -> none", "v2 -> v1", "v1 -> v2", "v1 stays, not v2", "none -> v1",
    ]  # fmt: skip
    assert [[score.version for score in event.scores] for event in events] == [[1], [2, 1], [1, 2], [1, 2], [1]]
    assert events[1].scores[0].map50_95 == 0.25


def test_it_fits_eighty_columns_and_nothing_is_cut_off():
    records, history = make_history()
    lines = show(draw_timeline("trees", tell(records, history))).splitlines()
    assert max(map(len, lines)) <= 80
    text = " ".join(" ".join(lines).split())
    assert "…" not in text
    assert text.split().count("so") == 20
    for words in ("2026-01-03 12:00", "Ada Lovelace", "promote", "v1 -> v2", "v2: 0.250", "the gate, run by"):
        assert words in text


def test_reasons_are_those_of_dvc():
    entries = [
        {"changed deps": {"data/raw/x": "modified", "params.yaml": {"finetune": "modified"}}},
        {"changed outs": {"metrics/pr.csv": "deleted"}},
        "changed command",
    ]
    assert list_reasons(entries) == (
        "data/raw/x modified", "params.yaml finetune modified", "metrics/pr.csv deleted", "changed command",
    )  # fmt: skip


def test_settings_that_are_not_committed_are_named(repo):
    git(repo, "add", "--all")
    git(repo, "commit", "-qm", "settings")
    assert diff_settings(repo) == ()
    file = repo / "params.yaml"
    file.write_text(file.read_text().replace("lr0: 0.002", "lr0: 0.001"))
    assert diff_settings(repo) == ("finetune.lr0 = 0.001 (committed: 0.002)",)


def test_the_status_of_a_repository_without_a_store_says_what_it_lacks(repo, records):
    call(repo, "promote", "v1", "--reason", "x")
    call(repo, "demote", "--reason", "rotten")
    status = read_status(repo)
    assert (status.champion, status.versions, status.runs) == (None, 3, ())
    assert status.withdrawn == "v1 was withdrawn by Ada <ada@localhost>: rotten"
    assert status.stale == {}
    assert [f"MLflow lacks version {number}" for number in (1, 2, 3)] == list(status.disagreements[:3])
    assert "none: v1 was withdrawn by Ada" in show(draw_status(status, datetime.now(UTC)))


def test_what_does_not_answer_hides_nothing_else(repo, records, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    code, output, errors = call(repo, "status", "--json")
    assert code == 0, errors
    status = json.loads(output)
    assert (status["versions"], status["runs"], status["stale"]) == (3, None, {})
    assert "MLflow's server does not answer" in status["troubles"][0]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("promote", "v1"), "--reason"),
        (("promote", "1", "--reason", "x"), "'1': a version is a v and a number, such as v3"),
        (("promote", "v0", "--reason", "x"), "'v0': a version is a v and a number"),
        (("demote", "--reason", " "), "is empty; say why"),
    ],
)
def test_a_wrong_command_line_ends_with_2(repo, words, says):
    code, _, errors = call(repo, *words)
    assert code == 2
    assert says in errors


def test_history_as_json_and_of_nothing(repo, records):
    assert call(repo, "history")[1].startswith("trees: nothing was decided yet")
    call(repo, "promote", "v2", "--reason", "x")
    (event,) = json.loads(call(repo, "history", "--json")[1])
    assert (event["action"], event["before"], event["after"], event["reason"]) == ("promote", None, 2, "x")
    assert event["author"] == "Ada <ada@localhost>"
