"""An up-to-date ``dvc repro`` beside the same with plain DVC."""

from typing import Any

from benchmarks.clone import BIN, Clone

ALWAYS = "    always_changed: true\n"


def measure_graph(ours: Clone, runs: int) -> dict[str, Any]:
    """Time it by turns, ours first.

    Plain is a copy of the clone whose ``dvc.yaml`` lacks ``always_changed``: DVC finds all five
    stages unchanged and runs none. What ours takes longer is stage register asking MLflow.

    Args:
        ours: a clone whose stages have all run.
        runs: of each side, after one that is not counted.

    Returns:
        Seconds of each run.
    """
    plain = ours.copy("plain-dvc")
    file = plain.root / "dvc.yaml"
    text = file.read_text(encoding="utf-8")
    assert ALWAYS in text
    file.write_text(text.replace(ALWAYS, ""), encoding="utf-8")
    for clone in (ours, plain):
        printed = clone.call(BIN / "dvc", "repro")
        ran = [line for line in printed.splitlines() if line.startswith("Running stage")]
        assert len(ran) == (clone is ours), printed
    seconds: dict[str, list[float]] = {"ours": [], "plain": []}
    for _ in range(runs):
        seconds["ours"].append(ours.time(BIN / "dvc", "repro"))
        seconds["plain"].append(plain.time(BIN / "dvc", "repro"))
    return seconds
