"""The site's own log format, pasted from its web server's configuration: which value of a line says what."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from pdmlib.site.log_variables import (
    APACHE,
    APACHE_MEANS,
    CLF_TIME,
    INGRESS,
    NGINX,
    NGINX_FAMILIES,
    NGINX_MEANS,
    SAYS_NOTHING,
    W3C_MEANS,
    Meaning,
)

# How values are written: between quotes with whatever is escaped, one word, the first line of a request.
QUOTED, WORD, ANY = r'(?:[^"\\]|\\.)*', r"\S*", ".*?"
REQUEST = (r"(?:[A-Za-z-]+ )?(", r'(?:[^ "\\]|\\.)*', r")(?: (?:[^\"\\]|\\.)*)?")
# Values that never hold a space; others (headers, names, unknown ones) may.
ONE_WORD = re.compile(
    r"^(\$(?!upstream_)(.*_(time|addr|port|length|status|requests)|msec|status|pid|pipe|connection|.*bytes.*|.*_id|time_iso8601.*"
    r"|.*uri|host|scheme|gzip_ratio|request_method|server_protocol|server_name)|%[<>]?[aABbDhHIkmOpPsTUvVX]|%\{\w+\}[pPT])$"
)
UNNAMED = r"(?: .*)?\s*$"  # the end of a pattern that lets more follow than it names
_NGINX = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_APACHE = re.compile(r"%(?:!?\d{3}(?:,\d{3})*)?([<>])?(?:\{([^}]*)\})?(\^F?\w\w?|[A-Za-z%])")
# What gunicorn and hypercorn write as %(r)s is what Apache writes as %r, but for these.
_GUNICORN = re.compile(r"%\((?:(\{[^}]+\}[ioe])|([A-Za-z]))\)s")
_OTHER_NAMES = {"f": "{Referer}i", "a": "{User-Agent}i", "M": "{ms}T", "L": "{decimal}T"}
_DIRECTIVE = re.compile(
    r"^\s*(?:log_format\s+[\w-]+|LogFormat|CustomLog\s+\S+)\s+(?:escape=\w+\s+)?", re.IGNORECASE
)
_STRING = re.compile(r"""\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")""", re.DOTALL)
# strftime's letters that are read, what each is written as, and its name where strptime has another.
_STRFTIME = {
    **dict.fromkeys("mdHMSIyj", "[0-9 ]{1,3}"),
    **dict.fromkeys("bBaApZ", "[A-Za-z]+"),
    "Y": "[0-9]{4}",
    "z": "(?:[+-][0-9]{2}:?[0-9]{2}|Z)",
    "g": "[0-9]{3}",
    "f": "[0-9]{6}",
}
_SAME = {"T": "%H:%M:%S", "F": "%Y-%m-%d", "R": "%H:%M", "D": "%m/%d/%y", "h": "%b", "e": "%d"}
_FRACTIONS = {"msec_frac": "%g", "usec_frac": "%f"}
_MARK = "\ue000"  # stands before the number of a value in a JSON template; nobody's format has it


class FormatError(ValueError):
    """A format that cannot be read, in words."""


@dataclass(frozen=True)
class Value:
    """One value that a format writes, as the format calls it."""

    name: str
    meaning: Meaning = SAYS_NOTHING
    known: bool = True


class Place(NamedTuple):
    """Where a value stands: the cell, and its group there from 1; 0 where the cell is the value."""

    cell: Cell
    group: int
    value: Value


@dataclass(frozen=True)
class Cell:
    """A text that holds values: a line, or one field of an object.

    Attributes:
        pattern: a regular expression (RE2) with a group for each value that says something, in their order.
        values: all of them.
        place: the field of the object, by dots; empty for a line.
    """

    pattern: str
    values: tuple[Value, ...]
    place: str = ""

    @property
    def said(self) -> tuple[Value, ...]:
        """The values that say something, in the order of the groups."""
        return tuple(value for value in self.values if value.meaning.field)


