"""How each table of a site is understood: one real row, its words, and what would mend what is not seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from pdmlib.errors import SourceError
from pdmlib.frames.understanding import Kind, Said, Understood, Used, Vocabulary, mend_line
from pdmlib.site.masking import masked
from pdmlib.site.site import TABLE_BLOCKS, Site
from pdmlib.site.tables import Cron, Feature, TableBlock
from pdmlib.site.terms import CRON_SETTINGS, Column
from pdmlib.sources.postgres.mapping import JSON, NUMERIC, condition, is_naive, is_time, no_time, value
from pdmlib.sources.postgres.monitors import apart
from pdmlib.sources.postgres.session import Row, Session, compose, identifier, joined, written
from pdmlib.sources.postgres.visibility import BY_POLICY, FILTERED, Sight, feature_tables, ledger, near, qualified

LOOK_S = 4.0  # a table without an index on its time is sorted for this; longer would weigh on the application
RECENT = 5_000  # rows whose words are counted: some days of most logs
WORDS = 20  # words of a column that are shown; a column with more is not one of words
# What a column of a type holds; any other holds text, which may be anything.
KINDS = {Kind.TIME: is_time, Kind.NUMBER: NUMERIC.__contains__, Kind.FLAG: "boolean".__eq__}
NOT_READ = "not read: say in which zone its times are, time_zone:"


@dataclass(frozen=True)
class _Plan:
    """One table to explain: the columns that are looked for, and how its words and times are read."""

    key: str
    table: str
    wanted: Mapping[str, tuple[str, ...]]
    required: tuple[str, ...]
    words: Mapping[str, Vocabulary]
    zone: str | None
    means: Mapping[str, str]
    where: str | None = None


def explain(session: Session, site: Site) -> list[Understood]:
    """Every table that the site file names, as its newest row is understood, and that no reading rests on it.

    Raises:
        SourceError: the database's catalogue cannot be read.
    """
    seen = ledger(session, site)
    found = (_explained(session, site.zone, plan, seen.sights[qualified(plan.table)]) for plan in _plans(site))
    return [one if one.problem else replace(one, problem=site.idle(one.key)) for one in found]


def _plans(site: Site) -> Iterator[_Plan]:
    for name in TABLE_BLOCKS:
        block = site.block(name)
        if block is not None:
            yield _plan(name, block)
            if isinstance(block, Cron) and block.settings_table:
                yield _settings(block, block.settings_table)
    for feature in site.features:
        for table in feature_tables(feature):
            yield _counted(feature, table)


def _plan(key: str, block: TableBlock) -> _Plan:
    terms = block.terms
    wanted = {column.name: block.candidates(column.name) for column in terms.columns}
    words = {ours: Vocabulary(block.spoken(ours)) for ours in terms.words}
    if isinstance(block, Cron):  # so that jobs of the log that the file does not list are seen
        words["job"] = Vocabulary({job.name: (job.name, *job.aliases) for job in block.expected})
    return _Plan(
        key=key,
        table=block.table,
        wanted=wanted,
        required=block.required,
        words=words,
        zone=block.time_zone,
        means={column.name: column.means for column in terms.columns},
        where=block.where,
    )


def _settings(block: Cron, table: str) -> _Plan:
    def names(column: Column) -> tuple[str, ...]:
        declared = block.settings_columns.get(column.name)
        return (declared,) if declared else column.candidates

    return _Plan(
        key="cron.settings_table",
        table=table,
        wanted={column.name: names(column) for column in CRON_SETTINGS.columns},
        required=CRON_SETTINGS.required,
        words={},
        zone=None,
        means={column.name: column.means for column in CRON_SETTINGS.columns},
    )


def _counted(feature: Feature, table: str) -> _Plan:
    times = feature.time_columns or tuple(filter(None, (feature.time_column,)))
    wanted = {f"time {n}" if n else "time": (column,) for n, column in enumerate(times)} if feature.table else {}
    if feature.value_column:
        wanted["value"] = (feature.value_column,)
    return _Plan(
        key=f"features.{feature.name}",
        table=table,
        wanted=wanted,
        required=tuple(wanted),
        words={},
        zone=feature.time_zone,
        means={ours: "how much it adds" if ours == "value" else "when it counts" for ours in wanted},
        where=feature.where,
    )


def _explained(session: Session, zone: ZoneInfo, plan: _Plan, sight: Sight) -> Understood:
    found = {ours: next((c for c in names if c in sight.columns), None) for ours, names in plan.wanted.items()}
    if not sight.whole:
        return Understood(
            key=plan.key, table=sight.table, columns=(), words=(), problem=sight.reason, mend=_mend(sight)
        )
    columns = {ours: theirs for ours, theirs in found.items() if theirs}
    problem, mend = _lacking(plan, sight, columns)
    try:
        rows = _newest(session=session, plan=plan, sight=sight, columns=columns, count=1) if columns else []
        words = tuple(_words(session, plan, sight, columns))
    except SourceError as error:
        rows, words, problem = [], (), problem or error.reason
    no_times = [ours for ours in columns if ours in plan.required and ours.endswith("_at")]
    for ours in no_times if not problem else ():
        if not is_time(kind := sight.columns[columns[ours]]):
            problem = no_time(columns[ours], kind, rows[0][ours] if rows else None)
    if columns and not rows:
        problem = problem or "no rows"
    if plan.key == "uptime" and plan.where is None and not problem:
        problem, mend = _several(session, sight, columns)
    said = tuple(
        _said(ours=ours, theirs=found[ours], plan=plan, sight=sight, rows=rows, zone=zone) for ours in plan.wanted
    )
    return Understood(key=plan.key, table=sight.table, columns=said, words=words, problem=problem, mend=mend)


def _several(session: Session, sight: Sight, columns: Mapping[str, str]) -> tuple[str | None, str | None]:
    """That several monitors write the table, and the line that chooses one."""
    found = apart(session, sight, columns["checked_at"], tuple(columns.values()))
    if found is None:
        return None, None
    names = ", ".join(masked(name) for name in found.names[:WORDS])
    return f"holds probes of {len(found.names)} monitors, by {found.column}: {names}", found.mend


def _mend(sight: Sight) -> str | None:
    """What would let the role see the rows: the grant or policy, or a view where rows are hidden."""
    if sight.state != FILTERED or not sight.grant:
        return sight.grant
    name = sight.table.split(".")[-1]
    return f"{sight.grant} -- or a view of the owner's, granted to this role alone: CREATE VIEW pdm_{name} AS .."


def _lacking(plan: _Plan, sight: Sight, columns: Mapping[str, str]) -> tuple[str | None, str | None]:
    """All columns that are missing at once, those that the table has, and the line that would name them."""
    missing = [ours for ours in plan.required if ours not in columns]
    if not missing:
        return None, None
    sought = "; ".join(f"{ours} (looked for {', '.join(plan.wanted[ours])})" for ours in missing)
    hidden = sorted(name for ours in missing for name in plan.wanted[ours] if name in sight.hidden)
    if hidden:
        return f"the role may not read {', '.join(hidden)}", f"GRANT SELECT ON {sight.quoted} TO <role>;"
    problem = f"no column for {sought}; it has {', '.join(sight.columns)}"
    problem += "".join(near(plan.wanted[ours][0], sight.columns) for ours in missing if plan.wanted[ours])
    return problem, _naming(plan.key, missing)


def _naming(key: str, missing: list[str]) -> str:
    """The line that would name the missing columns: of a feature its own keys, of a block its `columns`."""
    block, _, name = key.partition(".")
    if block == "features":
        own = dict.fromkeys(
            ["value_column" if ours == "value" else "time_column" for ours in missing], "<its name>"
        )
        return mend_line("features", value=[{"name": name, **own}])
    path = ("cron", "settings_columns") if key == "cron.settings_table" else (block, "columns")
    return mend_line(*path, value=dict.fromkeys(missing, "<its name>"))


def _newest(session: Session, plan: _Plan, sight: Sight, columns: Mapping[str, str], count: int) -> list[Row]:
    shown = [
        compose("left({c}, 200) AS {n}", c=_text(sight, c), n=identifier(ours)) for ours, c in columns.items()
    ]
    shown += [
        compose("{m} AS {n}", m=_moment(columns[ours], kind, plan.zone), n=identifier(f"{ours}@"))
        for ours, kind in _times(sight, columns).items()
    ]
    query = compose(
        "SELECT {shown} FROM {table} WHERE {counts} {order} LIMIT {n}",
        shown=joined(shown),
        counts=condition(plan.where),
        table=identifier(sight.table),
        order=_order(sight, columns),
        n=written(str(count)),
    )
    return session.rows(query, {}, timeout_s=LOOK_S, row_security=sight.state == BY_POLICY)


def _text(sight: Sight, column: str) -> Any:
    """A column as text; a JSON string without its quotes, as it is read."""
    form = "({c} #>> '{{}}')" if sight.columns[column] in JSON else "{c}::text"
    return compose(form, c=identifier(column))


def _words(session: Session, plan: _Plan, sight: Sight, columns: Mapping[str, str]) -> Iterator[Used]:
    for ours, vocabulary in plan.words.items():
        if ours not in columns:
            continue
        query = compose(
            "SELECT word, count(*) AS count FROM "
            "(SELECT left({c}, 80) AS word FROM {table} WHERE {counts} {order} LIMIT {n}) AS newest "
            "GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {most}",
            c=_text(sight, columns[ours]),
            counts=condition(plan.where),
            table=identifier(sight.table),
            order=_order(sight, columns),
            n=written(str(RECENT)),
            most=written(str(WORDS)),
        )
        for row in session.rows(query, {}, timeout_s=LOOK_S, row_security=sight.state == BY_POLICY):
            theirs = "null" if row["word"] is None else masked(row["word"])
            yield Used(ours, theirs, row["count"], None if row["word"] is None else vocabulary.of(row["word"]))


def _times(sight: Sight, columns: Mapping[str, str]) -> dict[str, str]:
    kinds = {ours: sight.columns[theirs] for ours, theirs in columns.items()}
    return {ours: kind for ours, kind in kinds.items() if is_time(kind)}


def _order(sight: Sight, columns: Mapping[str, str]) -> Any:
    first = next(iter(_times(sight, columns)), None)
    return compose("ORDER BY {c} DESC NULLS LAST", c=identifier(columns[first])) if first else written("")


def _moment(column: str, kind: str, zone: str | None) -> Any:
    """A time as a moment, one that Python can hold; a naive one needs its zone."""
    return written("NULL::timestamptz") if is_naive(kind) and not zone else value(column, kind, zone)


def _said(ours: str, theirs: str | None, plan: _Plan, sight: Sight, rows: list[Row], zone: ZoneInfo) -> Said:
    means = plan.means[ours]
    if theirs is None:
        return Said(ours, None, taken_for="the table has none", means=means)
    kind, raw = sight.columns[theirs], rows[0][ours] if rows else None
    form = next((form for form, of in KINDS.items() if of(kind)), Kind.TEXT)
    said = Said(ours, theirs, kind=Kind.WORD if ours in plan.words else form, means=means)
    if raw is None:
        return replace(said, taken_for="null" if rows else "")
    meaning = _meaning(ours=ours, raw=raw, plan=plan, kind=kind, row=rows[0], zone=zone)
    return replace(said, value=masked(raw), taken_for=meaning)


def _meaning(ours: str, raw: str, plan: _Plan, kind: str, row: Row, zone: ZoneInfo) -> str:
    if ours.endswith("_at") and not is_time(kind):
        return f"not read: no time, but a {kind}"
    if f"{ours}@" in row:
        moment = row[f"{ours}@"]
        if moment is not None:
            return f"{moment.astimezone(zone):%a %d %b %Y %H:%M:%S %Z}"
        return f"{NOT_READ} {zone.key}?" if is_naive(kind) and not plan.zone else "not a time that can be"
    if ours in plan.words:
        return plan.words[ours].of(raw) or "NOT UNDERSTOOD"
    return "as it is"
