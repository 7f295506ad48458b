"""The ``repsim`` command: becomes the program, on the PyTorch of this Python."""

from __future__ import annotations

import os
import sys

from ._binary import Program, RepsimError, explain_loader, program


def main() -> int:
    """Runs the program in the place of this process; returns only where it cannot, with the exit code."""
    try:
        found = program()
        if not found.known:
            probe(found)
        os.execve(found.path, [found.path, *sys.argv[1:]], found.environment)
    except RepsimError as error:
        print(f"error: {error}", file=sys.stderr)
    except OSError as error:
        print(f"error: {found.path} cannot be started: {error.strerror}; install repsim again", file=sys.stderr)
    return 2


def probe(found: Program) -> None:
    """Starts the program once on a PyTorch that nobody built it with, for the loader's words are not for people."""
    import subprocess

    tried = subprocess.run([found.path, "-V"], env=found.environment, capture_output=True, text=True)
    if tried.returncode != 0:
        raise RepsimError(explain_loader(tried.stderr))
