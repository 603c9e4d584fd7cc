"""What a log says is declared by the site or by the log itself; nothing is guessed from a value's shape or place.

The formats are those of the vendors' documentation; lines and values are made up, the values read off by eye.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import pdmlib
from pdmlib.cli.main import application
from pdmlib.errors import SiteError
from pdmlib.site.load import load_site
from pdmlib.site.log_formats import layouts
from pdmlib.storage.request_logs.explain import held
from pdmlib.storage.request_logs.ingest import ingest
from pdmlib.storage.request_logs.progress import IngestReport, Taken
from tests.storage.request_logs.logs import BROWSER, CRAWLER, START, line, site_of, table_of, write

ROOT = Path(pdmlib.__file__).parents[1]
CLF = '203.0.113.7 - - [09/Mar/2026:22:00:{s:02d} +0000] "{request}" {status} 512'
Row = tuple[str, str, int | None, float | None]


def access(s: int, request: str = "GET /a HTTP/1.1", status: int = 200, rest: str = f'"-" "{BROWSER}"') -> str:
    return f"{CLF.format(s=s, request=request, status=status)} {rest}".rstrip()


def taken(tmp_path: Path, lines: list[Any], name: str = "access.log", **asked: Any) -> IngestReport:
    return ingest(
        site_of(columns=asked.pop("columns", {}), **asked), [write(tmp_path / name, lines)], tmp_path / "s"
    )


def rows(tmp_path: Path) -> list[Row]:
    """Route, kind, status and duration of what the store holds, in order of time."""
    return [
        (route, kind, status, ms) for _, route, kind, status, ms, *_ in sorted(table_of(tmp_path / "s"), key=str)
    ]


def times(tmp_path: Path) -> list[datetime]:
    return sorted(row[0] for row in table_of(tmp_path / "s"))


@pytest.mark.parametrize(
    "after",
    [
        "17 123",  # a counter of requests, as Traefik's, or whatever
        "812 0.004 [web] []",  # ingress-nginx: the request's length comes first
        "443",
        '"3.21"',  # $gzip_ratio
        "urt=0.900 rt=0.950",
        "1773093600.123",
    ],
)
def test_a_number_after_the_agent_is_no_duration_where_nobody_says_so(tmp_path: Path, after: str) -> None:
    report = taken(tmp_path, [access(1, rest=f'"-" "{BROWSER}" {after}')], format="combined")
    assert (report.requests, report.rejected) == (1, 0)
    assert rows(tmp_path) == [("/a", "user", 200, None)]


def test_of_two_times_the_declared_one_is_the_duration(tmp_path: Path) -> None:
    form = '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" '
    form += '"$http_user_agent" urt="$upstream_response_time" rt=$request_time'
    line_ = access(1, rest=f'"-" "{BROWSER}" urt="0.010, 0.900" rt=0.950')
    taken(tmp_path, [line_], log_format=form)
    assert rows(tmp_path) == [("/a", "user", 200, 950.0)]
    again = {"log_format": form, "columns": {"duration_ms": "$upstream_response_time"}}
    ingest(site_of(**again), [tmp_path / "access.log"], tmp_path / "other")
    assert table_of(tmp_path / "other")[0][4] == pytest.approx(910)


@pytest.mark.parametrize(
    ("form", "written"),
    [
        ("$msec", "1773093601.000"),
        ("$time_iso8601", "2026-03-09T22:00:01+00:00"),
        ("[$time_local]", "[09/Mar/2026:18:00:01 -0400]"),
        ("%t", "[09/Mar/2026:22:00:01 +0000]"),
        ("%{sec}t", "1773093601"),
        ("%{msec}t", "1773093601000"),
        ("%{usec}t", "1773093601000000"),
        ("%{%d/%b/%Y %T}t.%{msec_frac}t %{%z}t", "09/Mar/2026 22:00:01.000 +0000"),
        ("%{begin:%Y-%m-%dT%H:%M:%S%z}t", "2026-03-09T22:00:01+0000"),
    ],
)
def test_a_time_is_read_as_its_variable_writes_it(tmp_path: Path, form: str, written: str) -> None:
    request = '"$request" $status' if "$" in form else '"%r" %>s'
    report = taken(tmp_path, [f'{written} "GET /a HTTP/1.1" 200'], log_format=f"{form} {request}")
    assert (report.requests, report.rejected) == (1, 0)
    assert times(tmp_path) == [datetime(2026, 3, 9, 22, 0, 1)]


@pytest.mark.parametrize(
    ("form", "written", "ms"),
    [
        ("%D", "41250", 41.25),
        ("%{us}T", "41250", 41.25),
        ("%{ms}T", "41", 41.0),
        ("%T/%D", "0/41250", 41.25),
        ("%T", "0", None),  # whole seconds are no response time
        ("$request_time", "0.041", 41.0),
        ("$upstream_response_time", "0.041", None),  # of the server behind, unless the site says that it counts
        ("$request_length $bytes_sent $connection $server_port $gzip_ratio", "812 5 17 443 3.21", None),
    ],
)
def test_a_duration_has_the_unit_of_its_variable(
    tmp_path: Path, form: str, written: str, ms: float | None
) -> None:
    before = '[$time_local] "$request" $status' if "$" in form else '%t "%r" %>s'
    report = taken(
        tmp_path, [f'[09/Mar/2026:22:00:01 +0000] "GET /a HTTP/1.1" 200 {written}'], log_format=f"{before} {form}"
    )
    assert (report.requests, report.rejected) == (1, 0)
    assert rows(tmp_path)[0][3] == pytest.approx(ms)


@pytest.mark.parametrize(("unit", "ms"), [("ms", 41.0), ("us", 0.041), (None, 41_000.0)])
def test_the_unit_that_the_site_declares_wins_over_the_variables(
    tmp_path: Path, unit: str | None, ms: float
) -> None:
    """Morgan writes `:response-time ms` where nginx's $request_time would be seconds."""
    asked = {"log_format": '[$time_local] "$request" $status $request_time ms', "duration_unit": unit}
    taken(tmp_path, ['[09/Mar/2026:22:00:01 +0000] "GET /a HTTP/1.1" 200 41 ms'], **asked)
    assert rows(tmp_path)[0][3] == pytest.approx(ms)


