import pytest

from steelyard.errors import RegistryError
from steelyard.gate.verdict import Finding, Verdict
from steelyard.git import git
from steelyard.record.aliases import describe_foreign, want_aliases
from steelyard.record.decision import count_uses, find_question, find_standing, find_verdict, was_decided_by_person
from steelyard.record.ledger import add_decision, add_version, read_all_versions, read_history, read_standing
from steelyard.record.promotion import describe_decided
from tests.unit.records import make_decision, make_record


def make_verdict(key="k", outcome="keep", test_split="s", figures=None):
    finding = Finding(rule="gain", result="broken", reason="worse: by far (0.1)")
    return Verdict(
        outcome=outcome, key=key, champion=1, test_split=test_split, uses=1, findings=(finding,), figures=figures
    )


@pytest.fixture
def repo(tmp_path):
    root = tmp_path / "repo"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    git(root, "config", "user.name", "Ada Lovelace")
    git(root, "config", "user.email", "ada@localhost")
    return root


@pytest.fixture
def records(repo):
    made = []
    for version in (1, 2, 3):
        git(repo, "commit", "--allow-empty", "-qm", f"{version}")
        made.append(make_record(git(repo, "rev-parse", "HEAD"), version, f"sha256:{version:064}"))
        add_version(repo, made[-1])
    return made


def decide(repo, record, action, **kwargs):
    return add_decision(repo, record, make_decision(record, action, **kwargs))


def test_a_model_without_decisions_has_no_champion(repo, records):
    standing = read_standing(repo, "trees")
    assert (standing.champion, standing.challenger, standing.before, standing.withdrawn) == (None, None, (), None)


def test_a_decision_is_read_back_whole_with_its_author_and_time(repo, records):
    first, second, _ = records
    decide(repo, first, "promote", reason="the first")
    decision = make_decision(second, "keep", first, verdict=make_verdict(), reason="two\nlines: of reason")
    assert add_decision(repo, second, decision) == "trees#challenger#2"
    one, two = read_history(repo, "trees")
    assert (one.number, one.tag, one.author) == (1, "trees#champion#1", "Ada Lovelace <ada@localhost>")
    assert two.decision == decision
    assert one.time <= two.time
    subject = git(repo, "for-each-ref", "--format=%(contents:subject)", f"refs/tags/{two.tag}")
    assert subject == "keep trees v2: two lines: of reason"


def test_champion_and_challenger_follow_the_decisions(repo, records):
    first, second, third = records
    decide(repo, first, "promote")
    decide(repo, second, "keep", before=first)
    assert want_aliases(read_standing(repo, "trees")) == {"champion": 1, "challenger": 2}
    decide(repo, second, "promote", before=first)
    assert want_aliases(read_standing(repo, "trees")) == {"champion": 2, "challenger": None}
    decide(repo, third, "promote", before=second)
    assert read_standing(repo, "trees").before == (1, 2)
    decide(repo, second, "roll back", before=third)
    standing = read_standing(repo, "trees")
    assert (standing.champion, standing.before) == (2, (1,))
    decide(repo, first, "roll back", before=second)
    standing = read_standing(repo, "trees")
    assert (standing.champion, standing.before) == (1, ())
    decide(repo, first, "demote", before=first)
    standing = read_standing(repo, "trees")
    assert (standing.champion, standing.before, standing.withdrawn.decision.version) == (None, (), 1)
    decide(repo, third, "promote")
    assert read_standing(repo, "trees").champion == 3


def test_after_a_demotion_a_rollback_goes_to_the_one_before(repo, records):
    first, second, _ = records
    decide(repo, first, "promote")
    decide(repo, second, "promote", before=first)
    decide(repo, second, "demote", before=second)
    standing = read_standing(repo, "trees")
    assert (standing.champion, standing.before) == (None, (1,))


def test_a_version_that_is_not_champion_cannot_be_withdrawn(repo, records):
    first, second, _ = records
    decide(repo, first, "promote")
    decide(repo, second, "promote", before=first)
    decide(repo, first, "demote", before=first)  # by hand, with GTO
    standing = read_standing(repo, "trees")
    assert (standing.champion, standing.before, standing.withdrawn) == (2, (1,), None)


def test_more_than_nine_decisions_stay_in_order(repo, records):
    for number in range(12):
        decide(repo, records[number % 2], "promote")
    assert [entry.number for entry in read_history(repo, "trees")] == list(range(1, 13))
    assert read_standing(repo, "trees").champion == 2


def test_tags_of_gto_and_of_before_are_decisions_too(repo, records):
    from gto.api import assign, unassign

    assign(repo, "trees", "champion", version="v1.0.0", message="first version; there was nothing to compare with")
    assign(repo, "trees", "prod", version="v2.0.0")
    unassign(repo, "trees", stage="champion", version="v1.0.0", message="it was bad")
    one, two = read_history(repo, "trees")
    assert (one.decision.action, one.decision.policy, one.decision.version) == ("promote", "auto", 1)
    assert (two.decision.action, two.decision.policy, two.decision.reason) == ("demote", None, "it was bad")
    assert read_standing(repo, "trees").withdrawn == two


