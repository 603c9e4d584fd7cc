"""The reference of the site file, made from its models: a page for people and a JSON Schema for editors.

`make reference` writes both anew: docs/site-file.md and schema.json beside this module.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pdmlib.site.site import Site
from pdmlib.site.tables import TableBlock
from pdmlib.site.terms import CRON_SETTINGS, Column, Terms
from pdmlib.site.types import LOG_FIELDS

SCHEMA = Path(__file__).with_name("schema.json")
PAGE = Path(__file__).parents[2] / "docs" / "site-file.md"

Schema = dict[str, Any]

_INTRO = """\
# The site file, key by key

Made from the code by `make reference`; a test holds the two together. How to begin: `pdm init`, or copy
`params/example.yaml`. What was understood of it: `pdm doctor --explain`.

- `${NAME}` in a value is replaced by the environment variable NAME. Keys that end in `_env` name the variable that
  holds a secret; no secret stands in the file.
- Times carry their zone (`2025-03-10T15:00:00Z`), days are written `2025-03-10`.
- Words of a table are compared without case and surrounding space; numbers, `true` and `false` are words too.
- An unknown key, phase, reading, area, column or word is an error that names the line, what is allowed and the
  nearest name.
- Editors complete and check the file by its JSON Schema: `# yaml-language-server: $schema=..` in its first line,
  as in `params/`; `pdm schema > site.schema.json` writes the schema for files that lie elsewhere.
"""


def schema() -> Schema:
    """The JSON Schema of a site file."""
    found = _plain(Site.model_json_schema(by_alias=True))
    for name, field in Site.model_fields.items():
        if field.exclude:
            del found["properties"][name]
    blocks = found["$defs"]
    for block in TableBlock.__subclasses__():
        properties = blocks[block.__name__]["properties"]
        properties["columns"] |= _columns(block.terms)
        properties["words"] |= _words(block.terms, properties["words"]["additionalProperties"])
    blocks["Cron"]["properties"]["settings_columns"] |= _columns(CRON_SETTINGS)
    blocks["Requests"]["properties"]["columns"] |= _closed({name: {"type": "string"} for name in _log_names()})
    _also(found["properties"]["holidays"], {"type": "array", "items": {"type": "string", "format": "date"}})
    for value in blocks["Tables"]["properties"].values():
        _also(value, {"type": "string"})
    title = "A site of the post-deployment workbook"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found, "title": title}


def _also(value: Schema, other: Schema) -> None:
    """Lets a short form stand in place of a block."""
    known = value.pop("anyOf", None) or [{"$ref": value.pop("$ref")}]
    value["anyOf"] = [other, *known]


def _plain(found: Schema) -> Schema:
    """The schema with what is no block written where it is used, without pydantic's titles."""
    kinds = {f"#/$defs/{name}": kind for name, kind in found["$defs"].items() if "properties" not in kind}

    def cleaned(value: Any) -> Any:
        if isinstance(value, list):
            return [cleaned(part) for part in value]
        if not isinstance(value, dict):
            return value
        known = {**kinds.get(value.get("$ref", ""), value)}
        if "$ref" in value and "$ref" not in known:
            known = {**known, **{key: part for key, part in value.items() if key != "$ref"}}
        return {key: cleaned(part) for key, part in known.items() if key != "title" or isinstance(part, dict)}

    blocks = {name: block for name, block in found["$defs"].items() if "properties" in block}
    plain: Schema = cleaned({**found, "$defs": blocks})
    return plain


def _log_names() -> list[str]:
    return [*LOG_FIELDS, *(other for other in LOG_FIELDS.values() if other)]


def _closed(properties: Mapping[str, Schema]) -> Schema:
    return {"type": "object", "properties": dict(properties), "additionalProperties": False}


def _columns(terms: Terms) -> Schema:
    def kind(column: Column) -> Schema:
        return {
            "type": "string" if column.required and not column.instead else ["string", "null"],
            "description": column.means,
        }

    return _closed({column.name: kind(column) for column in terms.columns})


