"""The page about a version: everything on it is a function of what it is given, and a stranger's text stays text."""

import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

import pytest

from steelyard.record.decision import Standing
from steelyard.report.events import list_events, say_role, say_verdict
from steelyard.report.material import Material
from steelyard.report.page import write_page
from steelyard.scoring.scores import Scores
from tests.unit.report.samples import MADE, change

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;"


class Page(HTMLParser):
    """The elements of a page and its text outside of styles."""

    def __init__(self, source):
        super().__init__()
        self.elements, self.words, self._inside = [], [], ""
        self.source = source
        self.feed(source)
        self.close()
        self.text = re.sub(r"\s+", " ", "".join(self.words))

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._inside = tag
        self.words.append(" ")

    def handle_data(self, data):
        if self._inside != "style":
            self.words.append(data)

    def find(self, tag, **attributes):
        return [each for name, each in self.elements if name == tag and attributes.items() <= {**each}.items()]


def draw(sample, folder, made=MADE):
    out = folder / "report.html"
    write_page(out, sample.record, sample.verdict, sample.champion, sample.history, sample.material, made)
    return Page(out.read_text())


@pytest.fixture(scope="session")
def page(better, tmp_path_factory):
    return draw(better, tmp_path_factory.mktemp("page"))


def test_the_verdict_is_the_first_thing_on_it(better, page):
    gain = better.verdict.figures.overall["mAP50-95"]
    assert page.text.index(f"v2: promote: mAP50-95 {gain.show()}, with 95 % confidence above") < page.text.index(
        "square"
    )
    assert "v2 is champion, as of 2026-05-04 03:02 UTC" in page.text


def test_it_loads_nothing_and_runs_nothing(page):
    assert page.find("script") == page.find("link") == page.find("iframe") == []
    for _, attributes in page.elements:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("src", "href"):
                assert value.startswith(("data:image/", "#")), value
    assert "url(" not in page.source
    assert "default-src 'none'" in page.source


def test_it_stays_small(page):
    assert len(page.source) < 1_000_000


def test_the_same_input_gives_the_same_bytes(better, page, tmp_path):
    assert draw(better, tmp_path).source == page.source


def test_rules_scores_and_history_are_all_there(better, page):
    for finding in better.verdict.findings:
        assert finding.reason in page.text
    for name, each in better.verdict.figures.classes.items():
        assert f"{name}: {each.candidate:.3f}, {each.champion:.3f}, {each.show()}" in page.text
    for entry in better.history:
        assert entry.decision.reason in page.text
    assert "this test split has decided 3 times" in page.text
    assert len(page.find("img", alt="Precision over recall")) == 1


def test_pictures_show_both_side_by_side(better, page):
    assert len(better.material.contrasts) == 6
    assert len(page.find("image")) == 12
    for each in better.material.contrasts:
        for who, judged in (("v2", each.candidate), ("v1", each.champion)):
            counts = f"{len(judged.right)} right, {len(judged.wrong)} wrong, {len(judged.missed)} missed"
            assert f"{who}: {counts}" in page.text
    drawn = sum(
        path["d"].count("M") for look in ("right", "wrong", "missed") for path in page.find("path", **{"class": look})
    )
    boxes = sum(
        len(judged.right) + len(judged.wrong) + len(judged.missed)
        for each in better.material.contrasts
        for judged in (each.candidate, each.champion)
    )
    assert drawn == boxes


