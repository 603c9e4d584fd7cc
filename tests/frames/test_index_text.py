"""What is kept of the statement that makes an index: what names things of the schema, and no person's data."""

from __future__ import annotations

import pytest

from pdmlib.frames.index_text import index_of, kept

USING = "CREATE INDEX i ON public.t USING btree "


@pytest.mark.parametrize(
    "form",
    [
        "(owner) WHERE (kind = 3)",
        "(to_tsvector('english'::regconfig, body))",
        "(((payload -> 'who'::text) ->> 'plan'::text))",
        "((payload #>> '{who,plan}'::text[]))",
        "(date_trunc('day'::text, (at AT TIME ZONE 'UTC'::text)))",
        "(owner) WHERE (at > '2025-01-01 00:00:00+00'::timestamp with time zone)",
        "(owner) WHERE (kind > '-1'::integer)",
        "(owner) WHERE (state = 'open'::public.state)",
    ],
)
def test_a_statement_whose_strings_are_names_numbers_or_times_is_kept_whole(form: str) -> None:
    assert kept(USING + form, frozenset({"public.state"})) == USING + form


@pytest.mark.parametrize(
    ("form", "shown"),
    [
        ("(id) WHERE (email = 'ann@x.org'::text)", "(id) WHERE (email = '?'::text)"),
        ("(id) WHERE (email = 'ann@x.org'::public.citext)", "(id) WHERE (email = '?'::public.citext)"),
        ("(md5((name || 'salt'::text)))", "(md5((name || '?'::text)))"),
        (
            "(id) WHERE ((payload ->> 'email'::text) = ANY (ARRAY['ann@x.org'::text, 'é'::text]))",
            "(id) WHERE ((payload ->> 'email'::text) = ANY (ARRAY['?'::text, '?'::text]))",
        ),
        ("(id) WHERE (payload @> '{\"a\": 1}'::jsonb)", "(id) WHERE (payload @> '?'::jsonb)"),
    ],
)
def test_a_string_that_may_be_of_a_person_is_masked_and_told_from_another(form: str, shown: str) -> None:
    text = kept(USING + form)
    assert text.startswith(f"{USING}{shown} /* ")
    assert text == kept(text)
    assert text != kept(USING + form.replace("ann", "bob").replace("salt", "pepper").replace(": 1", ": 2"))


def test_what_cannot_be_read_is_kept_without_any_string() -> None:
    assert "ann" not in kept(f"{USING}(id) WHERE (email = 'ann@x.org'::text")


def test_a_statement_without_its_strings_is_not_offered_to_be_run() -> None:
    index = index_of(kept("CREATE INDEX \"By mail\" ON public.t USING btree (id) WHERE (email = 'ann'::text)"))
    assert index is not None
    assert index.withheld
    assert index.partial
    for text in (index.again, index.beside):
        assert "CREATE" not in text
        assert text.endswith("""on a copy from before SELECT pg_get_indexdef('public."By mail"'::regclass);""")
