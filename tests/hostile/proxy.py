"""A proxy between the workbook and a vendor that answers as a fault says: real sockets, real bytes."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import socket
import ssl
import struct
import subprocess
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ENDLESS_S = 60.0  # after so long even an endless answer ends, so that no thread of the proxy outlives a run


@dataclass(frozen=True)
class Fault:
    """One way in which a vendor may answer.

    Attributes:
        blind: nothing can be read of such an answer, so that a source that calls itself read has lied.
    """

    name: str
    answer: Callable[[Handler], None]
    blind: bool = False


class Handler(BaseHTTPRequestHandler):
    """One call: what the vendor would have answered, and the means to answer otherwise."""

    protocol_version = "HTTP/1.1"
    upstream = ""
    fault: Fault

    def reply(self) -> None:
        self.asked = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with suppress(OSError, ssl.SSLError):
            self.fault.answer(self)
        self.close_connection = True

    do_GET = do_POST = reply  # noqa: N815

    def log_message(self, *_: Any) -> None:
        pass

    def fetched(self) -> tuple[int, Mapping[str, str], bytes]:
        """What the vendor answers."""
        parts = urlsplit(self.upstream)
        upstream = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "accept-encoding")}
        try:
            upstream.request(self.command, self.path, self.asked or None, headers)
            found = upstream.getresponse()
            return found.status, dict(found.getheaders()), found.read()
        finally:
            upstream.close()

    def send(self, body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """An answer with a length."""
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def reset(self) -> None:
        """Cuts the connection as a crash does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


def changed(change: Callable[[Any], Any]) -> Callable[[Handler], None]:
    """The vendor's JSON, changed."""

    def answer(call: Handler) -> None:
        status, headers, body = call.fetched()
        with suppress(ValueError):
            body = json.dumps(change(json.loads(body))).encode()
        call.send(body, status, headers)

    return answer


