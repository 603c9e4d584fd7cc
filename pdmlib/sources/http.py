"""One vendor's HTTP API: its address, its credentials, and the limits that keep both sides safe.

Every answer is bounded in size and in time, retried only where the vendor asks for it or the
network failed, and read from the configured address alone. Secrets never reach an error's text.
"""

from __future__ import annotations

import copy
import json
import re
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any, ClassVar, Self
from urllib.parse import parse_qsl, urlsplit

import httpcore
import httpx
from httpx_retries import Retry, RetryTransport

from pdmlib.errors import SourceError
from pdmlib.phases.window import now
from pdmlib.site.masking import KEYS, keep_secret, masked, printable
from pdmlib.sources.once import once

UNAUTHORIZED, TOO_MANY = 401, 429  # HTTP statuses (RFC 9110, section 15.5.2; RFC 6585, section 4)
A_TIME_S = 1e9  # a Retry-After or reset above it (30 years) is a moment since 1970, not a length
BUDGET_S = 60.0
CONNECT_S, READ_S = 5.0, 30.0
MAX_BYTES = 32 * 2**20
PIECE = 2**16  # bytes unpacked at a time
_ANY_HEADER = 32 + zlib.MAX_WBITS  # zlib's own word for: of gzip or of zlib, as the body says
MAX_PAGES = 100
ATTEMPTS = 4
BACKOFF_S = 0.25  # before the second attempt twice as long, and twice as long again before each further one
MAX_REFUSALS = 6
SHOWN = 200  # Stripe names the permission that a key lacks behind 160 characters
_STARS = re.compile(r"\*{5,}")  # and puts as many of them as the key is long
_RESETS = ("X-Sentry-Rate-Limit-Reset", "X-RateLimit-Reset", "ratelimit-reset")
_DROPPED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)

Query = Mapping[str, Any] | Sequence[tuple[str, Any]]


class Budget:
    """The seconds that one source may take in all, whatever it waits for."""

    def __init__(self, seconds: float = BUDGET_S) -> None:
        self.seconds, self._end = seconds, time.monotonic() + seconds

    def left(self) -> float:
        """Seconds that are left, negative when they are used up."""
        return self._end - time.monotonic()


@dataclass(frozen=True)
class Answer:
    """A vendor's answer, read whole."""

    source: str
    headers: httpx.Headers
    content: bytes

    def json(self) -> Any:
        """The answer as JSON.

        Raises:
            SourceError: it is not JSON.
        """
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError):
            page = " but a web page: maintenance, a login or a wrong address" if self.is_page() else ""
            raise SourceError(self.source, f"its answer is not JSON{page}") from None

    def is_page(self) -> bool:
        """Whether it is a page for people."""
        return self.content.lstrip()[:1] == b"<"

    def text(self) -> str:
        """The answer as text; bytes that are no UTF-8 are replaced."""
        return self.content.decode("utf-8", errors="replace")

    def links(self) -> Mapping[str, Mapping[str, str]]:
        """The `Link` header by relation."""
        shell = httpx.Response(200, headers={"Link": self.headers.get("Link", "")})
        return {str(k): v for k, v in shell.links.items()}


