"""One HTTP server on loopback for all vendors, each below its own prefix."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from pdmlib.demo.exchange import Call, Reply, Stage, Vendor, parse
from pdmlib.demo.scenarios import ALLOWED, LATER
from pdmlib.demo.vendors import allowed, app, resend, sentry, stripe, supabase, twilio, vercel
from pdmlib.demo.world.grid import HOUR, moment

VENDORS: Mapping[str, Vendor] = {
    "app": app.VENDOR,
    "sentry": sentry.VENDOR,
    "vercel": vercel.VENDOR,
    "supabase": supabase.VENDOR,
    "stripe": stripe.VENDOR,
    "twilio": twilio.VENDOR,
    "resend": resend.VENDOR,
}
PREFIXES: Mapping[str, str] = {name: name for name in VENDORS} | {"twilio-monitor": "twilio"}
_DOWN = Reply({"message": "Service Unavailable"}, 503, {"Retry-After": "1"})
_NOT_FOUND = Reply({"message": "Not Found"}, 404)


class VendorServer(ThreadingHTTPServer):
    """The vendors, answering from one stage."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, stage: Stage) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.stage = stage
        self.clock_token = secrets.token_hex(16)
        self.move_rows: Callable[[int], None] = lambda clock: None
        self.stopped = threading.Event()
        self._called: set[str] = set()

    def reply(self, call: Call) -> Reply:
        """What the vendor of a call says, or does instead of saying."""
        if call.vendor == "_demo":
            return self._set_clock(call)
        name = PREFIXES.get(call.vendor)
        if name is None:
            return _NOT_FOUND
        behaviour = self.stage.plan.behaviours.get(name, "")
        vendor = VENDORS[name]
        if behaviour == "down":
            return _DOWN
        if behaviour == "silent":
            self.stopped.wait()
        if behaviour == "limited_once" and name not in self._called:
            self._called.add(name)
            return vendor.refusals["limited"]
        answer = vendor.refusals.get(behaviour) or vendor.answer(call, self.stage)
        fault = allowed.fault_of(call) if answer.status == 200 else None
        if fault:
            return Reply({"message": fault}, 400)
        if behaviour in (ALLOWED, LATER) and answer.status == 200:
            # It brings all that reads answers, for which few scenarios have a use.
            from pdmlib.demo.vendors import variety

            return variety.varied(name, call, answer, how=behaviour, turn=self.stage.clock // HOUR)
        return answer

    def _set_clock(self, call: Call) -> Reply:
        if call.bearer() != self.clock_token:
            return Reply({"message": "Unauthorized"}, 401)
        body = json.loads(call.body)
        at = parse(str(body["clock"]))
        if call.method != "PUT" or at is None:
            return Reply({"message": "PUT an ISO time as clock"}, 400)
        self.stage.set_clock(moment(at))
        if body.get("rows"):
            self.move_rows(at)
        return Reply({"clock": moment(at).isoformat()})

    def stop(self) -> None:
        """Let waiting calls go and listen no more."""
        self.stopped.set()
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "demo", ""
    disable_nagle_algorithm = True
    wbufsize = -1
    server: VendorServer

    def _answer(self) -> None:
        call = self._call()
        reply = self.server.reply(call)
        payload = reply.payload()
        name = PREFIXES.get(call.vendor)
        extra = VENDORS[name].headers(self.server.stage) if name else {}
        self.send_response(reply.status)
        for header, value in {"Content-Type": reply.content_type, **extra, **reply.headers}.items():
            self.send_header(header, value)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(payload)

    def _call(self) -> Call:
        url = urlsplit(self.path)
        vendor, _, path = url.path.lstrip("/").partition("/")
        if vendor == "2010-04-01":
            vendor, path = "twilio", url.path.lstrip("/")
        length = int(self.headers.get("Content-Length") or 0)
        return Call(
            "GET" if self.command == "HEAD" else self.command,
            vendor,
            "/" + unquote(path),
            query=parse_qs(url.query, keep_blank_values=True),
            headers=dict(self.headers.items()),
            body=self.rfile.read(length),
            origin=f"http://{self.headers.get('Host')}",
        )

    def handle(self) -> None:
        """Serve the calls of one connection; a client that goes away is no event."""
        try:
            super().handle()
        except ConnectionError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the demo keeps no access log."""

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = do_PATCH = _answer  # noqa: N815
