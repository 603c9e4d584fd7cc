import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdmlib.frames.statement_text import WITHHELD, Filter, filters_of, normalised, redacted, tables_of

WORD = "zQ7xKwJv"
DIGITS = "90817263"

# Every form in which a value or a comment can stand: the PostgreSQL 18 manual, chapter 4.1 "Lexical Structure", by
# hand, section by section; the last part is what a server with other settings or an older one takes, and values
# outside of literals.
FORMS = {
    "4.1.2.1 string": "SELECT 'zQ7xKwJv'",
    "string with a doubled quote": "SELECT 'Dianne''zQ7xKwJv', 1",
    "string of quotes alone before it": "SELECT '''', 'zQ7xKwJv'",
    "string across lines": "SELECT 'foo'\n'zQ7xKwJv' AS a",
    "string across lines with a comment between": "SELECT 'foo' -- zQ7xKwJv\n  'zQ7xKwJv'",
    "string with a newline": "SELECT 'a\nzQ7xKwJv\n', b",
    "string with a double quote": 'SELECT \'a"zQ7xKwJv\' AS "b"',
    "string with comment signs": "SELECT '/* -- zQ7xKwJv', 1 /* ' zQ7xKwJv */",
    "string with a dollar quote": "SELECT '$$', 'zQ7xKwJv', '$$'",
    "string with umlauts": "SELECT 'äöü€😀zQ7xKwJv' FROM \"größe\" WHERE \"straße\" = 'zQ7xKwJv'",
    "4.1.2.2 escaped string": "SELECT E'zQ7xKwJv'",
    "escaped quote": "SELECT E'ab\\'zQ7xKwJv', 2",
    "escaped quote, small letter": "SELECT e'ab\\'zQ7xKwJv', 2",
    "escaped backslash before the end": "SELECT E'ab\\\\', E'zQ7xKwJv'",
    "escapes by number": "SELECT E'\\o101\\x41\\u0041\\U00000041zQ7xKwJv'",
    "escaped string across lines": "SELECT E'a\\''\n'\\'zQ7xKwJv'",
    "escaped string with a doubled quote": "SELECT E'a\\'''zQ7xKwJv'",
    "4.1.2.3 Unicode string": "SELECT U&'d\\0061t\\+000061zQ7xKwJv'",
    "Unicode string, small letter": "SELECT u&'zQ7xKwJv'",
    "Unicode string with another escape": "SELECT U&'d!0061zQ7xKwJv' UESCAPE '!', 'zQ7xKwJv'",
    "Unicode string, its escape after a comment": "SELECT U&'zQ7xKwJv' /* zQ7xKwJv */ UESCAPE /* zQ7xKwJv */ '!'",
    "4.1.2.4 dollar quote": "SELECT $$zQ7xKwJv$$",
    "tagged dollar quote": "SELECT $SomeTag$Dianne's zQ7xKwJv$SomeTag$",
    "dollar quote inside another": "SELECT $a$ $b$ zQ7xKwJv $b$ zQ7xKwJv $a$, 1",
    "dollar quote whose inside begins as its end": "SELECT $a$ $ab$ zQ7xKwJv $a $a$",
    "dollar quote with quotes": "SELECT $$ ' \" /* -- zQ7xKwJv$$, 'zQ7xKwJv'",
    "tag that is the secret": "SELECT $zQ7xKwJv$a$zQ7xKwJv$",
    "tag with umlauts": "SELECT $ä$zQ7xKwJv$ä$",
    "body of a function": "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $body$ SELECT 'zQ7xKwJv' $body$",
    "DO": "DO $do$ BEGIN PERFORM 'zQ7xKwJv'; END $do$",
    "4.1.2.5 bit string": "SELECT B'90817263'",
    "bit string, hexadecimal": "SELECT X'90817263', x'90817263'",
    "bit string across lines": "SELECT B'1001'\n'90817263'",
    "4.1.2.6 whole number": "SELECT 90817263",
    "negative number": "SELECT a-90817263, -90817263",
    "number with a point": "SELECT 90817263.90817263, 90817263., .90817263",
    "number with an exponent": "SELECT 90817263e10, 1.5e90817263, 90817263.5E-3",
    "number, hexadecimal": "SELECT 0x90817263, 0XFF90817263",
    "number, octal and binary": "SELECT 0o90817263, 0b1",
    "number, octal": "SELECT 0o1720363, 90817263",
    "number with underscores": "SELECT 90817263_000, 1_90817263, 0x_90817263",
    "number in a list": "SELECT * FROM t WHERE a IN (1, 90817263, 3) AND b[90817263] = 1",
    "number beside an operator": "SELECT a*90817263+b FROM t WHERE a=90817263 AND b<>-90817263",
    "4.1.2.7 typed string": "SELECT date 'zQ7xKwJv', 'zQ7xKwJv'::text, CAST('zQ7xKwJv' AS text)",
    "typed string as a function": "SELECT float8('zQ7xKwJv'), interval(3) 'zQ7xKwJv'",
    "interval": "SELECT interval '90817263 days' DAY TO SECOND",
    "national string": "SELECT N'zQ7xKwJv', n'zQ7xKwJv'",
    "JSON": "SELECT a->>'zQ7xKwJv', b ? 'zQ7xKwJv', c @> '{\"zQ7xKwJv\": 90817263}' FROM t",
    "array": "SELECT '{zQ7xKwJv,\"zQ7xKwJv\"}'::text[], ARRAY['zQ7xKwJv', 'b']",
    "4.1.5 comment to the end of the line": "SELECT 1 -- zQ7xKwJv\n, 2",
    "comment at the end": "SELECT 1 -- zQ7xKwJv",
    "comment in C's way": "SELECT /* zQ7xKwJv */ 1 /* zQ7xKwJv\n * zQ7xKwJv */ , 2",
    "comment inside a comment": "SELECT /* a /* zQ7xKwJv */ zQ7xKwJv */ 1",
    "comment with quotes": "SELECT 1 /* it's zQ7xKwJv */, 'zQ7xKwJv' -- it's zQ7xKwJv",
    "comment right behind an operator": "SELECT 1 +/* zQ7xKwJv */2 *-- zQ7xKwJv\n3",
    "comment of a library": "SELECT 1 /*traceparent='00-zQ7xKwJv-01',user='zQ7xKwJv'*/",
    "hint": "/*+ IndexScan(zQ7xKwJv) */ SELECT 1",
    "several statements": "SELECT 'zQ7xKwJv'; UPDATE t SET a = 'zQ7xKwJv'; /* zQ7xKwJv */",
    "password": "ALTER ROLE bob WITH LOGIN PASSWORD 'zQ7xKwJv' VALID UNTIL 'zQ7xKwJv'",
    "options": "CREATE USER MAPPING FOR bob SERVER s OPTIONS (user 'zQ7xKwJv', password 'zQ7xKwJv')",
    "connection": "CREATE SUBSCRIPTION s CONNECTION 'host=h password=zQ7xKwJv' PUBLICATION p",
    "COPY": "COPY t FROM PROGRAM 'curl -u zQ7xKwJv h' WITH (DELIMITER 'zQ7xKwJv')",
    "NOTIFY": "NOTIFY channel, 'zQ7xKwJv'",
    "setting without quotes": "SET app.token = zQ7xKwJv; SET LOCAL app.token TO zQ7xKwJv, b",
    "setting of a role without quotes": "ALTER ROLE bob IN DATABASE d SET app.token TO zQ7xKwJv",
    "standard_conforming_strings off": "SELECT 'ab\\'zQ7xKwJv', 'c'",
    "standard_conforming_strings off, twice": "SELECT 'a\\\\\\', 'zQ7xKwJv', '\\'zQ7xKwJv', 'b'",
    "number joined to a word (to PostgreSQL 14)": "SELECT 90817263abc FROM t",
    "a template's braces": "SELECT {%--'zQ7xKwJv'\n1, #--zQ7xKwJv\n2, {{'zQ7xKwJv'}}",
    "unknown sign": "SELECT \\ 'zQ7xKwJv'",
    "NUL": "SELECT 1\0'zQ7xKwJv'",
}