SESSION = "0af7651916cd43dd8448eb211c80319c"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    "after", [f'"{SESSION}"', f'"{TRACE}"', '"uid=0af7651916cd43dd"', "6ba7b810-9dad-11d1-80b4-00c04fd430c8"]
)
def test_what_looks_like_an_id_is_none(tmp_path: Path, after: str) -> None:
    """Four requests of one session are four, and each keeps its own status."""
    paths = (("/pay", 500), ("/cart", 200), ("/cart", 200), ("/", 200))
    lines = [access(s, f"GET {p} HTTP/1.1", status, f'"-" "x" {after}') for s, (p, status) in enumerate(paths)]
    report = taken(tmp_path, lines, format="combined")
    assert (report.requests, report.duplicates) == (4, 0)
    assert Counter(row[2] for row in rows(tmp_path)) == {200: 3, 500: 1}


def test_a_declared_id_is_believed_where_time_path_and_status_confirm_it(tmp_path: Path) -> None:
    """A site says of its session's id that it is the request's: only what was delivered twice is one."""
    form = '$remote_addr [$time_local] "$request" $status $request_id $http_x_session'
    start = "10.0.0.1 [09/Mar/2026:22:00:0{}".format
    lines = [
        f'{start(s)} +0000] "GET {p} HTTP/1.1" 200 id{i} {SESSION}'
        for s, p, i in ((1, "/a", 1), (1, "/b", 2), (2, "/a", 3))
    ]
    asked: dict[str, Any] = {"log_format": form, "columns": {"request_id": "$http_x_session"}}
    assert taken(tmp_path, lines, **asked).requests == 3
    again = ingest(site_of(**asked), [write(tmp_path / "redelivered.log", lines[1:])], tmp_path / "s")
    assert (again.requests, again.duplicates) == (0, 2)


def test_distinct_ids_stay_distinct_whatever_they_are_made_of(tmp_path: Path) -> None:
    """Counters in fields of fixed width, for which a hash of 64 bits gives the same number again and again."""
    ids = [f"{i:016x}{j:016x}" for i in range(60) for j in range(30)]
    report = taken(tmp_path, [line(one) for one in ids], name="drain.ndjson")
    assert (report.requests, report.duplicates) == (1800, 0)


def span(number: int, status: int | None, code: str) -> dict[str, Any]:
    at = int(START.timestamp()) * 10**9
    said = [] if status is None else [{"key": "http.response.status_code", "value": {"intValue": str(status)}}]
    times = {"startTimeUnixNano": str(at), "endTimeUnixNano": str(at + 5_000_000)}
    return {
        "traceId": "ab" * 16,
        "spanId": f"{number:016x}",
        "kind": 2,
        "name": "GET /a",
        "attributes": said,
        **times,
        "status": {"code": code},
    }


