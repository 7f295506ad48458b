"""The book: `book.py test` runs it, `book.py prepare FOLDER` writes what mdBook builds, `book.py fill PAGE` fills in outputs.

A block of `sh` is run, in a folder for each page that begins as the page before.md leaves it; `sh,fails` has to fail,
`sh,norun` is not run. A block of `text` right behind one is what it prints. Pictures that a page shows are those that its
commands draw. `{{facts NAME}}` is the table of what the program knows of a measure, `{{reference}}` in the contents the
pages made from the program's help and schemas.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import reference
from pages import FACTS, SOURCE, Folder, Page, Wrong, check_links, pages, prepared, run_page


def run_all(all_pages: list[Page], template: Folder, keep: Path | None, only: list[str]) -> None:
    """Runs all pages, two at a time, and tells of all that are wrong."""
    wrong = []

    def run(page: Page) -> None:
        if only and not any(name in page.name for name in only):
            return
        try:
            run_page(page, template, keep)
        except Wrong as why:
            wrong.append(str(why))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, all_pages))
    if wrong:
        raise Wrong("\n\n".join(wrong))


def test(only: list[str]) -> None:
    """Links, measures, and every command of the book."""
    begun = time.monotonic()
    all_pages = pages()
    with prepared() as template:
        known = reference.facts(template)
        reference.known_measures(all_pages, known)
        check_links(all_pages, reference.reference(template))
        run_all(all_pages, template, None, only)
    count = sum(block.runs for page in all_pages for block in page.blocks())
    print(f"{len(all_pages)} pages, {count} blocks of commands: ok after {time.monotonic() - begun:.0f} s")


def prepare(out: Path) -> None:
    """Writes the source for mdBook: pages with facts and pictures, and the reference."""
    all_pages = pages()
    with prepared() as template:
        made = reference.reference(template)
        known = reference.facts(template)
        reference.known_measures(all_pages, known)
        check_links(all_pages, made)
        run_all(all_pages, template, out / "pictures", [])
    for page in all_pages:
        text = FACTS.sub(lambda fact: known[fact[1]], page.text)
        text = text.replace("{{reference}}", reference.contents(made))
        for file, kept in page.made.items():
            up = "../" * page.name.count("/")
            text = text.replace(f"]({file})", f"]({up}{kept.relative_to(out).as_posix()})")
        write(out / page.name, text)
    for name, text in made.items():
        write(out / name, text)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def fill(names: list[str]) -> None:
    """Puts what is printed in the place of outputs that are only `?`."""
    with prepared() as template:
        for name in names:
            page = Page.read(SOURCE / name)
            with Folder(template.work) as folder:
                said = [(block, folder.run(block.commands)) for block in page.blocks() if block.runs]
            text = page.text
            for block, (code, printed) in reversed(said):
                print(f"{name}: exit code {code}{' !' if (code != 0) != block.fails else ''}")
                if block.span is not None and (block.shown or "").strip() == "?":
                    lines = "\n".join(line.rstrip() for line in printed.splitlines())
                    text = text[: block.span[0]] + lines + "\n" + text[block.span[1] :]
                elif (code != 0) != block.fails:
                    print(block.commands, printed)
            (SOURCE / name).write_text(text)


def main(arguments: list[str]) -> int:
    match arguments:
        case ["test", *only]:
            test(only)
        case ["prepare", out]:
            prepare(Path(out))
        case ["fill", *names] if names:
            fill(names)
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Wrong as why:
        print(why, file=sys.stderr)
        sys.exit(1)