def leaked(shown: str) -> list[str]:
    """The pieces of three characters of the secrets that a text shows; the marks of what was taken stay."""
    pieces = [secret[at : at + 3] for secret in (WORD, DIGITS) for at in range(len(secret) - 2)]
    return [piece for piece in pieces if piece.lower() in shown.lower()]


def test_there_are_forms_enough_and_each_holds_a_secret() -> None:
    assert len(FORMS) >= 40
    assert all(leaked(form) for form in FORMS.values())


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_no_secret_survives_in_any_form_wherever_the_text_is_cut(form: str) -> None:
    for end in range(len(form) + 1):
        assert leaked(redacted(form[:end])) == [], form[:end]
        assert leaked(normalised(form[:end])) == [], form[:end]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(sorted(FORMS.values())), min_size=1, max_size=4), st.data())
def test_no_secret_survives_in_forms_one_behind_the_other_cut_anywhere(
    forms: list[str], data: st.DataObject
) -> None:
    # Without a literal of its own, a setting's value is known by the statement that it stands in.
    joints = ["; ", ";\n"] if any("SET app" in form for form in forms) else ["; ", " ", "\n", ", ", "||"]
    # A comment to the end of the line would take the opening quote of what stands behind it.
    joints = [";\n"] if any("--" in form for form in forms) else joints
    text = data.draw(st.sampled_from(joints)).join(forms)
    cut = text[: data.draw(st.integers(0, len(text)))]
    assert leaked(redacted(cut)) == []
    assert leaked(redacted(cut, data.draw(st.integers(20, 200)))) == []


