"""What a study trains: arms, seeds, and which settings it refuses."""

import pytest

from steelyard.errors import ParamsError
from steelyard.overrides import dump_overrides
from steelyard.study.plan import GAIN_ARMS, make_study, make_study_key, parse_arm, plan_members
from tests.conftest import ROOT

TEXT = (ROOT / "params.yaml").read_text()


def plan(*arms, **values):
    return plan_members(TEXT, make_study(arms=[parse_arm(each, TEXT) for each in arms], **values))


def test_without_arms_it_is_about_transfer():
    members = plan()
    assert [member.title for member in members[:4]] == [
        "random start, seed 0", "backbone frozen, seed 0", "all layers free, seed 0", "random start, seed 1"
    ]  # fmt: skip
    assert len(members) == 9
    starts = [(each.params.finetune.pretrained, each.params.finetune.freeze) for each in members[:3]]
    assert starts == [(False, 0), (True, 11), (True, 0)]


def test_all_members_have_the_same_data_budget_and_seeds():
    members = plan(settings={"finetune": {"seed": 5, "epochs": 7}}, seeds=2)
    assert {member.params.finetune.seed for member in members} == {5, 6}
    assert {(m.params.finetune.epochs, m.params.finetune.patience) for m in members} == {(7, 0)}
    assert len({m.params.fetch.model_dump_json() for m in members}) == 1


def test_an_arm_is_set_otherwise_and_may_set_patience():
    as_set, patient = plan("as set", "patient: finetune.patience=9 finetune.lr0=1e-3", seeds=1)
    assert (as_set.params.finetune.patience, as_set.params.finetune.lr0) == (0, 0.002)
    assert (patient.params.finetune.patience, patient.params.finetune.lr0) == (9, 0.001)
    assert patient.overrides == {"finetune": {"patience": 9, "lr0": 0.001, "seed": 0}}


def test_values_with_spaces_and_colons():
    arm = parse_arm("elsewhere: fetch.source=pypi:x==1/y 'fetch.licence=CC BY 4.0'", TEXT)
    assert dump_overrides(arm.settings) == {"fetch": {"source": "pypi:x==1/y", "licence": "CC BY 4.0"}}


@pytest.mark.parametrize(
    ("arms", "values", "sentence"),
    [
        (["nbs: finetune.nb=4"], {}, r"--arm 'nbs: finetune.nb=4': params.yaml: .* did you mean 'nbs'\?"),
        (["nbs: finetune.nbs"], {}, r"finetune.nbs: must be section.name=value"),
        (["a/b"], {}, r"--arm 'a/b': name = 'a/b': .* must be NAME: SECTION.NAME=VALUE"),
        (["a: 'x"], {}, r"No closing quotation; must be NAME"),
        (["a", "a: finetune.nbs=4"], {}, r"two arms are called 'a'"),
        (["a", "b", "c: finetune.nbs=4"], {}, r"arms 'a' and 'b' have the same settings"),
        (["a: finetune.seed=3"], {}, r"arm 'a' sets finetune.seed; .* \(-S finetune.seed=5\)"),
        ([], {"seeds": 0}, r"study: seeds = 0"),
        ([], {"split": "train"}, r"study: split = 'train'"),
        ([], {"name": "../x"}, r"study: name = '../x'"),
    ],
)
def test_what_is_refused_before_anything_starts(arms, values, sentence):
    with pytest.raises(ParamsError, match=sentence):
        plan(*arms, **values)


def test_the_key_names_settings_seeds_split_and_data():
    keys = {
        make_study_key(plan(**values), split, data)
        for values in ({}, {"seeds": 2}, {"settings": {"finetune": {"lr0": 0.1}}})
        for split in ("val", "test")
        for data in ("", "data/raw/x.dvc at another hash")
    }
    assert len(keys) == 12
    assert make_study_key(plan(), "test", "") == make_study_key(plan(), "test", "")


def test_the_arms_of_the_gain_are_named_once():
    assert len({arm.name for arm in GAIN_ARMS}) == len(GAIN_ARMS) == 3
