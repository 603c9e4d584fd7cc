"""JSON that the engine does not read in one go, laid out one object a line.

Several arrays in one file, an array that was cut or has a hole, one object too large for the
engine's memory: what is whole in them is kept, what is not becomes a line that is rejected.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path

LARGEST_BYTES = 1 << 30
_BETWEEN = re.compile(r"[\s,\[\]]*")
_NEXT = re.compile(r"[,\n\[]\s*(?=\{)")


def mended(path: Path, target: Path) -> bool:
    """Writes the objects of a file into `target`, one a line; False when the file cannot be taken whole."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except (OSError, EOFError):
        return False
    if path.suffix == ".zst" or len(content) > LARGEST_BYTES:
        return False
    with target.open("w", encoding="utf-8") as lines:
        lines.writelines(line + "\n" for line in _objects(content.decode("utf-8-sig", "replace")))
    return True


def _objects(text: str) -> Iterator[str]:
    decoder, at = json.JSONDecoder(), 0
    while (at := _end(_BETWEEN.match(text, at))) < len(text):
        try:
            found, end = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            following = _NEXT.search(text, max(error.pos, at + 1))
            end = following.end() if following else len(text)
            yield " ".join(text[at:end].split())
        else:
            yield from _split(found)
        at = end


def _split(found: object) -> Iterator[str]:
    """An object as a line; a trace payload as one line for each of its resources."""
    spans = found.get("resourceSpans") if isinstance(found, dict) else None
    if isinstance(spans, list):
        yield from (json.dumps({"resourceSpans": [one]}) for one in spans)
    else:
        yield json.dumps(found)


def _end(found: re.Match[str] | None) -> int:
    return found.end() if found else 0
