"""Faults of the schema: policies, triggers, views, functions, constraints, and what only a check can see."""

from __future__ import annotations

from bench.catalogue.fault import Fault
from bench.catalogue.indexes import FACTS

_SLOW_ROW = "CREATE FUNCTION public.allowed(owner int) RETURNS boolean LANGUAGE plpgsql STABLE AS '{}'"
_RLS = (
    *FACTS,
    "ALTER TABLE public.facts ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY own ON public.facts FOR SELECT USING (owner > 0)",
)
_COUNT = "SELECT count(*) FROM public.facts WHERE kind = {k}"
_LOOP = "DECLARE n int := 0; BEGIN FOR i IN 1..60 LOOP n := n + i; END LOOP; RETURN n > 0; END"
_NOTES = (
    "CREATE TABLE public.notes (id int PRIMARY KEY, body text, changed int)",
    "INSERT INTO public.notes SELECT g, 'note ' || g, 0 FROM generate_series(1, 20000) AS g",
)
_CHANGE = "UPDATE public.notes SET changed = changed + 1 WHERE id = {c}"
_TRIGGER = (
    "CREATE FUNCTION public.noted() RETURNS trigger LANGUAGE plpgsql AS '{}'",
    "CREATE TRIGGER noted BEFORE UPDATE ON public.notes FOR EACH ROW EXECUTE FUNCTION public.noted()",
)
_SLOW_BODY = (
    "DECLARE n bigint; BEGIN SELECT count(*) INTO n FROM public.items WHERE product = NEW.id; RETURN NEW; END"
)
_FAST_BODY = "BEGIN RETURN NEW; END"

SLOWER = (
    Fault(
        name="trigger added",
        made=_NOTES,
        asks=_CHANGE,
        does=tuple(line.format(_SLOW_BODY) for line in _TRIGGER),
        cause=r"trigger public.notes.noted that is new",
        touches=("notes", "noted"),
    ),
    Fault(
        name="trigger's function has another body",
        made=(*_NOTES, *(line.format(_FAST_BODY) for line in _TRIGGER)),
        asks=_CHANGE,
        does=(_TRIGGER[0].format(_SLOW_BODY).replace("CREATE", "CREATE OR REPLACE", 1),),
        cause=r"trigger public.notes.noted, whose function",
        touches=("notes", "noted"),
    ),
    Fault(
        name="policy calls a function for each row",
        made=_RLS,
        asks=_COUNT,
        calls=25,
        after=25,
        does=(_SLOW_ROW.format(_LOOP), "ALTER POLICY own ON public.facts USING (public.allowed(owner))"),
        cause=r"policy public.facts.own that changed",
        touches=("facts", "allowed"),
    ),
    Fault(
        name="policy asks another table for each row",
        made=_RLS,
        asks="SELECT count(*) FROM public.facts WHERE kind = {k} AND id < 3000",
        does=(
            "ALTER POLICY own ON public.facts USING"
            " (EXISTS (SELECT FROM public.items AS i WHERE i.order_id = owner))",
        ),
        cause=r"policy public.facts.own that changed",
        touches=("facts",),
    ),
    Fault(
        name="row-level security switched on with a slow policy",
        made=FACTS,
        asks=_COUNT,
        calls=25,
        after=25,
        does=(
            _SLOW_ROW.format(_LOOP),
            "CREATE POLICY own ON public.facts FOR SELECT USING (public.allowed(owner))",
            "ALTER TABLE public.facts ENABLE ROW LEVEL SECURITY",
        ),
        cause=r"policy public.facts.own that (changed|is new)",
        touches=("facts", "allowed"),
    ),
    Fault(
        name="view has another query",
        made=(
            *FACTS,
            "CREATE INDEX facts_by ON public.facts (owner)",
            "CREATE VIEW public.v AS SELECT id, owner FROM public.facts",
        ),
        asks="SELECT id FROM public.v WHERE owner = {o}",
        does=(
            "CREATE OR REPLACE VIEW public.v AS SELECT DISTINCT f.id, f.owner FROM public.facts AS f"
            " JOIN public.items AS i ON i.order_id + 0 = f.id + 0 WHERE i.quantity > 0",
        ),
        cause=r"view public.v, whose query is another",
        touches=("public.v", "facts"),
    ),
    Fault(
        name="function that a query calls has another body",
        made=(
            "CREATE FUNCTION public.worth(customer int) RETURNS numeric LANGUAGE sql STABLE AS"
            " 'SELECT sum(total) FROM public.orders WHERE customer_id = customer'",
        ),
        asks="SELECT public.worth({c})",
        does=(
            "CREATE OR REPLACE FUNCTION public.worth(customer int) RETURNS numeric LANGUAGE sql STABLE AS"
            " 'SELECT sum(total) FROM public.orders WHERE customer_id::text = customer::text'",
        ),
        cause=r"function public.worth.* (changed|another body)",
        touches=("worth",),
    ),
    Fault(
        name="check constraint that computes",
        made=(
            *_NOTES,
            "CREATE FUNCTION public.sound(body text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS"
            " 'DECLARE n bigint := 0; BEGIN FOR i IN 1..300000 LOOP n := n + i; END LOOP; RETURN n > 0; END'",
        ),
        asks=_CHANGE,
        does=("ALTER TABLE public.notes ADD CONSTRAINT sound CHECK (public.sound(body)) NOT VALID",),
        cause=r"constraint public.notes.sound that is new",
        touches=("notes", "sound"),
    ),
    Fault(
        name="generated column that computes",
        made=(
            *_NOTES,
            "DELETE FROM public.notes WHERE id > 200",
            "CREATE FUNCTION public.score(body text) RETURNS int LANGUAGE plpgsql IMMUTABLE AS"
            " 'DECLARE n int := 0; BEGIN FOR i IN 1..300000 LOOP n := n + 1; END LOOP; RETURN n; END'",
        ),
        asks="UPDATE public.notes SET body = body || '.' WHERE id = 1 + {c} % 200",
        does=(
            "ALTER TABLE public.notes ADD COLUMN score int GENERATED ALWAYS AS (public.score(body)) STORED",
            "VACUUM ANALYZE public.notes",
        ),
        cause=r"column .*score.* that is new",
        touches=("notes", "score"),
    ),
)