@dataclass(frozen=True)
class Layout:
    """How a line is read.

    Attributes:
        cells: the line itself, or fields of its object.
        only: field of an object and what it starts with where a line is a request.
    """

    cells: tuple[Cell, ...]
    only: tuple[str, str] | None = None
    places: Mapping[str, Place] = field(default_factory=dict)

    @property
    def is_json(self) -> bool:
        """Whether a line is an object."""
        return bool(self.cells[0].place)

    @property
    def values(self) -> tuple[Value, ...]:
        """All that a line holds."""
        return tuple(value for cell in self.cells for value in cell.values)


def check(text: str) -> None:
    """Checks that a declared format can be read at all; what it lacks is told of the log that is read by it.

    Raises:
        FormatError: it is neither a preset's name nor a format of nginx or Apache.
    """
    name = text.strip()
    if name not in W3C and name not in PRESETS:
        _pasted(text, {})


def layouts(text: str, columns: Mapping[str, str] | None = None) -> tuple[Layout, ...]:
    """The ways to read lines of a declared format: one, or those of a preset in its several forms.

    Args:
        text: a preset's name, or a format of nginx or Apache.
        columns: our name -> the value that the site says it is.

    Raises:
        FormatError: it is neither, or writes no time or no path.
    """
    name = text.strip()
    if name in W3C:
        return ()
    found = PRESETS.get(name) or (_pasted(text, columns or {}),)
    return tuple(_placed(one, columns or {}) for one in found)


def w3c(header: str, columns: Mapping[str, str] | None = None) -> Layout:
    """How lines are read that stand below a header of the W3C extended format.

    Raises:
        FormatError: the header has no fields, or none of the time or of the path.
    """
    named = re.search(r"^#Fields:[ \t]*(.*)$", header, re.MULTILINE)
    if named is None:
        raise FormatError("has no line #Fields, which a log of the W3C format begins with")
    names = named[1].split()
    # Microsoft writes time-taken in milliseconds, the W3C and CloudFront in seconds.
    unit = "ms" if "Microsoft" in header.split("#Fields")[0] else "s"
    values = [_declared(Value(n, W3C_MEANS.get(n.lower(), SAYS_NOTHING)), columns or {}) for n in names]
    values = [replace(v, meaning=v.meaning._replace(form=unit)) if v.name == "time-taken" else v for v in values]
    groups = [
        f"({one})" if value.meaning.field else f"(?:{one})" for value in values for one in ['"[^"]*"|[^ \t]*']
    ]
    return _placed(Layout((Cell("^" + "[ \t]".join(groups) + r"\s*$", tuple(values)),)), columns or {})


def _placed(layout: Layout, columns: Mapping[str, str]) -> Layout:
    """A layout with where each of our fields is read.

    Raises:
        FormatError: it writes no time or no path, or not what the site says.
    """
    places: dict[str, Place] = {}
    for cell in layout.cells:
        for number, value in enumerate(cell.said, start=1):
            held = places.get(value.meaning.field)
            if held is None or value.meaning.rank < held.value.meaning.rank:
                places[value.meaning.field] = Place(cell, number if cell.pattern else 0, value)
    for name in ("time", "path"):
        if name not in places:
            raise FormatError(f"writes no {name}; a request has one: {WRITES[name]}")
    for ours, theirs in columns.items():
        if ours in places and places[ours].value.meaning.rank < 0:
            continue
        if not layout.is_json:
            raise FormatError(f"columns.{ours}: the log_format writes no {theirs}")
        value = Value(theirs, Meaning(ours))
        places[ours] = Place(Cell("", (value,), theirs), 0, value)
    return replace(layout, places=places)


WRITES = {
    "time": "$time_iso8601 or [$time_local] of nginx, %t of Apache",
    "path": '"$request" or $request_uri of nginx, "%r" of Apache',
    "duration_ms": "$request_time of nginx, %D of Apache",
}
HOW_TO_TIME = f"log {WRITES['duration_ms']}, and paste the format as requests.log_format"


def _pasted(text: str, columns: Mapping[str, str]) -> Layout:
    plain = _GUNICORN.sub(lambda f: f"%{f[1] or _OTHER_NAMES.get(f[2], f[2])}", _unquoted(text))
    find = _nginx if _NGINX.search(plain) else _apache if _APACHE.search(plain) else None
    if find is None:
        names = ", ".join((*PRESETS, *W3C))
        raise FormatError(
            f"is neither a format of nginx, Apache or gunicorn, whose values begin with $ or %, nor one of {names}"
        )
    if plain.lstrip().startswith("{"):
        return Layout(tuple(_of_template(plain, find, columns)))
    tokens = [_declared(token, columns) for token in find(plain) if token != ""]
    return Layout((_cell(_joined(tokens), plain=False),))


