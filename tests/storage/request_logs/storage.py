"""Object storage on loopback: a folder's files as the objects of one bucket, its calls signed."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.sources.loopback import served

BUCKET, REGION = "logs", "eu-central-1"
KEY_ID, SECRET = "AKIAPDMTESTSKEYS0001", "Nev3rShow/This+Secret0123456789abcdefABCD"
MEANT = {
    "SignatureDoesNotMatch": "The request signature we calculated does not match the signature you provided.",
    "NoSuchBucket": "The specified bucket does not exist",
    "NoSuchKey": "The specified key does not exist.",
    "PreconditionFailed": "At least one of the pre-conditions you specified did not hold",
}


@dataclass
class Storage:
    """A running bucket.

    Attributes:
        page: how many keys a page of a listing has at most.
        cut: keys whose bytes end in the middle, the connection with them.
        asked: the calls that came: `LIST`, `HEAD`, `GET`, and how many bytes were to be sent.
    """

    folder: Path
    page: int
    url: str = ""
    cut: set[str] = field(default_factory=set)
    asked: list[tuple[str, int]] = field(default_factory=list)

    def environ(self) -> dict[str, str]:
        """What a person sets to reach it."""
        return {
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
            "NO_PROXY": "127.0.0.1",
        }

    def calls(self, name: str) -> int:
        """How many calls of one kind came."""
        return sum(call == name for call, _ in self.asked)


@contextmanager
def storage(folder: Path, page: int = 2) -> Iterator[Storage]:
    """A bucket `logs` at path-style addresses over plain HTTP."""
    running = Storage(folder, page)

    class Handler(_Handler):
        bucket = running

    with served(Handler) as running.url:
        yield running


class RefusedError(Exception):
    """An answer that is an error's code."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    bucket: Storage

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        name, _, key = unquote(parts.path).lstrip("/").partition("/")
        try:
            if not signed(self.command, parts.path, parts.query, self.headers):
                raise RefusedError(403, "SignatureDoesNotMatch")
            if name != BUCKET:
                raise RefusedError(404, "NoSuchBucket")
            if key:
                self._object(key)
            else:
                self._listing(dict(parse_qsl(parts.query)))
        except RefusedError as error:
            told = f"<Code>{error.code}</Code><Message>{MEANT[error.code]}</Message><AWSAccessKeyId>{KEY_ID}"
            self._answer(error.status, f"<Error>{told}</AWSAccessKeyId></Error>".encode())
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_HEAD = do_GET  # noqa: N815

    def _listing(self, asked: Mapping[str, str]) -> None:
        files = {path.relative_to(self.bucket.folder).as_posix(): path for path in self.bucket.folder.rglob("*.*")}
        after, prefix = asked.get("continuation-token", ""), asked.get("prefix", "")
        left = sorted(
            key for key, path in files.items() if path.is_file() and key.startswith(prefix) and key > after
        )
        shown = left[: self.bucket.page]
        rows = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{files[key].stat().st_size}</Size>"
            f"<LastModified>{changed(files[key]).isoformat(timespec='milliseconds')}</LastModified></Contents>"
            for key in shown
        )
        more = (
            f"<NextContinuationToken>{escape(shown[-1])}</NextContinuationToken>" if len(left) > len(shown) else ""
        )
        page = f"<IsTruncated>{str(bool(more)).lower()}</IsTruncated>{more}{rows}"
        self.bucket.asked.append(("LIST", len(page)))
        self._answer(200, f"<ListBucketResult><Name>{BUCKET}</Name>{page}</ListBucketResult>".encode())

    def _object(self, key: str) -> None:
        path = self.bucket.folder / key
        content = path.read_bytes() if path.is_file() else None
        if content is None:
            self.bucket.asked.append((self.command, 0))
            raise RefusedError(404, "NoSuchKey")
        tag = f'"{hashlib.md5(content).hexdigest()}"'
        if self.headers.get("If-Match", tag) != tag:
            raise RefusedError(412, "PreconditionFailed")
        headers = {
            "ETag": tag,
            "Last-Modified": format_datetime(changed(path).replace(microsecond=0), usegmt=True),
        }
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        first, last = (int(asked[1]), min(len(content), int(asked[2]) + 1)) if asked else (0, len(content))
        if asked:
            headers["Content-Range"] = f"bytes {first}-{last - 1}/{len(content)}"
        self.bucket.asked.append((self.command, last - first))
        self._answer(206 if asked else 200, content[first:last], headers, cut=key in self.bucket.cut)

    def _answer(
        self, status: int, body: bytes, headers: Mapping[str, str] | None = None, cut: bool = False
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/xml", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection = self.close_connection or cut

    def log_message(self, *_: Any) -> None:
        pass


def changed(path: Path) -> datetime:
    """When a file was; a listing tells it to the millisecond, the object itself to the second."""
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def signed(method: str, path: str, query: str, headers: Mapping[str, str]) -> bool:
    """Whether a call bears the signature of our secret, as in AWS Signature Version 4."""
    found = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d+/[^/]+/s3/aws4_request), ?"
        r"SignedHeaders=([^,]+), ?Signature=(\w+)",
        headers.get("Authorization", ""),
    )
    if not found or found[1] != KEY_ID:
        return False
    _, scope, names, signature = found.groups()
    arguments = "&".join(
        f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}"
        for name, value in sorted(parse_qsl(query, keep_blank_values=True))
    )
    told = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in names.split(";"))
    call = "\n".join((method, path, arguments, told, names, headers["x-amz-content-sha256"]))
    text = "\n".join(("AWS4-HMAC-SHA256", headers["x-amz-date"], scope, hashlib.sha256(call.encode()).hexdigest()))
    key = f"AWS4{SECRET}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.compare_digest(hmac.digest(key, text.encode(), "sha256").hex(), signature)
