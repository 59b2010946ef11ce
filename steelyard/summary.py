"""What a person wants to know when a run has ended: as a table for the terminal, as Markdown for the UI."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from steelyard.address import show_address
from steelyard.gate.table import describe_power, describe_wear, draw_markdown, list_figures
from steelyard.gate.verdict import Verdict
from steelyard.markdown import escape_markdown
from steelyard.record.decision import find_standing, find_verdict
from steelyard.record.earlier import describe_trained_on
from steelyard.record.ledger import CHALLENGER, CHAMPION, read_history, read_versions
from steelyard.record.record import Record
from steelyard.record.rest import TROUBLE, ask
from steelyard.scoring.scores import Scores, describe_too_few, show_map50_95, show_score
from steelyard.scoring.weakness import describe_weakest

if TYPE_CHECKING:
    from rich.table import Table

PAGES = {"the version, on a page": "report/report.html", "the data, in pictures": "data/check.html"}
"""Below the artifacts of a version's run, by label."""


@dataclass(frozen=True)
class Summary:
    """One run of the pipeline.

    Attributes:
        record: of the version that the weights are.
        role: of that version: champion, challenger, or none of these.
        registered: whether this run made the version.
        scores: what this run found of the weights.
        ran: for each stage, whether it ran or was skipped by DVC.
        verdict: of the gate, where it was asked about the version; the last one.
        look: label and address or command for each place to look at.
        pictures: address of each picture that a browser can show, by title.
    """

    record: Record
    role: str
    registered: bool
    scores: Scores
    ran: dict[str, bool]
    verdict: Verdict | None
    look: dict[str, str]
    pictures: dict[str, str]

    @property
    def trained(self) -> bool:
        """Whether this run trained."""
        return self.ran.get("finetune", False)

    def description(self) -> str:
        """The headline, for Markdown."""
        return _mark_tag(self.headline())

    def headline(self) -> str:
        """One sentence."""
        tag = self.record.tag()
        if self.registered:
            return f"{'trained' if self.trained else 'trained nothing'} and registered: {tag}"
        if self.trained:
            return f"trained to the same weights again: {tag}"
        if self.scores != self.record.scores:
            return f"trained nothing, scored anew: {tag}"
        return f"trained nothing: the data, the parent weights and the settings are those of {tag}"

    def rows(self) -> list[tuple[str, str]]:
        """Label and text, in the order in which they are read."""
        record, training = self.record, self.record.training
        resumed = f", went on after epoch {', '.join(map(str, training.resumed_at))}" if training.resumed_at else ""
        stages = ", ".join(f"{name} {'ran' if did else 'skipped'}" for name, did in self.ran.items())
        counts = " / ".join(str(record.dataset.images[split]) for split in ("train", "val", "test"))
        warning = describe_trained_on(record.dataset.test_trained_on, record.dataset.images["test"])
        return [
            ("version", f"{record.tag()} ({self.role})"),
            *([("verdict", self.verdict.sentence())] if self.verdict else []),
            ("weights", record.weights.identity[:19]),
            ("from", f"{record.base.architecture}, {record.base.identity[:19] if training.pretrained else 'random'}"),
            *([("", record.base.source)] if training.pretrained else []),
            ("data", f"{record.dataset.source}, {counts} images (train / val / test)"),
            *([("", warning)] if warning else []),
            *(("", sentence) for sentence in describe_too_few("test", self.scores.test)),
            ("training", f"{training.epochs_run} epochs, best {training.best_epoch}{resumed}, on {training.device}"),
            ("stages", stages),
        ]

    def score_rows(self) -> list[tuple[str, ...]]:
        """Split, mAP50, mAP50-95, precision, recall; below, what the version's record says, where that differs."""
        splits = [("test", self.scores.test), ("val", self.scores.val)]
        if self.scores != self.record.scores:
            then = self.record.scores
            splits += [(f"test, as v{self.record.version}", then.test), (f"val, as v{self.record.version}", then.val)]
        return [
            (name, show_score(each.map50), show_map50_95(each), show_score(each.precision), show_score(each.recall))
            for name, each in splits
        ]

    def markdown(self) -> str:
        """For a Prefect artifact, whose description is the headline; the first row is the table's head."""
        first, *rest = [f"| {label} | {_mark_tag(text)} |" for label, text in self.rows()]
        lines = [first, "| --- | --- |", *rest]
        lines += [
            "",
            "| split | mAP50 | mAP50-95 (95 % interval) | precision | recall |",
            "| --- | --- | --- | --- | --- |",
        ]
        lines += [f"| {' | '.join(row)} |" for row in self.score_rows()]
        if weakest := describe_weakest("test", self.scores.test):
            lines += ["", escape_markdown(weakest)]
        if self.verdict:
            lines += ["", draw_markdown(self.verdict)]
        lines += ["", *(f"- {_link(label, where)}" for label, where in self.look.items())]
        lines += [f"\n![{title}]({address})" for title, address in self.pictures.items()]
        return "\n".join(lines)

    def table(self) -> "Table":
        """For the terminal."""
        from rich.markup import escape
        from rich.table import Table

        table = Table(title=self.headline(), title_justify="left", show_header=False, title_style="bold")
        table.add_column(style="cyan", no_wrap=True)
        table.add_column(overflow="fold")
        for label, text in self.rows():
            table.add_row(label, text)
        table.add_section()
        for split, map50, map50_95, precision, recall in self.score_rows():
            table.add_row(
                split if "," in split else f"{split} split",
                f"[bold]mAP50 {map50}[/]  mAP50-95 {map50_95}  precision {precision}  recall {recall}",
            )
        if weakest := describe_weakest("test", self.scores.test):
            table.add_row("", escape(weakest))
        table.add_section()
        if self.verdict and self.verdict.figures:
            rows = list_figures(self.verdict)
            for place, (name, candidate, champion, difference, _) in enumerate(rows):
                label = "" if place else f"beside v{self.verdict.champion}"
                table.add_row(label, f"{escape(name)} [bold]{candidate}[/], was {champion}: {difference}")
            for sentence in filter(None, (describe_power(self.verdict), describe_wear(self.verdict))):
                table.add_row("", sentence)
            table.add_section()
        for label, where in self.look.items():
            table.add_row(label, where)
        return table


