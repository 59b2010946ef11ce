"""Decisions that are shared by origin: of two at once one wins, whatever their kinds, and nothing is left over."""

import shutil
import socket

import pytest

from steelyard.errors import RegistryError
from steelyard.git import git
from steelyard.record import head
from steelyard.record.head import OvertakenError, describe_conflicts, read_refs, see_ledger, settle
from steelyard.record.ledger import read_history, read_standing
from steelyard.standing.change import Change, change_champion
from tests.unit.records import make_decision
from tests.unit.standing.conftest import call, start

# DVC asks the library of its tries in a way that this one is to drop.
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value will soon raise:DeprecationWarning")


def change(root, wish, version=None, share=True, said=None):
    said = [] if said is None else said
    return change_champion(root, "trees", Change(wish, f"{wish} it", version), share, said.append)


@pytest.fixture
def shared(repo, records, clone):
    """Two clones whose ledger and that of origin have v1 and v2 as champions, one after the other."""
    one, two = clone("Bea"), clone("Cleo")
    change(one, "promote", 1)
    change(one, "promote", 2)
    return one, two


def test_a_decision_is_in_both_repositories_and_comes_to_the_others(repo, shared):
    one, two = shared
    assert read_history(one, "trees") == read_history(repo, "trees")
    assert read_history(two, "trees") == []
    entry = change(two, "roll back")
    assert (entry.decision.before, entry.decision.version) == (2, 1)
    assert read_refs(two, "trees") == read_refs(repo, "trees")


@pytest.mark.parametrize(
    ("first", "second"),
    [("promote", "promote"), ("promote", "demote"), ("promote", "roll back"), ("demote", "roll back")],
)
def test_who_decides_from_an_older_state_is_told_and_leaves_nothing(repo, shared, records, first, second):
    one, two = shared
    seen = {root: see_ledger(root, "trees", share=True) for root in shared}
    settle(one, records[2], make_decision(records[2], first, records[1]), seen[one])
    before = read_refs(two, "trees")
    with pytest.raises(OvertakenError):
        settle(two, records[0], make_decision(records[0], second, records[1]), seen[two])
    assert read_refs(two, "trees") == before
    see_ledger(two, "trees", share=True)
    assert read_refs(two, "trees") == read_refs(one, "trees") == read_refs(repo, "trees")


WISHES = {
    "promote": ("promote", "v3", "--reason", "mine"),
    "demote": ("demote", "--reason", "rotten"),
    "rollback": ("rollback", "--reason", "it was better"),
}


@pytest.mark.parametrize("pair", [("promote", "promote"), ("promote", "demote"), ("rollback", "demote")])
def test_of_two_machines_at_once_one_wins_and_the_other_is_told(repo, shared, pair):
    running = [start(root, *WISHES[wish]) for root, wish in zip(shared, pair, strict=True)]
    said = [process.communicate() for process in running]
    codes = [process.returncode for process in running]
    assert sorted(codes) == [0, 1], said
    loser = codes.index(1)
    who = ("Bea", "Cleo")[1 - loser]
    # one that came after all was over meets another state of things, and its own refusal
    if "another decision came first" in said[loser][1]:
        assert f"by {who} <{who.lower()}@localhost>" in said[loser][1]
        assert ("mine", "rotten", "it was better")[list(WISHES).index(pair[1 - loser])] in said[loser][1]
    else:
        assert "already" in said[loser][1] or "no version is champion" in said[loser][1], said[loser][1]
    for root in shared:
        see_ledger(root, "trees", share=True)
    assert read_refs(shared[0], "trees") == read_refs(shared[1], "trees") == read_refs(repo, "trees")
    history = read_history(repo, "trees")
    assert [entry.number for entry in history] == [1, 2, 3]


def test_of_two_processes_in_one_repository_one_wins(repo, records):
    change(repo, "promote", 1, share=False)
    seen = see_ledger(repo, "trees", share=False)
    settle(repo, records[1], make_decision(records[1], "promote", records[0]), seen)
    with pytest.raises(OvertakenError):
        settle(repo, records[0], make_decision(records[0], "demote", records[0]), seen)
    assert [entry.number for entry in read_history(repo, "trees")] == [1, 2]


