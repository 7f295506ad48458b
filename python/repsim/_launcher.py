"""The ``repsim`` command: becomes the program, on the PyTorch of this Python."""

from __future__ import annotations

import os
import re
import sys

from ._binary import Program, RepsimError, explain_loader, missing_libraries, program


def main() -> int:
    """Replaces this process by the program; returns only where it cannot, with the exit code."""
    try:
        found = program()
        check_libraries(found)
        if not found.known:
            probe(found)
        os.execve(found.path, [found.path, *sys.argv[1:]], found.environment)
    except RepsimError as error:
        print(f"error: {error}", file=sys.stderr)
    except OSError as error:
        print(f"error: {found.path} cannot be started: {error.strerror}; install repsim again", file=sys.stderr)
    return 2


def check_libraries(found: Program) -> None:
    """Refuses a program whose libraries are not all there. The loader lists them without starting it, in milliseconds."""
    import subprocess

    listing = {**found.environment, "LD_TRACE_LOADED_OBJECTS": "1"}
    listed = subprocess.run([found.path], env=listing, capture_output=True, text=True)
    missing = re.findall(r"^\s*(\S+) => not found", listed.stdout, re.MULTILINE)
    if missing:
        raise RepsimError(missing_libraries(missing))


def probe(found: Program) -> None:
    """Starts the program once on a PyTorch that it was not built with, to put the loader's message into plain words."""
    import subprocess

    tried = subprocess.run([found.path, "-V"], env=found.environment, capture_output=True, text=True)
    if tried.returncode != 0:
        raise RepsimError(explain_loader(tried.stderr))
