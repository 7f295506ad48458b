"""Modules exported from Python, and reports logged to trackers; where PyTorch or a tracker is not installed, skipped."""

from __future__ import annotations

import re
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
from conftest import IMAGES

import repsim

try:
    import torch
except (ImportError, OSError):
    pytest.skip("PyTorch cannot be imported here", allow_module_level=True)


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(144, 2)
    )


def test_an_exported_module_takes_batches_of_any_size(tmp_path: Path) -> None:
    import numpy

    module = network().train()
    module[2].eval()
    path = repsim.export(module, torch.rand(1, 3, 8, 8), tmp_path / "net.pt2")
    assert module.training and module[1].training and not module[2].training
    numpy.save(tmp_path / "data.npy", numpy.random.default_rng(0).random((7, 3, 8, 8), dtype="float32"))
    report = repsim.run("cka", path, data=tmp_path / "data.npy", preprocess="raw", batch_size=5)
    assert report["results"]["n"] == 7


def test_what_cannot_be_exported_is_told(tmp_path: Path) -> None:
    class Fixed(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x if x.shape[0] == 2 else x.reshape(4, -1)

    with pytest.raises(repsim.RepsimError, match="batches of any size"):
        repsim.export(Fixed(), torch.rand(2, 4), tmp_path / "a.pt2")
    for example, path, said in (
        (torch.rand(2, 4), tmp_path / "a.pt", "end in .pt2"),
        (torch.rand(2, 4), tmp_path / "none/a.pt2", "no folder"),
        (torch.tensor(1.0), tmp_path / "a.pt2", "first axis"),
        (torch.rand(1, 3, 8, 8), Path("/proc/a.pt2"), "/proc/a.pt2 cannot be written"),
    ):
        with pytest.raises(repsim.RepsimError, match=said):
            repsim.export(network(), example, path)


def test_the_readme_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```py\n(.*?)```", readme, re.DOTALL)
    parts = {
        "layer1": torch.nn.Conv2d(3, 4, 3, stride=4),
        "layer2": torch.nn.ReLU(),
        "pool": torch.nn.AdaptiveAvgPool2d(1),
        "flat": torch.nn.Flatten(),
        "fc": torch.nn.Linear(4, 10),
    }
    model = torch.nn.Sequential(OrderedDict(parts))
    monkeypatch.chdir(tmp_path)
    repsim.export(model, torch.rand(2, 3, 224, 224), "other.pt2")
    for place in sorted(Path(IMAGES).iterdir()):
        (tmp_path / "photos" / place.name).mkdir(parents=True)
        for image in sorted(place.iterdir())[:1]:
            (tmp_path / "photos" / place.name / image.name).symlink_to(image)
    repsim.run("fid", "photos", "photos", model="other.pt2", preprocess="imagenet", channels=3, output="fid.json")
    given: dict[str, Any] = {"model": model, "torch": torch}
    exec(block, given)
    assert Path("cka.png").read_bytes().startswith(b"\x89PNG") and len(given["report"].to_frame()) == 3


def test_tensorboard_has_the_numbers(cka: repsim.Report, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path)) as writer:
        repsim.to_tensorboard(cka, writer, step=3)
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    (event,) = events.Scalars("cka/layer3/CKA")
    assert event.step == 3 and event.value == pytest.approx(cka.scalars()["cka/layer3/CKA"])


def test_mlflow_has_numbers_and_page(cka: repsim.Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    with mlflow.start_run() as run:
        repsim.to_mlflow(cka, step=1)
    logged = mlflow.tracking.MlflowClient().get_run(run.info.run_id).data.metrics
    assert logged["cka/layer3/CKA"] == cka.scalars()["cka/layer3/CKA"]
    names = {file.path for file in mlflow.tracking.MlflowClient().list_artifacts(run.info.run_id, "repsim")}
    assert names == {"repsim/cka.json", "repsim/cka.html"}


def test_wandb_has_numbers_and_page(cka: repsim.Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb")
    with pytest.raises(repsim.RepsimError, match="wandb.init"):
        repsim.to_wandb(cka)
    run = wandb.init(project="repsim", mode="offline", dir=str(tmp_path))
    repsim.to_wandb(cka, run)
    logged = dict(run.summary)
    run.finish()
    assert logged["cka/layer3/CKA"] == cka.scalars()["cka/layer3/CKA"] and "cka/page" in logged
