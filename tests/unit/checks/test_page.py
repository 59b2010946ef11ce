import math
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from steelyard.checks.catalogue import CHECKS
from steelyard.checks.html import write_html
from steelyard.checks.page import spread, write_page
from steelyard.checks.report import Example, Finding, Report
from steelyard.checks.samples import draw_samples
from steelyard.dataset.annotation import AnnotatedImage, Box
from steelyard.dataset.manifest import SplitCounts

SPLITS = ("train", "val", "test")
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;"


class Page(HTMLParser):
    """The elements of a page, the text outside of styles, and what is folded."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._inside = ""
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
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


def paint(path: Path, seed: int, width: int = 96, height: int = 72) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((width, height)).save(path)


@pytest.fixture
def images(tmp_path: Path) -> dict[str, AnnotatedImage]:
    """Twelve pictures with two boxes each, six in train."""
    found = {}
    for number in range(12):
        path = tmp_path / f"{number:02}.png"
        paint(path, number)
        boxes = (Box("cat", 8, 8, 40, 40), Box("dog", 50, 10, 90, 60))
        split = "train" if number < 6 else "val" if number < 9 else "test"
        found[path.name] = AnnotatedImage(path, path.name, 96, 72, boxes, split, is_rotated=False)
    return found


def make_finding(check: str, *examples: Example, count: int = 1, detail: str = "") -> Finding:
    return Finding(id=check, severity=CHECKS[check].severity, count=count, examples=examples, detail=detail)


def make_report(images, *findings: Finding, classes=("cat", "dog"), splits=SPLITS) -> Report:
    counts = {}
    for split in splits:
        mine = [image for image in images.values() if (image.split or "all") == split]
        boxes = Counter(box.name for image in mine for box in image.boxes)
        counts[split] = SplitCounts(
            images=len(mine),
            backgrounds=sum(not image.boxes for image in mine),
            boxes=boxes.total(),
            boxes_per_class={name: boxes[name] for name in classes},
        )
    return Report(images=len(images), classes=classes, splits=counts, imgsz=320, map_half_width=0.25, findings=findings)


def write(tmp_path: Path, report: Report, images, accept=(), facts=None) -> Page:
    out = tmp_path / "out" / "page.html"
    write_page(out, report, images, report.choose_stopping(("error",), accept), facts or {"source": "here"})
    return Page(out)


def test_one_file_loads_and_runs_nothing(tmp_path, images):
    report = make_report(images, make_finding("image-exif", Example(file="00.png")))
    page = write(tmp_path, report, images)
    assert not {"script", "link", "iframe", "object", "base"} & {tag for tag, _ in page.elements}
    for tag, attributes in page.elements:
        for name in ("src", "href", "xlink:href", "srcset", "poster"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/")), (tag, attributes)
        assert not [name for name in attributes if name.startswith("on")]
    style = page.source[page.source.index("<style>") : page.source.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    (policy,) = page.find("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy["content"] == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_the_same_input_gives_the_same_bytes(tmp_path, images):
    report = make_report(images, make_finding("box-subpixel", Example(file="00.png", box=(1, 1, 1.5, 1.5))))
    first = write(tmp_path, report, images).source
    assert write(tmp_path, report, dict(reversed(images.items()))).source == first
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["page.html"]


def test_the_verdict_says_what_stops(tmp_path, images):
    findings = (
        make_finding("box-zero-area", Example(file="00.png", box=(5, 5, 5, 5), detail="cat 5, 5"), count=2),
        make_finding("image-exif", Example(file="01.png")),
        make_finding("label-outlier", Example(file="02.png", box=(8, 8, 40, 40)), count=1234),
    )
    report = make_report(images, *findings)
    page = write(tmp_path, report, images)
    assert "1 finding stops the run" in page.text
    assert "1 error, 1 warning, 1 note in 12 images" in page.text
    assert "check.accept: [box-zero-area]" in page.text
    assert [each["id"] for each in page.find("details")] == [one.id for one in findings]
    assert ["open" in each for each in page.find("details")] == [True, False, False]
    for one in findings:
        assert CHECKS[one.id].title in page.text
        assert CHECKS[one.id].means in page.text
        assert CHECKS[one.id].do in page.text
    assert "1,234" in page.text
    assert page.text.count("stops the run") == 2, "in the verdict and at its finding"
    good = write(tmp_path, report, images, accept=("box-zero-area",))
    assert "Nothing stops this data" in good.text
    assert "stops the run" not in good.text
    assert "None." in write(tmp_path, make_report(images), images).text


def test_what_strangers_named_is_text(tmp_path, images):
    path = tmp_path / "a.png"
    paint(path, 1)
    name = HOSTILE + "\nnext\u202egnp.exe\udce9"
    hostile = AnnotatedImage(path, name, 96, 72, (Box(HOSTILE, 8, 8, 40, 40),), "train", is_rotated=False)
    images = {**images, HOSTILE: hostile}
    findings = (
        make_finding("image-exif", Example(file=HOSTILE, detail=HOSTILE), Example(file=f"{HOSTILE}2", detail=HOSTILE)),
        make_finding("class-shift", detail=HOSTILE),
        make_finding("duplicate", Example(file=HOSTILE, other=f"{HOSTILE}3")),
        make_finding("label-outlier", Example(file=HOSTILE, box=(8, 8, 40, 40))),
    )
    page = write(tmp_path, make_report(images, *findings, classes=(HOSTILE, "dog")), images, facts={HOSTILE: HOSTILE})
    assert not page.find("script")
    assert not page.find("img", src="x")
    assert not [attributes for _, attributes in page.elements if any(name.startswith("on") for name in attributes)]
    assert page.text.count(HOSTILE) >= 8
    assert "\\nnext\\u202egnp.exe\\udce9" in page.source
    assert "\u202e" not in page.source


def test_a_file_without_a_picture_is_named(tmp_path, images):
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    images["broken.jpg"] = AnnotatedImage(tmp_path / "broken.jpg", "broken.jpg", 96, 72, (), "val", is_rotated=False)
    findings = (
        make_finding("image-unreadable", Example(file="away.jpg", detail="cut off"), Example(file="broken.jpg")),
        make_finding("duplicate", Example(file="00.png", other="gone.png")),
    )
    page = write(tmp_path, make_report(images, *findings), images)
    assert "away.jpg cut off" in page.text
    assert "cannot be decoded broken.jpg" in page.text
    assert "not in the data set gone.png" in page.text


def test_each_example_shows_its_picture_and_box(tmp_path, images):
    examples = [Example(file=name, box=(8, 8, 40, 40), detail=f"detail {name}") for name in images]
    page = write(tmp_path, make_report(images, make_finding("label-outlier", *examples, count=12)), images)
    inside = page.source[page.source.index("<details") : page.source.index("</details>")]
    assert inside.count("<image ") == 8
    assert inside.count('class="hit" d="M8 8H40V40H8Z"') == 8
    assert "8 of 12 examples are shown" in page.text
    assert "detail 07.png" in page.text
    assert "detail 08.png" not in page.text


def test_numbers_that_no_picture_has_do_no_harm(tmp_path, images):
    odd = [(math.nan, 0, 1, 1), (math.inf, 0, 1, 1), (1e300, -1e300, 1e300, 1e300), (9, 9, 1, 1)]
    examples = [Example(file="00.png", box=box) for box in odd]
    page = write(tmp_path, make_report(images, make_finding("box-outside", *examples, count=4)), images)
    assert not re.search(r'(viewBox|d|cx|cy|r)="[^"]*(nan|inf|e\+)', page.source)


def test_classes_and_splits_in_numbers(tmp_path, images):
    page = write(tmp_path, make_report(images), images)
    assert "train 6 0 12 2.0" in page.text
    assert re.search(r"dog\s+12\s+6\s+50.0 %\s+3\s+50.0 %\s+3\s+50.0 %", page.text)
    rarer = {name: replace(image, boxes=image.boxes[1:]) for name, image in images.items() if name > "08"}
    page_of_rarer = write(tmp_path, make_report({**images, **rarer}), {**images, **rarer})
    assert page_of_rarer.text.index("dog 12") < page_of_rarer.text.index("cat 8"), "most frequent first"
    for words in ("train 4 of 6 images", "val 3 of 3 images", "test 3 of 3 images"):
        assert words in page.text
    assert "cat 8 of 12 boxes" in page.text


def test_a_folder_without_splits_and_one_without_images(tmp_path, images):
    one = {name: replace(image, split=None) for name, image in images.items()}
    page = write(tmp_path, make_report(one, splits=("all",)), one)
    assert "all 4 of 12 images" in page.text
    empty = write(tmp_path, make_report({}, make_finding("image-empty", Example(file="a.jpg")), splits=("all",)), {})
    assert "1 finding stops the run" in empty.text


def test_the_page_does_not_grow_with_the_data(tmp_path):
    """The worst that there can be: every finding, many classes, hundreds of boxes, pictures of noise."""
    random = np.random.default_rng(0)
    names = tuple(f"class {number}" for number in range(30))
    images = {}
    for number in range(250):
        path = tmp_path / f"{number:03}.jpg"
        Image.fromarray(random.integers(0, 256, (240, 320, 3), dtype=np.uint8)).save(path, quality=95)
        corners = random.uniform(0, 200, (300, 2)).round(3)
        boxes = tuple(Box(names[k % 30], x, y, x + 20.125, y + 20.125) for k, (x, y) in enumerate(corners.tolist()))
        images[path.name] = AnnotatedImage(path, path.name, 320, 240, boxes, SPLITS[number % 3], is_rotated=False)
    files = list(images)
    findings = []
    for place, check in enumerate(CHECKS):
        chosen = [files[(place * 7 + step) % 250] for step in range(20)]
        examples = [
            Example(file=one, other=two if "duplicate" in check else "", box=(1, 1, 9, 9) if "box" in check else None)
            for one, two in zip(chosen, reversed(chosen), strict=True)
        ]
        findings.append(make_finding(check, *examples, count=20))
    page = write(tmp_path, make_report(images, *findings, classes=names), images)
    assert 100 < page.source.count("data:image/jpeg") < 230
    assert len(page.source) < 3_000_000
    few = write(tmp_path, make_report(images, *findings[:9], classes=names), images)
    assert few.source.count("data:image/jpeg") < 230
    assert len(few.source) < 3_000_000


def test_spread_is_even_and_within():
    assert spread(3, 8) == [0, 1, 2]
    assert spread(0, 8) == []
    assert spread(8, 4) == [1, 3, 5, 7]
    chosen = spread(10_000, 8)
    assert len(set(chosen)) == 8
    assert len({after - before for before, after in pairwise(chosen)}) == 1


def test_the_sample_sheet_is_small_and_shows_boxes(tmp_path, images):
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    broken = AnnotatedImage(tmp_path / "broken.jpg", "broken.jpg", 96, 72, (), "val", is_rotated=False)
    one = next(iter(images.values()))
    with Image.open(BytesIO(draw_samples([one]))) as sheet:
        assert sheet.size == (300, 225)
        scale = 225 / 72
        pixels = np.asarray(sheet.convert("RGB"), dtype=int)[:, round(14 * scale) : round(34 * scale)].mean(axis=1)
        bluish = pixels[:, 2] - pixels[:, 0]  # of the upper and the lower edge of the cat
        assert set(np.argsort(bluish)[-4:]) <= {24, 25, 26, 27, 123, 124, 125, 126}
    content = draw_samples([*images.values(), broken])
    with Image.open(BytesIO(content)) as sheet:
        assert sheet.size == (4 * 306 - 6, 2 * 231 - 6)
    assert len(content) <= 150_000
    assert draw_samples([*images.values(), broken]) == content


def test_a_page_that_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / "page.html").mkdir()
    with pytest.raises(IsADirectoryError):
        write_html(tmp_path / "page.html", "diff_page.html.jinja", title="a", counts={}, groups={}, pictures=())
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
