"""What each log format says of one request, as SQL over the engine's own readers.

Every query here gives `broken, excluded, moment, path, status, ms, unreadable, request, region,
release, agent, asked_path, filename`: one row a line, nothing dropped. Fields that hold people (client addresses,
bodies, messages) are never read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pdmlib.site.tables import Requests
from pdmlib.site.types import LOG_FIELDS
from pdmlib.storage.engine import files, identifier, literal, struct

LARGEST_OBJECT = 64 * 1024 * 1024
LONGEST_LINE = 8 * 1024 * 1024
_LINE = "chr(1) || chr(2) || chr(3)"
_MS = {"s": 1e3, "ms": 1.0, "us": 1e-3, "ns": 1e-6}

_VERCEL = {
    "timestamp": "BIGINT",
    "path": "VARCHAR",
    "source": "VARCHAR",
    "statusCode": "INTEGER",
    "id": "VARCHAR",
    "requestId": "VARCHAR",
    "deploymentId": "VARCHAR",
    "executionRegion": "VARCHAR",
    "environment": "VARCHAR",
    "proxy.timestamp": "BIGINT",
    "proxy.path": "VARCHAR",
    "proxy.statusCode": "INTEGER",
    "proxy.userAgent": "VARCHAR",
    "proxy.region": "VARCHAR",
    "proxy.vercelId": "VARCHAR",
}
_ATTRIBUTE = "STRUCT(key VARCHAR, value STRUCT(stringValue VARCHAR, intValue VARCHAR, doubleValue VARCHAR))[]"
_SPAN = (
    "STRUCT(traceId VARCHAR, spanId VARCHAR, parentSpanId VARCHAR, name VARCHAR, kind VARCHAR, "
    f"startTimeUnixNano VARCHAR, endTimeUnixNano VARCHAR, attributes {_ATTRIBUTE}, status STRUCT(code VARCHAR))"
)
_SPANS = f"STRUCT(resource STRUCT(attributes {_ATTRIBUTE}), scopeSpans STRUCT(spans {_SPAN}[])[])[]"
COMBINED = (
    r'^\S+ \S+ .*?\[([^\]]+)\] "(?:[A-Za-z]+ )?((?:[^ "\\]|\\.)*)(?:[^"\\]|\\.)*" ([0-9]{3}) (?:[0-9]+|-)'
    r'(?: "(?:[^"\\]|\\.)*" "((?:[^"\\]|\\.)*)")?(.*)$'
)
_TOOK = r'(?:^|[ ="])([0-9]+(?:\.[0-9]+)?)(?:[ "]|$)'
_REQUEST = "([0-9a-fA-F]{16,}|[0-9a-fA-F]{8}-[0-9a-fA-F-]{27})"


def requests_of(dialect: str, asked: Requests, paths: Sequence[str], shape: str, known: Sequence[str] = ()) -> str:
    """The query of one format over files of one shape.

    Args:
        dialect: the format of these files.
        shape: `lines`, `array` or `object`: how JSON lies in the files.
        known: the columns that CSV or Parquet files have.
    """
    if dialect == "vercel-logs":
        return _vercel_logs(asked, paths, shape)
    if dialect == "vercel-traces":
        return _vercel_traces(asked, paths, shape)
    if dialect == "combined":
        return _combined(asked, paths)
    fields = {**{name: name for name in LOG_FIELDS}, **asked.columns}
    if dialect == "json":
        found = dict.fromkeys(fields.values(), "VARCHAR")
        read = _json(paths, shape, found)
        return _plain_query(asked, read, {name: _access(field) for name, field in fields.items()})
    table = csv(paths) if dialect == "csv" else parquet(paths)
    cells = {name: _cell(field) if field in known else "NULL" for name, field in fields.items()}
    return _plain_query(asked, table, cells)


def csv(paths: Sequence[str]) -> str:
    """The reader of CSV files: every cell a text, lines that do not fit kept aside and counted."""
    return f"read_csv({files(paths)}, all_varchar = true, header = true, filename = true, store_rejects = true)"


def parquet(paths: Sequence[str]) -> str:
    """The reader of Parquet files, which may have different columns."""
    return f"read_parquet({files(paths)}, union_by_name = true, filename = true)"


def lines(paths: Sequence[str]) -> str:
    """The reader of whole lines, in a column `line`."""
    return (
        f"read_csv({files(paths)}, columns = {{'line': 'VARCHAR'}}, delim = {_LINE}, quote = '', escape = '', "
        "header = false, auto_detect = false, filename = true, store_rejects = true, "
        f"max_line_size = {LONGEST_LINE})"
    )


def views_of(asked: Requests, paths: Sequence[str], shape: str) -> str:
    """Page views and events of an analytics drain: the columns of one event."""
    fields = (
        "timestamp",
        "eventType",
        "eventName",
        "sessionId",
        "deviceId",
        "path",
        "vercelEnvironment",
        "schema",
    )
    read = _json(paths, shape, dict.fromkeys(fields, "VARCHAR"))
    return f"""
        SELECT "timestamp" IS NULL AND "eventType" IS NULL AS broken,
          coalesce("vercelEnvironment", {_wanted(asked)}) <> {_wanted(asked)} AS excluded,
          {_moment('"timestamp"', None)} AS moment, hash("sessionId") AS session_hash, "sessionId" AS session,
          "deviceId" AS device, coalesce("eventType", 'pageview') = 'pageview' AS is_view,
          hash("timestamp", "sessionId", "deviceId", "eventType", "eventName", "path") AS seen, filename
        FROM {read}"""


def _wanted(asked: Requests) -> str:
    return literal(asked.environment)


def _vercel_logs(asked: Requests, paths: Sequence[str], shape: str) -> str:
    own: dict[str, str] = {**asked.columns}
    types = {field: "DOUBLE" if name == "duration_ms" else "VARCHAR" for name, field in own.items()} | _VERCEL
    read = _json(paths, shape, types)

    def field(name: str, default: str) -> str:
        return _access(own[name]) if name in own else default

    proxied = "proxy IS NOT NULL"
    final = field("status", "coalesce(proxy.statusCode, statusCode)")
    request = (
        _given(_access(own["request_id"]))
        if "request_id" in own
        else "coalesce(nullif(requestId, ''), proxy.vercelId, id)"
    )
    status = f"""CASE WHEN {final} >= 500 THEN {final} WHEN statusCode = -1 THEN -1 ELSE {final} END"""
    at = (
        _moment(_access(own["time"]), asked.time_unit)
        if own.get("time", "timestamp") not in ("timestamp", "proxy.timestamp")
        else f"TRY(make_timestamp({_access(own['time'])} * 1000))"
        if "time" in own
        else 'TRY(make_timestamp(coalesce(proxy.timestamp, "timestamp") * 1000))'
    )
    ms = f"{_access(own['duration_ms'])} * {_scale(asked)}" if "duration_ms" in own else "NULL"
    return f"""
        SELECT "timestamp" IS NULL AND proxy IS NULL AND source IS NULL AS broken,
          NOT ({proxied}) OR coalesce(proxy.statusCode, 0) = -1 OR coalesce(source, '') = 'build'
            OR coalesce(environment, {_wanted(asked)}) <> {_wanted(asked)} AS excluded,
          {at} AS moment, {field("path", "coalesce(nullif(path, ''), proxy.path)")} AS path,
          TRY_CAST({status} AS INTEGER) AS status, CAST({ms} AS DOUBLE) AS ms, false AS unreadable,
          {request} AS request,
          {field("region", "coalesce(executionRegion, proxy.region)")} AS region,
          {field("release", '"deploymentId"')} AS release,
          {field("user_agent", "proxy.userAgent")} AS agent, proxy.path AS asked_path, filename
        FROM {read}"""


def _vercel_traces(asked: Requests, paths: Sequence[str], shape: str) -> str:
    read = _json(paths, shape, {"resourceSpans": _SPANS})
    bare = "(regexp_replace(span.name, '^[A-Z]+ ', ''))"
    url = _attribute("span.attributes", "url.full", "http.url")
    path = _attribute("span.attributes", "http.route", "next.route", "url.path", "http.target")
    path = f"coalesce({path}, regexp_replace({url}, '^[A-Za-z]+://[^/?#]*', ''), {bare})"
    code = _attribute("span.attributes", "http.response.status_code", "http.status_code")
    failed = "coalesce(span.status.code IN ('2', 'STATUS_CODE_ERROR', 'error'), false)"
    server = "span.kind IN ('server', '2', 'SPAN_KIND_SERVER', 'SERVER')"
    unsaid = "coalesce(span.kind, '0') IN ('', '0', 'unspecified', 'SPAN_KIND_UNSPECIFIED')"
    root = "coalesce(trim(span.parentSpanId, '0'), '') = ''"
    environment = _attribute(
        "resource", "vercel.environment", "deployment.environment.name", "deployment.environment"
    )
    start, end = (f"TRY_CAST(span.{name}TimeUnixNano AS BIGINT)" for name in ("start", "end"))
    return f"""
        SELECT span IS NULL AS broken,
          NOT (coalesce({server}, false) OR ({unsaid} AND {root}))
            OR coalesce({environment}, {_wanted(asked)}) <> {_wanted(asked)} AS excluded,
          make_timestamp({start} // 1000) AS moment,
          {path} AS path,
          CASE WHEN {failed} AND coalesce(TRY_CAST({code} AS INTEGER), 0) < 500 THEN -1
            ELSE TRY_CAST({code} AS INTEGER) END AS status,
          TRY({end} - {start}) / 1e6 AS ms, {end} IS NULL AS unreadable,
          span.traceId || span.spanId AS request,
          {_attribute("span.attributes", "vercel.region", "cloud.region", "faas.region")} AS region,
          {_attribute("resource", "vercel.deploymentId", "service.version")} AS release,
          {_attribute("span.attributes", "user_agent.original", "http.user_agent")} AS agent,
          coalesce({_attribute("span.attributes", "url.path", "http.target")}, {path}) AS asked_path,
          filename
        FROM (
          SELECT resource, unnest(CASE WHEN len(scope.spans) > 0 THEN scope.spans END) AS span, filename FROM (
            SELECT one.resource.attributes AS resource, unnest(one.scopeSpans) AS scope, filename
            FROM (SELECT unnest("resourceSpans") AS one, filename FROM {read} WHERE "resourceSpans" IS NOT NULL))
          UNION ALL BY NAME
          SELECT NULL AS resource, filename FROM {read} WHERE "resourceSpans" IS NULL)"""


def _combined(asked: Requests, paths: Sequence[str]) -> str:
    took = f"regexp_extract(part.rest, {literal(_TOOK)}, 1)"
    request = f"regexp_extract(part.rest, {literal(_REQUEST)}, 1)"
    return f"""
        SELECT part.time = '' AS broken, false AS excluded,
          try_strptime(part.time, '%d/%b/%Y:%H:%M:%S %z') AT TIME ZONE 'UTC' AS moment, part.path AS path,
          TRY_CAST(part.status AS INTEGER) AS status,
          TRY_CAST(nullif({took}, '') AS DOUBLE) * {_scale(asked, "s")} AS ms, false AS unreadable,
          nullif({request}, '') AS request, NULL AS region, NULL AS release, part.agent AS agent,
          part.path AS asked_path, hash(line) AS seen, filename
        FROM (SELECT line, filename,
            regexp_extract(line, {literal(COMBINED)}, ['time', 'path', 'status', 'agent', 'rest']) AS part
          FROM {lines(paths)} WHERE trim(line) <> '')"""


def _plain_query(asked: Requests, table: str, cell: Mapping[str, str]) -> str:
    at = _moment(cell["time"], asked.time_unit)
    status, took = _given(cell["status"]), _given(cell["duration_ms"])
    return f"""
        SELECT {cell["time"]} IS NULL AS broken,
          coalesce({cell["environment"]}, {_wanted(asked)}) <> {_wanted(asked)} AS excluded,
          {at} AS moment, {cell["path"]} AS path, TRY_CAST({status} AS INTEGER) AS status,
          TRY_CAST({took} AS DOUBLE) * {_scale(asked)} AS ms,
          ({status} IS NOT NULL AND TRY_CAST({status} AS INTEGER) IS NULL)
            OR ({took} IS NOT NULL AND TRY_CAST({took} AS DOUBLE) IS NULL) AS unreadable,
          {_given(cell["request_id"])} AS request, {cell["region"]} AS region, {cell["release"]} AS release,
          {cell["user_agent"]} AS agent, {cell["path"]} AS asked_path, filename
        FROM {table}"""


def _json(paths: Sequence[str], shape: str, fields: Mapping[str, str]) -> str:
    how = {
        "lines": "format = 'newline_delimited', ignore_errors = true",
        "array": "format = 'array'",
        "object": "format = 'unstructured'",
    }[shape]
    largest = "" if shape != "object" else f", maximum_object_size = {LARGEST_OBJECT}"
    columns = struct(_nested(fields))
    return f"read_json({files(paths)}, columns = {columns}, {how}{largest}, filename = true)"


def _nested(fields: Mapping[str, str]) -> dict[str, str]:
    """Dotted fields and their types as columns, those with a common head as one STRUCT."""
    heads: dict[str, dict[str, str]] = {}
    for field, kind in fields.items():
        head, _, rest = field.partition(".")
        heads.setdefault(head, {})[rest] = kind
    return {
        head: inner[""]
        if "" in inner
        else "STRUCT(" + ", ".join(f"{identifier(n)} {k}" for n, k in _nested(inner).items()) + ")"
        for head, inner in heads.items()
    }


def _access(field: str) -> str:
    head, *rest = field.split(".")
    found = identifier(head)
    for name in rest:
        found = f"struct_extract({found}, {literal(name)})"
    return found


def _given(text: str) -> str:
    """SQL of a text; none where the log writes nothing or a dash."""
    return f"nullif(nullif({text}, ''), '-')"


def _cell(field: str) -> str:
    return f"CAST({identifier(field)} AS VARCHAR)"


def _attribute(attributes: str, *keys: str) -> str:
    """SQL of the first of several OTLP attributes that is there."""
    one = [f"list_extract(list_filter({attributes}, lambda a: a.key = {literal(key)}), 1).value" for key in keys]
    values = (f"nullif({o}.stringValue, ''), {o}.intValue, {o}.doubleValue" for o in one)
    return f"coalesce({', '.join(values)})"


def _scale(asked: Requests, default: str = "ms") -> float:
    return _MS[asked.duration_unit or default]


def _moment(text: str, unit: str | None) -> str:
    """SQL of a time written as text: ISO, or a number since 1970 whose unit its size tells unless it is given."""
    iso = f"TRY_CAST({text} AS TIMESTAMPTZ) AT TIME ZONE 'UTC'"
    if unit == "iso":
        return iso
    number = f"TRY_CAST({text} AS DECIMAL(28, 6))"
    scales = {"s": "* 1000000", "ms": "* 1000", "us": "* 1", "ns": "/ 1000"}
    if unit:
        us = f"{number} {scales[unit]}"
    else:
        steps = " ".join(
            f"WHEN {number} < {edge} THEN {number} {scales[name]}"
            for name, edge in (("s", "1e11"), ("ms", "1e14"), ("us", "1e17"))
        )
        us = f"CASE {steps} ELSE {number} {scales['ns']} END"
    numeric = f"make_timestamp(TRY_CAST(floor({us}) AS BIGINT))"
    return f"CASE WHEN {number} IS NOT NULL THEN {numeric} ELSE {iso} END"
