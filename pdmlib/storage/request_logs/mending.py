"""Files that the engine does not read as they are, laid out line by line so that it does.

Several arrays of JSON in one file, an array that was cut or has a hole, one object too large for the engine's
memory: what is whole in them is kept, what is not becomes a line that is rejected. A text with a carriage return
that ends no line. Traces as protobuf, one message or many, packed or not.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

if TYPE_CHECKING:  # loaded where traces are written in it: a report does without
    from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

LARGEST_BYTES = 1 << 30
GZIP = b"\x1f\x8b"
_BETWEEN = re.compile(r"[\s,\[\]]*")
_NEXT = re.compile(r"[,\n\[]\s*(?=\{)")


def mended(path: Path, target: Path) -> bool:
    """Writes the objects of a file into `target`, one a line; False when the file cannot be taken whole."""
    content = _content(path)
    if content is None:
        return False
    with target.open("w", encoding="utf-8") as lines:
        lines.writelines(line + "\n" for line in _objects(content.decode("utf-8-sig", "replace")))
    return True


def unreturned(path: Path, target: Path) -> bool:
    """Writes the lines of a file into `target`, carriage returns inside them as spaces; False when it has none."""
    if path.suffix == ".zst":
        return False
    seen = False
    try:
        with _opened(path) as file, target.open("wb") as lines:
            for line in file:
                text = line.rstrip(b"\r\n")
                seen = seen or b"\r" in line
                lines.write(text.replace(b"\r", b" ") + b"\n")
    except (OSError, EOFError, zlib.error):
        return False
    return seen


def spans(path: Path, target: Path) -> bool:
    """Writes the resources of traces in protobuf into `target`, one a line, as OTLP/JSON has them.

    A file holds one message, as the body of an OTLP/HTTP request does, or many, each after its length in four
    bytes, as the file exporter of the OpenTelemetry Collector writes them; packed whatever it is called. False
    when it is neither.
    """
    content = _content(path)
    messages = None if content is None else _messages(content)
    if messages is None:
        return False
    with target.open("w", encoding="utf-8") as lines:
        for message in messages:
            for one in message.resource_spans:
                lines.write(json.dumps({"resourceSpans": [_with_hex(one)]}) + "\n")
    return True


def _messages(content: bytes) -> list[TracesData] | None:
    whole = _message(content)
    if whole is not None:
        return [whole]
    found, at = [], 0
    while at < len(content):
        end = at + 4 + int.from_bytes(content[at : at + 4], "big")
        message = _message(content[at + 4 : end]) if end <= len(content) else None
        if message is None:
            return None
        found.append(message)
        at = end
    return found


def _message(content: bytes) -> TracesData | None:
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

    try:
        message = TracesData.FromString(content)
    except DecodeError:
        return None
    return message if len(message.resource_spans) else None


def _with_hex(resource: Any) -> dict[str, Any]:
    """A resource and its spans as OTLP/JSON has them: ids as hexadecimal digits."""
    from google.protobuf.json_format import MessageToDict

    tree: dict[str, Any] = MessageToDict(resource)
    spans = (span for scope in resource.scope_spans for span in scope.spans)
    written = (span for scope in tree.get("scopeSpans", ()) for span in scope.get("spans", ()))
    for span, row in zip(spans, written, strict=True):
        ids = {"traceId": span.trace_id, "spanId": span.span_id, "parentSpanId": span.parent_span_id}
        row.update({name: value.hex() for name, value in ids.items() if value})
    return tree


def packed(path: Path) -> bool:
    """Whether a file is gzip, whatever it is called."""
    with path.open("rb") as file:
        return file.read(2) == GZIP


def _opened(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if packed(path) else path.open("rb")


def _content(path: Path) -> bytes | None:
    """All of a file, unpacked; None where it cannot be unpacked or is too large."""
    if path.suffix == ".zst":
        return None
    try:
        with _opened(path) as file:
            content = file.read(LARGEST_BYTES + 1)
    except (OSError, EOFError, zlib.error):
        return None
    return None if len(content) > LARGEST_BYTES else content


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
