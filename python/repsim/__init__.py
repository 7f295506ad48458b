"""repsim from Python: run an analysis, look at its report, log it.

>>> import repsim
>>> report = repsim.run("cka", "seed0.pt", "seed1.pt", data="photos/", layers=["layer?"])
>>> report.to_frame()

The measuring is done by the ``repsim`` program that comes in this package; ``repsim --help`` lists its commands, and
``repsim.run`` takes all of their options.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._binary import RepsimError as RepsimError
    from ._export import export as export
    from ._logging import to_mlflow as to_mlflow
    from ._logging import to_tensorboard as to_tensorboard
    from ._logging import to_wandb as to_wandb
    from ._report import Picture as Picture
    from ._report import Report as Report
    from ._report import load as load
    from ._run import call as call
    from ._run import run as run

__all__ = [
    "Picture",
    "RepsimError",
    "Report",
    "call",
    "export",
    "load",
    "run",
    "to_mlflow",
    "to_tensorboard",
    "to_wandb",
]

_MODULES = {
    "Picture": "_report",
    "RepsimError": "_binary",
    "Report": "_report",
    "call": "_run",
    "export": "_export",
    "load": "_report",
    "run": "_run",
    "to_mlflow": "_logging",
    "to_tensorboard": "_logging",
    "to_wandb": "_logging",
}


def __getattr__(name: str) -> object:
    """Imports what is asked for when it is asked for: the ``repsim`` command needs none of it, and starts at once."""
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("repsim-torch")
        except PackageNotFoundError:
            return "0+checkout"
    if name not in _MODULES:
        raise AttributeError(f"module 'repsim' has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f"repsim.{_MODULES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
