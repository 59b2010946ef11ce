"""Puts a version on the balance and writes down what follows."""

from collections.abc import Callable, Sequence
from pathlib import Path

from steelyard import paths
from steelyard.errors import RegistryError, WeightsError, WorkspaceError
from steelyard.gate.rules import Circumstances, check_comparable
from steelyard.gate.verdict import Verdict
from steelyard.gate.weighing import Occasion, compute_key, refuse_pair, weigh_first, weigh_pair
from steelyard.params import Params
from steelyard.record.champion import weigh_champion
from steelyard.record.circumstances import Data, describe_no_champion, find_circumstances, read_data
from steelyard.record.decision import (
    Decision,
    Entry,
    count_uses,
    find_standing,
    find_verdict,
    was_decided_by_person,
)
from steelyard.record.head import OvertakenError, see_ledger, settle
from steelyard.record.ledger import read_history, read_versions
from steelyard.record.record import Record
from steelyard.scoring.match_file import read_matches

Say = Callable[[str], None]


def decide(root: Path, home: Path, record: Record, params: Params, say: Say) -> Verdict | None:
    """Weigh a version against the champion, unless that has been done, and write the decision into the ledger.

    Args:
        root: the workspace in which the stages have run.
        home: the repository that it belongs to; another run may bring its decision there first.
        record: of the version that the weights here are.
        params: of now.
        say: receives the decision in a sentence.

    Returns:
        The verdict; None where the version was not weighed.
    """
    data = read_data(root)
    while True:
        seen = see_ledger(root, record.name, share=root != home)
        records, history = read_versions(root, record.name), read_history(root, record.name)
        champion = _find_champion(records, history)
        key = compute_key(
            record.weights.identity,
            champion.weights.identity if champion else "",
            data.test_split,
            params.registration.gate,
        )
        if sentence := describe_decided(history, record.version, key):
            say(sentence)
            return None
        uses = count_uses(history, data.test_split) + 1
        occasion = Occasion(key, champion.version if champion else None, data.test_split, uses)
        verdict = weigh(root, record, champion, history, data, params, occasion)
        decision = make_decision(record, champion, verdict, params)
        try:
            settle(root, record, decision, seen)
        except OvertakenError:
            continue
        say(describe_decision(record, decision))
        return verdict


def weigh(
    root: Path,
    record: Record,
    champion: Record | None,
    history: Sequence[Entry],
    data: Data,
    params: Params,
    occasion: Occasion,
) -> Verdict:
    """The verdict on a version, see :func:`decide`."""
    rules = params.registration.gate
    if champion is None:
        obstacle = describe_no_champion(root, record, find_standing(history))
        alone = Circumstances(candidate=f"v{record.version}", champion="", obstacle=obstacle)
        return weigh_first(record.scores.test, alone, rules, occasion)
    circumstances = find_circumstances(root, record, champion, data)
    if all(finding.result == "passed" for finding in check_comparable(circumstances, rules)):
        try:
            table, latency = weigh_champion(root, champion, data.manifest.classes, data.test_split, params)
        except (RegistryError, WeightsError, WorkspaceError) as error:
            circumstances = Circumstances(
                candidate=circumstances.candidate,
                champion=circumstances.champion,
                obstacle=f"the champion cannot be weighed: {error}",
            )
        else:
            ours = read_matches(root / paths.MATCHES)["test"]
            return weigh_pair(ours, table, latency, data.groups, circumstances, rules, occasion)
    return refuse_pair(circumstances, rules, occasion)


def describe_decided(history: Sequence[Entry], version: int, key: str) -> str:
    """Why a version is not weighed, in a sentence; empty where it is to be."""
    standing, verdict = find_standing(history), find_verdict(history, version)
    if version == standing.champion:
        return f"v{version} is the champion"
    if was_decided_by_person(history, version):
        return f"v{version} is not weighed: a person has decided about it before (steelyard history)"
    if version in standing.before:
        return f"v{version} was champion before; steelyard promote v{version} --reason ... makes it so again"
    if verdict and verdict.key == key:
        return f"v{version} was weighed before: {verdict.sentence()}"
    return ""


def make_decision(record: Record, champion: Record | None, verdict: Verdict, params: Params) -> Decision:
    """What follows from a verdict under the policy of params.yaml."""
    policy = params.registration.policy
    reason = verdict.sentence()
    if (policy, verdict.outcome) in (("ask", "promote"), ("ask", "undecided"), ("never", "promote")):
        reason = f"policy {policy}: a person decides (steelyard promote v{record.version} --reason ...); {reason}"
    return Decision(
        action="promote" if verdict.outcome == "promote" and policy == "auto" else "keep",
        version=record.version,
        identity=record.weights.identity,
        before=champion.version if champion else None,
        identity_before=champion.weights.identity if champion else None,
        policy=policy,
        reason=reason,
        verdict=verdict,
    )


def describe_decision(record: Record, decision: Decision) -> str:
    """A decision in a sentence."""
    if decision.action == "promote":
        return f"champion: {record.tag()} ({decision.reason})"
    stays = f"v{decision.before} stays champion" if decision.before else "no version is champion"
    return f"{stays}, {record.tag()} is challenger ({decision.reason})"


def _find_champion(records: Sequence[Record], history: Sequence[Entry]) -> Record | None:
    number = find_standing(history).champion
    return next((record for record in records if record.version == number), None)