def _unquoted(text: str) -> str:
    """The format itself, of a directive with its quotes or without."""
    bare = _DIRECTIVE.sub("", text, count=1).strip()
    strings, at = [], 0
    while found := _STRING.match(bare, at):
        strings.append(found[1] if found[1] is not None else found[2])
        at = found.end()
    whole = strings and re.fullmatch(r"\s*[\w.-]*\s*;?\s*(?:env=\S+)?", bare[at:])
    inner = "".join(strings) if whole else bare.removesuffix(";")
    return re.sub(r"""\\(["'\\])""", r"\1", inner).replace(r"\t", "\t").replace(r"\n", "")


Token = str | Value


def _nginx(text: str) -> Iterator[Token]:
    at = 0
    for found in _NGINX.finditer(text):
        yield text[at : found.start()]
        name = (found[1] or found[2]).lower()
        known = name in NGINX | INGRESS or name in NGINX_MEANS or name.startswith(NGINX_FAMILIES)
        yield Value(f"${name}", NGINX_MEANS.get(name, SAYS_NOTHING), known)
        at = found.end()
    yield text[at:]


def _apache(text: str) -> Iterator[Token]:
    at = 0
    for found in _APACHE.finditer(text):
        yield text[at : found.start()]
        which, inside, letter = found[1] or "", found[2], found[3]
        yield "%" if letter == "%" else _directive(which, inside, letter)
        at = found.end()
    yield text[at:]


def _directive(which: str, inside: str | None, letter: str) -> Value:
    braced = "" if inside is None else f"{{{inside}}}"
    name = f"%{which}{braced}{letter}"
    if letter == "t" and inside is not None and (form := _strptime(inside)):
        return Value(name, Meaning("time", form, 2))
    asked = f"{which}{braced.lower()}{letter}"
    means = APACHE_MEANS.get(asked) or APACHE_MEANS.get(asked.lstrip("<>")) or SAYS_NOTHING
    return Value(name, means, letter in APACHE)


def _strptime(form: str) -> str:
    """strptime's form of one of strftime; empty where it is a number or has letters that are not read."""
    form = re.sub("^(begin|end):?", "", form)
    form = _FRACTIONS.get(form, form)
    form = re.sub(r"%([TFRDhe])", lambda found: _SAME[found[1]], form)
    letters = re.findall("%(.)", form)
    return form if letters and set(letters) <= _STRFTIME.keys() else ""


def _joined(tokens: Sequence[Token]) -> list[Token]:
    """Tokens, with parts of one time that stand side by side as one value."""
    found: list[Token] = []
    for token in tokens:
        if isinstance(token, Value) and "%" in token.meaning.form and len(found) > 1:
            before, between = found[-2], found[-1]
            if isinstance(before, Value) and isinstance(between, str) and "%" in before.meaning.form:
                form = before.meaning.form + between.replace("%", "%%") + token.meaning.form
                found[-2:] = [Value(before.name + between + token.name, Meaning("time", form, 2))]
                continue
        found.append(token)
    return found


def _declared(token: Any, columns: Mapping[str, str]) -> Any:
    """A value as the site says what it is; what it has another value for, it is not."""
    if isinstance(token, str):
        return token
    said = next((ours for ours, theirs in columns.items() if theirs == token.name), None)
    if said:
        # Times of the servers behind nginx are a list in seconds, one for each that was asked.
        times = token.name.startswith("$upstream_") and token.name.endswith("_time")
        return replace(token, meaning=Meaning(said, "sum" if times else token.meaning.form, -1), known=True)
    return token