SEEN = (
    Fault(
        name="policy opened to true",
        made=_RLS,
        does=("ALTER POLICY own ON public.facts USING (true)",),
        found=r"fail drift policy public.facts.own",
        cause="every row is open",
        touches=("facts",),
    ),
    Fault(
        name="policy dropped",
        made=_RLS,
        does=("DROP POLICY own ON public.facts",),
        found=r"fail drift policy public.facts.own: gone",
        touches=("facts",),
    ),
    Fault(
        name="row-level security switched off",
        made=_RLS,
        does=("ALTER TABLE public.facts DISABLE ROW LEVEL SECURITY",),
        found=r"fail drift table public.facts",
        cause="row-level security was switched off",
        touches=("facts",),
    ),
    Fault(
        name="row-level security without policy",
        made=FACTS,
        does=("ALTER TABLE public.facts ENABLE ROW LEVEL SECURITY",),
        found=r"(info|warn|fail) policies public.facts",
        cause=r"no policy|without",
        touches=("facts",),
    ),
    Fault(
        name="policies without row-level security",
        made=FACTS,
        does=("CREATE POLICY own ON public.facts USING (owner > 0)",),
        found=r"(info|warn|fail) policies public.facts",
        cause=r"security is off|switched off",
        touches=("facts",),
    ),
    Fault(
        name="several permissive policies",
        made=_RLS,
        does=("CREATE POLICY also ON public.facts FOR SELECT USING (kind > 3)",),
        found=r"(info|warn) policies public.facts",
        cause=r"permissive",
        touches=("facts",),
    ),
    Fault(
        name="policy calls the request's user for each row",
        made=(
            *_RLS,
            "CREATE SCHEMA auth",
            "CREATE FUNCTION auth.uid() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1'",
        ),
        does=("ALTER POLICY own ON public.facts USING (owner = auth.uid())",),
        found=r"(info|warn) policy_cost public.facts",
        cause=r"auth.uid",
        touches=("facts",),
    ),
    Fault(
        name="SECURITY DEFINER without search_path",
        does=(
            "CREATE FUNCTION public.all_orders() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS"
            " 'SELECT count(*) FROM public.orders'",
        ),
        found=r"(info|warn) policies .*all_orders",
        cause="search_path",
        touches=("all_orders",),
    ),
    Fault(
        name="table open to the API without row-level security",
        made=(*FACTS, "GRANT USAGE ON SCHEMA public TO anon"),
        does=("GRANT SELECT ON public.facts TO anon",),
        found=r"fail table_hygiene public.facts: row-level security",
        touches=("facts",),
    ),
    Fault(
        name="table set UNLOGGED",
        made=FACTS,
        does=("ALTER TABLE public.facts SET UNLOGGED",),
        found=r"warn drift table public.facts",
        cause="unlogged",
        touches=("facts",),
    ),
    Fault(
        name="trigger switched off",
        made=(*_NOTES, *(line.format(_FAST_BODY) for line in _TRIGGER)),
        does=("ALTER TABLE public.notes DISABLE TRIGGER noted",),
        found=r"warn drift trigger public.notes.noted",
        cause="ENABLE TRIGGER noted",
        touches=("notes",),
    ),
    Fault(
        name="foreign key's triggers switched off",
        does=("ALTER TABLE public.items DISABLE TRIGGER ALL",),
        found=r"warn invalid_objects public.items.items_order_id_fkey",
        cause="not enforced",
        touches=("items",),
    ),
    Fault(
        name="autovacuum switched off",
        does=("ALTER SYSTEM SET autovacuum = off", "SELECT pg_reload_conf()"),
        found=r"warn drift setting autovacuum",
        touches=("autovacuum",),
        undone=("ALTER SYSTEM RESET autovacuum", "SELECT pg_reload_conf()"),
    ),
    Fault(
        name="integer sequence of a bigint column nearly used up",
        made=(
            "CREATE SEQUENCE public.numbers AS integer",
            "CREATE TABLE public.tickets (id bigint PRIMARY KEY DEFAULT nextval('public.numbers'))",
            "ALTER SEQUENCE public.numbers OWNED BY public.tickets.id",
        ),
        does=("SELECT setval('public.numbers', 2140000000)",),
        found=r"fail sequences public.numbers",
        cause="ALTER SEQUENCE public.numbers AS bigint",
        touches=("numbers", "tickets"),
    ),
    Fault(
        name="sequence nearly used up",
        made=("CREATE TABLE public.tickets (id serial PRIMARY KEY, note text)",),
        does=("SELECT setval('public.tickets_id_seq', 2100000000)",),
        found=r"fail sequences public.tickets_id_seq",
        cause="bigint",
        touches=("tickets",),
    ),
    Fault(
        name="duplicate index",
        made=FACTS,
        does=("CREATE INDEX facts_a ON public.facts (owner)", "CREATE INDEX facts_b ON public.facts (owner)"),
        found=r"(info|warn) redundant_index public.facts_[ab]",
        cause=r"DROP INDEX CONCURRENTLY public.facts_[ab]",
        touches=("facts",),
    ),
    Fault(
        name="index that another covers",
        made=FACTS,
        does=(
            "CREATE INDEX facts_a ON public.facts (owner)",
            "CREATE INDEX facts_b ON public.facts (owner, kind)",
        ),
        found=r"(info|warn) redundant_index public.facts_a",
        touches=("facts",),
    ),
    Fault(
        name="foreign key without index",
        made=(*FACTS, "UPDATE public.facts SET owner = 1 + id % 20000"),
        does=("ALTER TABLE public.facts ADD FOREIGN KEY (owner) REFERENCES public.customers",),
        found=r"(info|warn) table_hygiene public.facts: facts_owner_fkey",
        cause="no index begins",
        touches=("facts",),
    ),
    Fault(
        name="foreign key with a partial index only",
        made=(
            *FACTS,
            "UPDATE public.facts SET owner = 1 + id % 20000",
            "CREATE INDEX facts_by ON public.facts (owner) WHERE kind = 1",
        ),
        does=("ALTER TABLE public.facts ADD FOREIGN KEY (owner) REFERENCES public.customers",),
        found=r"(info|warn) table_hygiene public.facts: facts_owner_fkey",
        cause="no index begins",
        touches=("facts",),
    ),
    Fault(
        name="no primary key",
        does=("CREATE TABLE public.loose (id int)",),
        found=r"(info|warn) table_hygiene public.loose: primary key",
        touches=("loose",),
    ),
    Fault(
        name="constraint never validated",
        made=FACTS,
        does=("ALTER TABLE public.facts ADD CONSTRAINT sane CHECK (kind < 1000) NOT VALID",),
        found=r"warn invalid_objects public.facts.sane",
        cause="NOT VALID",
        touches=("facts",),
    ),
    Fault(
        name="concurrent build failed",
        made=(*FACTS, "CREATE INDEX facts_by ON public.facts (kind)"),
        does=("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'public.facts_by'::regclass",),
        found=r"warn invalid_objects public.facts_by",
        cause="invalid",
        touches=("facts",),
    ),
    Fault(
        name="large table read whole again and again",
        made=FACTS,
        asks="SELECT count(*) FROM public.facts WHERE owner = {o} AND kind < 5",
        found=r"(info|warn) missing_index public.facts",
        touches=("facts",),
    ),
    Fault(
        name="materialized view no longer refreshed",
        made=(
            "CREATE MATERIALIZED VIEW public.totals AS SELECT customer_id, sum(total) AS total"
            " FROM public.orders WHERE customer_id < 50 GROUP BY 1",
            "GRANT ALL ON public.totals TO shop_app",
            "ALTER MATERIALIZED VIEW public.totals OWNER TO shop_app",
        ),
        asks="REFRESH MATERIALIZED VIEW public.totals",
        after=0,
        found=r"GONE REFRESH MATERIALIZED VIEW",
        touches=("totals", "REFRESH"),
    ),
)