def test_every_part_moves_the_page(better, page, worse, tmp_path):
    tree = better.record.scores.model_dump(by_alias=True)
    tree["test"]["mAP50"] = 0.4321
    tree["operating_point"]["confidence"] = 0.2468
    changed = {
        "scores": change(better, scores=Scores.model_validate(tree)),
        "data": change(better, dataset=better.record.dataset.model_copy(update={"licence": "CC-BY-4.0"})),
        "weights": change(better, weights=better.record.weights.model_copy(update={"identity": "sha256:" + "9" * 64})),
        "parents": change(better, training=better.record.training.model_copy(update={"pretrained": False})),
        "commit": change(better, commit="7" * 40),
        "verdict": replace(better, verdict=worse.verdict),
        "history": replace(better, history=better.history[:1]),
        "plots": replace(better, material=replace(better.material, plots={})),
        "pictures": replace(better, material=replace(better.material, contrasts=better.material.contrasts[:2])),
        "champion": replace(better, material=replace(better.material, champion=None)),
        "note": replace(better, material=replace(better.material, note="4 of the 60 test images were left out")),
    }
    for name, sample in changed.items():
        assert draw(sample, tmp_path).source != page.source, name
    assert "0.432" in draw(changed["scores"], tmp_path).text
    assert "v2 from confidence 0.247 on" in draw(changed["scores"], tmp_path).text


def test_texts_of_strangers_stay_texts(better, tmp_path):
    tree = better.record.scores.model_dump(by_alias=True)
    tree["test"]["classes"][HOSTILE] = tree["test"]["classes"].pop("disc")
    record = better.record.model_copy(
        update={
            "scores": Scores.model_validate(tree),
            "dataset": better.record.dataset.model_copy(update={"source": HOSTILE, "classes": (HOSTILE,)}),
        }
    )
    figures = better.verdict.figures
    classes = {HOSTILE if name == "disc" else name: each for name, each in figures.classes.items()}
    findings = tuple(each.model_copy(update={"reason": HOSTILE}) for each in better.verdict.findings)
    verdict = better.verdict.model_copy(
        update={"figures": figures.model_copy(update={"classes": classes}), "findings": findings}
    )
    history = tuple(
        replace(each, author=HOSTILE, decision=each.decision.model_copy(update={"reason": HOSTILE}))
        for each in better.history
    )
    contrasts = tuple(replace(each, name=HOSTILE) for each in better.material.contrasts)
    sample = replace(
        better, record=record, verdict=verdict, history=history, material=replace(better.material, contrasts=contrasts)
    )
    page = draw(sample, tmp_path)
    assert page.find("script") == []
    assert page.find("img", src="x") == []
    assert page.text.count(HOSTILE) > 10


def test_a_first_version_has_no_champion_beside_it(better, tmp_path):
    material = Material({}, no_contrasts="there was no champion to compare with")
    page = draw(replace(better, verdict=None, champion=None, history=(), material=material), tmp_path)
    assert "v2 was not weighed" in page.text
    assert "No pictures: there was no champion to compare with." in page.text
    assert "No decision yet." in page.text
    assert "95 % interval" in page.text
    assert page.find("image") == []
    assert page.find("input") == []


def test_the_headline_says_why_a_version_is_kept(worse):
    assert say_verdict(2, worse.verdict) == f"v2: {worse.verdict.sentence()}"
    assert say_verdict(2, worse.verdict).startswith("v2: keep: mAP50-95 -0.")


def test_roles():
    assert say_role(2, Standing(2, None, ())) == "v2 is champion"
    assert say_role(2, Standing(1, 2, ())) == "v2 is challenger, v1 is champion"
    assert say_role(2, Standing(None, 3, ())) == "v2 is neither champion nor challenger, no version is champion"


def test_the_history_is_told_newest_first(better):
    first, second = better.history
    back = replace(
        second,
        number=3,
        author="Grace Hopper <grace@localhost>",
        time=second.time + timedelta(hours=1),
        decision=first.decision.model_copy(
            update={"action": "roll back", "before": 2, "policy": None, "reason": "it was worse on site"}
        ),
    )
    events = list_events((first, second, back), 2)
    assert [event.what for event in events] == ["back to v1 from v2", "v2 champion, before it v1", "v1 champion"]
    assert events[0].who == "Grace Hopper"
    assert events[1].who == "the gate (auto), in a run of Ada Lovelace"
    assert [event.is_own for event in events] == [True, True, False]
    many = [replace(first, number=number) for number in range(60)]
    assert len(list_events(many, 1)) == 40
