"""What the book takes from the program: facts of measures, options of commands, fields of reports."""

from __future__ import annotations

import json
import re
from typing import Any

from pages import Folder, Page, Wrong

UNCHANGED = {
    "isotropic-scaling": "scale (all features times one number)",
    "orthogonal": "rotations and reflections of the features",
    "linear": "any invertible linear map of the features",
    "unit-order": "the order of the units",
    "translation": "shifts (one vector added to all samples)",
    "sample-order": "the order of the samples, the same in both layers",
}

Json = dict[str, Any]


def said(folder: Folder, command: str) -> str:
    """What a command prints; it has to succeed."""
    code, text = folder.run(f"repsim {command} 2>/dev/null")
    if code != 0:
        raise Wrong(f"repsim {command} ends with {code}")
    return text


def facts(folder: Folder) -> dict[str, str]:
    """What the program knows of each measure of `compare`, as a table."""
    report = json.loads(
        said(folder, "compare seed0.pt --data images/ --limit 40 --layers 'layer?' --reduce gap --pca 4 --measures all")
    )
    return {measure["name"]: table(measure["facts"]) for measure in report["results"]["measures"]}


def table(known: Json) -> str:
    """A row a fact, and what a reader has to know as a list."""
    low, high = ("∞" if end is None else f"{end:.4g}".replace("-", "−") for end in known["range"])
    low = f"−{low}" if low == "∞" else low
    yes = {True: "yes", False: "no"}
    rows = [
        ("Range", f"{low} … {high}"),
        ("More alike", "larger" if known["larger_is_more_alike"] else "smaller"),
        ("Symmetric", yes[known["symmetric"]]),
        ("A metric", yes[known["metric"]]),
        ("Needs more samples than features", yes[known["needs_more_samples_than_features"]]),
        ("Unchanged by", "; ".join(UNCHANGED[name] for name in known["invariances"])),
    ]
    lines = ["| Fact | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows), ""]
    return "\n".join([*lines, *(f"* {plain(text)}" for text in known["caveats"])])


def commands(folder: Folder) -> dict[str, str]:
    """The name of each command with what it does."""
    listed = said(folder, "--help").partition("Commands:\n")[2].partition("\n\n")[0]
    joined = re.sub(r"\n {6,}", " ", listed)
    found = re.findall(r"^  ([a-z]+) +(.+)$", joined, re.M)
    return {name: text for name, text in found if name != "help"}


def command_page(folder: Folder, name: str) -> str:
    """The options of a command, by their sections."""
    text = said(folder, f"{name} --help").replace("repsim-now", "repsim")
    what, _, rest = text.partition("\n\nUsage: ")
    usage, _, rest = rest.partition("\n")
    lines = [f"# repsim {name}", "", plain(what) + ".", "", "```text", usage, "```", ""]
    for paragraph in re.split(r"\n(?=\S)", rest):
        lines += section(paragraph)
    return "\n".join(lines) + "\n"


def section(paragraph: str) -> list[str]:
    """A heading with its options, or a text at the end."""
    head, _, body = paragraph.strip("\n").partition("\n")
    if not head.endswith(":") or not body.strip():
        return ["", plain(" ".join(paragraph.split())), ""] if paragraph.strip() else []
    lines = ["", f"## {head.removesuffix(':')}", ""]
    for entry in re.split(r"\n(?= {2,6}[-\[<]\S*)", "\n" + body):
        if entry.strip():
            lines += option(entry.strip("\n"))
    return lines


def option(entry: str) -> list[str]:
    """An option in bold, and its text below."""
    head, _, body = entry.partition("\n")
    parts = re.split(r" {2,}", head.strip(), maxsplit=1)
    body = "\n".join([*parts[1:], body])
    lines = [f"**`{parts[0]}`**", ""]
    for text in re.split(r"\n\s*\n", body):
        items = re.split(r"\n\s+- ", "\n" + text)
        if items[0].strip():
            lines += [plain(" ".join(items[0].split())), ""]
        lines += [f"* {plain(' '.join(item.split()))}" for item in items[1:]] + [""]
    return lines


def schemas(folder: Folder) -> list[str]:
    """The names of the schemas."""
    listed = re.search(r"Which: ([^\[\n]+(?:\n {8,}[^\n\[]+)*)", said(folder, "schema --help"))
    if listed is None:
        raise Wrong("`repsim schema --help` names no schemas")
    return [name.strip() for name in " ".join(listed[1].split()).split(",")]


def schema_page(folder: Folder, name: str) -> str:
    """The fields of a report, a table for each part."""
    schema = json.loads(said(folder, f"schema {name}"))
    lines = [f"# The schema `{name}`", "", plain(schema.get("description", "")), ""]
    lines += [f"`repsim schema {name}` prints it as JSON Schema.", "", *fields(schema)]
    for part, definition in sorted(schema.get("$defs", {}).items()):
        lines += [f"## {part}", "", plain(definition.get("description", "")), "", *fields(definition)]
    return "\n".join(lines) + "\n"


def fields(schema: Json) -> list[str]:
    """A row a field."""
    if "properties" not in schema:
        return choices(schema)
    lines = ["| Field | Type | What it is |", "|---|---|---|"]
    for name, value in schema["properties"].items():
        must = name in schema.get("required", [])
        text = plain(value.get("description", "")).replace("\n", " ")
        lines.append(f"| `{name}` | {kind(value)}{'' if must else ', may be left out'} | {text} |")
    return [*lines, ""]


def choices(schema: Json) -> list[str]:
    """What a value can be, where it is one of several."""
    ways = schema.get("oneOf", schema.get("anyOf", []))
    lines = []
    for way in ways:
        what = f"`{way['const']}`" if "const" in way else kind(way)
        lines.append(f"* {what} {plain(way.get('description', '')).replace(chr(10), ' ')}".rstrip())
    return [*lines, ""] if lines else [kind(schema), ""]


def kind(value: Json) -> str:
    """The type of a field in words, with a link to the part that it is."""
    if "$ref" in value:
        part = value["$ref"].rpartition("/")[2]
        return f"[{part}](#{part.lower()})"
    if "anyOf" in value or "oneOf" in value:
        return " or ".join(dict.fromkeys(kind(way) for way in value.get("anyOf", value.get("oneOf"))))
    if "enum" in value:
        return ", ".join(f"`{one}`" for one in value["enum"])
    if "const" in value:
        return f"`{value['const']}`"
    of = value.get("type", "any value")
    if isinstance(of, list):
        return " or ".join(kind({**value, "type": one}) for one in of)
    if of == "array" and isinstance(value.get("items"), dict):
        return f"list of {kind(value['items'])}"
    if of == "array" and "prefixItems" in value:
        return "list: " + ", ".join(kind(one) for one in value["prefixItems"])
    return str(of)


def plain(text: str) -> str:
    """Text in which nothing is markup but code in backquotes."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([*_<>|\[\]])", r"\\\1", part) for part in parts)


def reference(folder: Folder) -> dict[str, str]:
    """The pages that the program gives, by their paths, with the line of the contents of each."""
    made = {}
    whats = commands(folder)
    lines = ["# Commands", ""]
    for name, what in whats.items():
        made[f"reference/command-{name}.md"] = command_page(folder, name)
        lines.append(f"* [`repsim {name}`](command-{name}.md): {plain(what)}")
    made["reference/commands.md"] = "\n".join(lines) + "\n"
    names = schemas(folder)
    for name in names:
        made[f"reference/schema-{name}.md"] = schema_page(folder, name)
    lines = ["# Schemas of reports", "", "One JSON document a run; these are its fields.", ""]
    made["reference/schemas.md"] = "\n".join([*lines, *(f"* [{name}](schema-{name}.md)" for name in names)]) + "\n"
    return made


def contents(made: dict[str, str]) -> str:
    """The lines of SUMMARY.md for these pages."""
    lines = []
    for group, title in (("commands", "Commands"), ("schemas", "Schemas of reports")):
        lines.append(f"- [{title}](reference/{group}.md)")
        own = [path for path in made if path.startswith(f"reference/{group.removesuffix('s')}-")]
        lines += [f"  - [{path.partition('-')[2].removesuffix('.md')}]({path})" for path in own]
    return "\n".join(lines)


def known_measures(all_pages: list[Page], known: dict[str, str]) -> None:
    """Every measure of `compare` has a page with its facts, and no page has facts of another."""
    from pages import FACTS

    named = {name for page in all_pages for name in FACTS.findall(page.text)}
    if named != set(known):
        raise Wrong(f"measures without a page: {sorted(set(known) - named)}; pages without a measure: {sorted(named - set(known))}")
