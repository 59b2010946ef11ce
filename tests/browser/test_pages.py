"""What a person does in the two web pages, in Debian's Chromium.

``python -m pytest -m browser --screens docs/screens`` also takes the pictures that the README shows.
"""

import re
import shutil

import pytest
from playwright.sync_api import expect, sync_playwright

from steelyard.scoring.scores import show_map50_95

pytestmark = pytest.mark.browser

WIDTH = 1280
EPOCHS = 20  # the boxes of fewer are no sight for the README
QUIET = (
    "--no-sandbox",  # containers; the pages are our own
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def project(yard, template, tmp_path_factory):
    return yard.adopt(template, tmp_path_factory.mktemp("pages") / "shapes", "shapes")


@pytest.fixture
def page():
    chromium = shutil.which("chromium")
    assert chromium, "chromium is not on PATH: apt-get install --no-install-recommends chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        page = browser.new_page(viewport={"width": WIDTH, "height": 900}, color_scheme="dark")
        page.set_default_timeout(30_000)
        yield page
        browser.close()


@pytest.fixture
def shoot(page, request):
    """Takes a picture from the top of the page, where a folder for pictures is given."""
    folder = request.config.getoption("screens")

    def shoot(name, height):
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
            page.set_viewport_size({"width": WIDTH, "height": height})
            page.wait_for_timeout(2000)  # animations of charts and panels
            page.screenshot(path=folder / f"{name}.png")

    return shoot


def open_form(page, yard):
    page.goto(f"{yard.api.removesuffix('/api')}/deployments")
    page.get_by_role("link", name="retrain").first.click()
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_text("Custom run").click()


def find_field(page, description):
    """The input under a description, as a person finds it; names such as `seed` stand in two sections."""
    return page.locator(".schema-form-property").filter(has_text=description).last.locator("input")


def test_form_refuses_what_params_yaml_refuses(page, yard, project):
    open_form(page, yard)
    find_field(page, "side of training images, in px (integer, at least 32, at most 2048, a multiple of 32)").fill(
        "100"
    )
    page.get_by_role("button", name="Submit").click()
    toast = page.get_by_text("Error creating flow run").first
    expect(toast).to_contain_text("settings.finetune.imgsz")
    refused = project.steelyard("run", "-S", "finetune.imgsz=100", check=False)
    assert refused.returncode == 1
    sentence = "100 is not a multiple of 32"
    assert sentence in refused.stderr
    expect(toast).to_contain_text(sentence)


def test_button_to_version(page, yard, project, shoot):
    """Form, run, artifact in Prefect; version in MLflow."""
    open_form(page, yard)
    epochs = find_field(page, "most epochs to train (integer, at least 1, at most 10000)")
    epochs.fill(str(EPOCHS))
    page.get_by_text("finetune (Optional)").evaluate("element => element.scrollIntoView()")
    shoot("form", 720)
    with page.expect_response(re.compile("/create_flow_run$")) as created:
        page.get_by_role("button", name="Submit").click()
    run = created.value.json()
    # What nobody filled in stays as params.yaml has it.
    sent = run["parameters"]["settings"]
    assert [(s, k, v) for s in sent for k, v in sent[s].items() if v is not None] == [("finetune", "epochs", EPOCHS)]

    page.goto("about:blank")  # a run's moving chart, drawn without a GPU, takes a core from the training
    yard.wait(run["id"])
    page.goto(f"{yard.api.removesuffix('/api')}/runs/flow-run/{run['id']}")
    heading = page.locator(".page-heading")
    expect(heading).to_contain_text("Completed")
    expect(heading).to_contain_text(f"HEAD finetune.epochs={EPOCHS}")
    expect(page.get_by_text(f"override: finetune.epochs = {EPOCHS} (was 2)")).to_be_visible()
    shoot("run", 900)
    page.get_by_text("Task Runs", exact=True).last.click()
    for stage in ("fetch", "check", "base", "finetune", "validate", "register"):
        expect(page.get_by_role("link", name=stage, exact=True)).to_be_visible()

    query = {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}}
    artifacts = {each["key"]: each["id"] for each in yard.ask("POST", "/artifacts/filter", query)}
    address = f"{yard.api.removesuffix('/api')}/artifacts/artifact/"
    page.goto(address + artifacts["shapes-data"])
    expect(page.get_by_text(re.compile("data: 20 images, .*; nothing stops the run")).first).to_be_visible()
    expect(page.get_by_role("cell", name="few-images")).to_be_visible()
    samples = page.locator("article img, .markdown-renderer img")
    expect(samples).to_have_count(1)
    assert samples.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    shoot("data-artifact", 900)

    page.goto(address + artifacts["shapes"])
    expect(page.get_by_text("trained and registered: shapes@v1.0.0")).to_be_visible()
    (record,) = project.read_records()
    for split in (record.scores.test, record.scores.val):
        expect(page.get_by_role("cell", name=show_map50_95(split), exact=True).first).to_be_visible()
    pictures = page.locator("article img, .markdown-renderer img")
    expect(pictures).to_have_count(2)
    for number in range(2):
        loaded = "image => image.decode().then(() => image.naturalWidth)"
        assert pictures.nth(number).evaluate(loaded) > 0
    shoot("artifact", 1160)

    data = page.get_by_role("link", name="the data, in pictures").get_attribute("href")
    report = page.get_by_role("link", name="the version, on a page").get_attribute("href")
    page.goto(page.get_by_role("link", name="MLflow version").get_attribute("href"))
    page.get_by_role("button", name="Close").click()  # the assistant that MLflow opens on a first visit
    expect(page.get_by_role("heading", name="Version 1")).to_be_visible()
    expect(page.get_by_text("champion")).to_be_visible()
    body, score = page.locator("body"), record.scores.test.map50_95
    expect(body).to_contain_text("data/raw/shapes")
    expect(body).to_contain_text(record.dataset.fingerprint)
    expect(body).to_contain_text(record.weights.identity)
    expect(body).to_contain_text(re.compile(f"{score:.3f}|{score}"))
    shoot("version", 500)

    page.goto(report)
    headline = page.frame_locator("iframe").get_by_role("heading", level=1)
    expect(headline).to_contain_text("v1: promote: first version, there was nothing to compare with")
    shoot("report-in-mlflow", 900)

    page.goto("about:blank")  # else only what is behind the # changes, and MLflow stays at the file that is open
    page.goto(data)
    expect(page.frame_locator("iframe").get_by_text("Nothing stops this data")).to_be_visible()
    shoot("data-in-mlflow", 900)
