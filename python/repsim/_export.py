"""Exports a module, as the program reads it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._binary import RepsimError

if TYPE_CHECKING:
    import torch


def export(
    module: torch.nn.Module,
    example: torch.Tensor | tuple[torch.Tensor, ...],
    path: str | os.PathLike[str],
) -> Path:
    """Writes a module to a ``.pt2`` by ``torch.export``, for batches of any size.

    ``example`` is what ``forward`` takes: a tensor, or several, whose first axis is the batch. The module is exported as
    it evaluates, and left as it was. Raises RepsimError where torch.export cannot follow it, or its batch cannot change.
    """
    import torch

    path = Path(path)
    if path.suffix != ".pt2":
        raise RepsimError(f"{path} has to end in .pt2, torch.export's format")
    if not path.absolute().parent.is_dir():
        raise RepsimError(f"there is no folder {path.absolute().parent} to write to")
    given = (example,) if isinstance(example, torch.Tensor) else tuple(example)
    if not given or not all(isinstance(one, torch.Tensor) and one.dim() > 0 for one in given):
        raise RepsimError("the example has to be a tensor, or a tuple of tensors, whose first axis is the batch")
    # torch.export takes a batch of one for a constant.
    inputs = tuple(torch.cat([one, one]) if one.shape[0] == 1 else one.clone() for one in given)
    modes = {one: one.training for one in module.modules()}
    module.eval()
    try:
        program = exported(module, inputs)
    finally:
        for one, training in modes.items():
            one.training = training
    try:
        with open(path, "wb") as file:
            torch.export.save(program, file)
    except OSError as error:
        raise RepsimError(f"{path} cannot be written: {error.strerror or error}") from None
    return path


def exported(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> Any:
    import torch

    dynamic = tuple({0: torch.export.Dim.DYNAMIC} for _ in inputs)
    try:
        with torch.no_grad():
            return torch.export.export(module, inputs, dynamic_shapes=dynamic)
    except Exception as error:
        said = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise RepsimError(f"torch.export cannot export it for batches of any size: {said.strip()}") from error
