"""Faults of indexes: gone, never built, built otherwise, or left by what the application asks."""

from __future__ import annotations

from bench.catalogue.fault import Fault

# A table of its own for each fault of an index, so that the usual work stays as it was.
FACTS = (
    "CREATE TABLE public.facts (id int PRIMARY KEY, owner int, kind int, code text, body text, tags int[],"
    " payload jsonb, at timestamptz)",
    "INSERT INTO public.facts SELECT g, g, g % 10, 'code' || g, 'Body of fact number ' || g, ARRAY[g, g + 1],"
    " jsonb_build_object('ref', g), '2025-01-01'::timestamptz + g * interval '1 minute'"
    " FROM generate_series(1, 60000) AS g",
)
_SMALL = (
    "CREATE TABLE public.pages (id int PRIMARY KEY, title text, body text)",
    "INSERT INTO public.pages SELECT g, 'Title ' || g, 'word' || g || ' and other words of a page'"
    " FROM generate_series(1, 4000) AS g",
)
_GONE = r"facts_by\b.* is gone since"
_OTHER = r"facts_by\b.*(is gone|is another) since"
_INVALID = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'public.facts_by'::regclass"


def _dropped(name: str, index: str, asks: str, extra: tuple[str, ...] = (), cause: str = _GONE) -> Fault:
    """An index on the table of facts that is dropped."""
    return Fault(
        name=name,
        made=(*FACTS, *extra, f"CREATE INDEX facts_by ON public.facts {index}"),
        asks=asks,
        does=("DROP INDEX public.facts_by",),
        cause=cause,
        touches=("facts",),
    )


def _rebuilt(name: str, index: str, other: str, asks: str, made: tuple[str, ...] = ()) -> Fault:
    """An index that is made again under its name, but otherwise."""
    return Fault(
        name=name,
        made=(*FACTS, *made, f"CREATE INDEX facts_by ON public.facts {index}"),
        asks=asks,
        does=("DROP INDEX public.facts_by", f"CREATE INDEX facts_by ON public.facts {other}"),
        cause=_OTHER,
        touches=("facts",),
    )


BY_OWNER = "SELECT id, kind FROM public.facts WHERE owner = {o}"

