"""Runs from Python: options, errors, checks, and what is said meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import A, B, IMAGES, PREPROCESSING

import repsim
from repsim._run import Screen, arguments, for_notebook, plain


def test_options_have_one_rule() -> None:
    given = arguments(
        "cka",
        ("a.pt", Path("b.pt")),
        {"data": "x", "layers": ["l1", "!l2"], "quiet": True, "seed": None, "plot": False, "layers_b": "*", "o": "f"},
    )
    layers = ["--layers=l1", "--layers=!l2"]
    assert given == ["cka", "a.pt", "b.pt", "--data=x", *layers, "--quiet", "--layers-b=*", "-o", "f"]
    with pytest.raises(repsim.RepsimError, match="layers_b=…"):
        arguments("cka", ("a.pt", "--layers-b=x"), {})


def test_a_report_has_the_values_of_the_run(cka: repsim.Report) -> None:
    assert set(cka) >= {"schema", "results", "settings", "inputs"} and len(cka) == len(list(cka))
    values = cka["results"]["cka"]
    assert cka.scalars()["cka/layer3/CKA"] == max(values[0])
    assert repsim.load(cka.path)["results"] == cka["results"]
    assert repr(cka).startswith("<repsim report of cka")


def test_a_report_lives_without_a_file_of_its_own(tmp_path: Path) -> None:
    report = repsim.run("cka", A, data=IMAGES, limit=8, layers="layer4", **PREPROCESSING)
    kept = report.save(tmp_path / "kept.json")
    assert repsim.load(kept)["results"] == report["results"]
    drawn = report.plot(tmp_path / "map.png")
    assert drawn.format == "png" and drawn.data == (tmp_path / "map.png").read_bytes()
    with pytest.raises(repsim.RepsimError, match="name it so"):
        drawn.save(tmp_path / "map.svg")
    with pytest.raises(repsim.RepsimError, match="/proc/kept.json cannot be written"):
        report.save("/proc/kept.json")
    copy = repsim.load(kept)
    kept.unlink()
    assert "kept.json is gone" in copy._repr_html_()
    kept.write_text('{"schema": {"name": "check", "version": 1}}')
    assert "<pre>" in repsim.load(kept)._repr_html_()
    assert repsim.__version__


def test_the_picture_of_the_run_is_shown(tmp_path: Path) -> None:
    picture = tmp_path / "map.png"
    report = repsim.run(
        "compare", A, B, data=IMAGES, limit=8, layers="layer4", measures="cka", plot=picture, output=tmp_path / "a.json", **PREPROCESSING
    )
    assert report.plot()._repr_png_() == picture.read_bytes()
    picture.write_bytes(b"another")
    assert report.plot().format == "svg"


def test_a_check_says_whether_it_passed(cka: repsim.Report, tmp_path: Path) -> None:
    again = repsim.run("check", cka.path, baseline=cka.path)
    assert again.passed and again.kind == "check"
    policy = tmp_path / "policy.toml"
    policy.write_text("version = 1\nrules = ['cka[\"layer3\"] >= 1.5']\n")
    strict = repsim.run("check", cka.path, policy=policy)
    assert not strict.passed and strict["outcome"] != "passed"
    with pytest.raises(repsim.RepsimError) as drifted:
        repsim.call("check", cka.path, policy=policy)
    assert drifted.value.code == 1


def test_what_is_wrong_is_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(repsim.RepsimError) as wrong:
        repsim.run("cka", "none.pt", data=IMAGES)
    assert "none.pt" in str(wrong.value) and wrong.value.code == 2 and "\n" not in str(wrong.value)
    assert "error: " in wrong.value.output
    with pytest.raises(repsim.RepsimError, match="unexpected argument '--dta"):
        repsim.run("cka", A, dta=IMAGES)
    with pytest.raises(repsim.RepsimError, match="is not a .json"):
        repsim.run("cka", A, data=IMAGES, output="a.csv")
    with pytest.raises(repsim.RepsimError, match="unrecognized subcommand"):
        repsim.run("ckaa", A)
    bad = tmp_path / "bad.json"
    for text, said in (("{", "not JSON"), ("[]", "no schema"), ('{"schema": {}}', "no name")):
        bad.write_text(text)
        with pytest.raises(repsim.RepsimError, match=said):
            repsim.load(bad)
    with pytest.raises(repsim.RepsimError, match="cannot be read"):
        repsim.load(tmp_path / "none.json")


def test_what_the_program_says_is_passed_on(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    repsim.run("layers", A, output=tmp_path / "a.json")
    assert "a.json (report)" in capsys.readouterr().err
    repsim.run("layers", A)
    assert capsys.readouterr().err == ""


def test_lines_are_left_out_however_they_arrive() -> None:
    screen = Screen(0, 0, rows=True)
    screen.unsaid = "/tmp/x.json"
    assert screen.shown("a\nwrote /tm", True) == ("a\n", "wrote /tm")
    assert screen.shown("wrote /tmp/x.json (report)\nb", True) == ("", "b")
    assert screen.shown("\r### 1/2", True) == ("\r### 1/2", "")
    assert screen.shown("the end", False) == ("the end", "")


def test_bars_move_in_notebooks() -> None:
    said = "\r\x1b[2K\x1b[1A####  10/20\r\x1b[2K\x1b[31mwarning\x1b[0m: x\r\n"
    assert for_notebook(said) == "\r####  10/20\r\x1b[31mwarning\x1b[0m: x\n"
    assert plain(said) == "warning: x\n"
