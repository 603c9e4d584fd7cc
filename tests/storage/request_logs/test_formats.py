"""Every format says the same of the same requests."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, TracesData

from pdmlib.errors import SiteError
from pdmlib.site.load import load_site
from pdmlib.site.tables import Requests
from pdmlib.storage.request_logs import files
from pdmlib.storage.request_logs.formats import Form
from pdmlib.storage.request_logs.ingest import ingest
from tests.storage.request_logs.logs import START, line, site_of, table_of, write

REQUESTS = [
    ("a1", START, "/portal", 200, 120.5),
    ("a2", START + timedelta(seconds=1), "/api/jobs/123", 500, 2000.0),
    ("a3", START + timedelta(minutes=90), "/login", 404, 3.25),
]
EXPECTED = [
    (at.replace(tzinfo=None), route, status, ms)
    for (_, at, _, status, ms), route in zip(REQUESTS, ("/portal", "/api/jobs/[id]", "/login"), strict=True)
]
COLUMNS = {"time": "when", "path": "uri", "status": "code", "duration_ms": "took", "request_id": "rid"}


def held(tmp_path: Path) -> list[tuple[Any, ...]]:
    return sorted((row[0], row[1], row[3], row[4]) for row in table_of(tmp_path / "store"))


def record(request: str, at: datetime, path: str, status: int, ms: float) -> dict[str, Any]:
    return {"when": at.isoformat(), "uri": path, "code": status, "took": ms, "rid": request}


def test_json_lines_with_fields_of_their_own(tmp_path: Path) -> None:
    log = write(tmp_path / "log.jsonl", [record(*request) for request in REQUESTS])
    ingest(site_of(format="json", columns=COLUMNS), [log], tmp_path / "store")
    assert held(tmp_path) == EXPECTED


def test_json_fields_inside_objects(tmp_path: Path) -> None:
    rows = [{"req": {"uri": r[2], "at": r[1].isoformat()}, "res": {"code": r[3], "took": r[4]}} for r in REQUESTS]
    columns = {"time": "req.at", "path": "req.uri", "status": "res.code", "duration_ms": "res.took"}
    ingest(site_of(format="json", columns=columns), [write(tmp_path / "log.jsonl", rows)], tmp_path / "store")
    assert held(tmp_path) == EXPECTED


# As pino writes them: its own messages, and of pino-http those of requests.
PINO = (
    '{"level":30,"time":1773097200000,"pid":7,"hostname":"a","msg":"listening on 3000"}',
    '{"level":30,"time":1773097201000,"pid":7,"hostname":"a","req":{"id":1,"method":"GET","url":"/jobs"},'
    '"res":{"statusCode":200},"responseTime":3,"msg":"request completed"}',
    '{"level":50,"time":1773097202000,"pid":7,"hostname":"a","err":{"message":"no stock"},"msg":"no stock"}',
)
PINO_COLUMNS = {"time": "time", "path": "req.url", "status": "res.statusCode", "duration_ms": "responseTime"}


def test_what_an_application_logs_among_its_requests_is_none(tmp_path: Path) -> None:
    log, asked = tmp_path / "app.log", site_of(format="json", columns=PINO_COLUMNS)
    log.write_text("\n".join(PINO) + "\n")
    first = ingest(asked, [log], tmp_path / "store")
    assert (first.lines, first.requests, first.excluded, first.rejected) == (3, 1, 2, 0)
    log.write_text("\n".join([*PINO, PINO[2]]) + "\n")
    grown = ingest(asked, [log], tmp_path / "store")
    assert (grown.lines, grown.requests, grown.excluded, grown.rejected) == (1, 0, 1, 0)


def test_where_nothing_of_a_file_is_a_request_its_fields_are_called_otherwise(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("\n".join(PINO) + "\n")
    columns = {**PINO_COLUMNS, "path": "request.url", "status": "status", "duration_ms": "took"}
    report = ingest(site_of(format="json", columns=columns), [log], tmp_path / "store")
    assert (report.requests, report.excluded, report.rejected) == (0, 0, 3)
    assert report.skipped == ("app.log",) and "no path" in report.examples[0]


def test_a_request_without_its_path_is_no_other_message(tmp_path: Path) -> None:
    """Ten of twelve have a path; of the others one has a status and one a response time alone."""
    rows = [
        *[PINO[1]] * 10,
        '{"time":1773097203000,"res":{"statusCode":500}}',
        '{"time":1773097204000,"responseTime":9}',
    ]
    log = tmp_path / "app.log"
    log.write_text("\n".join(rows) + "\n")
    report = ingest(site_of(format="json", columns=PINO_COLUMNS), [log], tmp_path / "store")
    assert (report.excluded, report.rejected) == (0, 2)


def test_a_json_array(tmp_path: Path) -> None:
    log = tmp_path / "log.json"
    log.write_text(json.dumps([record(*request) for request in REQUESTS], indent=2))
    ingest(site_of(format="json", columns=COLUMNS), [log], tmp_path / "store")
    assert held(tmp_path) == EXPECTED


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9), (None, 1), (None, 10**3), (None, 10**9)],
)
def test_times_in_every_unit(tmp_path: Path, unit: str | None, factor: int) -> None:
    rows = [{**record(*r), "when": round(r[1].timestamp()) * factor} for r in REQUESTS]
    asked = site_of(format="json", columns=COLUMNS, time_unit=unit)
    ingest(asked, [write(tmp_path / "log.jsonl", rows)], tmp_path / "store")
    assert held(tmp_path) == EXPECTED


def test_durations_in_seconds(tmp_path: Path) -> None:
    rows = [{**record(*r), "took": r[4] / 1000} for r in REQUESTS]
    asked = site_of(format="json", columns=COLUMNS, duration_unit="s")
    ingest(asked, [write(tmp_path / "log.jsonl", rows)], tmp_path / "store")
    assert [row[3] for row in held(tmp_path)] == pytest.approx([row[3] for row in EXPECTED])


@pytest.mark.parametrize(
    ("written", "ms"),
    [
        ("0.131000s", 131.0),  # a protobuf Duration in JSON, as Google's load balancers log it
        ("131.5ms", 131.5),  # Go's time.Duration, as Gin and Echo log it
        ("1500µs", 1.5),
        ("250000ns", 0.25),
    ],
)
def test_a_duration_that_writes_its_own_unit_has_it(tmp_path: Path, written: str, ms: float) -> None:
    rows = [{**record(*REQUESTS[0]), "took": written}]
    report = ingest(site_of(format="json", columns=COLUMNS), [write(tmp_path / "a", rows)], tmp_path / "store")
    assert (report.requests, report.rejected) == (1, 0)
    assert held(tmp_path)[0][3] == pytest.approx(ms)


def test_of_a_request_of_which_a_field_is_no_number_it_is_told_which(tmp_path: Path) -> None:
    rows = [{**record(*REQUESTS[0]), "took": "soon"}, {**record(*REQUESTS[1]), "code": "fine"}]
    report = ingest(site_of(format="json", columns=COLUMNS), [write(tmp_path / "a", rows)], tmp_path / "store")
    assert (report.requests, report.unclear, report.rejected) == (2, 2, 0)
    told = " ".join(report.doubts)
    assert "a duration that is no number" in told and "a status that is no number" in told


def test_csv_with_lines_that_do_not_fit(tmp_path: Path) -> None:
    rows = ["when,uri,code,took,rid"]
    rows += [f"{at.isoformat()},{path},{status},{ms},{request}" for request, at, path, status, ms in REQUESTS]
    rows += ["2026-03-09T23:00:00Z,/x,abc,5,a4", "one,two,three,four,five,six,seven"]
    report = ingest(
        site_of(format="csv", columns=COLUMNS), [write(tmp_path / "log.csv", rows)], tmp_path / "store"
    )
    assert [row for row in held(tmp_path) if row[1] != "/x"] == EXPECTED
    assert [row[1:] for row in held(tmp_path) if row[1] == "/x"] == [("/x", None, 5.0)]
    assert (report.lines, report.rejected, report.unclear) == (5, 1, 1)


@pytest.mark.slow
def test_a_packed_log_larger_than_the_memory_is_recognised_by_its_beginning(tmp_path: Path) -> None:
    """1.2 GB of lines in a few hundred kB; a session has 0.7 GB."""
    with duckdb.connect() as connection:
        rows = "SELECT 1 AS \"timestamp\", repeat('x', 6000) AS message FROM range(200000)"
        connection.execute(f"COPY ({rows}) TO '{tmp_path}/log.ndjson.zst' (FORMAT json, COMPRESSION zstd)")
    assert files.sniffed(f"{tmp_path}/log.ndjson.zst", Requests()) == Form("vercel-logs", "lines")


def test_parquet_and_zstd_files(tmp_path: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute('CREATE TABLE log ("when" TIMESTAMPTZ, uri TEXT, code INT, took DOUBLE, rid TEXT)')
        connection.executemany(
            "INSERT INTO log VALUES (?, ?, ?, ?, ?)", [list(record(*r).values()) for r in REQUESTS]
        )
        connection.execute(f"COPY log TO '{tmp_path}/log.parquet'")
        connection.execute(f"COPY log TO '{tmp_path}/log.ndjson.zst' (FORMAT json, COMPRESSION zstd)")
    ingest(site_of(format="parquet", columns=COLUMNS), [tmp_path / "log.parquet"], tmp_path / "store")
    assert held(tmp_path) == EXPECTED
    again = ingest(site_of(format="json", columns=COLUMNS), [tmp_path / "log.ndjson.zst"], tmp_path / "store")
    assert (again.requests, again.duplicates) == (0, 3)


APACHE = '%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i" %D'


def test_access_logs_with_times_in_another_zone(tmp_path: Path) -> None:
    rows = [
        f'10.0.0.1 - frank [{at - timedelta(hours=5):%d/%b/%Y:%H:%M:%S} -0500] "GET {path}?q=1 HTTP/1.1" {status} '
        f'- "https://x/" "Mozilla/5.0 \\"quoted\\"" {ms * 1000:.0f}'
        for _, at, path, status, ms in REQUESTS
    ]
    log = write(tmp_path / "access.log", [*rows, "garbage", '1.1.1.1 - - [bad time] "GET / HTTP/1.1" 200 1', ""])
    report = ingest(site_of(log_format=APACHE, columns={}), [log], tmp_path / "store")
    assert [row[:3] for row in held(tmp_path)] == [row[:3] for row in EXPECTED]
    assert [row[3] for row in held(tmp_path)] == pytest.approx([row[3] for row in EXPECTED])
    assert (report.lines, report.rejected, report.requests) == (5, 2, 3)
    assert any("xxxxxxx" in example for example in report.examples)


def span(request: str, at: datetime, path: str, status: int, ms: float, **more: Any) -> dict[str, Any]:
    start = round(at.timestamp()) * 10**9
    row = {
        "traceId": "7bba9f33",
        "spanId": request,
        "name": f"GET {path}",
        "kind": "server",
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + round(ms * 10**6)),
        "attributes": [{"key": "http.status_code", "value": {"intValue": str(status)}}],
    }
    return {**row, **more}


def statusless(request: str, **more: Any) -> dict[str, Any]:
    return {**span(request, START, "/portal", status=200, ms=5.0), "attributes": [], **more}


def payload(spans: list[dict[str, Any]]) -> dict[str, Any]:
    resource = {"attributes": [{"key": "vercel.deploymentId", "value": {"stringValue": "dpl_1"}}]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]}


@pytest.mark.parametrize("indent", [None, 1])
def test_traces_count_server_spans_only(tmp_path: Path, indent: int | None) -> None:
    inner = span("a9", START, "SELECT 1", status=200, ms=5, kind="internal", parentSpanId="a1")
    log = tmp_path / "traces.json"
    log.write_text(json.dumps(payload([*[span(*r) for r in REQUESTS], inner]), indent=indent) + "\n")
    report = ingest(site_of(format="vercel-traces", columns={}), [log], tmp_path / "store")
    assert held(tmp_path) == EXPECTED
    assert (report.lines, report.excluded) == (4, 1)
    assert {row[6] for row in table_of(tmp_path / "store")} == {"dpl_1"}


def test_a_span_that_failed_without_a_status_is_a_failure(tmp_path: Path) -> None:
    failed, unknown = statusless("a1", status={"code": "STATUS_CODE_ERROR"}), statusless("a2")
    log = write(tmp_path / "traces.ndjson", [payload([failed]), payload([unknown]), '{"resourceSpans": [{"re'])
    report = ingest(site_of(format="vercel-traces", columns={}), [log], tmp_path / "store")
    assert {row[3] for row in table_of(tmp_path / "store")} == {-1, None}
    assert report.rejected == 1


def test_a_trace_drain_among_log_drains_is_refused_with_its_name(tmp_path: Path) -> None:
    write(tmp_path / "drain" / "spans.ndjson", [payload([span(*REQUESTS[0])])])
    write(tmp_path / "drain" / "logs.ndjson", [line("a")])
    report = ingest(site_of(), [tmp_path / "drain"], tmp_path / "store")
    assert report.requests == 1
    assert report.failed == (("spans.ndjson", "is vercel-traces; the site says format: vercel-logs"),)


@pytest.mark.parametrize(
    "first",
    ['{"resourceSpans": []}', '{"id": "cut off", "resourceSpans": [', '{"schema": "vercel.analytics.v1"}'],
)
def test_one_odd_line_of_another_drain_costs_no_log(tmp_path: Path, first: str) -> None:
    (tmp_path / "log.ndjson").write_text(f"{first}\n{json.dumps(line('a'))}\n")
    report = ingest(site_of(), [tmp_path / "log.ndjson"], tmp_path / "store")
    assert (report.requests, report.failed) == (1, ())


def test_a_log_drain_as_array_several_arrays_and_a_cut_array(tmp_path: Path) -> None:
    one, two = [line("a"), line("b")], [line("c")]
    (tmp_path / "1.json").write_text(json.dumps(one, indent=1))
    write(tmp_path / "2.json", [json.dumps(one), json.dumps(two)])
    (tmp_path / "3.json").write_text(json.dumps([line("d"), line("e"), line("f")])[:-40])
    report = ingest(site_of(), [tmp_path / f"{n}.json" for n in (1, 2, 3)], tmp_path / "store")
    assert report.requests == 5
    assert report.rejected == 1
    assert report.failed == ()


def test_the_duration_of_a_log_drain_is_only_read_where_the_site_says_its_field(tmp_path: Path) -> None:
    ingest(site_of(columns={}), [write(tmp_path / "log.ndjson", [line("a")])], tmp_path / "store")
    assert table_of(tmp_path / "store")[0][4] is None


def test_a_field_that_is_not_ours_is_a_mistake_of_the_site_file(tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text(
        "site: x\ntitle: X\ntime_zone: UTC\nsources: {}\nrequests: {format: json, columns: {duration: took}}\n"
    )
    with pytest.raises(SiteError, match=r"line 5: requests\.columns\.duration: .* did you mean duration_ms"):
        load_site(site)


def test_a_csv_without_the_column_of_the_time_is_told_with_those_it_has(tmp_path: Path) -> None:
    log = write(tmp_path / "log.csv", ["when,uri", "2026-03-09T22:00:00Z,/portal"])
    report = ingest(site_of(format="csv", columns={"time": "stamp", "path": "uri"}), [log], tmp_path / "store")
    assert report.failed[0][0] == "log.csv"
    assert report.failed[0][1].startswith("no column stamp for requests.columns.time; it has ['when', 'uri'")


def test_times_before_2000_are_rejected_and_a_negative_duration_is_not_known(tmp_path: Path) -> None:
    rows = [line("a", at=datetime(1971, 1, 1, tzinfo=UTC)), line("b", ms=-4.0), line("c")]
    report = ingest(site_of(), [write(tmp_path / "log.ndjson", rows)], tmp_path / "store")
    assert (report.rejected, report.requests) == (1, 2)
    assert sorted(str(row[4]) for row in table_of(tmp_path / "store")) == ["100.0", "None"]
    assert report.doubts == ("log.ndjson: duration -4.0 ms (/portal)",)


# What programs write where there is no number: printf of C, json of Python, JavaScript, a mean of nothing.
NO_TIMES = ("NaN", "inf", "-inf", "1e309", "-5", "null", "abc", "1e16")
NO_STATUSES = ("abc", "null", "NaN", "1e309", "inf", "-5", "999", "70000")
FORMS = ("csv", "json", "json of numbers", "parquet", "drain", "log_format")


def odd_log(form: str, folder: Path) -> tuple[Path, dict[str, Any]]:
    """A request a second: those without a time, those without a status, one with neither, one that is whole."""
    pairs = [
        *(("200", took) for took in NO_TIMES),
        *((code, "5") for code in NO_STATUSES),
        ("-", "-"),
        ("200", "5"),
    ]
    rows = [
        {"time": (START + timedelta(seconds=n)).isoformat(), "path": "/a", "status": code, "duration_ms": took}
        for n, (code, took) in enumerate(pairs)
    ]
    if form == "csv":
        text = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
        return write(folder / "log.csv", text), {"format": "csv", "columns": {}}
    if form == "json":
        return write(folder / "log.ndjson", rows), {"format": "json", "columns": {}}
    if form == "json of numbers":  # Python's json writes NaN and Infinity, and reads both
        names = {"inf": "Infinity", "-inf": "-Infinity", "abc": '"abc"', "-": "null"}
        bare = [{k: names.get(v, v) for k, v in row.items() if k in ("status", "duration_ms")} for row in rows]
        text = [
            f'{{"time": "{row["time"]}", "path": "/a", "status": {n["status"]}, "duration_ms": {n["duration_ms"]}'
            "}"
            for row, n in zip(rows, bare, strict=True)
        ]
        return write(folder / "log.ndjson", text), {"format": "json", "columns": {}}
    if form == "parquet":
        write(folder / "log.ndjson", rows)
        with duckdb.connect() as connection:
            texts = "read_json(?, columns = {time: 'TEXT', path: 'TEXT', status: 'TEXT', duration_ms: 'TEXT'})"
            connection.execute(f"COPY (FROM {texts}) TO '{folder}/log.parquet'", [str(folder / "log.ndjson")])
        return folder / "log.parquet", {"format": "parquet", "columns": {}}
    if form == "drain":
        drained = [
            line(f"r{n}", START + timedelta(seconds=n), "/a", status=code, ms=took)  # type: ignore[arg-type]
            for n, (code, took) in enumerate(pairs)
        ]
        return write(folder / "log.ndjson", drained), {}
    text = [
        f'1.1.1.1 [{START + timedelta(seconds=n):%d/%b/%Y:%H:%M:%S} +0000] "GET /a HTTP/1.1" {code} {took}'
        for n, (code, took) in enumerate(pairs)
    ]
    return write(folder / "access.log", text), {
        "log_format": '$remote_addr [$time_local] "$request" $status $request_time',
        "columns": {},
        "duration_unit": "ms",
    }


@pytest.mark.parametrize("form", FORMS)
def test_a_request_of_which_a_time_or_a_status_is_not_understood_is_still_a_request(
    tmp_path: Path, form: str
) -> None:
    log, asked = odd_log(form, tmp_path)
    report = ingest(site_of(**asked), [log], tmp_path / "store")
    whole, timeless, untold = (200, 5.0), (200, None), (None, 5.0)
    expected = [timeless] * len(NO_TIMES) + [untold] * len(NO_STATUSES) + [(None, None), whole]
    assert [row[3:5] for row in table_of(tmp_path / "store")] == expected
    assert (report.requests, report.rejected, report.failed) == (len(expected), 0, ())
    assert report.unclear > 0 and len(report.doubts) == 5
    assert any("a status outside 100 to 599" in doubt for doubt in report.doubts)
    assert f"{report.unclear} requests count, of which the status or the time is not known" in str(report)
    assert f"not understood {log.name}: duration" in str(report)


def test_a_log_of_which_the_site_file_names_a_wrong_field_is_rejected_and_read_once_it_is_right(
    tmp_path: Path,
) -> None:
    rows = [{**record("a", START, "/a", status=200, ms=5), "agent": "curl"} for _ in range(10)]
    log, store = write(tmp_path / "log.ndjson", rows), tmp_path / "store"
    wrong = site_of(format="json", columns={**COLUMNS, "duration_ms": "agent"})
    report = ingest(wrong, [log], store)
    assert (report.requests, report.rejected, report.good) == (0, 10, False)
    assert "a duration that is no number" in report.examples[0]
    assert ingest(site_of(format="json", columns={**COLUMNS, "request_id": "x"}), [log], store).requests == 10


@pytest.mark.parametrize("bad", [{"time": 9e18}, {"time": 1e30}])
def test_one_impossible_number_rejects_its_line_and_not_its_file(tmp_path: Path, bad: dict[str, float]) -> None:
    good = {"time": 1773093600000, "path": "/a", "status": 200, "duration_ms": 5}
    log = write(tmp_path / "log.ndjson", [good, {**good, "path": "/b", **bad}])
    report = ingest(site_of(format="json", columns={}), [log], tmp_path / "store")
    assert (report.requests, report.rejected, report.failed) == (1, 1, ())
    assert report.examples[0].endswith("(/b)")


def test_an_impossible_time_of_a_drain_rejects_its_line_and_not_its_file(tmp_path: Path) -> None:
    rows = [line("a"), line("b", timestamp=2**63 - 1, proxied={"timestamp": 2**63 - 1})]
    report = ingest(site_of(), [write(tmp_path / "log.ndjson", rows)], tmp_path / "store")
    assert (report.requests, report.rejected) == (1, 1)


@pytest.mark.parametrize("none", ["", "-"])
def test_an_id_that_is_empty_or_a_dash_is_none(tmp_path: Path, none: str) -> None:
    row = {"time": 1773093600000, "path": "/a", "status": 200, "duration_ms": none, "request_id": none}
    log = write(tmp_path / "log.ndjson", [row, {**row, "path": "/b"}, row])
    report = ingest(site_of(format="json", columns={}), [log], tmp_path / "store")
    assert (report.requests, report.duplicates, report.rejected) == (3, 0, 0)
    drain = write(tmp_path / "drain" / "log.ndjson", [line("", id="1"), line("", path="/b", id="2")])
    assert ingest(site_of(), [drain], tmp_path / "drains").requests == 2


@pytest.mark.parametrize("form", ["csv", "array", "lines"])
def test_every_rejected_line_says_why(tmp_path: Path, form: str) -> None:
    if form == "csv":
        log = tmp_path / "log.csv"
        log.write_text(f"time,path,status,duration_ms\n{START.isoformat()},/jobs/7,abc,5\n,/b,200,5\n")
    else:
        rows = [{"time": START.isoformat(), "path": "/jobs/7", "status": "abc"}, {"path": "/b", "status": 200}]
        text = json.dumps(rows) if form == "array" else "".join(json.dumps(row) + "\n" for row in rows)
        log = tmp_path / "log.json"
        log.write_text(text)
    report = ingest(site_of(format="csv" if form == "csv" else "json", columns={}), [log], tmp_path / "store")
    assert (report.rejected, len(report.examples), report.unclear) == (1, 1, 1)
    assert report.doubts == (f"{log.name}: a status that is no number (requests.columns.status) (/jobs/[id])",)


def test_a_span_of_no_said_kind_counts_when_it_is_a_root_and_says_its_path_and_status_in_other_ways(
    tmp_path: Path,
) -> None:
    begin = int(START.timestamp() * 1e9)
    spans: list[dict[str, Any]] = [
        {
            "spanId": "1",
            "kind": 0,
            "parentSpanId": "0" * 16,
            "name": "GET",
            "attributes": [
                {"key": "url.full", "value": {"stringValue": "https://shop.example/jobs/7?a=b"}},
                {"key": "http.status_code", "value": {"doubleValue": 503.0}},
            ],
        },
        {"spanId": "2", "kind": "SPAN_KIND_UNSPECIFIED", "parentSpanId": "1", "name": "GET /x"},
        {"spanId": "3", "kind": "internal", "name": "GET /x"},
    ]
    times = {"traceId": "t", "startTimeUnixNano": str(begin), "endTimeUnixNano": str(begin + 5_000_000)}
    payload = {"resourceSpans": [{"scopeSpans": [{"spans": [{**times, **span} for span in spans]}]}]}
    log = write(tmp_path / "trace.json", [payload])
    report = ingest(site_of(format="vercel-traces", columns={}), [log], tmp_path / "store")
    assert (report.requests, report.excluded) == (1, 2)
    assert table_of(tmp_path / "store")[0][1:5] == ("/jobs/[id]", "user", 503, 5.0)


def test_a_quote_in_the_request_of_an_access_log(tmp_path: Path) -> None:
    log = write(tmp_path / "a.log", [r'1.2.3.4 - - [09/Mar/2026:12:00:00 +0000] "GET /a?q=\"x\" HTTP/1.1" 200 5'])
    assert ingest(site_of(format="combined", columns={}), [log], tmp_path / "store").requests == 1
    assert table_of(tmp_path / "store")[0][1] == "/a"


def test_objects_that_are_indented(tmp_path: Path) -> None:
    log = tmp_path / "log.json"
    log.write_text("\n".join(json.dumps(line(request), indent=2) for request in "ab"))
    assert ingest(site_of(), [log], tmp_path / "store").requests == 2


def protobuf() -> TracesData:
    """The requests as the messages of OpenTelemetry's own library."""
    scopes = ScopeSpans()
    for request, at, path, status, ms in REQUESTS:
        start = round(at.timestamp()) * 10**9
        made = scopes.spans.add(trace_id=b"\xab" * 16, span_id=request.encode().rjust(8, b"\0"), kind=2)
        made.name, made.start_time_unix_nano, made.end_time_unix_nano = (
            f"GET {path}",
            start,
            start + round(ms * 1e6),
        )
        made.attributes.add(key="http.response.status_code").value.int_value = status
    return TracesData(resource_spans=[ResourceSpans(scope_spans=[scopes])])