class Api:
    """One HTTP API of one source.

    Args:
        base_url: what every path is put behind.
        headers, basic: credentials; from now on their values are masked in all that is shown.
        hosts: the vendor's own hosts, which its page links may name besides the configured one.
        budget: shared by all APIs of the source.
        gap_s: seconds between the beginnings of two requests, at least.
    """

    attempts: ClassVar[int] = ATTEMPTS  # at a question where the network fails or the vendor asks for another

    def __init__(
        self,
        source: str,
        base_url: str,
        headers: Mapping[str, str] | None = None,
        basic: tuple[str, str] | None = None,
        hosts: Iterable[str] = (),
        budget: Budget | None = None,
        gap_s: float = 0.0,
    ) -> None:
        self._pace = _Pace(gap_s)
        self.source, self._base = source, base_url.rstrip("/")
        self._hosts = {urlsplit(base_url).netloc.lower(), *hosts}
        self.budget = budget or Budget()
        for secret in _secrets(headers or {}, basic):
            keep_secret(secret)
        self._patience = _Patience(self)
        self._dead: str | None = None
        self._answered, self._weary, self._refusals = False, False, 0
        self._client = httpx.Client(
            transport=RetryTransport(_Bounded(self), self._patience),
            headers={
                "User-Agent": agent(),
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
                **(headers or {}),
            },
            auth=basic,
            follow_redirects=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, path: str, query: Query = ()) -> Answer:
        """The answer to a GET.

        Raises:
            SourceError: refused, failed, too large, or out of time; the reason in the vendor's words.
        """
        return self._send("GET", path, query, None)

    def post(self, path: str, body: Mapping[str, Any], query: Query = ()) -> Answer:
        """The answer to a POST that only asks (a query in a body).

        Raises:
            SourceError: as `get`.
        """
        return self._send("POST", path, query, body)

    def next_query(self, link: str | None, path: str) -> list[tuple[str, str]] | None:
        """The query of a follow-on link to the same path, None without a link.

        Only the query is taken, so that the next page is asked of the configured address.

        Raises:
            SourceError: the link leads to another host or path.
        """
        if not link:
            return None
        parts = urlsplit(link)
        if parts.netloc and parts.netloc.lower() not in self._hosts:
            raise SourceError(self.source, "its next page lies on another host and is not followed")
        if not parts.path.endswith(path):
            raise SourceError(self.source, "its next page lies at another path and is not followed")
        return parse_qsl(parts.query, keep_blank_values=True)

    def hopeless(self) -> bool:
        """Whether the vendor was given up before it ever answered well, so that asking is pointless."""
        return self._dead is not None and not self._answered

    def weary(self) -> bool:
        """Whether retries were in vain before and nothing was ever answered well, so that one try is enough."""
        return self._weary and not self._answered

    def lost(self, reason: str) -> SourceError:
        """The error of a vendor that is given up, unless another call fares better."""
        self._dead = self._dead or reason
        return SourceError(self.source, reason)

    def refused(self, response: httpx.Response) -> SourceError:
        """The error of an answer that is none, with its status and the vendor's message."""
        words = told(_message(response) or response.reason_phrase)
        return SourceError(self.source, f"{response.status_code}: {words.rstrip('. ')}".removesuffix(": "))

    def _send(self, method: str, path: str, query: Query, body: Mapping[str, Any] | None) -> Answer:
        pairs = _flat(query.items() if isinstance(query, Mapping) else query)
        question = (self.source, method, self._base + path, tuple(pairs), json.dumps(body))
        return once(question, partial(self._asked, method, path, pairs, body))

    def _asked(
        self, method: str, path: str, pairs: list[tuple[str, Any]], body: Mapping[str, Any] | None
    ) -> Answer:
        if self.hopeless():
            raise SourceError(self.source, str(self._dead))
        try:
            response = self._client.request(method, self._base + path, params=pairs, json=body)
        except httpx.TimeoutException as error:
            raise self.lost(_no_answer(error)) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self.lost(told(_broken(error))) from None
        if response.is_redirect:
            where = urlsplit(response.headers.get("Location", "")).netloc or "another address"
            raise SourceError(self.source, f"{response.status_code}: redirects to {told(where)}, not followed")
        if response.is_error:
            raise self._noted(response)
        self._answered = True
        return Answer(self.source, response.headers, response.content)

    def _noted(self, response: httpx.Response) -> SourceError:
        """The error of a refusal; after several of a credential the vendor is given up."""
        error = self.refused(response)
        self._weary = self._weary or response.is_server_error
        self._refusals += response.status_code == UNAUTHORIZED
        return self.lost(error.reason) if self._refusals >= MAX_REFUSALS else error


class _Pace:
    """Lets the requests of all threads begin a while apart, so that a vendor's limit is kept and not run into."""

    def __init__(self, gap_s: float) -> None:
        self._gap_s, self._lock, self._next = gap_s, threading.Lock(), 0.0

    def wait(self) -> None:
        """Waits for this request's turn."""
        with self._lock:
            turn = max(time.monotonic(), self._next)
            self._next = turn + self._gap_s
        if (left := turn - time.monotonic()) > 0:
            time.sleep(left)


class OverrunError(Exception):
    """An answer is larger, slower or packed otherwise than is read; its text says which."""


def clocked(left: Callable[[], float]) -> httpx.HTTPTransport:
    """A transport of which nothing outlives a deadline, however slowly its headers or its body drip.

    Args:
        left: seconds that are left.
    """
    transport = httpx.HTTPTransport(verify=tls())
    transport._pool.close()
    transport._pool = httpcore.ConnectionPool(ssl_context=tls(), network_backend=_Clocked(left))
    return transport