def _words(terms: Terms, kind: Schema) -> Schema:
    return _closed({word.name: {**kind, "description": word.means} for word in terms.every_word()})


def page() -> str:
    """The reference page, in Markdown."""
    found = schema()
    parts = [_INTRO, "## Top level\n", _table(found)]
    for path, name, many in _blocks(found, found, ()):
        block = found["$defs"][name]
        parts.append(f"## {'Each entry of ' if many else ''}`{'.'.join(path)}`\n\n{block['description']}\n")
        parts.append(_table(block))
        parts += [_names(b.terms) for b in TableBlock.__subclasses__() if b.__name__ == name]
    return "\n".join(parts)


def _blocks(found: Schema, inside: Schema, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str, bool]]:
    """The blocks inside a block, each once: its keys, its name among the definitions, whether it is listed."""
    for key, value in inside["properties"].items():
        if key == "tables":
            continue
        for name, many in _named(value):
            yield (*path, key), name, many
            yield from _blocks(found, found["$defs"][name], (*path, key))


def _named(value: Any, many: bool = False) -> Iterator[tuple[str, bool]]:
    """The definitions that a value refers to."""
    if "$ref" in value:
        yield value["$ref"].rsplit("/", 1)[-1], many
    for part in value.get("anyOf", ()):
        yield from _named(part, many)
    for inner in ("items", "additionalProperties"):
        if isinstance(value.get(inner), dict):
            yield from _named(value[inner], True)


def _table(block: Schema) -> str:
    required = block.get("required", ())
    rows = [
        f"| `{key}` | {_kind(value)} | {'required' if key in required else _default(value)} | {_text(value)} |"
        for key, value in block["properties"].items()
    ]
    return "\n".join(["| key | value | default | means |", "| --- | --- | --- | --- |", *rows, ""])


def _text(value: Schema) -> str:
    return str(value["description"]).replace("|", "\\|").replace("<", "&lt;")


def _kind(value: Schema) -> str:
    """The kind of a value in words."""
    if "enum" in value:
        return ", ".join(f"`{one}`" for one in value["enum"])
    if "$ref" in value:
        return "block"
    if "anyOf" in value:
        return " or ".join(dict.fromkeys(_kind(part) for part in value["anyOf"] if part.get("type") != "null"))
    kind = value.get("type", "any")
    if isinstance(kind, list):
        return " or ".join("list" if one == "array" else "block" if one == "object" else one for one in kind)
    if kind == "array":
        inner = _kind(value.get("items", {}))
        return "list of blocks" if inner == "block" else f"list of {inner}"
    if kind == "object":
        return "mapping"
    return {"date-time": "time with zone", "date": "day"}.get(str(value.get("format")), str(kind))


def _default(value: Schema) -> str:
    default = value.get("default")
    if default in (None, [], {}, "") or isinstance(default, dict | list):
        return "" if not isinstance(default, list) or not default else f"`{json.dumps(default)}`"
    return f"`{json.dumps(default)}`" if not isinstance(default, str) else f"`{default}`"


def _names(terms: Terms) -> str:
    """The columns and words of a table block."""
    rows = ["| column | | looked for, where not declared | means |", "| --- | --- | --- | --- |"]
    for column in terms.columns:
        looked = ", ".join(f"`{name}`" for name in column.candidates)
        rows.append(f"| `{column.name}` | {'required' if column.required else ''} | {looked} | {column.means} |")
    for name, words in terms.words.items():
        rows += ["", f"| word of `{name}` | also understood | means |", "| --- | --- | --- |"]
        rows += [f"| `{w.name}` | {', '.join(f'`{one}`' for one in w.usual)} | {w.means} |" for w in words]
    return "\n".join([*rows, ""])


def schema_text() -> str:
    """The JSON Schema as it is written to a file."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(schema_text(), encoding="utf-8")
    PAGE.write_text(page(), encoding="utf-8")
