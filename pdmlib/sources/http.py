"""One vendor's HTTP API: its address, its credentials, and the limits that keep both sides safe.

Every answer is bounded in size and in time, retried only where the vendor asks for it or the
network failed, and read from the configured address alone. Secrets never reach an error's text.
"""

from __future__ import annotations

import base64
import copy
import json
import re
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
from httpx_retries import Retry, RetryTransport

from pdmlib.errors import SourceError
from pdmlib.phases.window import now

UNAUTHORIZED, TOO_MANY = 401, 429  # HTTP statuses (RFC 9110, section 15.5.2; RFC 6585, section 4)
A_TIME_S = 1e9  # a Retry-After or reset above it (30 years) is a moment since 1970, not a length
BUDGET_S = 60.0
CONNECT_S, READ_S = 5.0, 30.0
MAX_BYTES = 32 * 2**20
MAX_PAGES = 100
ATTEMPTS = 4
MAX_REFUSALS = 6
SHOWN = 160
_RESETS = ("X-Sentry-Rate-Limit-Reset", "X-RateLimit-Reset", "ratelimit-reset")
_KEYS = re.compile(
    r"\b(?:[srp]k_(?:live|test)|rk|re|sbp|sb_secret|sntr[yus]+|whsec|Bearer|Basic)[_ ](?=\S*\d)[\w+/=.-]{8,}"
)
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
            raise SourceError(self.source, "its answer is not JSON") from None

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
        headers, basic: credentials; their values are masked in every error.
        hosts: the vendor's own hosts, which its page links may name besides the configured one.
        budget: shared by all APIs of the source.
    """

    def __init__(
        self,
        source: str,
        base_url: str,
        headers: Mapping[str, str] | None = None,
        basic: tuple[str, str] | None = None,
        hosts: Iterable[str] = (),
        budget: Budget | None = None,
    ) -> None:
        self.source, self._base = source, base_url.rstrip("/")
        self._hosts = {urlsplit(base_url).netloc.lower(), *hosts}
        self.budget = budget or Budget()
        self._secrets = _secrets(headers or {}, basic)
        self._patience = _Patience(self)
        self._dead: str | None = None
        self._answered, self._weary, self._refusals = False, False, 0
        self._client = httpx.Client(
            transport=RetryTransport(_Bounded(self), self._patience),
            headers={"User-Agent": agent(), "Accept": "application/json", **(headers or {})},
            auth=basic,
            follow_redirects=False,
        )

    def __enter__(self) -> Api:
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
        words = self.masked(_message(response) or response.reason_phrase)
        return SourceError(self.source, f"{response.status_code}: {words.rstrip('. ')}".removesuffix(": "))

    def masked(self, text: str) -> str:
        """Text on one line, shortened, without a secret."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return one_line(text)

    def _send(self, method: str, path: str, query: Query, body: Mapping[str, Any] | None) -> Answer:
        if self.hopeless():
            raise SourceError(self.source, str(self._dead))
        pairs = list(query.items()) if isinstance(query, Mapping) else list(query)
        try:
            response = self._client.request(method, self._base + path, params=_flat(pairs), json=body)
        except httpx.TimeoutException as error:
            raise self.lost(_no_answer(error)) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self.lost(self.masked(_broken(error))) from None
        if response.is_redirect:
            raise SourceError(self.source, f"{response.status_code}: redirects to another address, not followed")
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


class _Bounded(httpx.BaseTransport):
    """Reads each answer whole, within the limits of size and time, before it is judged."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._inner = httpx.HTTPTransport(verify=tls())

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        left = self._api.budget.left()
        if left <= 0:
            seconds = self._api.budget.seconds
            raise SourceError(self._api.source, f"not read within the {seconds:.0f} s allowed")
        timeout = httpx.Timeout(min(READ_S, left), connect=min(CONNECT_S, left))
        request.extensions["timeout"] = timeout.as_dict()
        response = self._inner.handle_request(request)
        try:
            content = b"".join(self._chunks(response))
        finally:
            response.close()
        kept = [(k, v) for k, v in response.headers.multi_items() if k.lower() not in _RECODED]
        return httpx.Response(response.status_code, headers=kept, content=content, request=request)

    def _chunks(self, response: httpx.Response) -> Iterator[bytes]:
        size, source = 0, self._api.source
        for chunk in response.iter_bytes():
            size += len(chunk)
            if size > MAX_BYTES:
                raise SourceError(source, f"its answer is larger than {MAX_BYTES // 2**20} MB and was not read")
            if self._api.budget.left() <= 0:
                seconds = self._api.budget.seconds
                raise SourceError(source, f"its answer did not end within the {seconds:.0f} s allowed")
            yield chunk

    def close(self) -> None:
        self._inner.close()


_RECODED = ("content-encoding", "content-length", "transfer-encoding")


class _Patience(Retry):
    """When to ask again, and how long to wait before: as the vendor says, within the source's budget."""

    def __init__(self, api: Api) -> None:
        super().__init__(
            total=ATTEMPTS - 1,
            allowed_methods=("GET", "POST"),
            status_forcelist=(429, 500, 502, 503, 504),
            retry_on_exceptions=_DROPPED,
            backoff_factor=0.25,
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
                    f"{reason}; it asks to wait {wait:.0f} s, more than is left "
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
    found = _worded(body)
    name = body.get("name") if isinstance(body, dict) else None
    return f"{name}: {found}" if found and isinstance(name, str) else found


def _worded(body: Any) -> str:
    if isinstance(body, str):
        return body
    if isinstance(body, dict):
        for key in ("detail", "error", "message"):
            found = _worded(body.get(key))
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


def _secrets(headers: Mapping[str, str], basic: tuple[str, str] | None) -> tuple[str, ...]:
    """Every form in which a credential could come back, longest first."""
    found = {word for name, value in headers.items() if name == "Authorization" for word in value.split()[1:]}
    if basic:
        found |= {basic[1], base64.b64encode(":".join(basic).encode()).decode()}
    return tuple(sorted((s for s in found if s), key=len, reverse=True))


def _flat(pairs: Iterable[tuple[str, Any]]) -> list[tuple[str, str | int | float | bool | None]]:
    flat: list[tuple[str, str | int | float | bool | None]] = []
    for key, value in pairs:
        many = value if isinstance(value, list | tuple) else [value]
        flat += [(key, str(v)) for v in many if v is not None]
    return flat


def one_line(text: str) -> str:
    """Text on one printable line, shortened, what looks like a key masked."""
    text = _KEYS.sub("***", " ".join("".join(c if c.isprintable() else " " for c in text[:10_000]).split()))
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
