"""Reports in trackers of experiments: the numbers of the main table, and the page with all of it."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._binary import RepsimError
from ._report import OWN_TABLES, Report

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


def to_mlflow(report: Report, *, step: int | None = None) -> None:
    """Logs the numbers of a report to the current run of MLflow, its JSON and its page as artifacts."""
    try:
        import mlflow
    except ImportError:
        raise RepsimError("logging to MLflow needs it: pip install mlflow") from None
    named = {re.sub(r"[^\w\-./ ]", "_", name): value for name, value in report.scalars().items()}
    mlflow.log_metrics(named, step=step)
    with tempfile.TemporaryDirectory() as folder:
        for path in files(report, Path(folder)):
            mlflow.log_artifact(str(path), artifact_path="repsim")


def to_wandb(report: Report, run: Any = None, *, step: int | None = None) -> None:
    """Logs the numbers of a report and its page to a run of Weights & Biases, the current one if none is given, and its
    JSON as an artifact."""
    try:
        import wandb
    except ImportError:
        raise RepsimError("logging to Weights & Biases needs it: pip install wandb") from None
    run = run or wandb.run
    if run is None:
        raise RepsimError("there is no run of Weights & Biases: wandb.init() starts one")
    logged: dict[str, Any] = dict(report.scalars())
    artifact = wandb.Artifact(f"repsim-{report.kind}", type="repsim-report")
    with tempfile.TemporaryDirectory() as folder:
        for path in files(report, Path(folder)):
            artifact.add_file(str(path))
            if path.suffix == ".html":
                logged[f"{report.kind}/page"] = wandb.Html(path.read_text(encoding="utf-8"))
        run.log(logged, step=step)
        run.log_artifact(artifact)


def to_tensorboard(report: Report, writer: SummaryWriter, *, step: int = 0) -> None:
    """Logs the numbers of a report to TensorBoard, and its tables as text."""
    for name, value in report.scalars().items():
        writer.add_scalar(name, value, step)
    text = report.text() if report.kind in OWN_TABLES else report._ask(format="md")
    writer.add_text(f"repsim/{report.kind}", text, step)


def files(report: Report, folder: Path) -> list[Path]:
    """The files of a report: its JSON, and its page where its kind has one."""
    made = [report.save(folder / f"{report.kind}.json")]
    if report.kind not in OWN_TABLES:
        page = folder / f"{report.kind}.html"
        page.write_text(report.page(), encoding="utf-8")
        made.append(page)
    return made