class _Clocked(httpcore.SyncBackend):
    """Connections that wait for each piece no longer than until the deadline."""

    def __init__(self, left: Callable[[], float]) -> None:
        self._left = left

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        allowed = _sooner(timeout, self._left())
        stream = super().connect_tcp(host, port, allowed, local_address, socket_options=socket_options)
        return _ClockedStream(stream, self._left)


class _ClockedStream(httpcore.NetworkStream):
    """One such connection, plain or in TLS."""

    def __init__(self, stream: httpcore.NetworkStream, left: Callable[[], float]) -> None:
        self._stream, self._left = stream, left

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _sooner(timeout, self._left(), httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _sooner(timeout, self._left(), httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        inner = self._stream.start_tls(ssl_context, server_hostname, _sooner(timeout, self._left()))
        return _ClockedStream(inner, self._left)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _sooner(timeout: float | None, left: float, late: type[Exception] = httpcore.ConnectTimeout) -> float:
    if left <= 0:
        raise late("the time allowed is over")
    return left if timeout is None else min(timeout, left)


def unpacked(response: httpx.Response, most: int) -> Iterator[bytes]:
    """The pieces of a body, of which no more is ever unpacked than `most` bytes and one piece.

    Raises:
        OverrunError: the body is larger, or packed in another way than the one that was asked for.
    """
    packing = [word.strip().lower() for word in response.headers.get("Content-Encoding", "").split(",")]
    if packing not in ([""], ["identity"], ["gzip"], ["x-gzip"], ["deflate"]):
        raise OverrunError(f"its answer is packed as {one_line(', '.join(packing))!r}, which was not asked for")
    size = 0
    for piece in _inflated(response) if packing[0] not in ("", "identity") else response.iter_raw():
        size += len(piece)
        if size > most:
            raise OverrunError(f"its answer is larger than {most / 2**20:g} MB and was not read")
        yield piece


def _inflated(response: httpx.Response) -> Iterator[bytes]:
    """The pieces of a body packed once, each of at most `PIECE` bytes."""
    unpacker = zlib.decompressobj(_ANY_HEADER)
    try:
        for packed in response.iter_raw():
            while packed:
                yield unpacker.decompress(packed, PIECE)
                packed = unpacker.unconsumed_tail
        yield unpacker.flush()
    except zlib.error:
        raise OverrunError("its answer is packed and damaged") from None


class _Bounded(httpx.BaseTransport):
    """Reads each answer whole, within the limits of size and time, before it is judged."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._inner = clocked(api.budget.left)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._api._pace.wait()
        left, allowed = self._api.budget.left(), f"within the {self._api.budget.seconds:.0f} s allowed"
        if left <= 0:
            raise SourceError(self._api.source, f"not read {allowed}")
        timeout = httpx.Timeout(min(READ_S, left), connect=min(CONNECT_S, left))
        request.extensions["timeout"] = timeout.as_dict()
        response = self._inner.handle_request(request)
        try:
            content = b"".join(unpacked(response, MAX_BYTES))
        except OverrunError as error:
            raise SourceError(self._api.source, str(error)) from None
        except httpx.ReadTimeout:
            if self._api.budget.left() > 0:
                raise
            raise SourceError(self._api.source, f"its answer did not end {allowed}") from None
        finally:
            response.close()
        kept = [(k, v) for k, v in response.headers.multi_items() if k.lower() not in _RECODED]
        return httpx.Response(response.status_code, headers=kept, content=content, request=request)

    def close(self) -> None:
        self._inner.close()


_RECODED = ("content-encoding", "content-length", "transfer-encoding")


class _Patience(Retry):
    """When to ask again, and how long to wait before: as the vendor says, within the source's budget."""

    def __init__(self, api: Api) -> None:
        super().__init__(
            total=api.attempts - 1,
            allowed_methods=("GET", "POST"),
            status_forcelist=(429, 500, 502, 503, 504),
            retry_on_exceptions=_DROPPED,
            backoff_factor=BACKOFF_S,
            backoff_jitter=0.5,
        )
        self._api = api

    def increment(self) -> _Patience:
        again = copy.copy(self)
        again.attempts_made += 1
        return again

    def is_exhausted(self) -> bool:
        return super().is_exhausted() or self._api.hopeless() or self._api.weary()

    def sleep(self, response: httpx.Response | Exception) -> None:
        wait = self.backoff_strategy()
        if isinstance(response, httpx.Response):
            if _is_final(response):
                raise self._api.refused(response)
            wait = max(wait, asked_wait(response) or 0.0)
            if wait > self._api.budget.left():
                reason = self._api.refused(response).reason
                raise self._api.lost(
                    f"{reason}; it asks to wait {wait:,.0f} s, more than is left "
                    f"of the {self._api.budget.seconds:.0f} s allowed"
                )
        time.sleep(max(0.0, min(wait, self._api.budget.left())))


def asked_wait(response: httpx.Response) -> float | None:
    """Seconds that a vendor asks to wait: `Retry-After`, else its own reset header; None when it says nothing."""
    after = response.headers.get("Retry-After", "").strip()
    if after:
        try:
            return float(after) if re.fullmatch(r"[\d.]+", after) else Retry().parse_retry_after(after)
        except ValueError:
            return None
    if response.status_code != TOO_MANY:
        return None
    for name in _RESETS:
        if re.fullmatch(r"\d+(\.\d+)?", response.headers.get(name, "")):
            value = float(response.headers[name])
            return max(0.0, value - now().timestamp()) if value > A_TIME_S else value
    return None


def _is_final(response: httpx.Response) -> bool:
    """Whether the vendor says that asking again is of no use."""
    if response.headers.get("Stripe-Should-Retry") == "false":
        return True
    return b"_quota_exceeded" in response.content


def _message(response: httpx.Response) -> str:
    """The vendor's message in an error's body; empty when there is none that a person could read."""
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError):
        plain = response.headers.get("Content-Type", "").startswith("text/plain")
        return response.content[:1000].decode("utf-8", errors="replace") if plain else ""
    found = worded(body)
    name = body.get("name") if isinstance(body, dict) else None
    return f"{name}: {found}" if found and isinstance(name, str) else found


def worded(body: Any) -> str:
    """The sentence for people in an error's body; empty where there is none."""
    if isinstance(body, str):
        return body
    if isinstance(body, dict):
        for key in ("detail", "error", "message"):
            found = worded(body.get(key))
            if found:
                return found
    return ""


def _no_answer(error: httpx.TimeoutException) -> str:
    allowed = error.request.extensions["timeout"]
    if isinstance(error, httpx.ConnectTimeout):
        return f"no connection within {round(allowed['connect'], 1):g} s"
    return f"no answer within {round(allowed['read'], 1):g} s"


def _broken(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return f"the connection failed: {text}"


def _secrets(headers: Mapping[str, str], basic: tuple[str, str] | None) -> Iterator[str]:
    """The credentials in what is sent; a key's name opens nothing alone, and is nobody's business either."""
    yield from (word for name, value in headers.items() if name == "Authorization" for word in value.split()[1:])
    if basic:
        yield from (basic[1], ":".join(basic), *([basic[0]] if any(c.isdigit() for c in basic[0]) else []))


def _flat(pairs: Iterable[tuple[str, Any]]) -> list[tuple[str, str | int | float | bool | None]]:
    flat: list[tuple[str, str | int | float | bool | None]] = []
    for key, value in pairs:
        many = value if isinstance(value, list | tuple) else [value]
        flat += [(key, str(v)) for v in many if v is not None]
    return flat


def told(text: str) -> str:
    """A vendor's words on one line, shortened, without a secret or a person's data."""
    return masked(_STARS.sub("***", text), SHOWN)


def one_line(text: str) -> str:
    """Text on one printable line, shortened, what looks like a key masked."""
    text = KEYS.sub("(token)", " ".join(printable(text[:10_000]).split()))
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


@cache
def tls() -> ssl.SSLContext:
    """The one TLS context of all sources; reading the certificates takes longer than most answers."""
    return httpx.create_ssl_context()


@cache
def agent() -> str:
    """How we name ourselves to vendors."""
    try:
        return f"pdmlib/{version('pdmlib')}"
    except PackageNotFoundError:
        return "pdmlib"


def listed(source: str, body: Any, key: str | None = None) -> list[Any]:
    """The list in a JSON answer, under a key or the answer itself.

    Raises:
        SourceError: there is none.
    """
    found = body if key is None else body.get(key) if isinstance(body, dict) else None
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise SourceError(source, f"its answer has no list {key!r}" if key else "its answer is not a list")
    return found