def _cell(tokens: Sequence[Token], place: str = "", *, plain: bool) -> Cell:
    """A text and its pattern; no pattern where the text is one value, which stands alone in its field."""
    values = tuple(token for token in tokens if isinstance(token, Value))
    alone = plain and len(values) == len(tokens) == 1
    if alone and values[0].meaning.form != "request":
        return Cell("", values, place)
    parts = []
    for at, token in enumerate(tokens):
        if isinstance(token, str):
            parts.append(re.escape(token))
            continue
        before, after = _neighbour(tokens, at - 1), _neighbour(tokens, at + 1)
        parts.append(_pattern(token, before if isinstance(before, str) else "", after))
    return Cell("^" + "".join(parts) + r"\s*$", values, place)


def _neighbour(tokens: Sequence[Token], at: int) -> Token:
    return tokens[at] if 0 <= at < len(tokens) else ""


def _pattern(value: Value, before: str, after: Token) -> str:
    """What a value is written as between two texts, in a group when it says something."""
    opens, body, closes = "(" if value.meaning.field else "(?:", _body(value, before, after), ")"
    if value.meaning.form == "request" and value.meaning.field == "path":
        opens, path, closes = REQUEST
        body = path if before.endswith('"') else WORD
    if value.name == "%t":  # writes its own brackets
        return rf"\[?{opens}{body}{closes}\]?"
    return f"{opens}{body}{closes}"


def _body(value: Value, before: str, after: Token) -> str:
    if "%" in value.meaning.form:
        form = re.split("(%.)", value.meaning.form)
        return "".join(
            _STRFTIME[p[1]] if p[:1] == "%" and len(p) == 2 and p != "%%" else re.escape(p) for p in form
        )
    if isinstance(after, Value):
        # A path begins with /, a query with ?.
        return r"[^/\s]*" if after.meaning.field == "path" else r"[^?\s]*"
    if before.endswith('"') and after.startswith('"'):
        return QUOTED
    if before.endswith("[") and after.startswith("]"):
        return r"[^\]]*"
    if not ONE_WORD.match(value.name):
        return ANY
    return f"[^{re.escape(after[0])}]*" if after else WORD


def _of_template(text: str, find: Any, columns: Mapping[str, str]) -> Iterator[Cell]:
    """The fields of a JSON object that is written as a template.

    Raises:
        FormatError: it is no JSON when its values are put in.
    """
    values: list[Value] = []
    filled, quoted = "", False
    for token in find(text):
        if isinstance(token, Value):
            mark = f"{_MARK}{len(values)}{_MARK}"
            filled += mark if quoted else f'"{mark}"'
            values.append(_declared(token, columns))
        else:
            filled += token
            quoted ^= len(re.findall(r'(?<!\\)"', token)) % 2 == 1
    try:
        tree = json.loads(filled)
    except ValueError as error:
        raise FormatError(f"looks like JSON and is none: {str(error).replace(_MARK, '')}") from None
    for place, leaf in _leaves(tree):
        parts = re.split(f"{_MARK}([0-9]+){_MARK}", leaf)
        tokens: list[Token] = [values[int(p)] if at % 2 else p for at, p in enumerate(parts)]
        yield _cell(_joined([token for token in tokens if token != ""]), place, plain=True)


