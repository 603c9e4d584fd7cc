"""The application probed: body and code decide, and no answer is a measurement."""

import json
import re
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pdmlib.analysis.availability.stability import health_ok
from pdmlib.analysis.coverage import sources_read
from pdmlib.frames.collection import Collection
from pdmlib.frames.frame import frame
from pdmlib.frames.understanding import Unclear
from pdmlib.sources import app
from pdmlib.sources.health import Endpoint, Shot, components, judged
from pdmlib.sources.live import PAST
from tests.builders import a_case, a_site, the_probes
from tests.sources.loopback import SECRET, Reply, Vendor, routed, the_scope, the_site, vendor

HEALTHY = {"status": "healthy", "checks": {"database": {"status": "healthy", "responseTime": 48}}}


def probed(routes: dict[str, Any], **block: Any) -> tuple[Collection, Vendor]:
    with vendor(routed({"/": "<h1>Shop</h1>", "/api/health": HEALTHY, **routes})) as server:
        site = the_site("app", base_url=server.url, **{"probes": 1, "detailed": None, **block})
        return Collection(app.collect(site, the_scope())), server


MISSING = None


def of(found: Collection, target: str) -> dict[str, Any]:
    table = found["probes"].astype(object)
    return dict(table.where(table.notna(), MISSING)[table["target"] == target].iloc[0])


@pytest.mark.parametrize(
    ("body", "code", "status"),
    [
        ({"status": "ok"}, 200, "up"),
        ({"status": "healthy"}, 200, "up"),
        ({"status": "operational"}, 200, "up"),
        ({"success": True, "data": {"status": "operational"}}, 200, "up"),
        ({"status": "degraded"}, 200, "degraded"),
        ({"status": "degraded"}, 503, "degraded"),
        ({"status": "warning"}, 503, "degraded"),
        ({"status": "unhealthy"}, 200, "down"),
        ({"status": "unhealthy"}, 503, "down"),
        ({"status": "healthy"}, 503, "down"),
        ({"status": "degraded"}, 500, "down"),
        ({"status": " UP "}, 200, "up"),
        ({"status": "Healthy"}, 200, "up"),
        ({"status": "DOWN"}, 200, "down"),
        ({"status": "OUT_OF_SERVICE"}, 503, "down"),
        ({"ok": False}, 200, "down"),
        ("Unhealthy", 200, "down"),
        ("Degraded", 200, "degraded"),
        ("no", 500, "down"),
    ],
)
def test_a_health_endpoint_is_judged_by_body_and_code(body: Any, code: int, status: str) -> None:
    """The words of the IETF's draft health+json, of Spring Boot and of ASP.NET Core."""
    found, _ = probed({"/api/health": Reply(body, code)})
    assert of(found, "/api/health")["status"] == status
    assert unclear(found) == []


def unclear(found: Collection) -> list[tuple[Any, ...]]:
    rows = found["not_understood"]
    return list(rows[["item", "what", "count", "example", "taken_for"]].itertuples(index=False, name=None))


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("OK", 200),
        ({"ok": True}, 200),
        ("", 204),
        ("<!doctype html><p>fine</p>", 200),
        ({"fine": True}, 200),
    ],
)
def test_rule_14_a_2xx_is_up_unless_a_body_that_is_understood_says_otherwise(body: Any, code: int) -> None:
    found, _ = probed({"/api/health": Reply(body, code)})
    assert of(found, "/api/health")["status"] == "up"
    assert unclear(found) == []


def test_rule_14_an_unknown_word_is_up_and_not_understood_and_the_line_that_explains_it_does() -> None:
    found, _ = probed({"/api/health": {"status": "SERVING"}}, probes=2)
    assert of(found, "/api/health")["status"] == "up"
    assert unclear(found) == [("app./api/health", "unknown word", 2, "SERVING", "up")]
    (mend,) = found["not_understood"]["mend"]
    for meaning in ("up", "degraded", "down"):
        block = yaml.safe_load(mend.replace("up|degraded|down", meaning))["sources"]["app"]
        explained, _ = probed({"/api/health": {"status": "SERVING"}}, probes=1, **block)
        assert (of(explained, "/api/health")["status"], unclear(explained)) == (meaning, [])