_SHREDS = st.sampled_from(
    ["'", '"', "$$", "$a$", "\\", "E'", "U&'", "/*", "*/", "--", "\n", "''", " ", "1", "N'", "é"]
)


@settings(max_examples=500, deadline=None)
@given(st.lists(_SHREDS, max_size=12), st.sampled_from(["'{}'", "E'\\'{}'", "$q${}$q$", "/* {} */", "-- {}\n"]))
def test_what_is_said_of_any_text_does_not_fail_and_redacting_twice_changes_nothing(
    shreds: list[str], literal: str
) -> None:
    text = "SELECT " + "".join(shreds) + literal.format("a")
    once = redacted(text)
    assert redacted(once) == once
    normalised(text), tables_of(text), filters_of(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("SELECT *  FROM orders\n WHERE id = $1", "SELECT * FROM orders WHERE id = $1"),
        ("SELECT a FROM t WHERE b = 'x' AND c > 5", "SELECT a FROM t WHERE b = '?' AND c > ?"),
        ("SELECT a/* c */FROM t -- d", "SELECT a FROM t"),
        ("SELECT \"Größe\" FROM t WHERE a = E'\\''", "SELECT \"Größe\" FROM t WHERE a = '?'"),
        ("((status)::text = 'open'::text)", "((status)::text = '?'::text)"),
        ("SELECT a FROM t WHERE b = 'cut by the ser", "SELECT a FROM t WHERE b = …"),
        ("SELECT a FROM t WHERE b = $tag", "SELECT a FROM t WHERE b = …"),
        ("SELECT a /* cut", "SELECT a …"),
        ("SELECT a FROM t WHERE b=5", "SELECT a FROM t WHERE b= ?"),
        ("", ""),
        ("'cut", WITHHELD),
        ("SELECT 'a\\'b'", WITHHELD),
        ("SELECT 12abc FROM t", WITHHELD),
        ("SELECT a \\ b FROM t", WITHHELD),
    ],
)
def test_a_redacted_text_reads_as_before_but_for_its_values(text: str, shown: str) -> None:
    assert redacted(text) == shown


