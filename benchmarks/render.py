"""What was measured, as rows; ``python -m benchmarks.render`` writes them into the README."""

import json
import re
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.training import ratio, totals

HOME = Path(__file__).resolve().parents[1]
RESULTS = HOME / "benchmarks/results.json"
BEGIN, END = "<!-- benchmarks -->", "<!-- /benchmarks -->"
HEAD = ("measured", "Steelyard", "plain tools", "ratio")


def main() -> None:
    """Write the table between the README's two marks."""
    readme = HOME / "README.md"
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    readme.write_text(insert(readme.read_text(encoding="utf-8"), markdown(results)), encoding="utf-8")


def insert(text: str, table: str) -> str:
    """Replace what stands between the marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"error: README.md: needs {BEGIN} and, after it, {END}")
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def rows(results: dict[str, Any]) -> list[tuple[str, ...]]:
    """What was measured, ours, plain, ratio; seconds as median (least to most)."""
    lines: list[tuple[str, ...]] = []
    if training := results.get("training"):
        both = totals(training)
        loop = {side: [each[side]["loop"] for each in training["rounds"]] for side in both}
        epochs = training["epochs"]
        name = f"train {epochs} epochs, score val and test"
        lines.append((name, show(both["ours"]), show(both["plain"]), f"{ratio(training):.2f}"))
        share = median(a / b for a, b in zip(loop["ours"], loop["plain"], strict=True))
        lines.append((f"of it the {epochs} epochs", show(loop["ours"]), show(loop["plain"]), f"{share:.2f}"))
        test = training["test_map50_95"]
        lines.append(("mAP50-95 on test, by Ultralytics' validator", f"{test['ours']:.3f}", f"{test['plain']:.3f}", ""))
    if graph := results.get("graph"):
        share = median(a / b for a, b in zip(graph["ours"], graph["plain"], strict=True))
        lines.append(("dvc repro, nothing to do", show(graph["ours"]), show(graph["plain"]), f"{share:.2f}"))
    for data in results.get("data", []):
        lines += _data_rows(data)
    if scoring := results.get("scoring"):
        lines += _scoring_rows(scoring)
    for way, runs in results.get("flow", {}).items():
        lines.append((f"flow run, nothing to do, {way}", show([run["total"] for run in runs]), "", ""))
        lines += [(f"of it: {part}", show([run[part] for run in runs]), "", "") for part in runs[0] if part != "total"]
    return lines


def _data_rows(data: dict[str, Any]) -> list[tuple[str, ...]]:
    seconds, memory = data["seconds"], data["peak_mb"]
    both = [fetch + check for fetch, check in zip(seconds["fetch"], seconds["check"], strict=True)]
    share = median(ours / plain for ours, plain in zip(both, seconds["decode"], strict=True))
    peaks = " and ".join(f"{max(memory[size].values()):.0f}" for size in ("few", "many"))
    images = f"{data['images']:,} images of {data['size'][0]}x{data['size'][1]}"
    return [
        (f"fetch and check {images}; decode them", show(both), show(seconds["decode"]), f"{share:.2f}"),
        ("of it fetch", show(seconds["fetch"]), "", ""),
        ("of it check", show(seconds["check"]), "", ""),
        (
            f"largest process for {data['few']:,} and for {data['images']:,} images",
            f"{peaks} MB",
            "",
            "",
        ),
    ]


def _scoring_rows(scoring: dict[str, Any]) -> list[tuple[str, ...]]:
    ours, name = (
        scoring["seconds"]["ours"],
        f"2,000 resamples of {scoring['images']:,} images, with intervals; one evaluation",
    )
    lines = []
    for side in ("pycocotools", "faster-coco-eval"):
        plain = scoring["seconds"][side]
        share = median(a / b for a, b in zip(ours, plain, strict=True))
        lines.append((f"{name} by {side}", show(ours), show(plain), f"{share:.2f}"))
    return [*lines, ("of it the peak memory", f"{scoring['peak_mb']:.0f} MB", "", "")]


def show(seconds: list[float]) -> str:
    """``12.3 s (11.9 to 13.0)``."""
    return f"{median(seconds):.1f} s ({min(seconds):.1f} to {max(seconds):.1f})"


def caption(results: dict[str, Any]) -> str:
    """The machine in one line."""
    machine, versions = results["machine"], results["machine"]["versions"]
    commit = re.sub(r"\b([0-9a-f]{12})[0-9a-f]{28}\b", r"\1", machine["commit"])
    names = ", ".join(f"{name} {versions[name]}" for name in ("python", "torch", "ultralytics", "dvc", "prefect"))
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB; {names}; "
        f"{machine['date']}, commit {commit}. Median (least to most)."
    )


def markdown(results: dict[str, Any]) -> str:
    """Table and machine for a page."""
    table = [HEAD, ("---",) * 4, *rows(results)]
    return "\n".join(f"| {' | '.join(row)} |" for row in table) + f"\n\n{caption(results)}"


if __name__ == "__main__":
    main()