def test_a_status_that_was_received_wins_over_the_spans_own(tmp_path: Path) -> None:
    """OpenTelemetry, HTTP spans: older instrumentations mark a server's span of 4xx as an error, too."""
    spans = [
        span(1, 404, "STATUS_CODE_ERROR"),
        span(2, 200, "STATUS_CODE_ERROR"),
        span(3, None, "STATUS_CODE_ERROR"),
        span(4, 503, "STATUS_CODE_ERROR"),
    ]
    taken(
        tmp_path,
        [{"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}],
        name="t.ndjson",
        format="vercel-traces",
    )
    assert sorted(row[2] or 0 for row in rows(tmp_path)) == [-1, 200, 404, 503]


@pytest.mark.parametrize("stray", ["\rx", "x\r", "\r\r", "x\r\n"])
def test_one_carriage_return_loses_no_line(tmp_path: Path, stray: str) -> None:
    lines = [access(s, rest=f'"-" "{stray if s == 3 else "x"}"') for s in range(6)]
    log = tmp_path / "access.log"
    text = (
        "\n".join(lines) + "\n"
        if "\n" not in stray
        else "".join(f"{access(s)}\r\n" if s % 2 else f"{access(s)}\n" for s in range(6))
    )
    log.write_bytes(text.encode())
    report = ingest(site_of(format="combined", columns={}), [log], tmp_path / "s")
    assert (report.requests, report.rejected, report.failed) == (6, 0, ())
    (tmp_path / "b.log.gz").write_bytes(gzip.compress(text.encode()))
    assert ingest(site_of(format="combined", columns={}), [tmp_path / "b.log.gz"], tmp_path / "t").requests == 6


def test_one_carriage_return_in_a_csv_loses_no_line(tmp_path: Path) -> None:
    agents = ("x", "x", "x\ry", "x", "x")
    lines = (f"2026-03-09T22:00:0{s}Z,/a,200,{agent}\n" for s, agent in enumerate(agents))
    text = "time,path,status,user_agent\n" + "".join(lines)
    (tmp_path / "log.csv").write_bytes(text.encode())
    report = ingest(site_of(format="csv", columns={}), [tmp_path / "log.csv"], tmp_path / "s")
    assert (report.requests, report.rejected, report.failed) == (5, 0, ())


NAMES = (
    "access.log-20261112",
    "access.log.1",
    "access.log-20261112.gz",
    "access.log.2026-11-12",
    "access_log",
    "access_log.1762905600",
    "u_ex261112.log",
    "E2EXAMPLE.2026-11-12-20.a1b2c3d4.gz",
    "access.log.old",
    "localhost_access_log.2026-11-12.txt",
    "ssl_access_log-20261112",
)


def test_rotated_logs_are_logs_whatever_rotated_them(tmp_path: Path) -> None:
    """Names of logrotate, rotatelogs, IIS, CloudFront, Tomcat; what is no log is named with its reason."""
    for number, name in enumerate(NAMES):
        write(tmp_path / "logs" / name, [access(number)])
    for name in ("readme.md", "backup.tar.gz", "blog.php"):
        (tmp_path / "logs" / name).write_bytes(b"x")
    report = ingest(site_of(format="combined", columns={}), [tmp_path / "logs"], tmp_path / "s")
    assert set(report.named(Taken.TAKEN)) == set(NAMES)
    assert set(report.skipped) == {"readme.md", "backup.tar.gz", "blog.php"}
    assert report.requests == len(NAMES)


def test_fields_that_are_written_with_dots_are_the_fields_inside_objects(tmp_path: Path) -> None:
    def flat(tree: dict[str, Any], head: str = "") -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in tree.items():
            found |= flat(value, f"{head}{name}.") if isinstance(value, dict) else {f"{head}{name}": value}
        return found

    drain = [line("a", status=500), line("b"), line("c", proxied={"statusCode": -1})]
    report = taken(tmp_path, [flat(row) for row in drain], name="drain.ndjson")
    assert (report.requests, report.excluded, report.rejected) == (2, 1, 0)
    assert Counter(row[2] for row in rows(tmp_path)) == {500: 1, 200: 1}
    own = [{"http.request.path": "/a", "http.request.at": START.isoformat(), "code": 503}]
    columns = {"path": "http.request.path", "time": "http.request.at", "status": "code"}
    log = write(tmp_path / "own.ndjson", own)
    assert ingest(site_of(format="json", columns=columns), [log], tmp_path / "own").requests == 1
    assert table_of(tmp_path / "own")[0][3] == 503


@pytest.mark.parametrize(("request_line", "status"), [("", 400), ("-", 408), (r"\x16\x03\x01", 400)])
def test_a_connection_that_sent_no_request_is_none_of_the_front_page(
    tmp_path: Path, request_line: str, status: int
) -> None:
    assert taken(tmp_path, [access(1, request_line, status)], format="combined").requests == 1
    assert rows(tmp_path)[0][:3] == ("[other]", "user", status)


def test_what_stands_before_the_referrer_hides_no_crawler(tmp_path: Path) -> None:
    taken(
        tmp_path, [access(1, rest=f'0.120 "-" "{CRAWLER}"'), access(2, rest=f'"-" "{CRAWLER}"')], format="combined"
    )
    assert rows(tmp_path) == [("/a", "bot", 200, None)] * 2


def test_a_local_time_is_read_in_the_declared_zone_and_rejected_without_one(tmp_path: Path) -> None:
    rows_ = [{"time": "2026-03-09 18:00:01", "path": "/a", "status": 200}]
    assert taken(tmp_path, rows_, name="l.ndjson", format="json").rejected == 1
    ingest(
        site_of(format="json", columns={}, time_zone="America/New_York"), [tmp_path / "l.ndjson"], tmp_path / "s"
    )
    assert times(tmp_path) == [datetime(2026, 3, 9, 22, 0, 1)]


# How each server writes a request for /jobs/123, one that failed, and a crawler's, and how long each took.
NGINX_JSON = """log_format json escape=json '{"at":"$time_iso8601",'
    '"req":{"line":"$request","ms":"${request_time}"},'
    '"status":"$status","ua":"$http_user_agent","id":"$request_id"}';"""
APACHE_D = r'LogFormat "%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\" %D" timed'
GUNICORN = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"'
KEYS = "time=$time_iso8601 status=$status method=$request_method uri=$request_uri rt=$request_time "
KEYS += 'ua="$http_user_agent"'
FIELDS_IIS = "date time s-ip cs-method cs-uri-stem cs-uri-query s-port c-ip "
FIELDS_IIS += "cs(User-Agent) sc-status sc-substatus time-taken"
FIELDS_CF = "date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem "
FIELDS_CF += "sc-status cs(Referer) cs(User-Agent) cs-uri-query x-edge-request-id time-taken"
ALB = "{} 2026-03-09T22:00:0{}.000000Z app/web/50dc6c 203.0.113.7:2817 10.0.0.1:80 {} {} {} 34 366 "
ALB += '"GET https://shop.example:443{} HTTP/2.0" "{}" ECDHE-RSA TLSv1.2 arn:aws:x '
ALB += '"Root=1-58337262-36d228ad" "shop.example" "arn:cert" 0 '
ALB += '2026-03-09T22:00:00.5Z "forward" "-" "-" "10.0.0.1:80" "200" "-" "-"'
TRAEFIK = '203.0.113.7 - - [09/Mar/2026:22:00:0{} +0000] "GET {} HTTP/2.0" {} 128 "-" "{}" {} '
TRAEFIK += '"web@docker" "http://10.0.0.2:80" {}ms'
INGRESS = "{} [default-web-80] [] 10.0.0.1:8080, 10.0.0.2:8080 0, 19 0.001, {} 502, {} {}"
HAPROXY = "Mar  9 18:00:0{} lb haproxy[14]: 203.0.113.7:33317 [09/Mar/2026:18:00:0{}.250] "
HAPROXY += 'http-in~ web/srv1 10/0/30/69/{} {} 2750 - - ---- 1/1/1/1/0 0/0 "GET {} HTTP/1.1"'
CADDY = {"level": "info", "logger": "http.log.access.log0", "msg": "handled request"}


def caddy(s: int, path: str, status: int, took: float, agent: str) -> dict[str, Any]:
    asked = {"method": "GET", "uri": path, "headers": {"User-Agent": [agent]}}
    return {**CADDY, "ts": 1773093600 + s + 0.25, "request": asked, "duration": took, "status": status}


def traefik(s: int, path: str, status: int, took: int, agent: str) -> dict[str, Any]:
    moment = f"2026-03-09T22:00:0{s}.25Z"
    return {
        "StartUTC": moment,
        "RequestPath": path,
        "DownstreamStatus": status,
        "Duration": took,
        "request_User-Agent": agent,
        "time": "2026-03-09T22:09:00Z",
    }


def w3c(agent: str) -> str:
    return agent.replace(" ", "+")


SHAPES: dict[str, tuple[dict[str, Any], list[Any], list[float | None]]] = {
    "nginx combined": (
        {"log_format": "combined"},
        [
            access(1, "GET /jobs/123 HTTP/1.1"),
            access(2, "POST /pay HTTP/1.1", 502),
            access(3, rest=f'"-" "{CRAWLER}"'),
        ],
        [None, None, None],
    ),
    "apache vhost": (
        {"log_format": "vhost"},
        [
            f"shop.example:443 {one}"
            for one in (
                access(1, "GET /jobs/123 HTTP/1.1"),
                access(2, "POST /pay HTTP/1.1", 502),
                access(3, rest=f'"-" "{CRAWLER}"'),
            )
        ],
        [None, None, None],
    ),
    "apache %D": (
        {"log_format": APACHE_D},
        [
            access(1, "GET /jobs/123 HTTP/1.1", rest=f'"-" "{BROWSER}" 41250'),
            access(2, "POST /pay HTTP/1.1", 502, f'"-" "{BROWSER}" 1500000'),
            access(3, rest=f'"-" "{CRAWLER}" 900'),
        ],
        [41.25, 1500.0, 0.9],
    ),
    # docs.gunicorn.org, settings, access_log_format: its default with each of its ways to tell the time it took.
    "gunicorn %(D)s": (
        {"log_format": GUNICORN + " %(D)s"},
        [
            access(1, "GET /jobs/123 HTTP/1.1", rest=f'"-" "{BROWSER}" 41250'),
            access(2, "POST /pay HTTP/1.1", 502, f'"-" "{BROWSER}" 1500000'),
            access(3, rest=f'"-" "{CRAWLER}" 900'),
        ],
        [41.25, 1500.0, 0.9],
    ),
    "gunicorn %(L)s": (
        {"log_format": "%(t)s '%(r)s' %(T)s %(L)s %(s)s %({x-shop}i)s %(a)s".replace("'", '"')},
        [
            f'[09/Mar/2026:22:00:01 +0000] "GET /jobs/123 HTTP/1.1" 0 0.041250 200 - {BROWSER}',
            f'[09/Mar/2026:22:00:02 +0000] "POST /pay HTTP/1.1" 1 1.500000 502 a b {BROWSER}',
            f'[09/Mar/2026:22:00:03 +0000] "GET /a HTTP/1.1" 0 0.000900 200 - {CRAWLER}',
        ],
        [41.25, 1500.0, 0.9],
    ),
    "nginx json": (
        {"log_format": NGINX_JSON},
        [
            {
                "at": f"2026-03-09T22:00:0{s}+00:00",
                "req": {"line": f"GET {p} HTTP/1.1", "ms": took},
                "status": str(code),
                "ua": ua,
                "id": f"{s:032x}",
            }
            for s, p, code, took, ua in (
                (1, "/jobs/123?x=1", 200, "0.041", BROWSER),
                (2, "/pay", 502, "1.500", BROWSER),
                (3, "/a", 200, "0.001", CRAWLER),
            )
        ],
        [41.0, 1500.0, 1.0],
    ),
    "nginx key=value": (
        {"log_format": KEYS},
        [
            f'time=2026-03-09T22:00:0{s}+00:00 status={code} method=GET uri={p} rt={took} ua="{ua}"'
            for s, p, code, took, ua in (
                (1, "/jobs/123?x=1", 200, "0.041", BROWSER),
                (2, "/pay", 502, "1.500", BROWSER),
                (3, "/a", 200, "0.001", CRAWLER),
            )
        ],
        [41.0, 1500.0, 1.0],
    ),
    "caddy": (
        {"log_format": "caddy"},
        [
            caddy(1, "/jobs/123", 200, 0.041, agent=BROWSER),
            caddy(2, "/pay", 502, 1.5, agent=BROWSER),
            caddy(3, "/a", 200, 0.001, agent=CRAWLER),
            {"level": "info", "ts": 1773093605.1, "logger": "tls.obtain", "msg": "certificate obtained"},
        ],
        [41.0, 1500.0, 1.0],
    ),
    "traefik": (
        {"log_format": "traefik"},
        [
            TRAEFIK.format(1, "/jobs/123", 200, BROWSER, 10137, 41),
            TRAEFIK.format(2, "/pay", 502, BROWSER, 10138, 1500),
            TRAEFIK.format(3, "/a", 200, CRAWLER, 10139, 1),
        ],
        [41.0, 1500.0, 1.0],
    ),
    "traefik json": (
        {"log_format": "traefik"},
        [
            traefik(1, "/jobs/123", 200, 41_000_000, agent=BROWSER),
            traefik(2, "/pay", 502, 1_500_000_000, agent=BROWSER),
            traefik(3, "/a", 200, 1_000_000, agent=CRAWLER),
        ],
        [41.0, 1500.0, 1.0],
    ),
    "ingress-nginx": (
        {"log_format": "ingress-nginx"},
        [
            access(
                1,
                "GET /jobs/123 HTTP/1.1",
                200,
                f'"-" "{BROWSER}" 812 0.041 ' + INGRESS.format("", "0.040", 200, "a" * 32).strip(),
            ),
            access(
                2,
                "POST /pay HTTP/1.1",
                502,
                f'"-" "{BROWSER}" 812 1.500 ' + INGRESS.format("", "1.500", 502, "b" * 32).strip(),
            ),
            access(3, "GET /a HTTP/1.1", 200, f'"-" "{CRAWLER}" 812 0.001 [] [] - - - - ' + "c" * 32),
        ],
        [41.0, 1500.0, 1.0],
    ),
    "haproxy": (
        {"log_format": "haproxy", "time_zone": "America/New_York"},
        [
            HAPROXY.format(1, 1, 41, 200, "/jobs/123"),
            HAPROXY.format(2, 2, 1500, 502, "/pay"),
            HAPROXY.format(3, 3, "+1", 200, "/a"),
        ],
        [41.0, 1500.0, None],
    ),
    "cloudfront": (
        {"log_format": "cloudfront"},
        ["#Version: 1.0", f"#Fields: {FIELDS_CF}"]
        + [
            "\t".join(
                (
                    f"2026-03-09\t22:00:0{s}",
                    "FRA2",
                    "512",
                    "203.0.113.7",
                    "GET",
                    "d1.cloudfront.net",
                    p,
                    str(code),
                    "-",
                    ua.replace(" ", "%20"),
                    "-",
                    f"id{s}==",
                    took,
                )
            )
            for s, p, code, took, ua in (
                (1, "/jobs/123", 200, "0.041", BROWSER),
                (2, "/pay", 502, "1.500", BROWSER),
                (3, "/a", 200, "0.001", CRAWLER),
            )
        ],
        [41.0, 1500.0, 1.0],
    ),
    "alb": (
        {"log_format": "alb"},
        [
            ALB.format("h2", 1, "0.001 0.040 0.000", 200, 200, "/jobs/123", BROWSER),
            ALB.format("https", 2, "0.000 1.500 0.000", 502, 502, "/pay", BROWSER),
            ALB.format("http", 3, "-1 -1 -1", 403, "-", "/a", CRAWLER),
        ],
        [41.0, 1500.0, None],
    ),
    "iis": (
        {"log_format": "iis"},
        [
            "#Software: Microsoft Internet Information Services 10.0",
            "#Version: 1.0",
            "#Date: 2026-03-09 22:00:00",
            f"#Fields: {FIELDS_IIS}",
        ]
        + [
            f"2026-03-09 22:00:0{s} 10.0.0.1 GET {p} - 443 203.0.113.7 {w3c(ua)} {code} 0 {took}"
            for s, p, code, took, ua in (
                (1, "/jobs/123", 200, 41, BROWSER),
                (2, "/pay", 502, 1500, BROWSER),
                (3, "/a", 200, 1, CRAWLER),
            )
        ],
        [41.0, 1500.0, 1.0],
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_public_log_is_read_as_its_documentation_says(tmp_path: Path, shape: str) -> None:
    asked, lines, durations = SHAPES[shape]
    report = taken(tmp_path, lines, **asked)
    assert (report.requests, report.rejected, report.failed) == (3, 0, ())
    found = sorted(table_of(tmp_path / "s"))
    assert [row[0].replace(microsecond=0) for row in found] == [datetime(2026, 3, 9, 22, 0, s) for s in (1, 2, 3)]
    assert [row[1] for row in found] == ["/jobs/[id]", "/pay", "/a"]
    assert [row[3] for row in found] == [200, 502, 403 if shape == "alb" else 200]
    assert [row[4] for row in found] == pytest.approx(durations)
    if shape != "haproxy":  # which writes no agent unless it is captured
        assert [row[2] for row in found] == ["user", "user", "bot"]
    assert ingest(site_of(columns={}, **asked), [tmp_path / "access.log"], tmp_path / "s").requests == 0


def test_lines_below_a_header_are_read_by_it_when_the_file_grows(tmp_path: Path) -> None:
    asked, lines, _ = SHAPES["iis"]
    assert taken(tmp_path, lines[:5], **asked).requests == 1
    report = taken(tmp_path, lines, **asked)
    assert (report.requests, report.lines) == (2, 2)


def test_a_log_whose_header_changes_is_not_read_by_the_first_one(tmp_path: Path) -> None:
    asked, lines, _ = SHAPES["iis"]
    other = f"#Fields: {FIELDS_IIS.replace('s-ip ', '').replace('time-taken', 'cs-host time-taken')}"
    ((_, reason),) = taken(tmp_path, [*lines, lines[3], other, *lines[4:]], **asked).failed
    assert reason == "its #Fields change on the way; cut it there"
    assert taken(tmp_path, [*lines, *lines], **asked).requests == 6


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("combinde", "neither a format of nginx, Apache or gunicorn"),
        ('{"time": $time_iso8601, "uri": }', "looks like JSON and is none"),
    ],
)
def test_a_format_that_cannot_be_read_is_a_mistake_of_the_site_file(tmp_path: Path, form: str, said: str) -> None:
    site = tmp_path / "site.yaml"
    site.write_text(
        f"site: x\ntitle: X\ntime_zone: UTC\nsources: {{}}\nrequests:\n  log_format: {json.dumps(form)}\n"
    )
    with pytest.raises(SiteError, match=rf"line 6: requests\.log_format: .*{said}"):
        load_site(site)


@pytest.mark.parametrize(("form", "said"), [("$request $status", "writes no time"), ("%t %>s", "writes no path")])
def test_a_format_without_a_time_or_a_path_tells_what_to_add(tmp_path: Path, form: str, said: str) -> None:
    ((_, reason),) = taken(tmp_path, [access(1)], log_format=form).failed
    assert reason.startswith(said) and "of nginx" in reason


def site_file(tmp_path: Path, requests: str) -> Path:
    site = tmp_path / "site.yaml"
    site.write_text(f"site: x\ntitle: X\ntime_zone: UTC\nsources: {{}}\nrequests: {requests}\n")
    return site


def pdm(*words: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(application(), list(map(str, words)), env={"COLUMNS": "200"})
    return done.exit_code, done.output


def test_every_file_is_named_with_what_became_of_it(tmp_path: Path) -> None:
    site, logs = site_file(tmp_path, "{format: combined}"), tmp_path / "logs"
    write(logs / "access.log", [access(1), "garbage"])
    write(logs / "error.log", ["2026/03/09 22:00:00 [error] 7#7: *1 connect() failed"])
    write(logs / "notes.md", ["x"])
    (logs / "cut.log.gz").write_bytes(gzip.compress(b"x" * 10_000)[:-9])
    code, said = pdm("ingest", logs, "--site", site, "--out", tmp_path / "out")
    assert code == 1
    for told in (
        "taken   access.log: 2 lines, 1 rejected",
        "skipped error.log: none of its 1 lines is understood as combined",
        "skipped notes.md: its name is not one of a log",
        "failed  cut.log.gz: ",
    ):
        assert told in said
    (logs / "cut.log.gz").unlink()
    assert pdm("ingest", logs, "--site", site, "--out", tmp_path / "out")[0] == 0


def test_an_ingest_that_took_nothing_fails_and_forgets_nothing(tmp_path: Path) -> None:
    """Once the site says what the lines are, the same file is read."""
    log = write(tmp_path / "access.log", [TRAEFIK.format(1, "/a", 200, "x", 7, 41)])
    wrong, right = site_file(tmp_path, "{log_format: ingress-nginx}"), tmp_path / "right.yaml"
    call = ("ingest", log, "--out", tmp_path / "out", "--site")
    code, said = pdm(*call, wrong)
    assert (code, "nothing was taken" in said) == (1, True)
    right.write_text(wrong.read_text().replace("ingress-nginx", "traefik"))
    code, said = pdm(*call, right)
    assert (code, "1 requests of 1 lines" in said) == (0, True)


@pytest.mark.slow
def test_explain_shows_what_is_read_what_is_not_and_what_fits(tmp_path: Path) -> None:
    lines = [TRAEFIK.format(s, "/jobs/123", 200, "Mozilla anna@example.com", 10137 + s, 41) for s in range(1, 5)]
    log, site = write(tmp_path / "access.log", lines), site_file(tmp_path, "{format: combined}")
    code, said = pdm("ingest", "--explain", log, "--site", site, "--out", tmp_path / "out")
    assert code == 0
    assert said.count("= 2026-03-09 22:00:0") == 3
    assert "/jobs/[id], status 200, no response time, user, no id" in said
    assert 'does not name it: 99999 "xxx@xxxxxx"' in said
    assert "log $request_time of nginx, %D of Apache" in said
    assert "fits: `requests: {log_format: traefik}` understands 4 of 4" in said
    assert not {word for word in ("anna", "203.0", "10138") if word in said}
    assert not (tmp_path / "out").exists()
    site.write_text(site.read_text().replace("format: combined", "log_format: traefik"))
    _, said = pdm("ingest", "--explain", log, "--site", site)
    assert "/jobs/[id], status 200, 41 ms, user, no id" in said and "fits" not in said


def test_explain_names_the_variables_that_nobody_documents(tmp_path: Path) -> None:
    form = "$remote_addr [$time_local] $request $status $body_bytes_sent $my_own_thing $request_time"
    log = write(tmp_path / "a.log", ["10.0.0.1 [09/Mar/2026:22:00:01 +0000] GET /a HTTP/1.1 200 5 x 0.041"])
    site = site_file(tmp_path, json.dumps({"log_format": form}))
    _, said = pdm("ingest", "--explain", log, "--site", site)
    assert "/a, status 200, 41 ms, user, no id" in said
    assert "not read: $remote_addr, $body_bytes_sent" in said
    assert "not understood: $my_own_thing" in said


def test_explain_of_objects_names_their_fields(tmp_path: Path) -> None:
    log = write(tmp_path / "a.ndjson", [{"uri": "/a", "when": START.isoformat(), "code": 200}])
    _, said = pdm("ingest", "--explain", log, "--site", site_file(tmp_path, "{log_format: traefik}"))
    assert "1 lines: 0 requests, 0 of no request, 1 rejected" in said
    assert "its fields are uri, when, code: say with format: json and requests.columns which is which" in said


FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0"
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


@pytest.mark.slow
def test_what_explain_prints_stands_in_the_documentation(tmp_path: Path) -> None:
    start, web = "203.0.113.{0} - - [09/Mar/2026:22:00:0{0} +0000]".format, "[shop-web-80] []"
    lines = [
        f'{start(1)} "GET /jobs/123?utm=mail HTTP/2.0" 200 5120 "https://shop.example/" "{FIREFOX}" 812 0.041 '
        f"{web} 10.0.0.1:8080 5120 0.040 200 9f86d081884c7d659a2feaa0c55ad015",
        f'{start(2)} "POST /api/pay HTTP/2.0" 502 0 "-" "{FIREFOX}" 1460 1.500 '
        f"{web} 10.0.0.1:8080, 10.0.0.2:8080 0, 0 0.750, 0.750 502, 502 60303ae22b998861bce3b28f33eec1be",
        f'{start(3)} "GET /robots.txt HTTP/1.1" 200 68 "-" "{GOOGLEBOT}" 240 0.001 '
        f"{web} 10.0.0.2:8080 68 0.001 200 fd61a03af4f77d870fc21e05e7e80678",
    ]
    log, docs = write(tmp_path / "access.log", lines), (ROOT / "docs/requests.md").read_text(encoding="utf-8")
    for block in ("{format: combined}", "{log_format: ingress-nginx}"):
        said = pdm("ingest", "--explain", log, "--site", site_file(tmp_path, block))[1].splitlines()
        shown = said if "combined" in block else [*said[:3], *said[7:]]
        assert [line for line in shown if line not in docs.splitlines()] == []


NGINX_LOGS = """args arg_utm binary_remote_addr body_bytes_sent bytes_sent connection connection_requests
    connection_time content_length cookie_session document_uri gzip_ratio host http_referer
    http_x_forwarded_for https
    is_args limit_rate msec nginx_version pid pipe proxy_protocol_addr query_string realpath_root remote_addr
    remote_user request_body request_completion request_filename request_id request_length request_method scheme
    sent_http_etag server_addr server_name server_port server_protocol ssl_cipher ssl_protocol tcpinfo_rtt
    upstream_addr upstream_cache_status upstream_connect_time upstream_http_server upstream_response_time"""
APACHE_LOGS = """%a %{c}a %A %B %b %{session}C %D %{TZ}e %f %h %H %{Referer}i %k %l %L %m %{note}n
    %{ETag}o %p %{local}p
    %P %{tid}P %q %R %T %u %v %V %X %I %O %S %<u %400,501{User-agent}i %!200,304{Referer}i %{ms}T %^FB"""


@pytest.mark.parametrize(("start", "names"), [("[$time_local] $uri ", NGINX_LOGS), ("%t %U ", APACHE_LOGS)])
def test_every_documented_variable_is_known(start: str, names: str) -> None:
    """Of nginx's log, core, upstream, ssl and gzip modules, and of Apache's mod_log_config and mod_logio."""
    dollar = "$" if "$" in start else ""
    (layout,) = layouts(start + " ".join(dollar + name for name in names.split()))
    assert [value.name for value in layout.values if not value.known] == []
    assert len(layout.values) == 2 + len(names.split())


def test_the_newest_request_that_is_held_is_shown_as_understood(tmp_path: Path) -> None:
    declared = '$remote_addr - - [$time_local] "$request" $status $body_bytes_sent $request_time'
    lines = [f"{CLF.format(s=1, request='GET /a/7 HTTP/1.1', status=200)} 0.120"]
    lines.append(f"{CLF.format(s=9, request='GET /api/health HTTP/1.1', status=503)} 0.004")
    taken(tmp_path, lines, log_format=declared)
    site = site_of(columns={}, log_format=declared).model_copy(update={"time_zone": "Asia/Kolkata"})
    (shown,) = held(site, tmp_path / "s")
    row = {said.ours: (said.theirs, said.value, said.taken_for) for said in shown.columns}
    # 22:00:09 UTC is 03:30:09 of the next day in Kolkata.
    assert row["time"] == ("$time_local", "2026-03-09 22:00:09", "Tue 10 Mar 2026 03:30:09 IST")
    assert row["duration_ms"] == ("$request_time", "4.0", "4.0")
    assert row["status"] == ("$status", "503", "503")
    used = {(word.ours, word.theirs): (word.count, word.taken_for) for word in shown.words}
    assert used == {
        ("kind", "user"): (1, "counted"),
        ("kind", "health"): (1, "kept apart"),
        ("status", "2xx"): (1, "answered"),
        ("status", "5xx"): (1, "failed"),
    }


def test_a_declared_unit_of_the_duration_wins_over_that_of_the_variable(tmp_path: Path) -> None:
    """morgan's `:response-time ms`, written in nginx's variables, of which `$request_time` is in seconds."""
    declared = '$remote_addr - - [$time_local] "$request" $status $body_bytes_sent $request_time ms'
    taken(tmp_path, [access(1, rest="131.5 ms")], log_format=declared, duration_unit="ms")
    assert [row[3] for row in rows(tmp_path)] == [131.5]


@pytest.mark.parametrize("packed", [False, True])
def test_a_byte_order_mark_loses_no_line(tmp_path: Path, packed: bool) -> None:
    """As PowerShell and .NET write texts; the first of three requests was rejected."""
    text = "".join(
        json.dumps({"time": f"2026-03-09T22:00:0{s}Z", "path": "/a", "status": 200}) + "\n" for s in range(3)
    )
    content = b"\xef\xbb\xbf" + text.encode()
    log = tmp_path / ("a.ndjson.gz" if packed else "a.ndjson")
    log.write_bytes(gzip.compress(content) if packed else content)
    report = ingest(site_of(format="json", columns={}), [log], tmp_path / "s")
    assert (report.requests, report.rejected) == (3, 0)


def test_an_empty_file_alone_is_nothing_that_was_taken(tmp_path: Path) -> None:
    (tmp_path / "access.log").write_bytes(b"")
    report = ingest(site_of(format="combined", columns={}), [tmp_path / "access.log"], tmp_path / "s")
    assert (report.skipped, report.files_known, report.good) == (("access.log",), 0, False)


@pytest.mark.parametrize(
    "before",
    [
        "",
        "Mar  9 18:00:00 lb haproxy[14]: ",  # RFC 3164
        "<134>1 2026-03-09T18:00:00-04:00 lb haproxy 14 - - ",  # RFC 5424
        "2026-03-09T18:00:00-04:00 lb haproxy[14] ",
    ],
)
def test_whatever_syslog_writes_before_it_a_line_of_haproxy_is_one(tmp_path: Path, before: str) -> None:
    line_ = f"{before}203.0.113.7:33317 [09/Mar/2026:18:00:00.250] http-in~ web/srv1 10/0/30/69/109 200 2750 "
    line_ += '- - ---- 1/1/1/1/0 0/0 "GET /a HTTP/2.0"'
    taken(tmp_path, [line_], log_format="haproxy", time_zone="America/New_York")
    assert rows(tmp_path) == [("/a", "user", 200, 109.0)]
    assert times(tmp_path) == [datetime(2026, 3, 9, 22, 0, 0, 250_000)]