def test_a_redacted_text_is_no_longer_than_asked_and_says_that_it_was_cut() -> None:
    shown = redacted("SELECT " + ", ".join(f"column_{n}" for n in range(1000)), 120)
    assert len(shown) <= 120
    assert shown.endswith(" …")


def test_texts_alike_for_thousands_of_characters_stay_two_statements() -> None:
    columns = ", ".join(f"column_{n}" for n in range(400))
    one, other = (f"SELECT {columns} FROM orders WHERE {name} = $1" for name in ("id", "customer_id"))
    assert normalised(redacted(one)) != normalised(redacted(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT a FROM t WHERE b = $1", "select  a\nfrom T where B=$7"),
        ("SELECT a FROM t WHERE b = 5", "SELECT a FROM t WHERE b = 'x'"),
        ("SELECT a FROM t WHERE b IN ($1, $2)", "SELECT a FROM t WHERE b IN ($1, $2, $3,$4)"),
        ("SELECT a FROM t WHERE b IN ($1 /*, ... */)", "SELECT a FROM t WHERE b IN ($1, $2)"),
        ("SELECT a FROM t WHERE b = %(name)s", "SELECT a FROM t WHERE b = $1"),
        ("SELECT a, b FROM t", "SELECT a,b /* from page 7 */ FROM t"),
    ],
)
def test_a_statement_is_the_same_whatever_its_values_case_and_spacing(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('SELECT a FROM "Orders"', "SELECT a FROM orders"),
        ("SELECT a FROM t WHERE b = $1", "SELECT a FROM t WHERE b > $1"),
        ("SELECT a FROM one.t", "SELECT a FROM two.t"),
    ],
)
def test_statements_that_differ_to_postgresql_stay_apart(one: str, other: str) -> None:
    assert normalised(one) != normalised(other)


