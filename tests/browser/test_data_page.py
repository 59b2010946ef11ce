"""The page about the data as a person sees it, in Debian's Chromium on a laptop's screen, light and dark.

``python -m pytest -m browser tests/browser/test_data_page.py --screens docs/screens`` also takes its picture.
"""

from collections import Counter

import pytest
from playwright.sync_api import expect

from steelyard.checks.catalogue import CHECKS
from steelyard.checks.page import write_page
from steelyard.checks.report import Example, Finding, Report
from steelyard.dataset.annotation import AnnotatedImage, Box
from steelyard.dataset.manifest import SPLITS, SplitCounts
from tests.browser.contrast import CONTRAST
from tests.conftest import draw_pictures

pytestmark = pytest.mark.browser

NAME = "<img src=x onerror=alert(1)>.png"


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    draw_pictures(folder)
    images = {}
    for path in sorted((folder / "images").rglob("*.png")):
        row = (folder / "labels" / path.parent.name / f"{path.stem}.txt").read_text().split()
        x, y, side = (float(value) * 64 for value in row[1:4])
        box = Box(("square", "disc")[int(row[0])], x - side / 2, y - side / 2, x + side / 2, y + side / 2)
        name = f"{path.parent.name}/{path.name}"
        images[name] = AnnotatedImage(path, name, 64, 64, (box,), path.parent.name, is_rotated=False)
    (folder / "bad.jpg").write_bytes(b"no picture")
    images["bad.jpg"] = AnnotatedImage(folder / "bad.jpg", "bad.jpg", 64, 64, (), "val", is_rotated=False)
    out = folder / "check.html"
    report = make_report(images)
    write_page(out, report, images, report.choose_stopping(("error",), ()), {"source": NAME, "licence": "MIT"})
    return out.as_uri()


def make_report(images):
    examples = {
        "image-unreadable": [Example(file=NAME, detail="no known format"), Example(file="bad.jpg")],
        "box-zero-area": [Example(file="train/01.png", box=(20, 20, 20, 20), detail="disc 20, 20, 20, 20")],
        "near-duplicate-across-splits": [Example(file="train/00.png", other="test/00.png", detail="2 bits of 64")],
        "box-whole-image": [Example(file="val/00.png", box=(0, 0, 64, 64))],
        "class-shift": [],
        "label-outlier": [Example(file=name, box=(9, 9, 40, 40)) for name in list(images)[:9]],
    }
    counts = {}
    for split in SPLITS:
        mine = [image for image in images.values() if image.split == split]
        found = Counter(box.name for image in mine for box in image.boxes)
        counts[split] = SplitCounts(images=len(mine), backgrounds=0, boxes=found.total(), boxes_per_class=dict(found))
    findings = tuple(
        Finding(id=check, severity=CHECKS[check].severity, count=max(1, len(each)), examples=tuple(each))
        for check, each in examples.items()
    )
    return Report(
        images=len(images), classes=("square", "disc"), splits=counts, imgsz=64, map_half_width=0.49, findings=findings
    )


@pytest.fixture(params=["light", "dark"])
def page(request, browser, html):
    page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme=request.param)
    page.set_default_timeout(30_000)
    trouble = []
    page.on("console", lambda message: trouble.append(message.text))
    page.on("request", lambda one: trouble.append(one.url) if not one.url.startswith(("file:", "data:")) else None)
    page.goto(html)
    yield page
    page.close()
    assert trouble == [], "it loads nothing, runs nothing and has no errors"


def test_the_verdict_and_all_findings_are_on_the_first_screen(page, request):
    expect(page.get_by_role("heading", level=1)).to_have_text("3 findings stop the run")
    rows = page.locator("summary")
    expect(rows).to_have_count(6)
    for number in range(6):
        expect(rows.nth(number)).to_be_in_viewport(ratio=1)
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    folder = request.config.getoption("screens")
    if folder:
        page.locator("#box-zero-area > summary").click()
        folder.mkdir(parents=True, exist_ok=True)
        scheme = "dark" if page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") else "light"
        page.screenshot(path=folder / f"data-{scheme}.png")


def test_a_click_opens_a_finding_with_its_pictures(page):
    finding = page.locator("#near-duplicate-across-splits")
    expect(finding.get_by_text("2 bits of 64")).to_be_hidden()
    finding.locator("summary").click()
    expect(finding.get_by_text("2 bits of 64")).to_be_visible()
    expect(finding.locator("figure image")).to_have_count(2)
    page.locator("#label-outlier > summary").click()
    expect(page.locator("#label-outlier .hit")).to_have_count(8)
    expect(page.get_by_text("8 of 9 examples are shown")).to_be_visible()


def test_every_picture_can_be_seen(page):
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    widths = page.locator("image").evaluate_all(
        """images => Promise.all(images.map(async each => {
            const picture = new Image(); picture.src = each.href.baseVal; await picture.decode();
            return each.getBoundingClientRect().width && picture.naturalWidth; }))"""
    )
    assert len(widths) > 20
    assert min(widths) > 0
    expect(page.get_by_text("cannot be decoded").first).to_be_visible()
    expect(page.get_by_text(NAME).first).to_be_visible()
    for chart in page.locator("svg.chart").all():
        assert chart.bounding_box()["width"] > 300


def test_boxes_can_be_taken_off(page):
    over = page.locator("#samples ~ .sheet .over").first
    expect(over).to_be_visible()
    page.get_by_label("boxes on pictures").uncheck()
    expect(over).to_be_hidden()


def test_text_stands_out_from_its_ground(page):
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    badges = (".badge.error", ".badge.warning", ".badge.note", ".stops")
    for selector in ("h1", *badges, "summary .id", "dt", "td", "p", "a", "figcaption .of"):
        for element in page.locator(selector).all()[:8]:
            assert element.evaluate(CONTRAST) >= 4.5, (selector, element.text_content())


def test_it_can_be_read_on_a_narrow_screen(page):
    page.set_viewport_size({"width": 600, "height": 800})
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") <= 600
