"""The HTTP client: bounded in size and time, patient as vendors ask, and silent about secrets."""

import gzip
import socket
import threading
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import httpx
import pytest

from pdmlib.errors import SourceError
from pdmlib.phases.window import now
from pdmlib.sources import http
from pdmlib.sources.http import Api, Budget, asked_wait, listed
from tests.sources.loopback import SECRET, Call, Reply, Vendor, routed, vendor

BEARER = {"Authorization": f"Bearer {SECRET}"}


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts follow each other at once, but for what a vendor asks."""
    monkeypatch.setattr(http, "BACKOFF_S", 0.01)


def refusal(answer: Any, seconds: float = 20, path: str = "/x") -> tuple[str, Vendor]:
    """Why a call failed, and the server that was asked."""
    with vendor(routed({path: answer})) as server, Api("v", server.url, BEARER, budget=Budget(seconds)) as api:
        with pytest.raises(SourceError) as caught:
            api.get(path).json()
        return caught.value.reason, server


def then_well(first: Reply) -> Any:
    """Answers the first call with `first` and the later ones well."""
    replies = iter([first])
    return lambda call: next(replies, Reply({"fine": True}))


def test_a_429_is_asked_again_after_its_retry_after() -> None:
    limited = then_well(Reply({"message": "slow down"}, 429, {"Retry-After": "0.1"}))
    with vendor(routed({"/x": limited})) as server, Api("v", server.url) as api:
        assert api.get("/x").json() == {"fine": True}
        assert len(server.calls) == 2


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_error_is_asked_again(status: int) -> None:
    with vendor(routed({"/x": then_well(Reply("", status))})) as server, Api("v", server.url) as api:
        assert api.get("/x").json() == {"fine": True}


def test_a_query_in_a_post_is_asked_again_with_its_body() -> None:
    with vendor(routed({"/x": then_well(Reply("", 503))})) as server, Api("v", server.url) as api:
        api.post("/x", {"metric": "m"})
        assert [call.body for call in server.calls] == [b'{"metric":"m"}'] * 2


def test_other_refusals_are_not_asked_again() -> None:
    reason, server = refusal(Reply({"detail": "Invalid query"}, 400))
    assert reason == "400: Invalid query"
    assert len(server.calls) == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "30", "X-RateLimit-Reset": "5"}, 30),
        ({"Retry-After": "1.5"}, 1.5),
        ({"X-RateLimit-Reset": "41"}, 41),
        ({"ratelimit-reset": "1"}, 1),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
    ids=["retry-after first", "fraction", "supabase seconds", "resend seconds", "no number", "nothing"],
)
def test_the_wait_is_what_the_vendor_says(headers: dict[str, str], seconds: float | None) -> None:
    assert asked_wait(httpx.Response(429, headers=headers)) == seconds


@pytest.mark.parametrize("name", ["X-Sentry-Rate-Limit-Reset", "X-RateLimit-Reset"])
def test_a_reset_in_epoch_seconds_is_the_time_until_then(name: str) -> None:
    reset = str(int((now() + timedelta(seconds=40)).timestamp()))
    wait = asked_wait(httpx.Response(429, headers={name: reset}))
    assert wait is not None
    assert 38 <= wait <= 40


def test_a_reset_that_has_passed_asks_for_no_wait() -> None:
    assert asked_wait(httpx.Response(429, headers={"X-Sentry-Rate-Limit-Reset": "1773064801"})) == 0.0


def test_a_reset_header_on_an_answer_that_is_not_429_is_no_wait() -> None:
    assert asked_wait(httpx.Response(503, headers={"X-RateLimit-Reset": "41"})) is None


def test_a_wait_beyond_the_budget_is_not_waited_for_and_said() -> None:
    reason, server = refusal(Reply({"message": "Too many requests."}, 429, {"Retry-After": "3600"}))
    assert reason == "429: Too many requests; it asks to wait 3,600 s, more than is left of the 20 s allowed"
    assert len(server.calls) == 1


def test_a_429_that_never_ends_is_given_up_in_the_vendors_words() -> None:
    reason, server = refusal(Reply('"You are asking too often"', 429, {"Content-Type": "text/html"}))
    assert reason == "429: You are asking too often"
    assert len(server.calls) == http.ATTEMPTS


def test_each_attempt_waits_twice_as_long_as_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of four, half a second, one and two, each up to a half shorter, so that callers do not come back at once."""
    monkeypatch.setattr(http, "BACKOFF_S", 0.25)
    waits: list[float] = []
    monkeypatch.setattr(http.time, "sleep", waits.append)
    refusal(Reply("", 503))
    assert len(waits) == 3
    assert all(whole / 2 <= wait <= whole for wait, whole in zip(waits, (0.5, 1, 2), strict=True)), waits