def _leaves(tree: object, place: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(tree, dict):
        for name, inner in tree.items():
            yield from _leaves(inner, f"{place}.{name}" if place else str(name))
    elif isinstance(tree, str):
        yield place, tree


def _line(pattern: str, **means: Meaning) -> Layout:
    """A line of a fixed form, its groups named after our fields (and a number where several belong to one)."""
    names = re.findall(r"\(\?P<(\w+)>", pattern)
    values = tuple(Value(name, means.get(name, Meaning(name))) for name in names)
    return Layout((Cell(re.sub(r"\?P<\w+>", "", pattern), values),))


def _object(only: tuple[str, str] | None = None, **fields: tuple[str, str]) -> Layout:
    """An object of fixed fields: our name -> their field, and how it is written."""
    cells = (Cell("", (Value(name, Meaning(ours, form)),), name) for ours, (name, form) in fields.items())
    return Layout(tuple(cells), only)


_COMMON = '%h %l %u %t "%r" %>s %b'
_AGENT = ' "%{Referer}i" "%{User-Agent}i"'
_CLF = r'\[(?P<time>[^\]]+)\] "(?:[A-Za-z-]+ )?(?P<path>(?:[^ "\\]|\\.)*)(?:[^"\\]|\\.)*" (?P<status>[0-9]{3}|-) '
_TIME = Meaning("time", CLF_TIME)
# Logs that begin with a header of their own fields.
W3C = ("w3c", "iis", "cloudfront")
# What the software of each name writes when nobody configures it otherwise.
PRESETS: Mapping[str, tuple[Layout, ...]] = {
    # The common and the combined format. What servers add between the size and the referrer, or after the agent,
    # is not named by it and is not read.
    "combined": (
        _line(
            rf'^\S+ \S+ .*?{_CLF}(?:[0-9]+|-)(?:(?: [0-9.,-]+)* "{QUOTED}" "(?P<user_agent>{QUOTED})")?' + UNNAMED,
            time=_TIME,
        ),
    ),
    "vhost": (_pasted(f"%v:%p {_COMMON.replace('%b', '%O')}{_AGENT}", {}),),
    # https://caddyserver.com/docs/caddyfile/directives/log, encoder json; other lines are of the server itself.
    "caddy": (
        _object(
            ("logger", "http.log.access"),
            time=("ts", ""),
            path=("request.uri", ""),
            status=("status", ""),
            duration_ms=("duration", "s"),
            user_agent=("request.headers.User-Agent", ""),
        ),
    ),
    # https://doc.traefik.io/traefik/observe/logs-and-access-logs/: common (the default) or json.
    "traefik": (
        _line(
            rf'^\S+ - \S+ {_CLF}(?:[0-9]+|-) "{QUOTED}" "(?P<user_agent>{QUOTED})" [0-9]+ "{QUOTED}" "{QUOTED}" '
            r"(?P<duration_ms>[0-9]+)ms\s*$",
            time=_TIME,
            duration_ms=Meaning("duration_ms", "ms"),
        ),
        _object(
            time=("StartUTC", "iso"),
            path=("RequestPath", ""),
            status=("DownstreamStatus", ""),
            duration_ms=("Duration", "ns"),
            user_agent=("request_User-Agent", ""),
        ),
    ),
    # https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/log-format/
    "ingress-nginx": (
        _pasted(
            '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" '
            '"$http_user_agent" $request_length $request_time [$proxy_upstream_name] '
            "[$proxy_alternative_upstream_name] $upstream_addr $upstream_response_length $upstream_response_time "
            "$upstream_status $req_id",
            {},
        ),
    ),
    # HAProxy's configuration manual, 8.2.3 (option httplog): Ta, before 1.7 Tt, in ms; with + the answer went on.
    # The times are local ones without a zone. A status of -1: there was no answer.
    "haproxy": (
        _line(
            r"^(?:.*? )?\S+:[0-9]+ \[(?P<time>[0-9]{2}/[A-Za-z]{3}/[0-9]{4}:[0-9:.]+)\] \S+ \S+ "
            r"-?[0-9]+/-?[0-9]+/-?[0-9]+/-?[0-9]+/(?:(?P<duration_ms>[0-9]+)|[+-][0-9]+) "
            r"(?:(?P<status>[0-9]{3})|-1) \+?[0-9]+ "
            r'\S+ \S+ \S{2,4} [0-9/+]+ [0-9/]+ (?:\{.*\} )?"(?:[A-Za-z-]+ )?(?P<path>[^ "]*)[^"]*"?\s*$',
            time=Meaning("time", "%d/%b/%Y:%H:%M:%S.%g"),
            duration_ms=Meaning("duration_ms", "ms"),
        ),
    ),
    # https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html: three
    # times in seconds that add up, -1 where the request was not passed on.
    "alb": (
        _line(
            r"^\S+ (?P<time>\S+Z) \S+ \S+ \S+ (?P<duration_ms>-?[0-9.]+ -?[0-9.]+ -?[0-9.]+) "
            rf'(?P<status>[0-9]{{3}}|-) \S+ -?[0-9]+ -?[0-9]+ "(?:\S+ )?(?P<path>[^ "]*)[^"]*" '
            rf'"(?P<user_agent>{QUOTED})" .*$',
            time=Meaning("time", "iso"),
            duration_ms=Meaning("duration_ms", "sum"),
        ),
    ),
}