INDEXES = (
    _dropped("index dropped", "(owner)", BY_OWNER),
    _dropped("index of an UPDATE dropped", "(owner)", "UPDATE public.facts SET kind = kind WHERE owner = {o}"),
    _dropped("index of a DELETE dropped", "(owner)", "DELETE FROM public.facts WHERE owner = {o}"),
    _dropped("index of two columns dropped", "(kind, owner)", BY_OWNER + " AND kind = {k}"),
    _dropped(
        "hash index dropped", "USING hash (code)", "SELECT id, kind FROM public.facts WHERE code = 'code{o}'"
    ),
    _dropped(
        "expression index dropped", "(lower(code))", "SELECT id FROM public.facts WHERE lower(code) = 'code{o}'"
    ),
    _dropped(
        "partial index dropped",
        "(owner) WHERE kind = 3",
        "SELECT id FROM public.facts WHERE owner = {o} AND kind = 3",
    ),
    _dropped(
        "array gin index dropped", "USING gin (tags)", "SELECT id FROM public.facts WHERE tags @> ARRAY[{o}]"
    ),
    _dropped(
        "jsonb gin index dropped",
        "USING gin (payload jsonb_path_ops)",
        """SELECT id FROM public.facts WHERE payload @> '{{"ref": {o}}}'""",
    ),
    _dropped(
        "trigram index dropped",
        "USING gin (code gin_trgm_ops)",
        "SELECT id FROM public.facts WHERE code LIKE '%de{o}%'",
        extra=("CREATE EXTENSION pg_trgm",),
    ),
    _dropped(
        "index of ORDER BY .. LIMIT dropped", "(at)", "SELECT id, body FROM public.facts ORDER BY at DESC LIMIT 10"
    ),
    _dropped(
        "index of a range dropped",
        "(at)",
        "SELECT id FROM public.facts WHERE at BETWEEN '2025-01-05' AND '2025-01-05'::timestamptz + {k} * interval"
        " '1 minute'",
    ),
    _dropped(
        "index of a join dropped",
        "(owner)",
        "SELECT o.id, f.kind FROM public.orders AS o JOIN public.facts AS f ON f.owner = o.id WHERE o.id = {o}",
    ),
    _dropped(
        "index behind a view dropped",
        "(owner)",
        "SELECT id FROM public.seen_facts WHERE owner = {o}",
        extra=("CREATE VIEW public.seen_facts AS SELECT id, owner FROM public.facts WHERE kind >= 0",),
    ),
    _dropped(
        "index of EXISTS dropped",
        "(owner)",
        "SELECT o.id FROM public.orders AS o WHERE o.id = {o} AND EXISTS (SELECT FROM public.facts AS f"
        " WHERE f.owner = o.id)",
    ),
    Fault(
        name="unique constraint dropped",
        made=(*FACTS, "ALTER TABLE public.facts ADD CONSTRAINT facts_by UNIQUE (code)"),
        asks="SELECT id, kind FROM public.facts WHERE code = 'code{o}'",
        does=("ALTER TABLE public.facts DROP CONSTRAINT facts_by",),
        cause=_GONE,
        touches=("facts",),
    ),
    Fault(
        name="full text index dropped",
        made=(*_SMALL, "CREATE INDEX pages_by ON public.pages USING gin (to_tsvector('english', body))"),
        asks="SELECT id FROM public.pages WHERE to_tsvector('english', body) @@ to_tsquery('english', 'word{n}')",
        calls=25,
        after=25,
        does=("DROP INDEX public.pages_by",),
        cause=r"pages_by\b.* is gone since",
        touches=("pages",),
    ),
    Fault(
        name="mixed case index dropped",
        made=(
            'CREATE TABLE public."Facts" (id int PRIMARY KEY, "ownerId" int)',
            'INSERT INTO public."Facts" SELECT g, g FROM generate_series(1, 60000) AS g',
            'CREATE INDEX "Facts_by" ON public."Facts" ("ownerId")',
        ),
        asks='SELECT id FROM "Facts" WHERE "ownerId" = {o}',
        does=('DROP INDEX public."Facts_by"',),
        cause=r"Facts_by\b.* is gone since",
        touches=("Facts",),
    ),
    Fault(
        name="index of a partitioned table dropped",
        made=(
            "CREATE TABLE public.parts (id int, owner int) PARTITION BY RANGE (id)",
            "CREATE TABLE public.parts_1 PARTITION OF public.parts FOR VALUES FROM (0) TO (30000)",
            "CREATE TABLE public.parts_2 PARTITION OF public.parts FOR VALUES FROM (30000) TO (100000)",
            "INSERT INTO public.parts SELECT g, g FROM generate_series(1, 60000) AS g",
            "CREATE INDEX parts_by ON public.parts (owner)",
        ),
        asks="SELECT id FROM public.parts WHERE owner = {o}",
        does=("DROP INDEX public.parts_by",),
        cause=r"parts_by\b.* is gone since",
        touches=("parts",),
    ),
    Fault(
        name="partition without the index of the others",
        made=(
            "CREATE TABLE public.parts (id int, owner int) PARTITION BY RANGE (id)",
            "CREATE TABLE public.parts_1 PARTITION OF public.parts FOR VALUES FROM (0) TO (30000)",
            "INSERT INTO public.parts SELECT g, g FROM generate_series(1, 29999) AS g",
            "CREATE INDEX parts_1_by ON public.parts_1 (owner)",
        ),
        asks="SELECT id FROM public.parts WHERE owner = {o}",
        does=(
            "CREATE TABLE public.parts_2 PARTITION OF public.parts FOR VALUES FROM (30000) TO (100000)",
            "INSERT INTO public.parts SELECT g, g FROM generate_series(30000, 90000) AS g",
            "ANALYZE public.parts",
        ),
        cause=r"no index.*parts_2\b",
        besides=r"grown",
        touches=("parts",),
    ),
    _rebuilt("index with its columns in another order", "(owner, id)", "(id, owner)", BY_OWNER),
    _rebuilt(
        "partial index with another predicate",
        "(owner) WHERE kind = 3",
        "(owner) WHERE kind = 4",
        "SELECT id FROM public.facts WHERE owner = {o} AND kind = 3",
    ),
    _rebuilt(
        "index with another collation",
        "(code)",
        '(code COLLATE "POSIX")',
        "SELECT id, kind FROM public.facts WHERE code = 'code{o}'",
    ),
    _rebuilt(
        "index without pattern operators under LIKE",
        "(code text_pattern_ops)",
        "(code)",
        "SELECT id, kind FROM public.facts WHERE code LIKE 'code{o}%'",
        made=('ALTER TABLE public.facts ALTER code TYPE text COLLATE "C.utf8"',),
    ),
    _rebuilt(
        "index of another expression",
        "(lower(code))",
        "(upper(code))",
        "SELECT id FROM public.facts WHERE lower(code) = 'code{o}'",
    ),
    Fault(
        name="jsonb index of another operator class",
        made=(*FACTS, "CREATE INDEX facts_by ON public.facts USING gin (payload)"),
        asks="SELECT id FROM public.facts WHERE payload ? 'ref{o}'",
        does=(
            "DROP INDEX public.facts_by",
            "CREATE INDEX facts_by ON public.facts USING gin (payload jsonb_path_ops)",
        ),
        cause=_OTHER,
        touches=("facts",),
    ),
    Fault(
        name="rows in another order under a brin index",
        made=(
            "CREATE TABLE public.readings (id int, at timestamptz, body text)",
            "INSERT INTO public.readings SELECT g, '2025-01-01'::timestamptz + g * interval '1 minute',"
            " repeat('x', 100) FROM generate_series(1, 60000) AS g",
            "CREATE INDEX readings_at ON public.readings USING brin (at) WITH (pages_per_range = 8)",
        ),
        asks="SELECT count(*) FROM public.readings WHERE at BETWEEN '2025-01-05'"
        " AND '2025-01-05'::timestamptz + {k} * interval '1 minute'",
        does=(
            "CREATE TABLE public.shuffled AS SELECT * FROM public.readings ORDER BY md5(id::text)",
            "TRUNCATE public.readings",
            "INSERT INTO public.readings SELECT * FROM public.shuffled",
            "DROP TABLE public.shuffled",
            "VACUUM ANALYZE public.readings",
        ),
        cause=r"readings_at \(brin\).*another order",
        touches=("readings", "shuffled"),
    ),
    Fault(
        name="index below a materialized view dropped: REFRESH",
        made=(
            *FACTS,
            "CREATE INDEX facts_by ON public.facts (owner)",
            "CREATE MATERIALIZED VIEW public.totals AS SELECT owner, count(*) FROM public.facts WHERE owner < 10"
            " GROUP BY 1",
            "GRANT ALL ON public.totals TO shop_app",
            "ALTER MATERIALIZED VIEW public.totals OWNER TO shop_app",
            "GRANT ALL ON SCHEMA public TO shop_app",
        ),
        asks="REFRESH MATERIALIZED VIEW public.totals",
        calls=25,
        after=25,
        does=("DROP INDEX public.facts_by",),
        cause=_GONE,
        touches=("facts", "totals"),
    ),
    Fault(
        name="index left invalid",
        made=(*FACTS, "CREATE INDEX facts_by ON public.facts (owner)"),
        asks=BY_OWNER,
        does=(_INVALID,),
        cause=r"facts_by\b.* invalid",
        touches=("facts",),
    ),
    Fault(
        name="index never built",
        made=FACTS,
        asks="SELECT name FROM public.customers WHERE id = {c} AND region >= 0",
        instead="SELECT id, code FROM public.facts WHERE owner = {o} AND kind >= 0",
        cause=r"CREATE INDEX CONCURRENTLY ON public.facts \(owner",
        touches=("facts",),
    ),
    Fault(
        name="index of a foreign key dropped: DELETE",
        made=(
            "CREATE TABLE public.parents (id int PRIMARY KEY)",
            "INSERT INTO public.parents SELECT generate_series(1, 60000)",
            "CREATE TABLE public.children (id int PRIMARY KEY, parent int REFERENCES public.parents"
            " ON DELETE CASCADE)",
            "INSERT INTO public.children SELECT g, g FROM generate_series(1, 60000) AS g",
            "CREATE INDEX children_by ON public.children (parent)",
        ),
        asks="DELETE FROM public.parents WHERE id = {o}",
        does=("DROP INDEX public.children_by",),
        cause=r"foreign key children_parent_fkey",
        touches=("parents", "children"),
    ),
    Fault(
        name="foreign key added without index: DELETE",
        made=(
            "CREATE TABLE public.parents (id int PRIMARY KEY)",
            "INSERT INTO public.parents SELECT generate_series(1, 60000)",
            "CREATE TABLE public.children (id int PRIMARY KEY, parent int)",
            "INSERT INTO public.children SELECT g, g FROM generate_series(1, 60000) AS g",
        ),
        asks="DELETE FROM public.parents WHERE id = {o}",
        does=(
            "DELETE FROM public.children AS c WHERE NOT EXISTS (SELECT FROM public.parents AS p"
            " WHERE p.id = c.parent)",
            "ALTER TABLE public.children ADD CONSTRAINT children_of FOREIGN KEY (parent) REFERENCES public.parents"
            " ON DELETE CASCADE",
        ),
        cause=r"foreign key children_of",
        touches=("parents", "children"),
    ),
    Fault(
        name="five more indexes: INSERT",
        made=(
            "CREATE TABLE public.log (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, a text, b text,"
            " c int)",
            "INSERT INTO public.log (a, b, c) SELECT md5(g::text), md5((g + 1)::text), g"
            " FROM generate_series(1, 30000) AS g",
        ),
        asks="INSERT INTO public.log (a, b, c) SELECT md5(g::text), md5((g * 7)::text), g"
        " FROM generate_series({n}, {n} + 200) AS g",
        does=(
            "CREATE INDEX log_a ON public.log USING gin (to_tsvector('simple', a))",
            "CREATE INDEX log_b ON public.log (b)",
            "CREATE INDEX log_c ON public.log (c, a)",
            "CREATE INDEX log_d ON public.log (lower(a))",
            "CREATE INDEX log_e ON public.log USING gin (to_tsvector('english', b || a))",
        ),
        cause=r"indexes that are new.*log_a",
        touches=("log",),
    ),
)
