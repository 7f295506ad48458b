"""Runs commands of the program."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Union

from ._binary import RepsimError, explain_loader, program
from ._report import Report

Word = Union[str, "os.PathLike[str]", int, float]
Option = Union[Word, bool, None, Sequence[Word]]

DRIFT = 1
"""The exit code of a check that found drift."""


def run(command: str, *inputs: Word, output: Word | None = None, **options: Option) -> Report:
    """Runs an analysis and gives its report.

    ``run("cka", a, b, data="photos/", layers=["layer?", "fc"])`` is ``repsim cka a b --data photos/ --layers 'layer?'
    --layers fc``. An underscore in the name of an option is a dash, ``True`` gives a flag, a list repeats the option,
    ``None`` and ``False`` leave it out. ``output`` is where the report is kept (of ``features`` the folder, which it
    needs); without it the report lives as long as the object. What the program says goes to standard error.

    Raises RepsimError where the run could not be done. A check that found drift is a report whose ``passed`` is
    ``False``.
    """
    if command == "features" and output is None:
        raise RepsimError("features are written to a folder: give output='FOLDER'")
    kept = None
    if output is None:
        kept = tempfile.TemporaryDirectory(prefix="repsim-")
        path = Path(kept.name) / f"{command}.json"
    else:
        path = Path(str(output))
        if command != "features" and path.suffix != ".json":
            raise RepsimError(f"output={str(output)!r} is not a .json; the table is report.to_frame()")
    words = [*arguments(command, inputs, options), f"--output={path}"]
    code, _, said = execute(words, unsaid=kept.name if kept else None)
    found = path / "features.json" if command == "features" else path
    if not found.is_file():
        message = f"repsim {command} wrote no report; repsim.call runs commands without one"
        raise RepsimError(message, code, said)
    try:
        contents = json.loads(found.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RepsimError(f"{found} is not a report: {error}") from None
    return Report(contents, found, passed=code != DRIFT, kept=kept)


def call(command: str, *inputs: Word, **options: Option) -> str:
    """Runs any command and gives what it prints: ``call("report", "a.json", output="-")`` is a page.

    Words and options are those of :func:`run`. Raises RepsimError where it could not be done, or found drift.
    """
    code, printed, said = execute(arguments(command, inputs, options))
    if code == DRIFT:
        raise RepsimError(last_line(said) or "the check found drift", code, said, printed)
    return printed


def arguments(command: str, inputs: tuple[Word, ...], options: dict[str, Option]) -> list[str]:
    """The command line of a call. Raises RepsimError for an option among the inputs."""
    for given in map(str, inputs):
        if given.startswith("-") and given != "-":
            name = given.lstrip("-").split("=")[0].replace("-", "_")
            raise RepsimError(f"{given!r} is an option (give it by name: {name}=…), or a file to be named ./{given}")
    words = [command, *map(str, inputs)]
    for name, value in options.items():
        words += option(name, value)
    return words


def option(name: str, value: Option) -> list[str]:
    """An option with its value, once for each of a list."""
    if value is None or value is False:
        return []
    dashed = f"--{name.rstrip('_').replace('_', '-')}" if len(name) > 1 else f"-{name}"
    if value is True:
        return [dashed]
    values = [value] if isinstance(value, (str, int, float, os.PathLike)) else value
    return [word for one in values for word in ([f"{dashed}={one}"] if len(name) > 1 else [dashed, str(one)])]


def execute(words: list[str], unsaid: str | None = None) -> tuple[int, str, str]:
    """Runs the program: its exit code (0, or 1 for drift), what it printed, and what it said. Lines with ``unsaid`` are
    not shown."""
    found = program()
    screen = Screen.open()
    screen.unsaid = unsaid
    process = subprocess.Popen(
        [found.path, *words],
        env=found.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=screen.given,
    )
    try:
        printed, said = screen.follow(process)
    except BaseException:
        process.send_signal(signal.SIGINT)
        process.wait()
        raise
    if process.returncode not in (0, DRIFT):
        raise RepsimError(what_failed(process.returncode, said), process.returncode, said)
    return process.returncode, printed, said


def what_failed(code: int, said: str) -> str:
    """The line that says why."""
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    if errors:
        return errors[-1].removeprefix("error: ")
    if code == 127:
        return explain_loader(said)
    if code < 0:
        return f"repsim was ended by signal {-code}"
    return last_line(said) or f"repsim ended with exit code {code}"


def last_line(said: str) -> str:
    return next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "")


class Screen:
    """Where the program's standard error goes: on to Python's own, line by line or, in a notebook, as a terminal
    shows it, so that bars of progress move."""

    def __init__(self, given: int, read: int, rows: bool) -> None:
        self.given, self.read, self.rows = given, read, rows
        self.said = ""
        self.unsaid: str | None = None

    @classmethod
    def open(cls) -> Screen:
        """A terminal where somebody looks, else a pipe."""
        looks = "ipykernel" in sys.modules or sys.stderr.isatty()
        if looks:
            try:
                import pty

                read, given = pty.openpty()
                set_width(given)
                return cls(given, read, rows=False)
            except (ImportError, OSError):
                pass
        read, given = os.pipe()
        return cls(given, read, rows=True)

    def follow(self, process: subprocess.Popen[bytes]) -> tuple[str, str]:
        """All that the process prints and says, the latter shown meanwhile."""
        import threading

        os.close(self.given)
        printed: list[bytes] = []
        assert process.stdout is not None
        reader = threading.Thread(target=read_all, args=(process.stdout, printed), daemon=True)
        reader.start()
        with os.fdopen(self.read, "rb", buffering=0) as said:
            self.show(said)
        reader.join()
        process.wait()
        return b"".join(printed).decode("utf-8", "replace"), plain(self.said)

    def show(self, said: IO[bytes]) -> None:
        held = ""
        while True:
            try:
                piece = said.read(4096)
            except OSError:  # the other end of a terminal is closed
                piece = b""
            text = piece.decode("utf-8", "replace")
            self.said += text
            shown, held = self.shown(held + text, bool(piece))
            sys.stderr.write(shown if self.rows else for_notebook(shown))
            sys.stderr.flush()
            if not piece:
                return

    def shown(self, text: str, goes_on: bool) -> tuple[str, str]:
        """What is shown of a text, and the start of a line that may be one of those that are not; bars are no lines."""
        if not self.unsaid:
            return text, ""
        lines, end, rest = text.rpartition("\n")
        if not goes_on or "\r" in rest:
            lines, end, rest = text, "", ""
        return re.sub(f"[^\\n]*{re.escape(self.unsaid)}[^\\n]*\\n", "", lines + end), rest


def read_all(source: IO[bytes], pieces: list[bytes]) -> None:
    pieces.append(source.read())


def set_width(terminal: int) -> None:
    """A hundred columns, as wide as notebooks are."""
    import fcntl
    import struct
    import termios

    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))


def for_notebook(text: str) -> str:
    """Without the moves of a cursor that notebooks do not know; colours and carriage returns stay."""
    text = text.replace("\r\n", "\n")
    return re.sub(r"\x1b\[\??[0-9;]*[A-LN-Za-ln-z]", "", re.sub(r"\r?\x1b\[2K", "\r", text))


def plain(text: str) -> str:
    """The lines that stand in the end, without colours and bars."""
    text = re.sub(r"\x1b\[\??[0-9;]*[A-Za-z]", "", text.replace("\r\n", "\n"))
    return "\n".join(line.rsplit("\r", 1)[-1] for line in text.split("\n"))
