from pathlib import Path

from PIL import Image

from steelyard.dataset.annotation import Box
from steelyard.history.diff_page import compare_boxes, write_diff_page

CAT, DOG, COW = Box("cat", 1, 1, 9, 9), Box("dog", 20, 1, 29, 9), Box("cow", 40, 1, 49, 9)


def test_boxes_are_matched_by_place():
    as_dog = Box("dog", 1, 1, 9.04, 9)
    changes = compare_boxes([CAT, DOG, COW], [as_dog, DOG, Box("cat", 60, 1, 69, 9)])
    assert changes.same == [DOG]
    assert changes.gone == [COW]
    assert changes.new == [Box("cat", 60, 1, 69, 9)]
    assert changes.relabelled == [(CAT, Box("dog", 1, 1, 9, 9))]


def test_two_boxes_at_one_place_are_two():
    changes = compare_boxes([CAT, CAT, Box("dog", 1, 1, 9, 9)], [CAT, Box("cow", 1, 1, 9, 9)])
    assert changes.same == [CAT]
    assert len(changes.relabelled) == 1
    assert len(changes.gone) == 1
    assert not changes.new


def test_the_page_shows_each_group(tmp_path: Path):
    pictures = []
    for number in range(30):
        path = tmp_path / f"{number}.png"
        Image.new("RGB", (64, 48), (number * 8, 90, 90)).save(path)
        pictures.append(path)
    out = tmp_path / "diff.html"
    groups = {
        "added": [(path.name, path, (), (CAT, DOG)) for path in pictures],
        "relabelled": [("<script>1</script>", pictures[0], (CAT,), (Box("dog", 1, 1, 9, 9), COW))],
        "removed": [("away.png", tmp_path / "away.png", (CAT,), ())],
        "moved": [],
    }
    write_diff_page(out, "v1 to <b>v2</b>", groups)
    text = out.read_text()
    assert "v1 to &lt;b&gt;v2&lt;/b&gt;" in text
    assert "<script" not in text
    assert "added 30" in text
    assert "the first 24 shown" in text
    assert text.count("2 new") == 24
    assert "1 new, 1 cat → dog" in text
    assert 'class="relabelled" d="M1 1H9V9H1Z"' in text
    assert "cannot be decoded" in text
    assert "away.png" in text
    first = out.read_bytes()
    write_diff_page(out, "v1 to <b>v2</b>", groups)
    assert out.read_bytes() == first