def test_a_vendor_that_says_not_to_retry_is_asked_once() -> None:
    final = Reply({"error": {"message": "Lock timeout"}}, 429, {"Stripe-Should-Retry": "false"})
    reason, server = refusal(final)
    assert (reason, len(server.calls)) == ("429: Lock timeout", 1)


def test_a_used_up_quota_is_asked_once_and_named() -> None:
    quota = {"statusCode": 429, "name": "daily_quota_exceeded", "message": "You have reached your daily quota."}
    reason, server = refusal(Reply(quota, 429, {"retry-after": "1"}))
    assert (reason, len(server.calls)) == ("429: daily_quota_exceeded: You have reached your daily quota", 1)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"detail": "Invalid token"}, "401: Invalid token"),
        ({"detail": {"code": "sso-required", "message": "Sign in first"}}, "401: Sign in first"),
        ({"error": {"code": "forbidden", "message": "Not authorized"}}, "401: Not authorized"),
        ({"code": 20003, "message": "Authenticate", "status": 401}, "401: Authenticate"),
        ({"message": "Unauthorized"}, "401: Unauthorized"),
        ("<html><h1>No</h1></html>", "401: Unauthorized"),
        ("[]", "401: Unauthorized"),
        ("[" * 100_000, "401: Unauthorized"),
    ],
    ids=["sentry", "sentry sso", "vercel", "twilio", "supabase", "html", "empty list", "deep"],
)
def test_a_refusal_is_told_in_the_vendors_words(body: Any, words: str) -> None:
    assert refusal(Reply(body, 401))[0] == words


def test_a_secret_in_a_vendors_message_is_masked() -> None:
    reason, _ = refusal(Reply({"message": f"unknown key {SECRET}\nfor you\x1b[31m"}, 401))
    assert reason == "401: unknown key *** for you [31m"


def test_a_password_of_basic_authentication_is_masked_in_both_forms() -> None:
    def echo(call: Call) -> Reply:
        return Reply({"message": f"{call.headers['Authorization']} and {SECRET}"}, 401)

    with vendor(echo) as server, Api("v", server.url, basic=("user", SECRET)) as api:
        with pytest.raises(SourceError) as caught:
            api.get("/x")
        assert caught.value.reason == "401: Basic *** and ***"


def test_a_secret_that_no_header_may_hold_is_not_shown() -> None:
    with Api("v", "http://127.0.0.1:9", {"Authorization": f"Bearer {SECRET}\n"}) as api:
        with pytest.raises(SourceError) as caught:
            api.get("/x")
        assert SECRET not in str(caught.value)


def test_a_long_message_is_shortened() -> None:
    assert len(refusal(Reply({"message": "many words " * 1000}, 400))[0]) <= http.SHOWN + 10


def test_an_answer_that_is_not_json_is_an_error() -> None:
    page = "its answer is not JSON but a web page: maintenance, a login or a wrong address"
    assert refusal(Reply("<html>Maintenance</html>"))[0] == page
    assert refusal(Reply("[" * 100_000))[0] == "its answer is not JSON"


@pytest.mark.parametrize("packed", [False, True])
def test_an_answer_beyond_the_size_limit_is_not_kept(monkeypatch: pytest.MonkeyPatch, packed: bool) -> None:
    monkeypatch.setattr(http, "MAX_BYTES", 2**20)
    body = b" " * 3 * 2**20
    reply = Reply(gzip.compress(body), headers={"Content-Encoding": "gzip"}) if packed else Reply(body)
    assert refusal(reply)[0] == "its answer is larger than 1 MB and was not read"


