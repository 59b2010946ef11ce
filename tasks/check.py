"""Stage check: what is wrong with data/dataset, found before anything is trained on it."""

import csv
import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from steelyard.paths import (
    CHECK_PAGE,
    CHECK_REPORT,
    DATA_METRICS,
    DATASET,
    DATASET_MANIFEST,
    PARAMS,
    PIXELS,
    PRINTS,
    SAMPLES,
)
from steelyard.task import run_task


def main() -> None:
    # Imported here, since each process that decodes images begins with this module: 0.4 s for each.
    from rich.console import Console

    from steelyard.checks.catalogue import CHECKS, check_accept
    from steelyard.checks.inspection import inspect
    from steelyard.checks.page import write_page
    from steelyard.checks.reading import read_dataset
    from steelyard.checks.report import write_metrics
    from steelyard.checks.samples import draw_samples
    from steelyard.checks.table import draw_table, name_finding
    from steelyard.dataset.manifest import DatasetManifest
    from steelyard.errors import DatasetError, RegistryError
    from steelyard.params import load_params
    from steelyard.record.run import log_refused

    params = load_params(PARAMS)
    check_accept(params.check.accept)
    manifest = DatasetManifest.model_validate_json(DATASET_MANIFEST.read_bytes())
    # An image is called what it is called in the source, unless it is a tile of it.
    names = {one.path: one.path if one.region else one.origin for one in manifest.images}
    images = [replace(image, origin=names[image.origin]) for image in read_dataset(DATASET, manifest)]
    inspection = inspect(images, manifest.classes, manifest.problems, params.finetune.imgsz, print)
    report = inspection.report
    stopping = report.choose_stopping(params.check.stop, params.check.accept)

    facts = {
        "source": manifest.source,
        "format": manifest.format,
        "licence": manifest.licence,
        "fingerprint": manifest.fingerprint,
    }
    DATA_METRICS.parent.mkdir(exist_ok=True)
    write_page(CHECK_PAGE, report, {image.origin: image for image in images}, stopping, facts)
    CHECK_REPORT.write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
    SAMPLES.write_bytes(draw_samples(images))
    # Two files, since the training depends on the first: figures of the second that are measured in another way one
    # day, or that another machine rounds otherwise, train nothing again.
    seen = {path: name for path, name in names.items() if name in inspection.prints}
    _write_csv(PRINTS, ("path", "print"), {path: (inspection.prints[name],) for path, name in seen.items()})
    shown = {path: _show(*inspection.appearances[name]) for path, name in seen.items()}
    _write_csv(PIXELS, ("path", "brightness", "sharpness"), shown)
    write_metrics(report, stopping, DATA_METRICS)
    Console().print(draw_table(report, params.check.stop, params.check.accept))
    if not stopping:
        print(f"wrote {CHECK_PAGE}, {CHECK_REPORT}, {SAMPLES}, {PIXELS}, {PRINTS} and {DATA_METRICS}")
        return
    try:
        where = log_refused(Path(), params, manifest.fingerprint, [CHECK_PAGE, CHECK_REPORT, SAMPLES, DATA_METRICS])
    except RegistryError as error:
        print(f"the page is not kept in MLflow: {error}", file=sys.stderr)
        where = str(CHECK_PAGE)
    found = "; ".join(f"{name_finding(one)}. {CHECKS[one.id].do}" for one in stopping[:3])
    more = f"; and {len(stopping) - 3} more" if len(stopping) > 3 else ""
    raise DatasetError(
        f"the data does not pass stage check: {found}{more} Pictures of all findings: {where}. What was looked at and "
        f"is right goes to check.accept: [{', '.join(one.id for one in stopping)}]"
    )


def _show(brightness: float, sharpness: float) -> tuple[str, str]:
    return f"{brightness:.1f}", f"{sharpness:.4f}"


def _write_csv(path: Path, header: Sequence[str], rows: Mapping[str, Sequence[str]]) -> None:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(header)
    table.writerows((name, *row) for name, row in sorted(rows.items()))
    path.write_text(text.getvalue(), encoding="utf-8")


if __name__ == "__main__":
    run_task(main)
