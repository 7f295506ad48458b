"""Where the ``repsim`` program is, and which PyTorch it runs on."""

from __future__ import annotations

import os
import re
import sys
from importlib.util import find_spec

BUILT_VERSION = "2.13.0"
"""The PyTorch that the program was built with."""
BUILT_COMMIT = ""
"""The commit of that PyTorch; empty outside of a wheel."""

LIBRARY = "libtorch_cpu.so"


class RepsimError(Exception):
    """What could not be done: what is wrong, where, and what to do, in one line."""

    def __init__(self, message: str, code: int = 2, output: str = "", printed: str = "") -> None:
        super().__init__(message)
        self.code = code
        """The exit code of the program."""
        self.output = output
        """All that it said on standard error."""
        self.printed = printed
        """What it printed before that."""


class Program:
    """The program and the environment in which it finds its libraries."""

    def __init__(self, path: str, environment: dict[str, str], known: bool) -> None:
        self.path = path
        self.environment = environment
        self.known = known
        """Whether the PyTorch is the very one that the program was built with."""


def program() -> Program:
    """The program, with the PyTorch that ``import torch`` would take.

    Raises RepsimError where there is no program, no PyTorch, or one that the program was not built for.
    """
    packed = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_bin", "repsim")
    path = os.environ.get("REPSIM_BINARY") or packed
    if not os.path.isfile(path):
        raise RepsimError(f"there is no program {path}: install the wheel, or let REPSIM_BINARY name a repsim")
    if path != packed:
        return Program(path, dict(os.environ), known=True)
    folder = torch_folder()
    commit = check_version(folder)
    libraries = [library_folder(folder), *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]
    environment = {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(libraries)}
    return Program(path, environment, known=commit == BUILT_COMMIT)


def torch_folder() -> str:
    """The folder of the package ``torch``, which is not imported."""
    wanted = f"pip install 'torch=={series(BUILT_VERSION)}.*'"
    found = find_spec("torch")
    if found is None or not found.submodule_search_locations:
        raise RepsimError(f"there is no PyTorch in {sys.prefix}, and repsim runs on its libraries: {wanted}")
    return next(iter(found.submodule_search_locations))


def check_version(folder: str) -> str:
    """Refuses a PyTorch of another series than the program was built for; the commit of one that fits."""
    try:
        with open(os.path.join(folder, "version.py"), encoding="utf-8") as file:
            text = file.read()
    except OSError:
        text = ""
    found = re.finditer(r"^(__version__|git_version)\s*(?::[^=]*)?=\s*['\"]([^'\"]+)", text, re.MULTILINE)
    fields = {str(field[1]): str(field[2]) for field in found}
    version = fields.get("__version__")
    wanted = series(BUILT_VERSION)
    if version is None:
        raise RepsimError(f"{folder} is not a PyTorch: it has no version.py; pip install 'torch=={wanted}.*'")
    if series(version) != wanted:
        raise RepsimError(
            f"this repsim was built for PyTorch {wanted}, and {folder} is {version}: pip install 'torch=={wanted}.*', "
            f"or the repsim for PyTorch {series(version)}"
        )
    return fields.get("git_version", "")


def series(version: str) -> str:
    """``2.13`` of ``2.13.0+cu130``."""
    return ".".join(version.split(".")[:2])


def library_folder(folder: str) -> str:
    """Where PyTorch has its libraries: of wheels beside its code, of conda in the environment's ``lib``."""
    for place in (os.path.join(folder, "lib"), os.path.join(sys.prefix, "lib")):
        if os.path.isfile(os.path.join(place, LIBRARY)):
            return place
    raise RepsimError(f"the PyTorch in {folder} has no {LIBRARY}: install PyTorch again")


def explain_loader(said: str) -> str:
    """What the dynamic loader said in place of the program, in one line."""
    missing = re.search(r"error while loading shared libraries: ([^:]+):", said)
    symbol = re.search(r"undefined symbol: (\S+)", said)
    if symbol:
        return (
            f"the PyTorch here lacks what repsim was built with ({symbol.group(1)[:120]}): install the PyTorch "
            f"{BUILT_VERSION} of PyPI"
        )
    if missing:
        return missing_libraries([missing.group(1).strip()])
    return " ".join(said.split())[:400] or "the program could not be started"


def missing_libraries(names: list[str]) -> str:
    """What to do about libraries that the loader did not find, in one line."""
    what = "a library that PyTorch needs is" if len(names) == 1 else "libraries that PyTorch needs are"
    wanted = f"pip install --force-reinstall 'torch=={series(BUILT_VERSION)}.*'"
    return f"{what} missing, {', '.join(names[:4])}{', …' if len(names) > 4 else ''}: install PyTorch with all its dependencies ({wanted})"