def test_a_decision_that_cannot_be_read_is_named(repo, records):
    git(repo, "tag", "-a", "trees#champion#1", "-m", "x", "-m", '{"schema_version": 2}', records[0].commit)
    with pytest.raises(RegistryError, match=r"tag trees#champion#1: its message holds no decision .*schema_version"):
        read_history(repo, "trees")


def test_an_unknown_version_is_refused(repo, records):
    with pytest.raises(RegistryError, match=r"trees@v9\.0\.0: the decision is not in the ledger"):
        decide(repo, make_record("HEAD", 9), "promote")


def test_the_last_verdict_counts_and_splits_wear_out(repo, records):
    first, second, _ = records
    decide(repo, first, "promote")
    decide(repo, second, "keep", verdict=make_verdict("old", figures=FIGURES))
    decide(repo, second, "keep", verdict=make_verdict("new", figures=FIGURES))
    decide(repo, second, "keep", verdict=make_verdict("none", figures=None))
    decide(repo, second, "promote", policy=None, verdict=make_verdict("quoted", figures=FIGURES))
    history = read_history(repo, "trees")
    assert find_verdict(history, 2).key == "quoted"
    assert find_verdict(history, 3) is None
    assert (count_uses(history, "s"), count_uses(history, "other")) == (2, 0)


def test_the_gate_asks_once_and_leaves_what_a_person_decided(repo, records):
    first, second, third = records
    decide(repo, first, "promote")
    decide(repo, second, "keep", before=first, verdict=make_verdict("k"))
    history = read_history(repo, "trees")
    assert describe_decided(history, 1, "k") == "v1 is the champion"
    assert describe_decided(history, 2, "k") == "v2 was weighed before: keep: worse: by far (0.1)"
    assert describe_decided(history, 2, "other rules") == ""
    assert describe_decided(history, 3, "k") == ""
    decide(repo, second, "promote", before=first)
    assert "v1 was champion before" in describe_decided(read_history(repo, "trees"), 1, "k")
    decide(repo, third, "promote", before=second, policy=None)
    decide(repo, second, "roll back", before=third, policy=None)
    history = read_history(repo, "trees")
    assert was_decided_by_person(history, 3)
    assert "a person has decided about it" in describe_decided(history, 3, "k")


def test_a_person_is_asked_once_and_not_about_what_is_broken(repo, records):
    first, second, third = records
    decide(repo, first, "promote")
    assert find_question(read_history(repo, "trees"), 2) is None
    decide(repo, second, "keep", policy="ask", verdict=make_verdict(outcome="undecided"))
    assert find_question(read_history(repo, "trees"), 2).outcome == "undecided"
    decide(repo, third, "keep", policy="ask", verdict=make_verdict(outcome="keep"))
    assert find_question(read_history(repo, "trees"), 3) is None
    decide(repo, third, "keep", policy="never", verdict=make_verdict(outcome="promote"))
    assert find_question(read_history(repo, "trees"), 3) is None
    decide(repo, second, "keep", policy="ask", reason="nobody answered")
    assert find_question(read_history(repo, "trees"), 2) is None
    assert not was_decided_by_person(read_history(repo, "trees"), 2)
    decide(repo, third, "keep", policy=None, reason="I do not like it")
    history = read_history(repo, "trees")
    assert was_decided_by_person(history, 3)
    assert not was_decided_by_person(history, 1)


def test_an_alias_that_somebody_moved_is_told_from_one_that_lags_behind(repo, records):
    first, second, _ = records
    decide(repo, first, "promote")
    decide(repo, second, "keep", before=first)
    decide(repo, second, "promote", before=first)
    history = read_history(repo, "trees")
    lagging = {"champion": 1, "challenger": 2}
    assert describe_foreign(lagging, "trees#challenger#2", history) == []
    assert describe_foreign({}, None, history) == []
    assert describe_foreign({"champion": 2}, "trees#champion#3", history) == []
    (moved,) = describe_foreign({"champion": 1}, "trees#champion#3", history)
    assert "somebody set the alias champion to version 1; the ledger says that v2 is champion" in moved
    assert "steelyard promote v1 --reason" in moved
    (gone,) = describe_foreign({}, "trees#champion#3", history)
    assert "somebody removed the alias champion; the ledger says that v2 is champion" in gone
    (extra,) = describe_foreign({"champion": 2, "challenger": 3}, "trees#champion#3", history)
    assert "the alias challenger to version 3; the ledger says that no version is challenger" in extra


def test_versions_of_all_models_are_found(repo, records):
    other = records[0].model_copy(update={"name": "other-trees"})
    add_version(repo, other)
    assert [(each.name, each.version) for each in read_all_versions(repo)] == [
        ("other-trees", 1), ("trees", 1), ("trees", 2), ("trees", 3),
    ]  # fmt: skip


FIGURES = {
    "images": 1, "groups": 1, "overall": {}, "classes": {}, "sizes": {}, "smallest_gain": None,
    "calibration": {"candidate": None, "champion": None, "images": 1},
}  # fmt: skip


def test_what_remains_of_an_empty_history():
    assert find_standing([]).champion is None
