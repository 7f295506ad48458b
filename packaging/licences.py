"""Gathers the licences of all that a wheel or an archive holds.

    licences.py FOLDER [--libraries] [--libtorch VERSION]

`--libraries` adds those of OpenBLAS and of GCC's run-time libraries, `--libtorch` those of PyTorch and of NVIDIA's
libraries, out of the wheels that setup.sh keeps.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

ROOT = Path(os.environ.get("REPSIM_SOURCE") or Path(__file__).resolve().parent.parent)
"""What is packed was compiled from here; its lock file names the crates."""
NAMES = ("LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE", "COPYRIGHT")
PACKAGES = {"OpenBLAS": "libopenblas0-pthread", "GCC": "libgfortran5"}
RULE = "\n" + "=" * 100 + "\n"


def crates() -> list[dict[str, Any]]:
    """The crates that are compiled into the program, its own aside."""
    command = ["cargo", "metadata", "--format-version", "1", "--locked"]
    command += ["--filter-platform", f"{os.uname().machine}-unknown-linux-gnu"]
    told = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    whole = json.loads(told.stdout)
    nodes = {node["id"]: node for node in whole["resolve"]["nodes"]}
    used, waiting = set(), [whole["resolve"]["root"]]
    while waiting:
        node = nodes[waiting.pop()]
        for needed in node["deps"]:
            if needed["pkg"] not in used and any(kind["kind"] is None for kind in needed["dep_kinds"]):
                used.add(needed["pkg"])
                waiting.append(needed["pkg"])
    return sorted((p for p in whole["packages"] if p["id"] in used), key=lambda p: (p["name"], p["version"]))


def of_crates() -> str:
    """What each crate is licensed under, then the texts, each once."""
    texts: dict[str, list[str]] = {}
    lines = []
    for crate in crates():
        name = f"{crate['name']} {crate['version']}"
        lines.append(f"{name}: {crate['license'] or crate['license_file'] or 'see its text'}")
        for path in sorted(Path(crate["manifest_path"]).parent.iterdir()):
            if path.is_file() and path.name.upper().startswith(NAMES):
                texts.setdefault(path.read_text(errors="replace").strip(), []).append(name)
    whole = [f"{', '.join(names)}:\n\n{text}\n" for text, names in texts.items()]
    return "repsim is compiled with these crates.\n\n" + "\n".join(lines) + "\n" + RULE + RULE.join(whole)


def of_libraries(folder: Path) -> None:
    for name, package in PACKAGES.items():
        source = Path("/usr/share/doc") / package / "copyright"
        found = sorted(Path("/usr/share/licenses").glob(f"*{name.lower()}*/*")) if not source.is_file() else [source]
        text = RULE.join(path.read_text(errors="replace") for path in found if path.is_file())
        if not text:
            raise SystemExit(f"licences.py: the licence of {name} is in neither {source} nor /usr/share/licenses")
        (folder / f"{name}.txt").write_text(text)


def of_wheels(folder: Path, version: str) -> None:
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "repsim/wheels"
    for pattern in (f"torch-{version}-*.whl", "nvidia_cuda_runtime-*.whl", "nvidia_cuda_cupti-*.whl"):
        for wheel in sorted(cache.glob(pattern)):
            with zipfile.ZipFile(wheel) as archive:
                names = [n for n in archive.namelist() if ".dist-info/" in n and Path(n).name.upper().startswith(NAMES)]
                texts = [archive.read(name).decode(errors="replace") for name in names]
            if texts:
                (folder / f"{wheel.name.split('-')[0]}.txt").write_text(RULE.join(texts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--libraries", action="store_true")
    parser.add_argument("--libtorch", metavar="VERSION")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "LICENSE", given.folder / "repsim.txt")
    shutil.copy(ROOT / "src/render/fonts/LICENSE", given.folder / "DejaVu.txt")
    (given.folder / "crates.txt").write_text(of_crates())
    if given.libraries:
        of_libraries(given.folder)
    if given.libtorch:
        of_wheels(given.folder, given.libtorch)


if __name__ == "__main__":
    main()
