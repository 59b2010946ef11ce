"""What the benchmarks make of what they measured."""

import pytest

from benchmarks import flow, render

RESULTS = {
    "machine": {
        "date": "2030-01-02",
        "commit": "0123456789abcdef",
        "cpu": "A Processor",
        "cores": 4,
        "memory_gb": 8,
        "versions": {"python": "3.11", "torch": "2", "ultralytics": "8", "dvc": "3", "prefect": "3", "mlflow": "3"},
    },
    "training": {
        "epochs": 7,
        "rounds": [
            {"ours": {"finetune": 5.0, "validate": 1.0, "loop": 4.0}, "plain": {"train": 8.0, "val": 4.0, "loop": 5.0}},
            {"ours": {"finetune": 8.0, "validate": 1.0, "loop": 4.0}, "plain": {"train": 9.0, "val": 1.0, "loop": 8.0}},
            {"ours": {"finetune": 6.0, "validate": 1.0, "loop": 4.0}, "plain": {"train": 9.0, "val": 1.0, "loop": 8.0}},
        ],
        "test_map50_95": {"ours": 0.25, "plain": 0.24},
    },
}


def test_a_ratio_compares_neighbours_and_counts_the_loop_once():
    table = render.markdown(RESULTS).splitlines()
    assert table[2] == "| train 7 epochs, score val and test | 7.0 s (6.0 to 9.0) | 10.0 s (10.0 to 12.0) | 0.70 |"
    assert table[3] == "| of it the 7 epochs | 4.0 s (4.0 to 4.0) | 8.0 s (5.0 to 8.0) | 0.50 |"
    assert table[-1].startswith("A Processor, 4 cores, 8 GB; python 3.11, torch 2,")


def test_reading_is_compared_as_both_stages_together():
    seconds = {"decode": [4.0, 5.0, 8.0], "fetch": [1.0, 2.0, 2.0], "check": [3.0, 5.0, 3.0]}
    memory = {"few": {"fetch": 60.0, "check": 80.0}, "many": {"fetch": 120.0, "check": 90.0}}
    data = {"images": 10_000, "size": (640, 480), "few": 1000, "seconds": seconds, "peak_mb": memory}
    table = render.markdown({**RESULTS, "data": [data]})
    assert [line for line in table.splitlines() if "10,000" in line] == [
        "| fetch and check 10,000 images of 640x480; decode them | 5.0 s (4.0 to 7.0) | 5.0 s (4.0 to 8.0) | 1.00 |",
        "| largest process for 1,000 and for 10,000 images | 80 and 120 MB |  |  |",
    ]


def test_only_what_stands_between_the_marks_is_replaced():
    page = f"before\n{render.BEGIN}\nold\n{render.END}\nafter\n"
    assert render.insert(page, "new") == f"before\n{render.BEGIN}\nnew\n{render.END}\nafter\n"
    with pytest.raises(SystemExit, match="benchmarks"):
        render.insert("no marks", "new")


@pytest.mark.parametrize("scheduled", [True, False])
def test_the_parts_of_a_flow_run_add_up_to_the_whole(scheduled):
    def at(second):
        return f"2030-01-02T00:00:{second:06.3f}Z"

    asked = flow._seconds(at(0))
    tasks = [
        {"name": "base", "start_time": at(14.5), "end_time": at(15.5)},
        {"name": "fetch", "start_time": at(13), "end_time": at(14)},
    ]
    states = [{"type": "PENDING", "timestamp": at(8)}, {"type": "RUNNING", "timestamp": at(11)}]
    states += [{"type": "SCHEDULED", "timestamp": at(0)}] * scheduled
    parts = flow.split({"start_time": at(11), "end_time": at(17)}, tasks, states, asked, asked + 20)
    begin = {"wait for the runner": 8, "process, imports": 3} if scheduled else {"process, imports": 11}
    rest = {"clone": 2, "fetch": 1, "base": 1, "between stages": 0.5, "summary, artifact": 1.5, "process end": 3}
    assert parts == pytest.approx(begin | rest)
    assert list(parts) == list(begin | rest)
    assert sum(parts.values()) == pytest.approx(20)