@pytest.mark.parametrize("name", ["body", "body.gz", "body.pb", "collector.pb", "json body"])
def test_traces_as_they_are_sent_and_as_the_collector_writes_them(tmp_path: Path, name: str) -> None:
    """The body of an OTLP/HTTP request, packed or not, and the Collector's file: messages behind their lengths."""
    message = protobuf().SerializeToString()
    content = {
        "body": gzip.compress(message),
        "body.gz": gzip.compress(message),
        "body.pb": message,
        "collector.pb": 2 * (len(message).to_bytes(4, "big") + message),
        "json body": gzip.compress(json.dumps(payload([span(*r) for r in REQUESTS])).encode()),
    }[name]
    (tmp_path / name).write_bytes(content)
    report = ingest(site_of(format="vercel-traces", columns={}), [tmp_path / name], tmp_path / "store")
    assert held(tmp_path) == EXPECTED
    assert report.duplicates == (3 if name == "collector.pb" else 0)
    assert ingest(site_of(format="vercel-traces", columns={}), [tmp_path / name], tmp_path / "store").files == 0


def test_a_span_is_the_same_in_protobuf_and_in_json(tmp_path: Path) -> None:
    (tmp_path / "t.pb").write_bytes(protobuf().SerializeToString())
    ids: dict[str, Any] = {"traceId": "ab" * 16, "kind": 2}
    spans = [{**span(*r), **ids, "spanId": r[0].encode().rjust(8, b"\0").hex()} for r in REQUESTS]
    log = write(tmp_path / "t.ndjson", [payload(spans)])
    ingest(site_of(format="vercel-traces", columns={}), [tmp_path / "t.pb"], tmp_path / "store")
    again = ingest(site_of(format="vercel-traces", columns={}), [log], tmp_path / "store")
    assert (again.requests, again.duplicates) == (0, 3)


def test_bytes_that_are_no_traces_are_named(tmp_path: Path) -> None:
    (tmp_path / "t.pb").write_bytes(protobuf().SerializeToString()[:-7])
    report = ingest(site_of(format="vercel-traces", columns={}), [tmp_path / "t.pb"], tmp_path / "store")
    assert [name for name, _ in report.failed] == ["t.pb"]
