"""The files of a study, below ``studies/`` of the repository, and its figures by name for MLflow."""

from pathlib import Path

from steelyard.scoring.plots import save_figure
from steelyard.study.picture import draw_picture
from steelyard.study.report import Report
from steelyard.study.table import draw_markdown

STUDIES = Path("studies")


def write_report(report: Report, folder: Path) -> list[Path]:
    """Write ``report.json``, ``report.md`` and ``curves.png``.

    Args:
        report: of the study.
        folder: made where it is missing; files of an earlier study of that name are replaced.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / name for name in ("report.json", "report.md", "curves.png")]
    parts = [file.with_name(file.name + ".part") for file in files]
    try:
        parts[0].write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
        parts[1].write_text(draw_markdown(report), encoding="utf-8")
        save_figure(draw_picture(report), parts[2])
        for part, file in zip(parts, files, strict=True):
            part.replace(file)
    finally:
        for part in parts:
            part.unlink(missing_ok=True)
    return files


def list_figures(report: Report) -> dict[str, list[float]]:
    """What MLflow draws: each arm's mean curve, and its final figures; what is missing is left out."""
    figures: dict[str, list[float]] = {}
    for arm in report.arms:
        figures[f"val curve/{arm.name}"] = list(arm.curve.mean)
        final = {f"val/{arm.name}": arm.val, f"{report.split}/{arm.name}": arm.score}
        moved = report.difference(arm.name, report.arms[0].name)
        final |= {f"over {report.arms[0].name}/{arm.name}": moved} if moved else {}
        for name, estimate in final.items():
            if estimate is None:
                continue
            figures[name] = [estimate.value]
            if estimate.low is not None and estimate.high is not None:
                figures |= {f"{name}/low": [estimate.low], f"{name}/high": [estimate.high]}
    return figures
