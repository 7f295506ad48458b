"""Archives that are checked in: deflated, and without the records that hold paths of this machine."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

LEFT_OUT = (".debug_pkl", "serialization_id")


def save_archive(
    module: torch.jit.ScriptModule, path: Path, edit: Callable[[bytes], bytes] | None = None
) -> None:
    """Saves a TorchScript module; `edit` changes the text of its code."""
    whole = io.BytesIO()
    torch.jit.save(module, whole)
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path, "w") as new:
        for record in old.infolist():
            if record.filename.endswith(LEFT_OUT):
                continue
            data = old.read(record)
            if edit and record.filename.endswith(".py"):
                data = edit(data)
            new.writestr(zipfile.ZipInfo(record.filename), data, zipfile.ZIP_DEFLATED, 9)


def save_program(program: torch.export.ExportedProgram, path: Path) -> None:
    """Saves an exported program without its example inputs; of its nodes' metadata the modules are kept."""
    whole = io.BytesIO()
    torch.export.save(program, whole)
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            rest = name.partition("/")[2]
            if "sample_inputs" in rest or rest.endswith(LEFT_OUT):
                continue
            data = old.read(name)
            if rest.startswith("models/"):
                data = _without_paths(data)
            new.writestr(zipfile.ZipInfo(f"{path.stem}/{rest}"), data, zipfile.ZIP_DEFLATED, 9)


def _without_paths(data: bytes) -> bytes:
    program = json.loads(data)

    def walk(graph: dict[str, Any]) -> None:
        for node in graph["nodes"]:
            node["metadata"] = {k: v for k, v in node["metadata"].items() if k == "nn_module_stack"}
            for given in node["inputs"]:
                if "as_graph" in given["arg"]:
                    walk(given["arg"]["as_graph"]["graph"])

    walk(program["graph_module"]["graph"])
    return json.dumps(program).encode()