@pytest.mark.parametrize("path", ["/", "/api/health"])
@pytest.mark.parametrize("code", [401, 403])
def test_rule_14_an_answer_that_asks_for_a_token_says_nothing_of_the_application(path: str, code: int) -> None:
    found, _ = probed({path: Reply({"status": "down"}, code)})
    row = of(found, path)
    assert (row["status"], row["detail"]) == (MISSING, f"HTTP {code}, needs a token")
    assert unclear(found) == [(f"app.{path}", "needs a token", 1, f"HTTP {code}", "unknown")]
    assert "headers_env" in found["not_understood"]["mend"].iloc[0]


@pytest.mark.parametrize("path", ["/", "/api/health"])
@pytest.mark.parametrize("code", [403, 503])
@pytest.mark.parametrize(
    "header", [("cf-mitigated", "challenge"), ("x-amzn-waf-action", "captcha"), ("x-vercel-mitigated", "deny")]
)
def test_what_a_firewall_answers_says_nothing_of_the_application(
    path: str, code: int, header: tuple[str, str]
) -> None:
    """The headers by which Cloudflare, AWS WAF and Vercel mark an answer of their own."""
    page = Reply("<title>Just a moment...</title>", code, dict([header]))
    found, _ = probed({path: page})
    assert of(found, path)["status"] is MISSING
    assert unclear(found) == [(f"app.{path}", "stopped on its way", 1, ": ".join(header), "unknown")]
    assert "a rule of the firewall" in found["not_understood"]["mend"].iloc[0]


@pytest.mark.parametrize("path", ["/", "/api/health"])
@pytest.mark.parametrize("code", [404, 405, 429])
def test_a_code_that_the_site_file_does_not_explain_is_unknown_until_it_does(path: str, code: int) -> None:
    found, _ = probed({path: Reply("nothing here", code)})
    assert of(found, path)["status"] is MISSING
    assert unclear(found) == [(f"app.{path}", "unknown answer", 1, f"HTTP {code}", "unknown")]
    block = yaml.safe_load(found["not_understood"]["mend"].iloc[0])["sources"]["app"]
    explained, _ = probed({path: Reply("nothing here", code)}, **block)
    assert (of(explained, path)["status"], unclear(explained)) == ("up", [])


@pytest.mark.parametrize(
    ("expected", "body", "code", "status"),
    [
        ({"status": [200, 204]}, {"status": "unhealthy"}, 200, "up"),
        ({"status": 204}, "", 200, "down"),
        ({"status": [200]}, "gone", 404, "down"),
        ({"status": [200]}, "no", 401, None),
        ({"text": "all good"}, "<p>All  good</p>", 200, "up"),
        ({"text": "OK"}, "maintenance", 200, "down"),
        ({"json": {"ok": True}}, {"ok": True, "more": 1}, 200, "up"),
        ({"json": {"ok": True}}, {"ok": False}, 200, "down"),
        ({"json": {"state": ["serving", "warm"]}}, {"state": "WARM"}, 200, "up"),
        ({"json": {"ok": True}}, "OK", 200, "down"),
        ({"json": {"status": "fine"}}, {"status": "degraded"}, 503, "degraded"),
    ],
)
def test_what_the_site_file_expects_decides(expected: Any, body: Any, code: int, status: str | None) -> None:
    found, _ = probed({"/api/health": Reply(body, code)}, expect={"/api/health": expected})
    said = of(found, "/api/health")["status"]
    assert said == status or (status is None and said is MISSING)


@pytest.mark.parametrize(("code", "status"), [(200, "up"), (500, "down"), (503, "down")])
def test_a_page_is_judged_by_its_code(code: int, status: str) -> None:
    found, _ = probed({"/": Reply("<h1>x</h1>", code)})
    row = of(found, "/")
    assert row["status"] == status
    assert row["response_ms"] > 0
    assert status == "up" or row["detail"] == f"HTTP {code}"


@pytest.mark.parametrize("path", ["page", "health", "detailed"])
def test_a_path_that_is_null_is_not_asked(path: str) -> None:
    paths = {"page": "/", "health": "/api/health", "detailed": "/more"}
    found, server = probed({"/more": HEALTHY}, **{**paths, path: None})
    asked = {call.path for call in server.calls}
    assert asked == set(paths.values()) - {paths[path]} == set(found["probes"]["target"])


