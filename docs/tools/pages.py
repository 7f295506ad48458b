"""The pages of the book: their blocks of commands, what these print and draw, their links."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "docs" / "src"
BEFORE = "before.md"

FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<body>.*?)^(?P=indent)```[ \t]*$", re.M | re.S)
PICTURE = re.compile(r"!\[(?P<alt>[^\]]*)\]\((?P<file>[^)\s]+)\)", re.S)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FACTS = re.compile(r"^\{\{facts ([a-z0-9-]+)\}\}$", re.M)
NUMBER = re.compile(r"[-−]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


class Wrong(Exception):
    """What is wrong with a page, in a line or more."""


@dataclass
class Block:
    """Commands, the exit code they have to end with, and what the page shows of their output."""

    commands: str
    fails: bool
    runs: bool
    shown: str | None
    span: tuple[int, int] | None


@dataclass
class Page:
    """A page by its path below `src`."""

    name: str
    text: str
    made: dict[str, Path] = field(default_factory=dict)

    @staticmethod
    def read(path: Path) -> Page:
        return Page(path.relative_to(SOURCE).as_posix(), path.read_text())

    def blocks(self) -> list[Block]:
        """Blocks of `sh`; a block of `text` right behind one is what it prints."""
        fences = list(FENCE.finditer(self.text))
        found = []
        for index, fence in enumerate(fences):
            words = fence["info"].strip().split(",")
            if words[0] != "sh":
                continue
            after = fences[index + 1] if index + 1 < len(fences) else None
            follows = after is not None and after["info"].strip() == "text" and not self.text[fence.end() : after.start()].strip()
            shown, span = (after["body"], after.span("body")) if follows and after is not None else (None, None)
            found.append(Block(dedent(fence["body"]), "fails" in words, "norun" not in words, shown, span))
        return found

    def prose(self) -> str:
        """The page without its blocks and without code in lines."""
        return re.sub(r"`[^`\n]*`", "", FENCE.sub("", self.text))

    def headings(self) -> set[str]:
        """The anchors of its headings, as mdBook makes them."""
        lines = re.findall(r"^#+ (.+)$", FENCE.sub("", self.text), re.M)
        return {slug(line) for line in lines}


def slug(heading: str) -> str:
    """The anchor that mdBook gives a heading."""
    kept = "".join(c for c in heading.lower() if c.isalnum() or c in " -_")
    return kept.strip().replace(" ", "-")


def pages() -> list[Page]:
    """All pages, in the order of their paths."""
    return [Page.read(path) for path in sorted(SOURCE.rglob("*.md"))]


def binary() -> Path:
    """The program: `REPSIM`, or that of the checkout."""
    path = Path(os.environ.get("REPSIM", ROOT / "target" / "release" / "repsim")).absolute()
    if not path.is_file():
        raise Wrong(f"no program at {path}: build it by `cargo build --release`, or name one by REPSIM")
    return path


class Folder:
    """A temporary folder with the checkout as `repsim`, and the program on the path."""

    def __init__(self, template: Path | None = None) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="repsim-book-"))
        self.work = self.path / "work"
        if template is None:
            self.work.mkdir()
            (self.work / "repsim").symlink_to(ROOT)
        else:
            shutil.copytree(template, self.work, symlinks=True)
        (self.path / "bin").mkdir()
        (self.path / "bin" / "repsim").symlink_to(binary())

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.path)

    def run(self, commands: str) -> tuple[int, str]:
        """The exit code of a block, and what it printed on both outputs."""
        env = {key: value for key, value in os.environ.items() if key != "GITHUB_ACTIONS"}
        env |= {"PATH": f"{self.path / 'bin'}:{env['PATH']}", "NO_COLOR": "1", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=self.work, env=env, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )
        return done.returncode, done.stdout


def prepared() -> Folder:
    """The folder that all pages begin with: what the page `before.md` makes."""
    folder = Folder()
    run_blocks(Page.read(SOURCE / BEFORE), folder)
    return folder


def run_page(page: Page, template: Folder, keep: Path | None) -> None:
    """Runs a page in a folder of its own, and finds its pictures; `keep` is where these go."""
    if page.name == BEFORE or not (any(b.runs for b in page.blocks()) or PICTURE.search(page.prose())):
        return
    with Folder(template.work) as folder:
        run_blocks(page, folder)
        for picture in PICTURE.finditer(page.prose()):
            find_picture(page, picture["file"], folder, keep)


def run_blocks(page: Page, folder: Folder) -> None:
    """Runs the blocks in their order, and holds what they print to what the page shows."""
    for block in page.blocks():
        if not block.runs:
            continue
        code, said = folder.run(block.commands)
        if (code != 0) != block.fails:
            raise Wrong(f"{page.name}: exit code {code} of\n{block.commands}\n{said}")
        if block.shown is not None:
            hold(page, block, said)


def hold(page: Page, block: Block, said: str) -> None:
    """Every line shown is among those printed, in their order, numbers within their rounding; `…` stands for others."""
    printed = iter(said.splitlines())
    for line in (block.shown or "").splitlines():
        if line.strip() in ("", "…"):
            continue
        if not any(alike(line, other) for other in printed):
            raise Wrong(f"{page.name}: of\n{block.commands}\nthe line\n{line}\nis not (or not there) in\n{said}")


def alike(shown: str, printed: str) -> bool:
    """Whether two lines are the same up to space and the last digits of their decimals."""
    if " ".join(NUMBER.sub("#", shown).split()) != " ".join(NUMBER.sub("#", printed).split()):
        return False
    return all(near(a, b) for a, b in zip(NUMBER.findall(shown), NUMBER.findall(printed), strict=True))


def near(shown: str, printed: str) -> bool:
    """Whole numbers are equal; others differ by 2 in the last place, or by 0.5 %, for processors round differently."""
    if "." not in shown:
        return shown == printed
    a, b = (float(text.replace("−", "-")) for text in (shown, printed))
    decimals = len(shown.split("e")[0].partition(".")[2])
    exponent = int(shown.partition("e")[2] or 0)
    return abs(a - b) <= max(2.01 * 10.0 ** (exponent - decimals), 5e-3 * abs(a))


def find_picture(page: Page, file: str, folder: Folder, keep: Path | None) -> None:
    """A picture is in the book, or its page's commands have drawn it."""
    if (SOURCE / page.name).parent.joinpath(file).exists():
        return
    path = folder.work / file
    if not path.is_file() or path.stat().st_size < 500:
        raise Wrong(f"{page.name}: no command has drawn {file}")
    if keep is not None:
        kept = keep / page.name.removesuffix(".md") / file
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, kept)
        page.made[file] = kept


def check_links(all_pages: list[Page], generated: dict[str, str]) -> None:
    """Links within the book lead to pages and headings, and every page is in the contents."""
    known = {page.name: page for page in all_pages}
    known |= {name: Page(name, text) for name, text in generated.items()}
    contents = known["SUMMARY.md"].text
    for page in known.values():
        for target in LINK.findall(page.prose()):
            if not target.startswith(("http:", "https:")):
                check_link(page, target, known)
        if page.name != "SUMMARY.md" and page.name not in generated and f"({page.name})" not in contents:
            raise Wrong(f"{page.name} is not in SUMMARY.md")


def check_link(page: Page, target: str, known: dict[str, Page]) -> None:
    file, _, anchor = target.partition("#")
    name = os.path.normpath(os.path.join(os.path.dirname(page.name), file)) if file else page.name
    if name not in known:
        raise Wrong(f"{page.name}: the link {target} leads nowhere")
    if anchor and anchor not in known[name].headings():
        raise Wrong(f"{page.name}: {name} has no heading #{anchor}")
