"""Archives that are checked in: deflated, and without the records that hold paths of this machine."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

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
