"""The page about a version as a person sees it, in Debian's Chromium on a laptop's screen, light and dark.

``python -m pytest -m browser tests/browser/test_report_page.py --screens docs/screens`` also takes its picture.
"""

import pytest
from playwright.sync_api import expect

from steelyard.report.page import write_page
from tests.browser.contrast import CONTRAST
from tests.unit.report.samples import MADE, make_sample

pytestmark = pytest.mark.browser

WIDTH, HEIGHT = 1366, 768


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Address of the page of a version that is promoted, and of one that is not."""
    folder = tmp_path_factory.mktemp("report")
    found = {}
    for name, options in {"better": {}, "worse": {"images": 25, "skills": (0.6, 0.8)}}.items():
        sample = make_sample(folder / name, **options)
        out = folder / f"{name}.html"
        write_page(out, sample.record, sample.verdict, sample.champion, sample.history, sample.material, MADE)
        found[name] = out.as_uri()
    return found


@pytest.fixture(params=["light", "dark"])
def page(request, browser, pages):
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=request.param)
    page.set_default_timeout(30_000)
    trouble = []
    page.on("console", lambda message: trouble.append(message.text))
    page.on("request", lambda one: trouble.append(one.url) if not one.url.startswith(("file:", "data:")) else None)
    page.goto(pages["better"])
    yield page
    page.close()
    assert trouble == [], "it loads nothing, runs nothing and has no errors"


def test_the_verdict_and_the_forest_plot_are_on_the_first_screen(page, request):
    expect(page.get_by_role("heading", level=1)).to_contain_text("v2: promote: mAP50-95 +0.")
    expect(page.get_by_role("heading", level=1)).to_be_in_viewport(ratio=1)
    expect(page.locator(".forest")).to_be_in_viewport(ratio=1)
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTH
    folder = request.config.getoption("screens")
    if folder and not page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches"):
        folder.mkdir(parents=True, exist_ok=True)
        page.set_viewport_size({"width": WIDTH, "height": 1500})
        page.screenshot(path=folder / "report.png")


def test_no_text_of_the_forest_plot_lies_on_another_or_outside(page, pages):
    for name in pages.values():
        page.goto(name)
        boxes = page.locator(".forest text").evaluate_all(
            "texts => texts.filter(each => each.textContent).map(each => { const box = each.getBoundingClientRect();"
            " return [each.textContent, box.left, box.top, box.right, box.bottom]; })"
        )
        frame = page.locator(".forest").bounding_box()
        assert len(boxes) > 30
        for number, (text, left, top, right, bottom) in enumerate(boxes):
            assert frame["x"] - 1 <= left and right <= frame["x"] + frame["width"] + 1, text
            for other, west, north, east, south in boxes[number + 1 :]:
                apart = right <= west or east <= left or bottom <= north + 3 or south <= top + 3
                assert apart, (text, other)


def test_every_picture_can_be_seen(page):
    widths = page.locator("image").evaluate_all(
        """images => Promise.all(images.map(async each => {
            const picture = new Image(); picture.src = each.href.baseVal; await picture.decode();
            return each.getBoundingClientRect().width && picture.naturalWidth; }))"""
    )
    assert len(widths) == 12
    assert min(widths) > 200
    assert page.locator("#curves ~ .curves img").first.evaluate("each => each.naturalWidth") > 400


def test_boxes_can_be_taken_off(page):
    over = page.locator(".contrasts .over").first
    expect(over).to_be_visible()
    page.get_by_label("boxes on pictures").uncheck()
    expect(over).to_be_hidden()


def test_text_stands_out_from_its_ground(page, pages):
    for name in pages.values():
        page.goto(name)
        for selector in ("h1", "h2", "td", "th", "p", "dt", "dd", "a", "li", "figcaption span", ".forest text"):
            for element in page.locator(selector).all()[:10]:
                if element.text_content().strip():
                    assert element.evaluate(CONTRAST) >= 4.5, (selector, element.text_content())


def test_it_can_be_read_on_a_narrow_screen(page):
    page.set_viewport_size({"width": 600, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 600


def test_it_prints_light_and_without_the_bar(page):
    page.emulate_media(media="print")
    expect(page.locator(".bar")).to_be_hidden()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("h1").evaluate(CONTRAST) >= 4.5