def test_origin_gets_the_versions_and_decisions_that_it_lacked(repo, records, clone):
    one = clone("Bea")
    for tag in ("trees@v2.0.0", "trees@v3.0.0"):
        git(repo, "tag", "-d", tag)
    change(one, "promote", 1, share=False)
    assert read_history(repo, "trees") == []
    said = []
    change(one, "promote", 2, said=said)
    assert said[1] == (
        "pushed to origin: trees#champion#2, with 3 tags of the ledger that were only here; "
        "dvc push --all-tags shares their bytes"
    )
    assert read_history(one, "trees") == read_history(repo, "trees")


def test_decisions_made_apart_are_named_and_nothing_is_decided(repo, shared):
    one, two = shared
    see_ledger(two, "trees", share=True)
    change(two, "demote", share=False)
    change(one, "promote", 3)
    refs = read_refs(repo, "trees")
    with pytest.raises(RegistryError, match=r"decision 3 was made twice, as 'trees#champion!#3' here and as "):
        change(two, "promote", 1)
    assert read_refs(repo, "trees") == refs
    git(two, "tag", "-d", "trees#champion!#3")  # as the message says
    change(two, "promote", 1)
    assert read_refs(two, "trees") == read_refs(repo, "trees")


def test_a_tag_of_one_name_with_two_contents_is_a_conflict():
    here = {"refs/tags/trees#champion#1": "a", "refs/tags/trees@v1.0.0": "v", "refs/steelyard/trees": "a"}
    origin = {"refs/tags/trees#champion#1": "b", "refs/tags/trees@v1.0.0": "v", "refs/steelyard/trees": "b"}
    (sentence,) = describe_conflicts(here, origin)
    assert sentence.startswith("'trees#champion#1' is not the same here and in origin")
    assert describe_conflicts(here, here) == describe_conflicts(here, {}) == describe_conflicts({}, here) == []


def test_a_decision_that_somebody_deleted_may_be_made_again(repo, records):
    change(repo, "promote", 1, share=False)
    git(repo, "tag", "-d", "trees#champion#1")
    assert change(repo, "promote", 2, share=False).tag == "trees#champion#1"
    assert read_standing(repo, "trees").before == ()


def test_where_origin_does_not_answer_nothing_is_decided_but_with_local(repo, shared):
    one, _ = shared
    shutil.move(repo, repo.with_name("away"))
    refs = read_refs(one, "trees")
    code, _, errors = call(one, "promote", "v3", "--reason", "x")
    assert code == 1
    assert errors.startswith("error: nothing was decided: origin, with which the ledger is shared, does not answer")
    assert "--local" in errors
    assert read_refs(one, "trees") == refs
    (one / ".dvc/config.local").write_text(f"[cache]\n    dir = {repo.with_name('away') / '.dvc/cache'}\n")
    code, output, errors = call(one, "promote", "v3", "--reason", "x", "--local")
    assert code == 0, errors
    assert "only here; git push origin 'trees#champion#3' shares it" in output
    assert read_standing(one, "trees").champion == 3


def test_an_origin_that_says_nothing_is_not_waited_for(repo, shared, monkeypatch):
    one, _ = shared
    monkeypatch.setattr(head, "PATIENCE_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        git(one, "remote", "set-url", "origin", f"git://127.0.0.1:{silent.getsockname()[1]}/repo")
        with pytest.raises(RegistryError, match=r"nothing was decided: origin.*no answer for 0.5 seconds.*--local"):
            change(one, "demote")


def test_a_push_that_is_refused_leaves_nothing(repo, shared):
    one, _ = shared
    hook = repo / ".git/hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho not today >&2\nexit 1\n")
    hook.chmod(0o755)
    refs = read_refs(one, "trees")
    with pytest.raises(RegistryError, match=r"nothing was decided: origin.*not today"):
        change(one, "demote")
    assert read_refs(one, "trees") == refs == read_refs(repo, "trees")