def summarise(
    home: Path, name: str, identity: str, scores: Scores, ran: dict[str, bool], flow_run_id: str | None
) -> Summary:
    """Gather the summary of a run that has ended.

    Args:
        home: the repository.
        name: of the registered model.
        identity: of the weights.
        scores: what this run found of them.
        ran: for each stage, whether it ran.
        flow_run_id: Prefect's, by which the record says whether this run made the version.
    """
    records, history = read_versions(home, name), read_history(home, name)
    standing = find_standing(history)
    record = next(each for each in records if each.weights.identity == identity)
    roles = {standing.challenger: CHALLENGER, standing.champion: CHAMPION}
    server = os.environ.get("MLFLOW_TRACKING_URI", "")
    if server.startswith("http"):
        look, pictures = _find_pages(server.rstrip("/"), record)
    else:
        store = show_address(server) or "sqlite:///mlflow.db"
        look = {"MLflow": f"make up, or: .venv/bin/mlflow ui --backend-store-uri {store}"}
        # A server that made the experiment has put a folder of the experiment in between.
        for above in ("", "*/"):
            for folder in (home / "mlartifacts").glob(f"{above}{record.training.run_id}/artifacts/plots"):
                look["pictures"] = os.path.relpath(folder)
                for label, file in PAGES.items():
                    if (folder.parent / file).is_file():
                        look[label] = os.path.relpath(folder.parent / file)
        pictures = {}
    look["git"] = f"git show {record.tag()}"
    role = roles.get(record.version, "neither champion nor challenger")
    registered = flow_run_id is not None and record.prefect_flow_run_id == flow_run_id
    return Summary(record, role, registered, scores, ran, find_verdict(history, record.version), look, pictures)


def _find_pages(server: str, record: Record) -> tuple[dict[str, str], dict[str, str]]:
    shown = show_address(server)
    page = f"{shown}/#/models/{record.name}/versions/{record.version}"
    try:
        version = ask(server, "model-versions/get", name=record.name, version=str(record.version))["model_version"]
        run_id = version["run_id"]
        run = ask(server, "runs/get", run_id=run_id)["run"]
        files = [
            file["path"]
            for folder in {file.partition("/")[0]: None for file in PAGES.values()}
            for file in ask(server, "artifacts/list", run_id=run_id, path=folder).get("files", [])
        ]
    except TROUBLE as error:
        return {"MLflow version": page, "MLflow run": f"not found: {error}"}, {}
    links = {
        "MLflow version": page,
        "MLflow run": f"{shown}/#/experiments/{run['info']['experiment_id']}/runs/{run_id}",
    }
    for label, file in PAGES.items():
        if file in files:  # versions from before there were such pages have none
            links[label] = f"{links['MLflow run']}/artifacts/{file}"
    titles = {"Test split: truth and predictions": "test_pictures.png", "Precision and recall": "pr_curve.png"}
    return links, {title: f"{shown}/get-artifact?path=plots/{file}&run_uuid={run_id}" for title, file in titles.items()}


def _link(label: str, where: str) -> str:
    return f"[{label}]({where})" if where.startswith("http") else f"{label}: `{where}`"


def _mark_tag(text: str) -> str:
    """Markdown takes ``name@v1.0.0`` for a mail address and makes a link of it; code it leaves alone."""
    return re.sub(r"\S+@v[\d.]+", r"`\g<0>`", text)
