"""Reads YAML as a tree whose every value knows its line; bounded, so that no file takes long or much.

Read as YAML 1.2 has it, less what a site file never needs: `on`, `no` and dates are text, and tags of
one's own are refused.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from pdmlib.errors import SiteError, near, shown

# A large site file has 20 kB, 2,000 values and five levels; these leave room and still take well under a second.
MOST_BYTES = 500_000
MOST_VALUES = 20_000
DEEPEST = 40
# Digits of a number: those that a float of 64 bits keeps, and more than any setting needs.
MOST_DIGITS = 18

# A value that begins with a sign which YAML keeps for itself, as cron schedules such as `*/5 * * * *` do.
_UNQUOTED = re.compile(rb"[:-]\s+[*&%@`!|>]")
_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}
_STRING = "tag:yaml.org,2002:str"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Scalar = str | int | float | bool | None
Step = str | int


@dataclass
class Node:
    """A value of a YAML file.

    Attributes:
        value: a scalar, a list of nodes, or nodes by key.
        line: where it begins, counted from 1; where it is the value of a key, the key's line.
        size: how many values it holds, itself among them, each alias counted as what it stands for.
    """

    value: Scalar | list[Node] | dict[str, Node]
    line: int
    size: int = 1

    def plain(self) -> Any:
        """The value without its lines."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def child(self, step: Step) -> Node | None:
        """The value under a key or at a position; None where there is none."""
        if isinstance(self.value, dict) and isinstance(step, str):
            return self.value.get(step)
        if isinstance(self.value, list) and isinstance(step, int):
            return self.value[step] if step < len(self.value) else None
        return None


def read_tree(file: str, empty: bool = False) -> Node:
    """The mapping that a YAML file holds.

    Args:
        empty: the file may hold nothing.

    Raises:
        SiteError: no regular file, not YAML, a key that is there twice, or more than a site file may hold.
    """
    root = _Reader(file).read(_content(file))
    if root is None and empty:
        return Node({}, 1)
    if root is None or not isinstance(root.value, dict):
        raise SiteError(file, "file", "must be a mapping of keys such as site, title, time_zone, sources")
    return root


def _beside(file: str) -> str:
    """The YAML file in the same folder whose name is nearest to that of one that is not there."""
    path = Path(file)
    try:
        there = [one.name for one in path.parent.iterdir() if one.suffix in (".yaml", ".yml")] if file else []
    except OSError:
        return ""
    return next((str(path.with_name(name)) for name in near(path.name, there) if name != path.name), "")


def _content(file: str) -> bytes:
    try:
        # Not blocking: a pipe without a writer would be waited for.
        handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        told = f"; did you mean {meant}?" if (meant := _beside(file)) else ""
        raise SiteError(file or "''", "file", f"{error.strerror or 'cannot be read'}{told}") from None
    except ValueError:
        raise SiteError(file, "file", "not the name of a file") from None
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise SiteError(file, "file", "not a regular file")
        with os.fdopen(handle, "rb", closefd=False) as stream:
            content = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise SiteError(file, "file", error.strerror or "cannot be read") from None
    finally:
        os.close(handle)
    if len(content) > MOST_BYTES:
        raise SiteError(file, "file", f"has more than {MOST_BYTES:,} bytes")
    return content


@dataclass
class _Open:
    """A list or mapping that is being read."""

    node: Node
    anchor: str | None
    key: str | None = None
    key_line: int = 0
    merged: list[Node] = field(default_factory=list)


