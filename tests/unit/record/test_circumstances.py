from steelyard.record.circumstances import diff_tests, list_ancestors
from tests.unit.records import make_record


def test_test_splits_differ_by_images_and_by_labels():
    before = {"a": "1", "b": "2", "c": "3"}
    assert diff_tests(before, dict(before)) == ""
    assert diff_tests(before, {**before, "d": "4"}) == "1 images are new"
    assert diff_tests(before, {"a": "1"}) == "2 images are gone"
    assert diff_tests(before, {**before, "a": "9"}) == "1 images have other labels"
    assert diff_tests({"a": "1", "b": "2"}, {"b": "9", "c": "3"}) == (
        "1 images are new, 1 images are gone, 1 images have other labels"
    )


def make_child(version, parent):
    record = make_record("0" * 40, version, f"sha256:{version:064}")
    return record.model_copy(update={"base": record.base.model_copy(update={"identity": parent})})


def test_ancestors_are_followed_through_all_versions_that_weights_came_from():
    first = make_child(1, "sha256:coco")
    second, third = make_child(2, first.weights.identity), make_child(3, f"sha256:{2:064}")
    known = [first, second, third]
    assert list_ancestors(first, known) == []
    assert list_ancestors(third, known) == [second, first]
    circle = make_child(4, f"sha256:{4:064}")
    assert list_ancestors(circle, [circle]) == [circle]
