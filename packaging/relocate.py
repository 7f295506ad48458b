"""Takes the paths of the machine that compiled it out of a program.

    relocate.py PROGRAM FOLDER...

Messages of panics and of libtorch's checks name source files by the paths that they were compiled at. Each of the folders
becomes `.` and slashes of the same length, which names the same file to a reader, and nobody's home. Fails where one of
the folders is in the program after all.
"""

from __future__ import annotations

import sys
from pathlib import Path


def without(program: bytes, folder: bytes) -> bytes:
    """The program with a folder's name replaced where a path goes on behind it."""
    return program.replace(folder + b"/", b"." + b"/" * len(folder))


def main(path: Path, folders: list[str]) -> int:
    program = path.read_bytes()
    # A path and what it is a link to; the longest first, for one may lie in another.
    found = {name for folder in folders for name in (folder, str(Path(folder).resolve())) if len(name) > 1}
    names = sorted((name.encode() for name in found), key=len, reverse=True)
    for name in names:
        program = without(program, name)
    left = [name.decode() for name in names if name + b"/" in program]
    if left:
        print(f"relocate.py: {path} still names {', '.join(left)}", file=sys.stderr)
        return 2
    path.write_bytes(program)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
