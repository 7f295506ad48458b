"""The networks and images that come with the program."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import repsim

DEMO = Path(os.environ.get("REPSIM_DEMO", "repsim-demo"))
A, B, C = (str(DEMO / name) for name in ("seed0.pt", "seed1.pt", "untrained.pt"))
IMAGES = str(DEMO / "images")
PREPROCESSING: dict[str, Any] = {"preprocess": "raw", "channels": 3, "mean": 0.286, "std": 0.353}


@pytest.fixture(scope="session")
def cka(tmp_path_factory: pytest.TempPathFactory) -> repsim.Report:
    """A report that other tests only read."""
    path = tmp_path_factory.mktemp("reports") / "cka.json"
    return repsim.run(
        "cka", A, B, data=IMAGES, limit=20, layers=["layer3", "layer4"], output=path, **PREPROCESSING
    )
