"""Reports, as notebooks want them."""

from __future__ import annotations

import csv
import hashlib
import html
import io
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

from ._binary import RepsimError

if TYPE_CHECKING:
    import pandas

Value = Union[str, int, float, None]

NAMES = frozenset(
    [
        "A", "B", "A up to", "B behind", "best match in B", "candidate", "checkpoint", "corresponding layer of B",
        "error", "explains", "file", "image", "kind", "layer", "layer of A", "map", "model", "most alike", "output",
        "prefers", "probe", "same layer of B", "settled", "shape", "strength", "top image", "type", "what",
    ]
)
"""Columns of the tables that hold words, whatever these look like: a layer may be called 0, a class 1e3."""

COUNTS = frozenset(["channel", "channel axis", "D", "in B", "n", "parameters", "runs"])
"""Columns of whole numbers."""

HEIGHT = 640
"""Pixels of a report in a notebook; it scrolls."""


def load(path: str | os.PathLike[str]) -> Report:
    """A report that repsim wrote with ``-o FILE.json``. Raises RepsimError where it is not one."""
    path = Path(path)
    try:
        contents = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RepsimError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise RepsimError(f"{path} is not a report of repsim: it is not JSON ({error})") from None
    if not isinstance(contents, dict) or not isinstance(contents.get("schema"), dict):
        raise RepsimError(f"{path} is not a report of repsim: it has no schema")
    if not isinstance(contents["schema"].get("name"), str):
        raise RepsimError(f"{path} is not a report of repsim: its schema has no name")
    return Report(contents, path)


class Report(Mapping[str, Any]):
    """A report: ``report["results"]`` and the other keys are those of its JSON (``repsim schema KIND``)."""

    def __init__(
        self,
        contents: dict[str, Any],
        path: Path,
        *,
        passed: bool = True,
        kept: tempfile.TemporaryDirectory[str] | None = None,
    ) -> None:
        self._contents, self._kept = contents, kept
        self.path = path
        """Its file."""
        self.passed = passed and contents.get("outcome") in (None, "passed", "improved")
        """Whether the check that it is of, or that the run held it to, passed; ``True`` where nothing was checked."""

    @property
    def kind(self) -> str:
        """The name of its schema: ``cka``, ``fid``, ``check``."""
        return str(self._contents["schema"]["name"])

    @property
    def warnings(self) -> list[str]:
        """What the run warned of."""
        return [str(warning["text"]) for warning in self._contents.get("warnings", [])]

    def __getitem__(self, key: str) -> Any:
        return self._contents[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._contents)

    def __len__(self) -> int:
        return len(self._contents)

    def __repr__(self) -> str:
        return f"<repsim report of {self.kind}: {self.path}>"

    def _repr_html_(self) -> str:
        """Its page, in a frame of its own."""
        try:
            page = self.page()
        except RepsimError as error:
            return f"<pre>{html.escape(self._instead(error))}</pre>"
        frame = f'width="100%" height="{HEIGHT}" style="border: 0"'
        return f'<iframe title="repsim report" srcdoc="{html.escape(page)}" {frame}></iframe>'

    def _instead(self, error: RepsimError) -> str:
        """Its tables where it has no page, and what is wrong where it has none either."""
        try:
            return self.text() if self.kind in OWN_TABLES else str(error)
        except (KeyError, TypeError, AttributeError):
            return str(error)

    def page(self) -> str:
        """Its page, as ``repsim report`` makes it."""
        return self._ask(output="-")

    def text(self) -> str:
        """Its tables as on a terminal."""
        if self.kind in OWN_TABLES:
            return "\n".join("  ".join(str(cell) for cell in row.values()) for row in self.table())
        return self._ask(format="table")

    def table(self) -> list[dict[str, Value]]:
        """The main table, a dictionary a row; numbers have all their digits."""
        if self.kind in OWN_TABLES:
            return OWN_TABLES[self.kind](self._contents)
        rows = csv.DictReader(io.StringIO(self._ask(format="csv")))
        return [{name: as_value(name, cell) for name, cell in row.items()} for row in rows]

    def to_frame(self) -> pandas.DataFrame:
        """The main table as a data frame."""
        try:
            import pandas
        except ImportError:
            raise RepsimError("a frame needs pandas: pip install pandas, or take report.table()") from None
        return pandas.DataFrame(self.table())

    def scalars(self) -> dict[str, float]:
        """The numbers of the main table by what tells their row from the others and the name of their column."""
        found: dict[str, float] = {}
        rows = self.table()
        keys = keys_of(rows)
        for row in rows:
            words = [str(row[name]) for name in keys if row[name] is not None]
            for name, cell in row.items():
                if isinstance(cell, (int, float)) and name not in keys:
                    key = "/".join([self.kind, *words, name])
                    while key in found:
                        key += "+"
                    found[key] = cell
        return found

    def plot(self, path: str | os.PathLike[str] | None = None) -> Picture:
        """The picture that the run wrote, or else the main picture of its kind; ``path`` (.png or .svg) keeps the latter.

        Raises RepsimError where the picture needs more than the report holds, and the run wrote none.
        """
        written = self._pictures()
        if written and path is None:
            return Picture(written[0].read_bytes())
        if self.kind in OWN_TABLES:
            raise RepsimError(f"a report of {self.kind} has no picture")
        if path is not None:
            return self._drawn(Path(path))
        with tempfile.TemporaryDirectory(prefix="repsim-") as folder:
            return self._drawn(Path(folder) / "picture.svg")

    def _drawn(self, path: Path) -> Picture:
        try:
            self._ask(plot=str(path))
        except RepsimError as error:
            why = str(error).removeprefix(f"failed to draw {path}: ")
            if why == str(error):
                raise
            why = why.replace("give --plot to the run itself", "give plot=FILE to repsim.run")
            why = why.replace("its numbers are printed by -f table", "its numbers are report.table()")
            raise RepsimError(f"{self.path} cannot be drawn: {why}", error.code, error.output) from None
        return Picture(path.read_bytes())

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes a copy of its JSON. Raises RepsimError where that cannot be written."""
        path = Path(path)
        try:
            contents = self.path.read_bytes()
        except OSError as error:
            raise RepsimError(f"{self.path} cannot be read: {error.strerror}") from None
        try:
            path.write_bytes(contents)
        except OSError as error:
            raise RepsimError(f"{path} cannot be written: {error.strerror}") from None
        return path

    def _pictures(self) -> list[Path]:
        """Pictures that the run wrote, as they were then."""
        found = []
        for picture in self._contents.get("pictures", []):
            path = self.path.parent / picture["path"]
            if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == picture["sha256"]:
                found.append(path)
        return found

    def _ask(self, **options: str) -> str:
        from ._run import call

        if not self.path.is_file():
            raise RepsimError(f"{self.path} is gone: keep reports by output= or report.save()")
        return call("report", self.path, quiet=True, **options)


class Picture:
    """A picture, which a notebook shows."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        """The bytes of its file."""

    @property
    def format(self) -> str:
        """``png`` or ``svg``."""
        return "png" if self.data.startswith(b"\x89PNG") else "svg"

    def __repr__(self) -> str:
        return f"<picture, {self.format}, {len(self.data)} bytes>"

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes it to a file, whose name has to end as its format does."""
        path = Path(path)
        if path.suffix.lower() != f".{self.format}":
            raise RepsimError(f"{path} would hold .{self.format}: name it so, or take report.plot(path)")
        try:
            path.write_bytes(self.data)
        except OSError as error:
            raise RepsimError(f"{path} cannot be written: {error.strerror}") from None
        return path

    def _repr_png_(self) -> bytes | None:
        return self.data if self.format == "png" else None

    def _repr_svg_(self) -> str | None:
        return self.data.decode("utf-8") if self.format == "svg" else None