# Worked out by hand: the tables that the server would lock, and per table the columns that every row picked has to
# match, values before joins before a range.
READ = [
    ("SELECT * FROM public.customers WHERE id = %(id)s", {"public.customers": ("id",)}),
    ("SELECT 1 FROM t AS x WHERE x.a = $1 AND x.b > $2 AND x.c < $3", {"t": ("a", "b")}),
    ("SELECT 1 FROM t WHERE b > $1 AND a = $2", {"t": ("a", "b")}),
    ("SELECT 1 FROM t WHERE a IN ($1, $2) AND b = ANY($3)", {"t": ("a", "b")}),
    ("SELECT 1 FROM t WHERE (a, b) = ($1, $2)", {"t": ("a", "b")}),
    ("SELECT 1 FROM t WHERE a BETWEEN $1 AND $2", {"t": ("a",)}),
    ("SELECT 1 FROM t WHERE $1::int = a AND b::text = $2", {"t": ("a",)}),
    ("SELECT 1 FROM t WHERE a = $1 OR b = $2", {"t": ()}),
    ("SELECT 1 FROM t WHERE NOT a = $1 AND a <> $2", {"t": ()}),
    ("SELECT 1 FROM t WHERE lower(a) = $1 AND b LIKE $2", {"t": ()}),
    ("SELECT 1 FROM t WHERE a ? 'key' AND b = 'x'", {"t": ("b",)}),
    ('SELECT 1 FROM "User" AS "U" WHERE "U"."Email" = $1', {"User": ("Email",)}),
    ("SELECT 1 FROM Users WHERE ID = $1", {"users": ("id",)}),
    (
        "SELECT 1 FROM orders o JOIN users u ON u.id = o.user_id WHERE o.status = $1",
        {"orders": ("status", "user_id"), "users": ("id",)},
    ),
    ("SELECT 1 FROM a, b WHERE x = 1", {"a": (), "b": ()}),
    ("SELECT 1 FROM a LEFT JOIN LATERAL (SELECT * FROM b WHERE b.x = a.y) c ON true", {"a": ("y",), "b": ("x",)}),
    ("SELECT 1 FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.k = a.k AND n = $1)", {"a": ("k",), "b": ("n", "k")}),
    ("WITH w AS (SELECT * FROM t WHERE a = $1) SELECT * FROM w WHERE b = $2", {"t": ("a",)}),
    ("WITH t AS (SELECT * FROM t WHERE a = $1) SELECT * FROM t", {"t": ("a",)}),
    (
        "WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT 1 FROM r JOIN t ON t.k = r.k) SELECT * FROM r",
        {"t": ("k",)},
    ),
    ("SELECT 1 FROM a WHERE x = 1 UNION SELECT 1 FROM b WHERE y = 2", {"a": ("x",), "b": ("y",)}),
    ("SELECT 1 FROM generate_series(1, 9) g, unnest($1::int[]) u", {}),
    ("UPDATE s.t SET a = 5 WHERE b = 6", {"s.t": ("b",)}),
    ("UPDATE t SET a = u.a FROM u WHERE t.k = u.k AND u.z = $1", {"t": ("k",), "u": ("z", "k")}),
    ("DELETE FROM ONLY t USING u WHERE t.k = u.k", {"t": ("k",), "u": ("k",)}),
    ("INSERT INTO t (a, b) SELECT c, d FROM u WHERE e = $1", {"t": (), "u": ("e",)}),
    ("INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET b = 2 WHERE t.c = 3", {"t": ()}),
    ("MERGE INTO t USING u ON t.k = u.k WHEN MATCHED THEN DELETE", {"t": ("k",), "u": ("k",)}),
    ("SELECT 1 FROM t x WHERE x.a = 1 FOR UPDATE OF x", {"t": ("a",)}),
    ("CREATE INDEX ON s.t (a)", {"s.t": ()}),
    ("SELECT 1 FROM a; SELECT 2 FROM b WHERE c = 3", {"a": (), "b": ("c",)}),
    # Cut by the server: what stands before the last part that began.
    (
        "SELECT 1 FROM t WHERE a = $1 AND b IN (SELECT c FROM u WHERE d = $2 AND e > (SEL",
        {"t": ("a",), "u": ("d",)},
    ),
    (
        "SELECT 1 FROM t JOIN u ON t.k = u.k WHERE t.a = $1 ORDER BY CASE WHEN t.b = 'x",
        {"t": ("a", "k"), "u": ("k",)},
    ),
    ("SELECT a, CASE WHEN b THEN", {}),
    ("not a statement", {}),
]


@pytest.mark.parametrize(("text", "read"), READ, ids=[text for text, _ in READ])
def test_tables_and_filters_are_those_that_a_reader_finds(text: str, read: dict[str, tuple[str, ...]]) -> None:
    assert set(tables_of(text)) == read.keys()
    assert {f.table: f.columns for f in filters_of(text)} == {table: c for table, c in read.items() if c}


@pytest.mark.parametrize("text", [text for text, _ in READ])
def test_a_redacted_text_tells_the_same_tables_and_filters(text: str) -> None:
    assert (tables_of(redacted(text)), filters_of(redacted(text))) == (tables_of(text), filters_of(text))


def test_the_table_that_is_picked_by_a_value_comes_first() -> None:
    found = filters_of("SELECT 1 FROM users u JOIN orders o ON u.id = o.user_id WHERE o.status = $1")
    assert found == [Filter("orders", ("status", "user_id")), Filter("users", ("id",))]


def test_a_statement_nested_too_deep_for_its_tree_is_redacted_and_no_tables_are_made_up() -> None:
    text = "SELECT " + " || ".join(["a", "'secret'"] * 200) + " FROM t"
    assert "secret" not in redacted(text)
    assert tables_of(text) == ()


@pytest.mark.slow
def test_the_command_starts_without_the_parser() -> None:
    seen = "import sys; import pdmlib.cli.main, pdmlib.workbook.report; sys.exit('postgast' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", seen], check=False).returncode == 0
