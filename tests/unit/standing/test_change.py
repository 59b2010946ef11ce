"""Decisions of a person, on real git and DVC."""

import pytest

from steelyard.errors import RegistryError
from steelyard.gate.verdict import Finding, Verdict
from steelyard.git import git
from steelyard.record.decision import count_uses, was_decided_by_person
from steelyard.record.ledger import add_decision, read_history, read_standing
from steelyard.standing.change import Change, change_champion, describe_decision
from tests.unit.records import make_decision
from tests.unit.standing.conftest import find_cached

# DVC asks the library of its tries in a way that this one is to drop.
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value will soon raise:DeprecationWarning")


def change(root, wish, version=None, reason="a reason", said=None, **kwargs):
    said = [] if said is None else said
    return change_champion(root, "trees", Change(wish, reason, version), share=False, say=said.append, **kwargs)


def list_tags(root):
    return git(root, "tag", "--list", "trees#*").splitlines()


def test_a_person_promotes_with_name_reason_and_both_identities(repo, records):
    change(repo, "promote", 1)
    entry = change(repo, "promote", 2, reason="better at dusk", author="Grace")
    assert (entry.tag, entry.author) == ("trees#champion#2", "Grace <ada@localhost>")
    decision = entry.decision
    assert (decision.action, decision.version, decision.before, decision.policy) == ("promote", 2, 1, None)
    assert (decision.identity, decision.identity_before) == tuple(r.weights.identity for r in (records[1], records[0]))
    assert git(repo, "rev-parse", "trees#champion#2^{commit}") == records[1].commit
    assert was_decided_by_person(read_history(repo, "trees"), 1)
    said = describe_decision("trees", entry)
    assert said == "champion: trees v2 (before: v1); decided by Grace <ada@localhost> as trees#champion#2"


def test_twice_back_is_two_back_and_then_there_is_none(repo, records):
    for version in (1, 2, 1, 3):
        change(repo, "promote", version)
    back = [change(repo, "roll back", reason="").decision for _ in range(3)]
    assert [(each.before, each.version) for each in back] == [(3, 1), (1, 2), (2, 1)]
    assert back[0].reason == "back from v3, no reason given"
    with pytest.raises(RegistryError, match="trees: no champion to go back to: v1 is champion, and none was before it"):
        change(repo, "roll back")
    assert len(list_tags(repo)) == 7


def test_after_a_demotion_there_is_no_champion_until_somebody_says_so(repo, records):
    change(repo, "promote", 1)
    change(repo, "promote", 2)
    entry = change(repo, "demote")
    assert (entry.tag, entry.decision.version, entry.decision.before) == ("trees#champion!#3", 2, 2)
    assert read_standing(repo, "trees").champion is None
    with pytest.raises(RegistryError, match="no version is champion, so there is none to demote"):
        change(repo, "demote")
    assert change(repo, "roll back").decision.version == 1


def test_what_does_not_add_up_is_refused_and_leaves_no_tag(repo, records):
    change(repo, "promote", 1)
    with pytest.raises(RegistryError, match=r"v9: no version of trees \(versions: v1, v2, v3\)"):
        change(repo, "promote", 9)
    with pytest.raises(RegistryError, match="v1 is the champion of trees already"):
        change(repo, "promote", 1)
    forged = records[1].model_copy(update={"weights": records[2].weights})
    add_decision(repo, records[1], make_decision(forged, "keep", records[0]))
    with pytest.raises(RegistryError, match=r"trees@v2\.0\.0 holds weights .* and trees#challenger#2 decided about"):
        change(repo, "promote", 2)
    assert list_tags(repo) == ["trees#challenger#2", "trees#champion#1"]


def test_a_tag_that_was_moved_to_another_commit_is_refused(repo, records):
    message = git(repo, "for-each-ref", "--format=%(contents)", "refs/tags/trees@v2.0.0")
    git(repo, "tag", "-f", "-a", "trees@v2.0.0", records[2].commit, "-m", message)
    with pytest.raises(RegistryError, match=r"trees@v2\.0\.0 stands on commit .* its record says"):
        change(repo, "promote", 2)


@pytest.mark.parametrize("content", [b"checkpoint 2", b"tensors 2"])
@pytest.mark.parametrize("wish", ["promote", "roll back"])
def test_missing_and_changed_bytes_are_refused(repo, records, content, wish):
    version = 2
    if wish == "roll back":
        change(repo, "promote", 2)
        change(repo, "promote", 3)
        version = None
    tags = list_tags(repo)
    cached = find_cached(repo, content)
    cached.chmod(0o644)
    cached.write_bytes(content[::-1])
    with pytest.raises(RegistryError, match=r"weights/\S+ of trees@v2\.0\.0: sha256 .* was changed"):
        change(repo, wish, version)
    cached.unlink()
    with pytest.raises(RegistryError, match=r"of trees@v2\.0\.0: neither in DVC's cache.*dvc pull --all-tags"):
        change(repo, wish, version)
    assert list_tags(repo) == tags
    cached.write_bytes(content)
    assert change(repo, wish, version).decision.version == 2


def test_a_promotion_without_or_against_a_verdict_says_so_and_keeps_it(repo, records):
    change(repo, "promote", 1)
    said = []
    change(repo, "promote", 2, said=said)
    assert said[0] == "v2 was never weighed by the gate"
    finding = Finding(rule="gain", result="broken", reason="worse: by far (0.1)")
    verdict = Verdict(outcome="keep", key="k", champion=2, test_split="s", uses=1, findings=(finding,), figures=FIGURES)
    add_decision(repo, records[2], make_decision(records[2], "keep", records[1], verdict=verdict))
    entry = change(repo, "promote", 3, said=said)
    assert "the gate's last verdict on v3 (against v2): keep: worse: by far (0.1)" in said
    assert entry.decision.verdict == verdict
    # the test split decided once: the person's decision only repeats what the gate said
    assert count_uses(read_history(repo, "trees"), "s") == 1


FIGURES = {
    "images": 1, "groups": 1, "overall": {}, "classes": {}, "sizes": {}, "smallest_gain": None,
    "calibration": {"candidate": None, "champion": None, "images": 1},
}  # fmt: skip


def test_where_mlflow_does_not_answer_the_decision_stands_and_it_is_said(repo, records, monkeypatch):
    said = []
    change(repo, "promote", 1, said=said)
    assert any("MLflow: no store here (mlflow.db)" in line for line in said)
    (repo / "mlflow.db").write_text("not a database")
    change(repo, "promote", 2, said=said)
    assert any(line.startswith("the decision stands, and MLflow does not show it yet") for line in said)
    assert said[-1] == "steelyard status --repair, or the next run, brings MLflow up to date"
    assert read_standing(repo, "trees").champion == 2