def as_value(column: str, cell: str | None) -> Value:
    """What a cell of a column holds: its words, a number, or nothing."""
    if not cell:
        return None
    if column in NAMES or column.endswith(" with"):
        return cell
    try:
        return int(cell) if column in COUNTS else float(cell)
    except ValueError:
        return cell


def keys_of(rows: list[dict[str, Value]]) -> list[str]:
    """The fewest columns from the left that tell rows apart; none of measured values."""
    taken: list[str] = []
    found = 0
    for column in rows[0] if rows else ():
        if any(isinstance(row[column], float) for row in rows):
            continue
        distinct = len({tuple(str(row[name]) for name in (*taken, column)) for row in rows})
        if not taken or distinct > found:
            taken, found = [*taken, column], distinct
        if found == len(rows):
            break
    return taken


def check_table(contents: dict[str, Any]) -> list[dict[str, Value]]:
    """What did not pass, or moved, as ``repsim check -f csv`` has it."""
    names = ["of", "outcome", "value", "expected", "baseline", "difference", "tolerances", "message"]
    words = {"unchecked": "could not be checked"}
    found = [*contents["failures"], *contents["moved"]]
    rows = [{name: finding.get(name) for name in names} for finding in found]
    return [whole({**row, "outcome": words.get(row["outcome"], row["outcome"])}) for row in rows]


def diff_table(contents: dict[str, Any]) -> list[dict[str, Value]]:
    """What changed, as ``repsim diff -f csv`` has it."""
    return [whole(changed(change)) for change in contents["changes"]]


def changed(change: dict[str, Any]) -> dict[str, Any]:
    words = {"passed": "within the tolerance", "unchecked": "could not be checked"}
    outcome = change.get("outcome")
    gone = "new" if number(change["old"]) is None else "gone"
    return {
        "changed": change["of"],
        "old": change["old"],
        "new": change["new"],
        "difference": change["change"],
        "tolerances": change["tolerances"],
        "check": words.get(outcome, outcome) if outcome else gone,
    }


def number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def whole(row: dict[str, Any]) -> dict[str, Value]:
    """Numbers as floats, and nothing for empty texts, as in the tables of files."""
    return {name: value or None if isinstance(value, str) else number(value) for name, value in row.items()}


OWN_TABLES = {"check": check_table, "diff": diff_table}
