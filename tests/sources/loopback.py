"""A vendor on loopback: a real HTTP server that answers as a test says and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pdmlib.demo.exchange import Call
from pdmlib.demo.vendors.allowed import fault_of
from pdmlib.phases.scope import Scope
from pdmlib.site.site import Site
from tests.builders import DEPLOYED, a_scope, at

SECRET = "sk_test_Nev3rShowThis0123456789"
VARIABLES = (
    "SENTRY_AUTH_TOKEN",
    "VERCEL_TOKEN",
    "SUPABASE_METRICS_KEY",
    "SUPABASE_ACCESS_TOKEN",
    "STRIPE_API_KEY",
    "TWILIO_API_KEY",
    "TWILIO_API_SECRET",
    "RESEND_API_KEY",
)


@dataclass(frozen=True)
class Reply:
    """What is answered: bytes and text as they are, anything else as JSON."""

    body: Any = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    def payload(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


Answer = Callable[[Call], Reply]


@dataclass
class Vendor:
    """A running server."""

    url: str
    calls: list[Call] = field(default_factory=list)

    def asked(self, path: str) -> list[Call]:
        return [call for call in self.calls if call.path == path]


@contextmanager
def vendor(answer: Answer) -> Iterator[Vendor]:
    """A server that answers every call with `answer(call)`; no vendor may be asked what it does not know."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def _reply(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            query = parse_qs(parts.query, keep_blank_values=True)
            call = Call(self.command, "", parts.path, query=query, headers=dict(self.headers), body=body)
            with lock:
                running.calls.append(call)
            reply = answer(call)
            payload = reply.payload()
            try:
                self.send_response(reply.status)
                for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        do_GET = do_POST = _reply  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    with served(Handler) as url:
        running = Vendor(url)
        yield running
    faults = [fault for call in running.calls if (fault := fault_of(call))]
    assert not faults, faults


@contextmanager
def served(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The address of a server on loopback, a thread for each call."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def routed(routes: Mapping[str, Any], missing: Reply | None = None) -> Answer:
    """Answers by path; a value is a reply, a body, or a function of the call."""
    otherwise = missing or Reply({"message": "no such path"}, 404)

    def answer(call: Call) -> Reply:
        found = routes.get(call.path, otherwise)
        found = found(call) if callable(found) else found
        return found if isinstance(found, Reply) else Reply(found)

    return answer


def the_site(source: str, **block: Any) -> Site:
    """A site with one source, its secrets all the same, and a demo block, so that its clock is its own."""
    tree = {
        "site": "shop",
        "title": "Shop",
        "time_zone": "America/Chicago",
        "sources": {source: block},
        "demo": {"clock": "2025-03-10T15:00:00Z"},
        "secrets": dict.fromkeys(VARIABLES, SECRET),
        "file": "params/shop.yaml",
    }
    return Site.model_validate(tree)


def the_scope(phase: str = "day1") -> Scope:
    """A scope of a phase that is over, of a deployment on 2025-03-03 at 15:00 UTC."""
    ends = {"hour1": at("2025-03-03T16:00"), "day1": at("2025-03-04T15:00"), "week1": at("2025-03-10T15:00")}
    return a_scope(phase=phase, deployed_at=DEPLOYED, as_of=ends[phase])
