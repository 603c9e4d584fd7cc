"""One call to a vendor of the demo, its reply, and what a vendor knows when it answers."""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs, unquote

from pdmlib.demo.scenarios import Plan
from pdmlib.demo.world import World
from pdmlib.demo.world.grid import moment, ms


@dataclass(frozen=True)
class Call:
    """One HTTP call; `path` is what follows the vendor's prefix, `origin` the address of the server."""

    method: str
    vendor: str
    path: str
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    body: bytes = b""
    origin: str = ""

    def one(self, name: str, otherwise: str = "") -> str:
        """The first value of a query parameter."""
        values = self.query.get(name)
        return values[0] if values else otherwise

    def fields(self) -> Mapping[str, Sequence[str]]:
        """The fields of the body with the values of a form; of JSON the names alone, and the texts."""
        if "form" in self.headers.get("Content-Type", ""):
            return parse_qs(self.body.decode(), keep_blank_values=True)
        found = json.loads(self.body) if self.body else {}
        return {name: [value if isinstance(value, str) else ""] for name, value in found.items()}

    def number(self, name: str, otherwise: int) -> int:
        """A query parameter as a whole number; `otherwise` when absent or not one."""
        text = self.one(name)
        return int(text) if re.fullmatch(r"-?\d+", text) else otherwise

    def bearer(self) -> str:
        """The bearer token that came with it."""
        kind, _, token = self.headers.get("Authorization", "").partition(" ")
        return token if kind == "Bearer" else ""

    def basic(self) -> tuple[str, str]:
        """User and password of HTTP Basic."""
        kind, _, token = self.headers.get("Authorization", "").partition(" ")
        try:
            user, _, password = base64.b64decode(token).decode().partition(":")
        except ValueError:
            return "", ""
        return (user, password) if kind == "Basic" else ("", "")


@dataclass(frozen=True)
class Reply:
    """An answer: text goes out as it is, anything else as JSON."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json; charset=utf-8"

    def payload(self) -> bytes:
        """The bytes of the body."""
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()


class Stage:
    """What the vendors answer from: the facts, the secrets, and the clock that ends them."""

    def __init__(self, world: World, plan: Plan, secrets: Mapping[str, str], clock: datetime) -> None:
        self.world, self.plan, self.secrets = world, plan, secrets
        self.clock, self._set_at = ms(clock), time.monotonic()
        self.made: dict[str, Any] = {}  # what was made by a probe, by its id
        self._replies: dict[str, tuple[bytes, Reply]] = {}
        self._alone = threading.Lock()

    def once(self, call: Call, make: Callable[[], Reply]) -> Reply:
        """The reply to a call, made once for each `Idempotency-Key`; another body with the same one is refused."""
        key = call.headers.get("Idempotency-Key")
        if not key:
            return make()
        with self._alone:
            if key not in self._replies:
                self._replies[key] = (call.body, make())
            body, reply = self._replies[key]
        return reply if body == call.body else Reply({"message": "the key was used for another request"}, 409)

    def set_clock(self, clock: datetime) -> None:
        """Answer as of another moment from now on."""
        self.clock, self._set_at = ms(clock), time.monotonic()

    def elapsed_s(self) -> float:
        """Real seconds since the clock was set, for counters that never stand still."""
        return time.monotonic() - self._set_at

    def past(self, end: int) -> int:
        """A time, or the clock when the clock is earlier: nothing later is ever shown."""
        return min(end, self.clock + 1)


Answer = Callable[[Call, Stage, re.Match[str]], Reply]
Routes = Sequence[tuple[str, str, Answer]]


@dataclass(frozen=True)
class Vendor:
    """One vendor: who may call, what it answers, and how it says no.

    Attributes:
        allows: None, or the refusal of a call without the right secret.
        routes: method, pattern of the whole path, answer.
        refusals: replies by behaviour: unauthorized, forbidden, limited, garbage.
        unknown: the reply to a path that it does not have.
    """

    allows: Callable[[Call, Stage], Reply | None]
    routes: Routes
    unknown: Reply
    refusals: Mapping[str, Reply] = field(default_factory=dict)
    headers: Callable[[Stage], Mapping[str, str]] = lambda stage: {}

    def answer(self, call: Call, stage: Stage) -> Reply:
        """The reply to a call."""
        refusal = self.allows(call, stage)
        if refusal:
            return refusal
        for method, pattern, answer in self.routes:
            found = re.fullmatch(pattern, call.path)
            if found and method == call.method:
                return answer(call, stage, found)
        return self.unknown


@lru_cache(maxsize=65536)
def iso(at: int | float) -> str:
    """Milliseconds as `2025-03-10T15:00:00.000Z`."""
    return moment(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso_s(at: int | float) -> str:
    """Milliseconds as `2025-03-10T15:00:00Z`."""
    return moment(at).isoformat(timespec="seconds").replace("+00:00", "Z")


def parse(text: str) -> int | None:
    """An ISO time (a zone is honoured, UTC without one) or epoch milliseconds; None when neither."""
    if re.fullmatch(r"\d{11,}", text):
        return int(text)
    try:
        found = datetime.fromisoformat(unquote(text))
    except ValueError:
        return None
    return ms(found if found.tzinfo else found.replace(tzinfo=UTC))