def test_the_headers_of_the_site_file_are_sent_masked_and_never_taken_to_another_host() -> None:
    with vendor(routed({"/": "x"})) as other:
        routes = {
            "/api/health": Reply("", 302, {"Location": "/inside"}),
            "/inside": lambda call: Reply({"status": f"bad {call.headers['X-Health-Token']}"}, 500),
            "/": Reply("", 302, {"Location": f"{other.url}/"}),
        }
        found, server = probed(routes, headers_env={"X-Health-Token": "SENTRY_AUTH_TOKEN"})
        assert {call.headers.get("X-Health-Token") for call in server.calls} == {SECRET}
        assert other.calls == []
    detail = of(found, "/api/health")["detail"]
    assert detail == "HTTP 500, bad ***"
    assert SECRET not in "".join(table.to_csv() for table in found.frames.values())


def test_each_endpoint_is_probed_as_often_as_the_site_says_and_counts_for_the_end_of_the_scope() -> None:
    found, server = probed({}, probes=2)
    assert len(server.asked("/api/health")) == 2
    moments = sorted(found["probes"]["checked_at"].unique())
    as_of = the_scope().as_of
    assert moments == [as_of - timedelta(seconds=2), as_of - timedelta(seconds=1)]


@pytest.mark.slow
def test_rule_15_what_looks_down_is_probed_again_over_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    found, _ = probed({"/": Reply("<h1>x</h1>", 500)})
    table = found["probes"].sort_values("checked_at")
    page = table[table["target"] == "/"]["checked_at"]
    assert len(page) == 3
    assert page.iloc[-1] - page.iloc[0] >= timedelta(seconds=10)
    assert (table["target"] == "/api/health").sum() == 1, "what is up is not asked again"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other tests do not wait between probes."""
    monkeypatch.setattr(app, "AGAIN_S", (0.0, 0.0))


def test_components_are_told_one_by_one() -> None:
    checks = {
        "database": {"status": "healthy", "responseTime": 45},
        "stripe": {"status": "degraded", "error": "Request rate\nlimit exceeded"},
        "memory": {"status": "healthy", "details": {"usagePercentage": 50, "rss": 310}},
        "cache": "unhealthy",
        "queue": True,
        "mail": {"status": "SERVING", "responseTime": -1},
        "search": [{"status": "pass"}],
    }
    body = {"status": "degraded", "checks": checks}
    found, _ = probed({"/detail": Reply(body, 503)}, detailed="/detail")
    rows = found["health_checks"].query("target == '/detail'").set_index("component")
    known = {
        "database": "up",
        "stripe": "degraded",
        "memory": "up",
        "cache": "down",
        "queue": "up",
        "search": "up",
    }
    assert rows["status"].dropna().to_dict() == known
    assert [row[:2] for row in unclear(found)] == [
        ("app./detail.mail", "unknown word"),
        ("app./detail.mail.responseTime", "out of range"),
    ]
    assert rows.loc["stripe", "detail"] == "Request rate limit exceeded"
    assert rows.loc["memory", "value"] == 50
    assert rows.loc["database", "response_ms"] == 45


def test_an_application_that_refuses_connections_is_down_and_no_gap() -> None:
    site = the_site("app", base_url="http://127.0.0.1:9", probes=1, detailed=None)
    found = Collection(app.collect(site, the_scope()))
    assert set(found["probes"]["status"]) == {"down"}
    assert found["probes"]["detail"].str.startswith("the connection failed").all()
    assert found["gaps"].empty


def test_a_host_without_an_address_is_down() -> None:
    site = the_site("app", base_url="http://shop.invalid", probes=1, detailed=None)
    assert set(Collection(app.collect(site, the_scope()))["probes"]["status"]) == {"down"}


def test_an_application_that_never_answers_is_down_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    monkeypatch.setattr(app, "READ_S", 0.3)
    silence = threading.Event()
    try:
        found, _ = probed({"/": lambda call: Reply(str(silence.wait(10)))})
    finally:
        silence.set()
    row = of(found, "/")
    assert row["status"] == "down"
    assert row["detail"].startswith("timed out")


def test_an_application_without_a_detailed_endpoint_has_a_gap_and_is_not_down() -> None:
    found, _ = probed({}, detailed="/api/health/detailed")
    assert "/api/health/detailed" not in set(found["probes"]["target"])
    assert found.gap("app", "detailed") == ("error", "404: no endpoint at /api/health/detailed")


@pytest.mark.parametrize("detailed", ["/actuator/health", "/actuator/health/full"])
@pytest.mark.parametrize("code", [404, 405, 410])
def test_a_health_path_that_is_not_there_is_not_known_by_its_own_word_whatever_a_log_says(
    detailed: str, code: int
) -> None:
    """Spring Boot's one path is health check and detail; a path that somebody named is no guess of ours."""
    there = {"/actuator/health": {"status": "UP"}} if detailed != "/actuator/health" else {}
    with vendor(routed({"/": "x", **there}, Reply("nothing", code))) as server:
        block = {"base_url": server.url, "health": "/actuator/health", "detailed": detailed, "probes": 1}
        site = the_site("app", **block)
        found = Collection(app.collect(site, the_scope()))
        assert len(server.asked("/actuator/health")) == 1, "a path that is named twice is asked once"
    row = of(found, detailed)
    assert (row["status"], row["detail"][:8]) == (MISSING, f"HTTP {code}")
    assert [entry[:2] for entry in unclear(found)] == [(f"app.{detailed}", "unknown answer")]
    assert f"the right path in place of {detailed}" in found["not_understood"]["mend"].iloc[0]
    end = the_scope().as_of
    log = the_probes(5, end - timedelta(days=1), end)
    probes = pd.concat([found["probes"], frame("probes", log)])
    case = a_case({"probes": probes, "not_understood": found["not_understood"]}, as_of=end, site=site)
    assert health_ok(case).value is None
    assert sources_read(case).value is None


