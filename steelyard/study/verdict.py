"""What a study says, in one sentence that is a function of its figures."""

from collections.abc import Sequence

from steelyard.scoring.figures import LEAST_IMAGES
from steelyard.study.estimate import Estimate
from steelyard.study.report import ArmResult, Report


def judge(report: Report) -> str:
    """Compare the best of the other arms, by its score on val, with the first arm.

    That arm is chosen on val, so its score on test is not the luckiest of several. Where the final scores are of
    val it may be, and the sentence says so.
    """
    first, others = report.arms[0], report.arms[1:]
    is_transfer = _is_random(first) and bool(others) and not any(_is_random(arm) for arm in others)
    if not others:
        return f"{first.name}: mAP50-95 on {report.split} {show_estimate(first.score)} ({_count(report)})"
    best = max(others, key=lambda arm: arm.val.value if arm.val else -1.0)
    moved = report.difference(best.name, first.name)
    if moved is None:
        why = "their images differ" if best.name in report.other_images else "there is no box to find"
        return f"nothing can be said: {best.name} and {first.name} cannot be compared on {report.split}, since {why}"
    chosen = ", the best of several on these very images" if report.split == "val" and len(others) > 1 else ""
    doubt = "" if _is_above(moved) or _is_below(moved) else "; the interval holds 0"
    gives = (
        f"{best.name} gives {show_change(moved)} over {first.name} in mAP50-95 on {report.split} "
        f"({_count(report)}{chosen}){doubt}"
    )
    if is_transfer:
        return f"transfer {'pays' if _is_above(moved) else 'does not pay'}: {gives}"
    if _is_above(moved):
        return f"{best.name} is better than {first.name}: {gives}"
    surely = "surely " if doubt else ""
    return f"no arm is {surely}better than {first.name}: the best other, {gives}"


def list_doubts(report: Report) -> list[str]:
    """Sentences on what the figures do not say."""
    doubts = []
    if len(report.arms[0].seeds) == 1:
        doubts.append("a single seed: the intervals hold the chance of the images, not that of the training")
    if report.groups < LEAST_IMAGES:
        doubts.append(f"{report.groups} images (or groups of them) are few for an interval that can be relied on")
    if report.other_images:
        doubts.append(
            f"scored on other images than {report.arms[0].name}, so not compared: {_list(report.other_images)}"
        )
    if report.other_val_images:
        doubts.append(f"curves on other images than those of {report.arms[0].name}: {_list(report.other_val_images)}")
    if len(report.machines) > 1:
        doubts.append(f"seconds of different machines: {'; '.join(report.machines)}")
    if any(seed.resumed_at for arm in report.arms for seed in arm.seeds):
        doubts.append("some trainings were killed and went on: the seconds of their epochs count whole epochs only")
    return doubts


def show_estimate(estimate: Estimate | None) -> str:
    """``0.213 (0.180 to 0.251)``."""
    if estimate is None:
        return "none"
    return f"{estimate.value:.3f}" + ("" if estimate.low is None else f" ({estimate.low:.3f} to {estimate.high:.3f})")


def show_change(estimate: Estimate) -> str:
    """``+0.113 (+0.080 to +0.151)``."""
    return f"{estimate.value:+.3f}" + (
        "" if estimate.low is None else f" ({estimate.low:+.3f} to {estimate.high:+.3f})"
    )


def _is_above(estimate: Estimate) -> bool:
    return estimate.low is not None and estimate.low > 0


def _is_below(estimate: Estimate) -> bool:
    return estimate.high is not None and estimate.high < 0


def _is_random(arm: ArmResult) -> bool:
    return arm.settings.get("finetune", {}).get("pretrained") is False


def _count(report: Report) -> str:
    seeds = len(report.arms[0].seeds)
    return f"{seeds} seed{'s' if seeds > 1 else ''}, {report.images} images"


def _list(names: Sequence[str]) -> str:
    return ", ".join(names)