def test_a_silent_vendor_costs_no_more_than_the_budget() -> None:
    silence = threading.Event()
    try:
        reason, server = refusal(lambda call: Reply(str(silence.wait(20))), seconds=0.5)
    finally:
        silence.set()
    assert reason == "no answer within 0.5 s"
    assert len(server.calls) == 1


def test_a_used_up_budget_asks_nothing() -> None:
    with vendor(routed({"/x": {}})) as server, Api("v", server.url, budget=Budget(0)) as api:
        with pytest.raises(SourceError, match="not read within the 0 s allowed"):
            api.get("/x")
        assert server.calls == []


def test_requests_of_all_threads_begin_as_far_apart_as_a_vendor_wants_them() -> None:
    began: list[float] = []

    def answer(call: Call) -> Reply:
        began.append(time.monotonic())
        return Reply({"fine": True})

    with vendor(answer) as server, Api("v", server.url, gap_s=0.2) as api:
        threads = [threading.Thread(target=api.get, args=(f"/{n}",)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert max(began) - min(began) >= 0.55  # three gaps, of which an answer's way takes a little


def test_a_host_that_cannot_be_reached_is_tried_by_one_call_only() -> None:
    """The later calls fail at once with the same reason."""
    with Api("v", "http://127.0.0.1:9") as api:
        with pytest.raises(SourceError, match="the connection failed") as first:
            api.get("/x")
        assert api.hopeless()
        with pytest.raises(SourceError) as second:
            api.get("/y")
    assert first.value.reason == second.value.reason


def test_after_one_failure_in_vain_a_vendor_that_never_answered_is_not_asked_again_and_again() -> None:
    with vendor(lambda call: Reply("", 503)) as server, Api("v", server.url) as api:
        for _ in range(3):
            with pytest.raises(SourceError, match="503: Service Unavailable"):
                api.get("/x")
        assert len(server.calls) == http.ATTEMPTS + 2


def test_a_refused_credential_is_not_sent_over_and_over() -> None:
    with vendor(lambda call: Reply({"detail": "Invalid token"}, 401)) as server, Api("v", server.url) as api:
        for _ in range(20):
            with pytest.raises(SourceError, match="401: Invalid token"):
                api.get("/x")
        assert len(server.calls) == http.MAX_REFUSALS


def test_a_redirect_is_not_followed() -> None:
    with vendor(routed({})) as other:
        reason, _ = refusal(Reply("", 302, {"Location": f"{other.url}/take"}))
        assert reason == "302: redirects to (IP address):" + other.url.rpartition(":")[2] + ", not followed"
        assert (
            refusal(Reply("", 302, {"Location": "/login?x"}))[0]
            == "302: redirects to another address, not followed"
        )
        login = Reply("", 302, {"Location": "https://sentry.example/auth/login/?next=secret"})
        assert refusal(login)[0] == "302: redirects to sentry.example, not followed"
        assert other.calls == []


def test_every_call_names_its_agent_and_carries_its_credential() -> None:
    with vendor(routed({"/x": {}})) as server, Api("v", server.url, BEARER) as api:
        api.get("/x")
        assert server.calls[0].headers["User-Agent"].startswith("pdmlib/")
        assert server.calls[0].headers["Authorization"] == f"Bearer {SECRET}"


def test_a_base_with_a_path_keeps_it() -> None:
    with vendor(routed({"/prefix/v1/x": {}})) as server, Api("v", f"{server.url}/prefix/") as api:
        api.get("/v1/x")
        assert [call.path for call in server.calls] == ["/prefix/v1/x"]


def test_of_a_next_link_only_the_query_is_taken() -> None:
    with Api("v", "http://127.0.0.1:9/prefix", hosts=("api.vendor.example",)) as api:
        expected = [("Page", "1"), ("DateSent>", "2025-03-01"), ("Empty", "")]
        query = "Page=1&DateSent%3E=2025-03-01&Empty="
        assert api.next_query(f"/v1/list?{query}", "/v1/list") == expected
        assert api.next_query(f"https://api.vendor.example/v1/list?{query}", "/v1/list") == expected
        assert api.next_query(f"http://127.0.0.1:9/prefix/v1/list?{query}", "/v1/list") == expected
        assert api.next_query(None, "/v1/list") is None


@pytest.mark.parametrize("link", ["https://evil.example/v1/list?a=1", "//evil.example/v1/list", "/v1/secrets?a=1"])
def test_a_next_link_elsewhere_is_refused(link: str) -> None:
    api = Api("v", "http://127.0.0.1:9", hosts=("api.vendor.example",))
    with api, pytest.raises(SourceError, match="is not followed"):
        api.next_query(link, "/v1/list")


@pytest.mark.parametrize("body", [{}, {"data": None}, {"data": {"a": 1}}, {"data": [1]}, [], "x", None])
def test_a_missing_list_is_an_error_and_not_an_empty_one(body: Any) -> None:
    with pytest.raises(SourceError, match="has no list 'data'"):
        listed("v", body, "data")


def bomb(times: int) -> bytes:
    """64 MB of zeros as gzip, packed so many times: 64 kB once, a few hundred bytes twice."""
    packed = zlib.compressobj(9, wbits=31)
    body = b"".join([*(packed.compress(bytes(2**20)) for _ in range(64)), packed.flush()])
    return body if times == 1 else gzip.compress(body, 9)


@pytest.mark.parametrize("times", [1, 2])
def test_a_bomb_costs_no_more_memory_than_the_size_limit(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    monkeypatch.setattr(http, "MAX_BYTES", 2**20)
    body = bomb(times)
    tracemalloc.start()
    try:
        reason, _ = refusal(Reply(body, headers={"Content-Encoding": ", ".join(["gzip"] * times)}))
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert reason.endswith("is larger than 1 MB and was not read" if times == 1 else "which was not asked for")
    assert most < 8 * 2**20


@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "zstd", "gzip, identity, gzip", "compress"])
def test_only_what_was_asked_for_is_unpacked(encoding: str) -> None:
    reason, server = refusal(Reply(b"{}", headers={"Content-Encoding": encoding}))
    assert reason == f"its answer is packed as {encoding!r}, which was not asked for"
    assert server.calls[0].headers["Accept-Encoding"] == "gzip"


def test_a_damaged_packing_is_told() -> None:
    damaged = Reply(gzip.compress(b"{}")[:-9] + b"?????????", headers={"Content-Encoding": "gzip"})
    assert refusal(damaged)[0] == "its answer is packed and damaged"


@pytest.mark.parametrize("packing", ["gzip", "x-gzip", "GZIP", "deflate", "identity"])
def test_what_is_packed_once_is_read(packing: str) -> None:
    pack = {"identity": bytes, "deflate": zlib.compress}.get(packing, gzip.compress)
    reply = Reply(pack(b'{"a": 1}'), headers={"Content-Encoding": packing})
    with vendor(routed({"/x": reply})) as server, Api("v", server.url) as api:
        assert api.get("/x").json() == {"a": 1}


@contextmanager
def dripping(whole: bytes, pause_s: float = 0.05) -> Iterator[str]:
    """A server that answers with a byte at a time."""
    stop = threading.Event()

    def answer(listener: socket.socket) -> None:
        while not stop.is_set():
            with suppress(OSError), listener.accept()[0] as caller:
                for byte in whole:
                    if stop.wait(pause_s):
                        return
                    caller.send(bytes([byte]))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            stop.set()
            thread.join()


@pytest.mark.parametrize("slow", [b"HTTP/1.1 200 OK\r\n", b""], ids=["headers", "body"])
def test_an_answer_that_drips_ends_with_the_budget(slow: bytes) -> None:
    whole = slow + b"X-Header: filling\r\n" * 100 if slow else b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1000
    began = time.monotonic()
    with dripping(whole, 0.01) as url, Api("v", url, budget=Budget(0.6)) as api, pytest.raises(SourceError):
        api.get("/x")
    assert time.monotonic() - began < 2
