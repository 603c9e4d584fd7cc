"""What each log format says of one request, as SQL over the engine's own readers.

Every query here gives `broken, excluded, moment, path, status, ms, unreadable, request, region, release, agent,
asked_path, filename`, and of a text the line itself as `whole`: one row a line, nothing dropped. Fields
that hold people (client addresses, bodies, messages) are never read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pdmlib.errors import SourceError
from pdmlib.site.log_formats import FormatError, Layout, Place, layouts, w3c
from pdmlib.site.tables import Requests
from pdmlib.site.types import LOG_FIELDS
from pdmlib.storage.engine import files, identifier, literal, struct
from pdmlib.storage.request_logs.addresses import SOURCE

OBJECTS = "{"  # the header of a declared log whose lines are objects
LARGEST_OBJECT = 64 * 1024 * 1024
LONGEST_LINE = 8 * 1024 * 1024
_ZONED = r":[0-9.,]+ ?(Z|z|UTC|GMT|[+-][0-9]{2}(:?[0-9]{2})?)$"  # the end of a time that says its zone
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
# What the fields of Vercel's drains are called, where one name says it; others that may hold them come after it.
VERCEL_LOGS = {
    "time": "timestamp",
    "path": "path",
    "status": "statusCode",
    "request_id": "requestId",
    "region": "executionRegion",
    "release": "deploymentId",
    "user_agent": "proxy.userAgent",
    "environment": "environment",
}
VERCEL_TRACES = {
    "time": "startTimeUnixNano",
    "path": "http.route",
    "status": "http.response.status_code",
    "duration_ms": "endTimeUnixNano",
    "request_id": "traceId",
    "region": "vercel.region",
    "release": "vercel.deploymentId",
    "user_agent": "user_agent.original",
    "environment": "vercel.environment",
}
NESTED = tuple(field for field in _VERCEL if "." in field)  # what other tools may write with dots
_ATTRIBUTE = "STRUCT(key VARCHAR, value STRUCT(stringValue VARCHAR, intValue VARCHAR, doubleValue VARCHAR))[]"
_SPAN = (
    "STRUCT(traceId VARCHAR, spanId VARCHAR, parentSpanId VARCHAR, name VARCHAR, kind VARCHAR, "
    f"startTimeUnixNano VARCHAR, endTimeUnixNano VARCHAR, attributes {_ATTRIBUTE}, status STRUCT(code VARCHAR))"
)
_SPANS = f"STRUCT(resource STRUCT(attributes {_ATTRIBUTE}), scopeSpans STRUCT(spans {_SPAN}[])[])[]"


@dataclass(frozen=True)
class Form:
    """How the requests lie in a file, as far as the file itself tells.

    Attributes:
        dialect: what the lines are.
        shape: `lines`, `array` or `object`: how JSON lies in it.
        header: what it says of its own fields: the header of a W3C log, OBJECTS where declared lines are objects.
        flat: fields inside objects whose names are written with dots instead.
    """

    dialect: str
    shape: str
    header: str = ""
    flat: tuple[str, ...] = ()


def requests_of(form: Form, asked: Requests, paths: Sequence[str], known: Sequence[str] = ()) -> str:
    """The query of one form over files of it.

    Args:
        known: the columns that CSV or Parquet files have.
    """
    if form.dialect == "vercel-logs":
        return _vercel_logs(asked, paths, form)
    if form.dialect == "vercel-traces":
        return _vercel_traces(asked, paths, form)
    if form.dialect == "declared":
        return _declared(asked, paths, form)
    fields = {**{name: name for name in LOG_FIELDS}, **asked.columns}
    if form.dialect == "json":
        read = _json(paths, form, dict.fromkeys(fields.values(), "VARCHAR"))
        return _plain_query(asked, read, {name: _access(field) for name, field in fields.items()})
    table = csv(paths) if form.dialect == "csv" else parquet(paths)
    cells = {name: _cell(field) if field in known else "NULL" for name, field in fields.items()}
    return _plain_query(asked, table, cells)


def layout_of(asked: Requests, header: str) -> Layout:
    """How declared lines are read below a header, or as objects.

    Raises:
        SourceError: the header names no time or no path.
    """
    text, columns = asked.log_format or asked.format, asked.columns if asked.log_format else {}
    try:
        if header.startswith("#"):
            return w3c(header, columns)
        ways = layouts(text, columns)
    except FormatError as error:
        raise SourceError(SOURCE, str(error)) from None
    if not ways:
        raise SourceError(SOURCE, f"has no line #Fields, which a log of {text} begins with")
    return next((way for way in ways if way.is_json == (header == OBJECTS)), ways[0])


def names_of(asked: Requests) -> Mapping[str, str]:
    """What each field of ours is called in the lines; of a log whose header says it, nothing."""
    if asked.log_format or asked.format == "combined":
        ways = layouts(asked.log_format or asked.format, asked.columns if asked.log_format else {})
        return {ours: place.value.name for way in ways[:1] for ours, place in way.places.items()}
    fixed = {"vercel-logs": VERCEL_LOGS, "vercel-traces": VERCEL_TRACES}
    return {**fixed.get(asked.format, {name: name for name in LOG_FIELDS}), **asked.columns}


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


def views_of(asked: Requests, paths: Sequence[str], form: Form) -> str:
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
    read = _json(paths, form, dict.fromkeys(fields, "VARCHAR"))
    return f"""
        SELECT "timestamp" IS NULL AND "eventType" IS NULL AS broken,
          coalesce("vercelEnvironment", {_wanted(asked)}) <> {_wanted(asked)} AS excluded,
          {_moment('"timestamp"', None)} AS moment, {key('"sessionId"')} AS session_hash, "sessionId" AS session,
          "deviceId" AS device, coalesce("eventType", 'pageview') = 'pageview' AS is_view,
          {key(*map(identifier, (*fields[:6],)))} AS seen, filename
        FROM {read}"""


def key(*values: str) -> str:
    """SQL of what rows are told apart by: 128 bits, the same in every version of the engine, of any texts."""
    if len(values) == 1:
        return f"CAST(md5_number({values[0]}) AS UUID)"
    texts = ", ".join(f"coalesce(CAST({value} AS VARCHAR), '')" for value in values)
    return f"CAST(md5_number(concat_ws(chr(31), {texts})) AS UUID)"


def _wanted(asked: Requests) -> str:
    return literal(asked.environment)


def _vercel_logs(asked: Requests, paths: Sequence[str], form: Form) -> str:
    own: dict[str, str] = {**asked.columns}
    types = dict.fromkeys(own.values(), "VARCHAR") | _VERCEL
    read = _json(paths, form, types)

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
    took = _given(f"CAST({_access(own['duration_ms'])} AS VARCHAR)") if "duration_ms" in own else "NULL"
    ms = _took(took, "", asked) if "duration_ms" in own else "NULL"
    return f"""
        SELECT "timestamp" IS NULL AND proxy IS NULL AND source IS NULL AS broken,
          NOT ({proxied}) OR coalesce(proxy.statusCode, 0) = -1 OR coalesce(source, '') = 'build'
            OR coalesce(environment, {_wanted(asked)}) <> {_wanted(asked)} AS excluded,
          {at} AS moment, {field("path", "coalesce(nullif(path, ''), proxy.path)")} AS path,
          TRY_CAST({status} AS INTEGER) AS status, CAST({ms} AS DOUBLE) AS ms,
          if({took} IS NOT NULL AND ({ms}) IS NULL, 2, 0) AS unreadable,
          {request} AS request,
          {field("region", "coalesce(executionRegion, proxy.region)")} AS region,
          {field("release", '"deploymentId"')} AS release,
          {field("user_agent", "proxy.userAgent")} AS agent, proxy.path AS asked_path, filename
        FROM {read}"""


def _vercel_traces(asked: Requests, paths: Sequence[str], form: Form) -> str:
    read = _json(paths, form, {"resourceSpans": _SPANS})
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
          coalesce(TRY_CAST({code} AS INTEGER), CASE WHEN {failed} THEN -1 END) AS status,
          TRY({end} - {start}) / 1e6 AS ms,
          CASE WHEN {code} IS NOT NULL AND TRY_CAST({code} AS INTEGER) IS NULL THEN 1
            WHEN {end} IS NULL THEN 2 ELSE 0 END AS unreadable,
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


def _declared(asked: Requests, paths: Sequence[str], form: Form) -> str:
    layout = layout_of(asked, form.header)
    places = layout.places
    if layout.is_json:
        fields = [place.cell.place for place in places.values()] + [
            name for name, _ in filter(None, [layout.only])
        ]
        table = _json(paths, form, dict.fromkeys(fields, "VARCHAR"))
    else:
        names = [f"g{number}" for number in range(1, len(layout.cells[0].said) + 1)]
        part = f"regexp_extract(line, {literal(layout.cells[0].pattern)}, {list(names)})"
        table = f"(SELECT line, filename, {part} AS part FROM {lines(paths)} WHERE {_of_request(form)})"
    text = {name: _text(place) for name, place in places.items()}
    # A client that sent no request line is logged without a path, or as "-": that is not a request of /.
    path = f"CASE WHEN {text['path']} = '' THEN '-' ELSE {text['path']} END"
    given = {name: _given(text[name]) if name in text else "NULL" for name in LOG_FIELDS}
    status, took = given["status"], given["duration_ms"]
    apart = (
        f"NOT coalesce(starts_with({_access(layout.only[0])}, {literal(layout.only[1])}), false)"
        if layout.only
        else "false"
    )
    code = f"TRY_CAST({status} AS INTEGER)"
    form_of_took = places["duration_ms"].value.meaning.form if "duration_ms" in places else ""
    ms = _took(took, form_of_took, asked) if "duration_ms" in places else "NULL"
    return f"""
        SELECT {given["time"]} IS NULL AND NOT ({apart}) AS broken,
          {apart} OR coalesce({given["environment"]}, {_wanted(asked)}) <> {_wanted(asked)} AS excluded,
          {_when(text, places["time"].value.meaning.form, asked)} AS moment, {path} AS path,
          nullif({code}, 0) AS status, {ms} AS ms,
          {_unread(status, took, ms, form_of_took)} AS unreadable,
          {given["request_id"]} AS request, {given["region"]} AS region, {given["release"]} AS release,
          {given["user_agent"]} AS agent, {path} AS asked_path,
          {"NULL" if layout.is_json else "line"} AS whole, filename
        FROM {table}"""


def _of_request(form: Form) -> str:
    """SQL of which lines are no remarks and not empty."""
    return "trim(line) <> ''" + (" AND NOT starts_with(line, '#')" if form.header.startswith("#") else "")


def suspect(asked: Requests, form: Form) -> str:
    """SQL of whether a line of a text is not of its form."""
    if form.dialect == "declared" and not (layout := layout_of(asked, form.header)).is_json:
        return f"{_of_request(form)} AND NOT regexp_matches(line, {literal(layout.cells[0].pattern)})"
    time = asked.columns.get("time", "time") if form.dialect == "json" else "timestamp"
    if form.dialect == "declared":
        time = layout.places["time"].cell.place
    parts = [time] if time in form.flat else time.split(".")
    pointer = literal("/" + "/".join(part.replace("~", "~0").replace("/", "~1") for part in parts))
    if form.dialect == "vercel-traces":
        pointer = "'/resourceSpans'"
    timeless = f"json_extract_string(line, {pointer}) IS NULL"
    return f"trim(line) <> '' AND CASE WHEN json_valid(line) THEN {timeless} ELSE true END"


def _text(place: Place) -> str:
    """SQL of one value of a line, as it is written."""
    cell, group, _ = place
    if not cell.place:
        return f"part.g{group}"
    found = _access(cell.place)
    return f"regexp_extract({found}, {literal(cell.pattern)}, {group})" if group else found


def _when(text: Mapping[str, str], form: str, asked: Requests) -> str:
    """SQL of the time of a line."""
    if form == "utc":  # the W3C's format: date and time apart, in GMT
        return f"TRY_CAST({text['date']} || ' ' || {text['time']} AS TIMESTAMP)"
    if "%" not in form:
        return _moment(text["time"], form or asked.time_unit, asked.time_zone)
    read = f"try_strptime({text['time']}, {literal(form)})"
    if "%z" in form or "%Z" in form:
        return f"{read} AT TIME ZONE 'UTC'"
    return f"{read} AT TIME ZONE {literal(asked.time_zone)} AT TIME ZONE 'UTC'" if asked.time_zone else "NULL"


def _took(text: str, form: str, asked: Requests) -> str:
    """SQL of how long a request took, in milliseconds: in the site's unit, else the format's.

    A value that writes its own unit behind the number, as protobuf's and Go's durations do, needs neither.
    """
    if form == "sum":  # of several times; none where one of them is -1
        numbers = f"list_transform(regexp_extract_all({text}, '[0-9]+([.][0-9]+)?'), lambda n: CAST(n AS DOUBLE))"
        whole = f"{_scale(asked, 's')} * list_sum({numbers})"
        return f"CASE WHEN NOT regexp_matches({text}, '-[0-9]') THEN {whole} END"
    ends = (("ns", 1e-6), ("us", 1e-3), ("µs", 1e-3), ("μs", 1e-3), ("ms", 1.0), ("s", 1e3))
    scale = " ".join(f"WHEN ends_with({text}, '{unit}') THEN {ms}" for unit, ms in ends)
    said = f"TRY_CAST(rtrim({text}, 'nmuµμs ') AS DOUBLE) * CASE {scale} END"
    return f"coalesce(TRY_CAST({text} AS DOUBLE) * {_scale(asked, form or 'ms')}, {said})"


def _unread(status: str, took: str, ms: str, form: str = "") -> str:
    """SQL of which field of a line is no number: 1 the status, 2 the duration, 0 none."""
    timeless = "false" if form == "sum" else f"{took} IS NOT NULL AND ({ms}) IS NULL"
    return f"""CASE WHEN {status} IS NOT NULL AND TRY_CAST({status} AS INTEGER) IS NULL THEN 1
            WHEN {timeless} THEN 2 ELSE 0 END"""


def _plain_query(asked: Requests, table: str, cell: Mapping[str, str]) -> str:
    at = _moment(cell["time"], asked.time_unit, asked.time_zone)
    status, took = _given(cell["status"]), _given(cell["duration_ms"])
    ms = _took(took, "", asked)
    return f"""
        SELECT {cell["time"]} IS NULL AS broken,
          coalesce({cell["environment"]}, {_wanted(asked)}) <> {_wanted(asked)} AS excluded,
          {at} AS moment, {cell["path"]} AS path, TRY_CAST({status} AS INTEGER) AS status,
          {ms} AS ms, {_unread(status, took, ms)} AS unreadable,
          {_given(cell["request_id"])} AS request, {cell["region"]} AS region, {cell["release"]} AS release,
          {cell["user_agent"]} AS agent, {cell["path"]} AS asked_path, filename
        FROM {table}"""


def _json(paths: Sequence[str], form: Form, fields: Mapping[str, str]) -> str:
    """The reader of JSON: a column for each field, those inside an object as STRUCT, however they are written."""
    how = {
        "lines": "format = 'newline_delimited', ignore_errors = true",
        "array": "format = 'array'",
        "object": "format = 'unstructured'",
    }[form.shape]
    largest = "" if form.shape != "object" else f", maximum_object_size = {LARGEST_OBJECT}"
    apart = {field.split(".")[0] for field in form.flat}
    flat = {field: kind for field, kind in fields.items() if field.split(".")[0] in apart}
    columns = struct({**_nested({f: k for f, k in fields.items() if f not in flat}), **flat})
    read = f"read_json({files(paths)}, columns = {columns}, {how}{largest}, filename = true)"
    if not flat:
        return read
    objects = ", ".join(f"{_gathered(head, flat)} AS {identifier(head)}" for head in sorted(apart))
    return f"(SELECT *, {objects} FROM {read})"


def _gathered(place: str, flat: Mapping[str, str]) -> str:
    """SQL of an object of fields that are written with dots; NULL where a line has none of them."""
    names = [name for name in flat if name.startswith(f"{place}.")]
    if not names:
        return identifier(place)
    inner = dict.fromkeys(name.removeprefix(f"{place}.").split(".")[0] for name in names)
    parts = ", ".join(f"{literal(name)}: {_gathered(f'{place}.{name}', flat)}" for name in inner)
    there = " OR ".join(f"{identifier(name)} IS NOT NULL" for name in names)
    return f"CASE WHEN {there} THEN {{{parts}}} END"


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


def _moment(text: str, unit: str | None, zone: str | None = None) -> str:
    """SQL of a time written as text: ISO, or a number since 1970 whose unit its size tells unless it is given.

    A time without a zone is of the declared one, which the session has; where none is declared it is no time.
    """
    iso = f"TRY_CAST({text} AS TIMESTAMPTZ) AT TIME ZONE 'UTC'"
    if not zone:
        iso = f"CASE WHEN regexp_matches({text}, {literal(_ZONED)}) THEN {iso} END"
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