class _Reader:
    """Builds the tree from the parser's events: no recursion, so that depth is a number and not a crash."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._open: list[_Open] = []
        self._anchors: dict[str, Node | None] = {}
        self._root: Node | None = None

    def read(self, content: bytes) -> Node | None:
        try:
            for event in yaml.parse(content, Loader=_LOADER):
                self._take(event)
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            mark = getattr(error, "problem_mark", None)
            problem = getattr(error, "problem", None) or "not text in UTF-8"
            line = content.splitlines()[mark.line : mark.line + 1] if mark else []
            hint = "; put the value in quotes" if any(_UNQUOTED.search(text) for text in line) else ""
            raise SiteError(
                self._file, "file", f"not YAML: {problem}{hint}", mark.line + 1 if mark else None
            ) from None
        return self._root

    def _take(self, event: Any) -> None:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event, line)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event.anchor, line)
        elif isinstance(event, yaml.SequenceStartEvent | yaml.MappingStartEvent):
            self._begin(event, line)
        elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
            self._end()
        elif isinstance(event, yaml.DocumentStartEvent) and self._root is not None:
            raise self._wrong("file", "holds more than one document", line)

    def _wrong(self, key: str, text: str, line: int) -> SiteError:
        return SiteError(self._file, key, text, line)

    def _where(self) -> str:
        """The keys that lead to what is being read."""
        steps = (
            str(len(part.node.value)) if isinstance(part.node.value, list) else part.key for part in self._open
        )
        return ".".join(step for step in steps if step is not None) or "file"

    def _scalar(self, event: Any, line: int) -> None:
        if event.tag not in (None, "!", _STRING):
            raise self._wrong(self._where(), f"the tag {shown(event.tag)} is not known here", line)
        if self._awaits_key():
            self._key(event.value, line)
            return
        plain = event.implicit[0]
        node = Node(self._resolved(event.value, line) if plain else event.value, line)
        self._remember(event.anchor, node)
        self._add(node)

    def _resolved(self, text: str, line: int) -> Scalar:
        if text.lower() in _WORDS:
            return _WORDS[text.lower()]
        if not text[:1].isdecimal() and text[:1] not in "+-.":
            return text
        if len(text) > MOST_DIGITS and (_INT.fullmatch(text) or _FLOAT.fullmatch(text)):
            raise self._wrong(self._where(), f"a number of {len(text):,} digits; at most {MOST_DIGITS}", line)
        if _INT.fullmatch(text):
            return int(text)
        return float(text) if _FLOAT.fullmatch(text) else text

    def _awaits_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1].node.value, dict) and self._open[-1].key is None

    def _key(self, text: str, line: int) -> None:
        part = self._open[-1]
        assert isinstance(part.node.value, dict)
        part.key, part.key_line = text, line
        if (before := part.node.value.get(text)) is not None:
            raise self._wrong(self._where(), f"is there twice, also on line {before.line}", line)

    def _alias(self, anchor: str | None, line: int) -> None:
        if self._awaits_key():
            raise self._wrong(self._where(), "an alias cannot be a key", line)
        if anchor is None or anchor not in self._anchors:
            raise self._wrong(self._where(), f"no anchor is called {shown(anchor)}", line)
        node = self._anchors[anchor]
        if node is None:
            raise self._wrong(self._where(), f"the alias {shown(anchor)} lies inside itself", line)
        self._add(node)

    def _begin(self, event: Any, line: int) -> None:
        if event.tag not in (None, "!"):
            raise self._wrong(self._where(), f"the tag {shown(event.tag)} is not known here", line)
        if self._awaits_key():
            raise self._wrong(self._where(), "a list or mapping cannot be a key", line)
        if len(self._open) >= DEEPEST:
            raise self._wrong("file", f"has more than {DEEPEST} levels", line)
        if event.anchor:
            self._anchors[event.anchor] = None
        value: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._open.append(_Open(Node(value, line), event.anchor))

    def _end(self) -> None:
        part = self._open.pop()
        for other in part.merged:
            for key, node in other.value.items():  # type: ignore[union-attr]
                part.node.value.setdefault(key, node)  # type: ignore[union-attr]
        self._remember(part.anchor, part.node)
        self._add(part.node)

    def _remember(self, anchor: str | None, node: Node) -> None:
        if anchor:
            self._anchors[anchor] = node

    def _add(self, node: Node) -> None:
        if not self._open:
            self._root = node
            return
        part = self._open[-1]
        part.node.size += node.size
        if part.node.size > MOST_VALUES:
            raise self._wrong(
                self._where(), f"aliases and lists grow to more than {MOST_VALUES:,} values", node.line
            )
        if isinstance(part.node.value, list):
            part.node.value.append(node)
        elif part.key == "<<":
            self._merge(part, node)
        elif isinstance(part.node.value, dict) and part.key is not None:
            part.node.value[part.key] = Node(node.value, part.key_line, node.size)
            part.key = None

    def _merge(self, part: _Open, node: Node) -> None:
        """What `<<` names fills keys that the mapping itself does not have, the first named first."""
        others = node.value if isinstance(node.value, list) else [node]
        if not all(isinstance(other.value, dict) for other in others):
            raise self._wrong(self._where(), "must name a mapping, or a list of mappings", node.line)
        part.merged += others
        part.key = None