def each(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Changes every value inside a document that is neither an object nor a list."""

    def inside(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: inside(part) for key, part in value.items()}
        if isinstance(value, list):
            return [inside(part) for part in value]
        return change(value)

    return inside


def deeper(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Changes every object and list inside a document, the document itself left as it is."""

    def inside(value: Any, top: bool = False) -> Any:
        if isinstance(value, dict):
            value = {key: inside(part) for key, part in value.items()}
        elif isinstance(value, list):
            value = [inside(part) for part in value]
        else:
            return value
        return value if top else change(value)

    return lambda value: inside(value, True)


def said(body: bytes, status: int = 200, **headers: str) -> Callable[[Handler], None]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda call: call.send(body, status, named)


def dripping(head: bytes, rest: bytes, pause_s: float) -> Callable[[Handler], None]:
    def answer(call: Handler) -> None:
        call.wfile.write(head)
        end = time.monotonic() + ENDLESS_S
        while time.monotonic() < end:
            for byte in rest:
                call.wfile.write(bytes([byte]))
                time.sleep(pause_s)

    return answer


def endless(call: Handler) -> None:
    call.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[")
    end = time.monotonic() + ENDLESS_S
    while time.monotonic() < end:
        call.wfile.write(b"1," * 32_768)


def bomb(times: int) -> Callable[[Handler], None]:
    def answer(call: Handler) -> None:
        said(_packed(times), Content_Encoding=", ".join(["gzip"] * times))(call)

    return answer


@cache
def _packed(times: int, megabytes: int = 400) -> bytes:
    """That many megabytes of nothing, packed so often; made when it is asked for, as it takes a second."""
    if times > 1:
        return gzip.compress(_packed(times - 1), 9)
    packer = zlib.compressobj(9, wbits=31)
    return b"".join([*(packer.compress(bytes(2**20)) for _ in range(megabytes)), packer.flush()])


def cut(share: float) -> Callable[[Handler], None]:
    def answer(call: Handler) -> None:
        status, headers, body = call.fetched()
        call.send_response(status)
        call.send_header("Content-Type", headers.get("Content-Type", "application/json"))
        call.send_header("Content-Length", str(max(len(body), 2)))
        call.end_headers()
        call.wfile.write(body[: int(len(body) * share)])
        call.wfile.flush()
        call.reset()

    return answer


def written(raw: bytes) -> Callable[[Handler], None]:
    """Bytes as they are."""

    def answer(call: Handler) -> None:
        call.wfile.write(raw)

    return answer


def broken_off(call: Handler) -> None:
    call.wfile.write(b"HTTP/1.1 200 O")
    call.wfile.flush()
    call.reset()


def shortened(call: Handler) -> None:
    status, headers, body = call.fetched()
    call.send(body[: max(1, len(body) * 2 // 3)], status, headers)


def doubled(call: Handler) -> None:
    """Every key of an object twice, the second time null."""
    status, headers, body = call.fetched()
    if body.startswith(b"{"):
        nulls = ",".join(f"{json.dumps(key)}:null" for key in json.loads(body))
        body = body.rstrip().removesuffix(b"}") + (f",{nulls}}}" if nulls else "}").encode()
    call.send(body, status, headers)


def linked(target: Callable[[Handler], str]) -> Callable[[Handler], None]:
    """Every page has a next one, by each way in which vendors say so."""

    def answer(call: Handler) -> None:
        status, headers, body = call.fetched()
        following = target(call)
        with suppress(ValueError):
            found = json.loads(body)
            if isinstance(found, dict):
                more = {"has_more": True, "next_page_uri": following, "pagination": {"next": 1, "count": 1}}
                body = json.dumps({**found, **more, "meta": {"next_page_url": following}}).encode()
        link = f'<{following}>; rel="next"; results="true"; cursor="0:100:0"'
        call.send(body, status, {**headers, "Link": link})

    return answer


def shifted(days: int) -> Callable[[Any], Any]:
    def moved(value: Any) -> Any:
        if isinstance(value, int | float) and not isinstance(value, bool):
            seconds = days * 86_400
            return (
                value + seconds if 1e9 < value < 1e10 else value + 1000 * seconds if 1e12 < value < 1e13 else value
            )
        with suppress(ValueError, TypeError, OverflowError):
            return (datetime.fromisoformat(value) + timedelta(days=days)).isoformat()
        return value

    return each(moved)


def echoing(call: Handler) -> None:
    """A refusal that repeats all that it was sent, as it was and in other forms."""
    sent = " ".join(f"{name}: {value}" for name, value in call.headers.items())
    call.send(json.dumps({"error": {"message": sent}, "detail": sent, "message": sent}).encode(), 400)


def echoing_well(call: Handler) -> None:
    """A good answer every text of which repeats the credential that it was asked with."""
    key = call.headers.get("Authorization", "none").split()[-1]
    status, headers, body = call.fetched()
    with suppress(ValueError):
        change = each(lambda v: f"{v} {key}" if isinstance(v, str) and " " in v else v)
        body = json.dumps(change(json.loads(body))).encode()
    call.send(body, status, headers)


STATUSES = (400, 401, 402, 403, 404, 405, 408, 409, 410, 413, 418, 422, 425, 429, 451)
STATUSES += (500, 501, 502, 503, 504, 520, 522, 529)
WAITS = {
    "none": None,
    "0": "0",
    "1": "1",
    "huge": "86400",
    "negative": "-5",
    "a word": "soon",
    "past": "Wed, 21 Oct 2015 07:28:00 GMT",
    "future": "Wed, 21 Oct 2099 07:28:00 GMT",
    "broken": "9" * 400,
}
JSON_DEEP = b"[" * 5000 + b"]" * 5000
REFUSED = tuple(
    Fault(
        f"{status}, Retry-After {name}",
        said(b'{"message": "no"}', status, **({"Retry_After": wait} if wait else {})),
        True,
    )
    for status in STATUSES
    for name, wait in WAITS.items()
    if name == "none" or status in (429, 503)
)
FAULTS: tuple[Fault, ...] = (
    Fault("reset at once", lambda call: call.reset(), True),
    Fault("closed without an answer", lambda call: None, True),
    Fault("reset amid the headers", broken_off, True),
    Fault("reset amid the body", cut(0.5), True),
    Fault("reset before the body", cut(0), True),
    Fault("no HTTP", written(b"SSH-2.0-OpenSSH_9.6\r\n"), True),
    Fault("HTML", said(b"<html><h1>Maintenance</h1></html>", Content_Type="text/html"), True),
    Fault("nothing", said(b""), True),
    Fault("nothing, 204", lambda call: call.send(b"", 204), True),
    Fault("truncated", shortened, True),
    Fault("null", said(b"null"), True),
    Fault("a number", said(b"42"), True),
    Fault("a text", said(b'"ok"'), True),
    Fault("an empty list", said(b"[]")),
    Fault("an empty object", said(b"{}")),
    Fault("NaN", said(b"NaN"), True),
    Fault("5,000 levels", said(JSON_DEEP), True),
    Fault("no UTF-8", said(b"\xff\xfe{\x00}"), True),
    Fault("a byte order mark", lambda call: call.send(b"\xef\xbb\xbf" + call.fetched()[2])),
    Fault("a list in an object", changed(lambda body: {"data": body})),
    Fault("an object in a list", changed(lambda body: [body])),
    Fault("all null", changed(each(lambda _: None))),
    Fault("all NaN", changed(each(lambda _: float("nan")))),
    Fault("all infinite", changed(each(lambda _: float("inf")))),
    Fault("all huge", changed(each(lambda _: 10**400))),
    Fault("all negative", changed(each(lambda v: -v if isinstance(v, int | float) else v))),
    Fault("all texts", changed(each(str))),
    Fault("all long texts", changed(each(lambda _: "x" * 20_000))),
    Fault("all unknown words", changed(each(lambda v: "a_word_of_the_next_version" if isinstance(v, str) else v))),
    Fault("all true", changed(each(lambda _: True))),
    Fault("all lists", changed(each(lambda v: [v]))),
    Fault("all objects", changed(each(lambda v: {"value": v}))),
    Fault("all upper case", changed(each(lambda v: v.upper() if isinstance(v, str) else v))),
    Fault("objects as lists", changed(deeper(lambda v: list(v.items()) if isinstance(v, dict) else v))),
    Fault("lists as objects", changed(deeper(lambda v: dict(enumerate(v)) if isinstance(v, list) else v))),
    Fault("nothing in it", changed(deeper(lambda v: type(v)()))),
    Fault("keys twice", doubled),
    Fault(
        "fields of the next version",
        changed(deeper(lambda v: {**v, "next": {"a": [1]}} if isinstance(v, dict) else v)),
    ),
    Fault("each entry twice", changed(deeper(lambda v: v + v if isinstance(v, list) else v))),
    Fault("a day ahead", changed(shifted(1))),
    Fault("a day behind", changed(shifted(-1))),
    Fault("a century ahead", changed(shifted(36_525))),
    Fault(
        "hostile texts",
        changed(each(lambda v: f"<script>window.HACKED=1</script>{v}\x1b[2J" if isinstance(v, str) else v)),
    ),
    Fault("next page is this page", linked(lambda call: call.path)),
    Fault("next page elsewhere", linked(lambda call: "https://evil.example" + call.path)),
    Fault("next page of a file", linked(lambda call: "file:///etc/passwd")),
    Fault("redirect elsewhere", said(b"", 302, Location="https://evil.example/take"), True),
    Fault("redirect to itself", lambda call: call.send(b"", 307, {"Location": call.path}), True),
    Fault("redirect for ever", said(b"", 308, Location="/"), True),
    Fault("redirect nowhere", said(b"", 301), True),
    Fault("endless", endless, True),
    Fault("slow headers", dripping(b"HTTP/1.1 200 OK\r\n", b"X-Filling: of a slow server\r\n", 0.2), True),
    Fault("slow body", dripping(b"HTTP/1.1 200 OK\r\n\r\n[", b"1, ", 0.2), True),
    Fault("huge header", said(b"{}", X_Filling="x" * 200_000), True),
    Fault("two lengths", written(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 9\r\n\r\n{}"), True),
    Fault("a wrong length", written(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{}"), True),
    Fault("broken chunks", written(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}"), True),
    Fault("bomb", bomb(1), True),
    Fault("bomb in a bomb", bomb(2), True),
    Fault("three bombs", bomb(3), True),
    Fault("packed as brotli", lambda call: call.send(call.fetched()[2], 200, {"Content-Encoding": "br"}), True),
    Fault("said to be packed", lambda call: call.send(call.fetched()[2], 200, {"Content-Encoding": "gzip"}), True),
    Fault("33 MB", lambda call: call.send(b"[" + b"1," * (17 * 2**20) + b"1]"), True),
    Fault("echoes its credential in a refusal", echoing, True),
    Fault("echoes its credential in its texts", echoing_well),
    *REFUSED,
)


@contextmanager
def faulty(fault: Fault, upstream: str, tls: Path | None = None) -> Iterator[str]:
    """The address of a proxy with one fault.

    Args:
        tls: folder of `cert.pem` and `key.pem`; None: plain HTTP.
    """
    handler = type("_Handler", (Handler,), {"upstream": upstream, "fault": fault})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls / "cert.pem", tls / "key.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def certificate(folder: Path, name: str, days: int) -> Path:
    """A certificate for a name, over already where `days` is negative; nobody has signed it."""
    folder.mkdir(parents=True, exist_ok=True)
    start = datetime.now(UTC) - timedelta(days=30)
    ends = datetime.now(UTC) + timedelta(days=days)
    key = ["-newkey", "rsa:2048", "-nodes", "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    span = ["-not_before", f"{start:%Y%m%d%H%M%SZ}", "-not_after", f"{ends:%Y%m%d%H%M%SZ}"]
    base = ["openssl", "req", "-x509", *key, "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    if subprocess.run([*base, *span], capture_output=True, check=False).returncode:
        subprocess.run(base, capture_output=True, check=True, env={**os.environ})
    return folder