def test_a_redirect_on_the_same_host_is_followed_and_one_elsewhere_is_an_answer() -> None:
    with vendor(routed({"/take": "x"})) as other:
        elsewhere = Reply("", 302, {"Location": f"{other.url}/take"})
        found, _ = probed({"/": Reply("", 307, {"Location": "/login"}), "/login": "<h1>in</h1>"})
        assert of(found, "/")["status"] == "up"
        found, _ = probed({"/": elsewhere})
        assert of(found, "/")["status"] == "up"
        assert other.calls == []


def test_a_redirect_without_end_is_down() -> None:
    found, server = probed({"/": Reply("", 302, {"Location": "/"})})
    assert of(found, "/")["status"] == "down"
    assert len(server.asked("/")) == 3 * app.HOPS, "what looks down is asked three times"


def test_no_probe_is_made_for_a_report_of_the_past() -> None:
    with vendor(routed({"/": "x"})) as server:
        real = {"organization": "shop", "project": "web"}
        site = a_site(sources={"app": {"base_url": server.url}, "sentry": real})
        found = Collection(app.collect(site, the_scope()))
        assert server.calls == []
    assert found["probes"].empty
    assert found.gap("app", "live") == ("no_data", PAST)


def test_stand_ins_are_probed_for_a_report_of_the_past() -> None:
    """Vendors and application all on loopback answer for the time that they are asked about, as the demo does."""
    with vendor(routed({"/": "x"})) as server:
        asked = {"app": {"base_url": server.url, "detailed": None}, "resend": {"base_url": server.url}}
        found = Collection(app.collect(a_site(sources=asked), the_scope()))
    assert len(found["probes"]) > 0


def test_an_application_on_loopback_is_not_probed_for_a_report_of_the_past() -> None:
    """What it answers today says nothing of that day, though it runs beside the workbook."""
    with vendor(routed({"/": "x"})) as server:
        site = a_site(sources={"app": {"base_url": server.url, "detailed": None}})
        found = Collection(app.collect(site, the_scope()))
        assert server.calls == []
    assert found.gap("app", "live") == ("no_data", PAST)


BODIES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["status", "ok", "healthy", "data", "checks", "components", "error", "responseTime"])
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
# Of draft-inadarei-api-health-check-06, Spring Boot's Status, ASP.NET Core's HealthStatus and the guide's own.
SAID = {"fail", "error", "down", "warn", "out_of_service", "unhealthy", "degraded", "warning"}


@given(body=BODIES, code=st.sampled_from([200, 201, 204, 301, 401, 403, 404, 429]))
def test_rule_14_no_body_is_down_but_one_whose_words_are_understood(body: Any, code: int) -> None:
    notes = Unclear("app")
    shot = Shot(code, json.dumps(body).encode(), 1.0)
    endpoint = Endpoint("/healthz", True)
    status, _ = judged(endpoint, shot, notes)
    words = re.findall(r"[a-z_]+", json.dumps(body).casefold())
    if status in ("down", "degraded"):
        assert SAID & set(words) or "false" in words
    if code >= 400 and status is None:
        assert notes.frames()["not_understood"]["count"].sum() == 1
    components(endpoint, shot, the_scope().as_of, notes)  # whatever it is, it ends no report
