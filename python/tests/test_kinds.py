"""Every kind of report as a table, as a frame, as a page: what is read back is what the run itself printed."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from conftest import A, B, C, IMAGES, PREPROCESSING

import repsim
from repsim._report import keys_of

FEW: dict[str, Any] = {"data": IMAGES, "limit": 20, **PREPROCESSING}
LAYERS = {"layers": ["layer3", "layer4"]}

RUNS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "layers": (("layers", A), {"input_size": "3x32x32"}),
    "cka": (("cka", A, B), {**FEW, **LAYERS}),
    "pairs": (("cka", A, B, C), {**FEW, **LAYERS}),
    "compare": (("compare", A, B), {**FEW, **LAYERS, "measures": "cka,rsa"}),
    "platonic": (("platonic", A, B, C), {**FEW, "layers": "layer4"}),
    "probe": (("probe", A), {**FEW, "layers": "layer4", "limit": 60, "folds": 3}),
    "track": (("track", C, A), {**FEW, **LAYERS}),
    "fid": (("fid", IMAGES, IMAGES), {"model": A, "metrics": "fid,kid", **PREPROCESSING}),
    "distance": (("distance", IMAGES, IMAGES), {"model": A, **PREPROCESSING}),
    "saliency": (("saliency", A), {**FEW, "limit": 2, "method": "gradcam"}),
    "maps": (("maps", A), {**FEW, "limit": 2, "layer": "layer4"}),
    "patterns": (("patterns", A), {**FEW, "layers": "layer4", "top": 2}),
    "sensitivity": (("sensitivity", A), {**FEW, "layer": "layer4", "perturb": "none"}),
    "stitch": (("stitch", A, B), {**FEW, "layer_a": "layer4", "layer_b": "layer4"}),
}

DRAWN = {"layers", "fid", "cka", "pairs", "compare", "platonic", "probe", "track", "distance", "sensitivity"}
"""Kinds whose main picture can be made of their report alone."""


@pytest.mark.parametrize("kind", RUNS)
def test_a_report_gives_what_its_run_printed(kind: str, tmp_path: Path) -> None:
    words, options = RUNS[kind]
    path = tmp_path / "report.json"
    printed = repsim.call(*words, output=path, format="csv", **options)
    report = repsim.load(path)
    assert report.kind == kind and report.passed
    rows = list(csv.DictReader(io.StringIO(printed)))
    table = report.table()
    assert rows and [list(row) for row in table] == [list(row) for row in rows]
    for row, cells in zip(table, rows):
        for name, value in row.items():
            assert cells[name] == "" if value is None else value == type(value)(cells[name])
    frame = report.to_frame()
    assert list(frame.columns) == list(rows[0]) and len(frame) == len(rows)
    assert "srcdoc=" in report._repr_html_() and "<html" in report.page()
    if kind in DRAWN:
        assert report.plot().format == "svg"
    if kind in ("maps", "saliency", "patterns"):
        for place in (None, tmp_path / "picture.png"):
            with pytest.raises(repsim.RepsimError, match="the images that its picture shows; give plot=FILE"):
                report.plot(place)


def test_names_stay_words_and_counts_are_whole(cka: repsim.Report, tmp_path: Path) -> None:
    contents = json.loads(cka.path.read_text())
    results = contents["results"]
    results["layers_a"], results["layers_b"] = ["0", "1e3"], ["0", "1e3"]
    path = tmp_path / "named.json"
    path.write_text(json.dumps(contents))
    report = repsim.load(path)
    assert [row["layer of A"] for row in report.table()] == ["0", "1e3"]
    assert set(report.scalars()) == {"cka/0/CKA", "cka/1e3/CKA"}
    assert report.scalars()["cka/0/CKA"] == max(results["cka"][0])
    (first, *_) = repsim.run("layers", A, input_size="3x32x32").table()
    assert type(first["parameters"]) is int and type(first["runs"]) is int and first["layer"] == "conv1"


def test_rows_are_told_apart_by_the_fewest_columns() -> None:
    rows: list[dict[str, Any]] = [
        {"model": model, "layer": layer, "D": 8, "probe": probe, "accuracy": 0.5}
        for model in ("a", "b")
        for layer in ("0", "1")
        for probe in ("ridge", "nearest")
    ]
    assert keys_of(rows) == ["model", "layer", "probe"]
    assert keys_of(rows[:1]) == ["model"] and keys_of([]) == []


def test_features_are_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    report = repsim.run("features", A, layers="layer4", reduce="gap", output=folder, **FEW)
    assert report.kind == "features" and report.path == folder / "features.json"
    assert "layer4" in {row["layer"] for row in report.table()}
    with pytest.raises(repsim.RepsimError, match="output='FOLDER'"):
        repsim.run("features", A)


def test_checks_and_differences_have_the_tables_of_their_commands(cka: repsim.Report, tmp_path: Path) -> None:
    moved = json.loads(cka.path.read_text())
    moved["results"]["cka"] = [[value - 0.2 for value in row] for row in moved["results"]["cka"]]
    other = tmp_path / "other.json"
    other.write_text(json.dumps(moved))
    lines: list[tuple[tuple[str, ...], dict[str, Any]]] = [
        (("diff", str(cka.path), str(other)), {}),
        (("check", str(other)), {"baseline": cka.path}),
    ]
    for words, options in lines:
        report = repsim.run(*words, **options)
        try:
            printed = repsim.call(*words, format="csv", **options)
        except repsim.RepsimError as drifted:
            printed = drifted.printed
        rows = list(csv.DictReader(io.StringIO(printed)))
        said = [{k: "" if v is None else v for k, v in row.items()} for row in report.table()]
        assert rows and [list(row) for row in said] == [list(row) for row in rows]
        assert all(value == type(value)(cells[k]) for row, cells in zip(said, rows) for k, value in row.items())
        assert len(report.to_frame()) == len(rows) and "layer3" in report._repr_html_()
        with pytest.raises(repsim.RepsimError, match="has no picture"):
            report.plot()
