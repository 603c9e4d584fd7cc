"""Writes the first site file of an application: looks, drafts, checks that it loads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import SecretStr

from pdmlib.errors import CallError, PdmError, SourceError
from pdmlib.site.environment import environment_value
from pdmlib.site.load import load_site
from pdmlib.site.site import Site
from pdmlib.sources.accounts import SentryProject, sentry_projects
from pdmlib.sources.endpoints import Answered
from pdmlib.sources.postgres.session import session
from pdmlib.sources.postgres.survey import Table, is_loopback, supabase_ref
from pdmlib.workbook.site_draft import Draft, inline
from pdmlib.workbook.survey.database import Seen, look

LOOK_S = 120.0  # for the whole look at a database
# Where frameworks and platforms keep a database's address: Heroku and most others, Vercel, Prisma, Supabase.
DATABASE_VARIABLES = ("DATABASE_URL", "POSTGRES_URL", "DIRECT_URL", "SUPABASE_DB_URL")
VENDOR_VARIABLES = ("STRIPE_API_KEY", "RESEND_API_KEY")
NOTE = 160  # characters of a remark in the file: a stranger's words may be long


def database_variable(given: str) -> str:
    """The environment variable of the database's address: as given, else the first usual one that is set."""
    return given or next((name for name in DATABASE_VARIABLES if environment_value(name)), DATABASE_VARIABLES[0])


def look_at_database(variable: str) -> tuple[Seen, str]:
    """What is seen of the database behind a variable, and the sslmode that it was reached with.

    Raises:
        CallError: the variable is not set.
        SourceError: the database cannot be reached or read.
    """
    url = environment_value(variable)
    if url is None:
        raise CallError(
            f"{variable} is not set; set it, or name another with --database-env, to have it looked at"
        )
    if is_loopback(url):
        return _look(variable, url, "disable"), "disable"
    try:
        return _look(variable, url, "verify-full"), "verify-full"
    except SourceError as error:
        if not re.search("certificate|ssl", error.reason, re.IGNORECASE):
            raise
    return _look(variable, url, "require"), "require"


def _look(variable: str, url: str, sslmode: str) -> Seen:
    # A superuser may look here, since nothing is kept; the site file that is written lets none in.
    block = {"url_env": variable, "sslmode": sslmode, "allow_superuser": True}
    tree = {"site": "init", "title": "init", "time_zone": "UTC", "sources": {"postgres": block}}
    site = Site.model_validate(tree).model_copy(update={"secrets": {variable: SecretStr(url)}})
    with session(site, LOOK_S) as opened:
        return look(opened)


def sentry_projects_seen(base_url: str) -> tuple[SentryProject, ...]:
    """The projects that the token of the environment may see; none without one.

    Raises:
        SourceError: Sentry refused or could not be asked.
    """
    token = environment_value("SENTRY_AUTH_TOKEN")
    return tuple(sentry_projects(base_url, token)) if token else ()


def supabase_project(variable: str) -> str | None:
    """The reference of the Supabase project whose database a variable leads to."""
    url = environment_value(variable)
    return supabase_ref(url) if url else None


def name_of(file: Path | None, url: str | None) -> str:
    """The site's name: of its file, else of its address."""
    host = (urlsplit(url).hostname or "") if url else ""
    parts = [part for part in host.split(".") if part not in ("www", "app", "api")]
    name = file.stem if file else parts[0] if parts and not parts[0].isdigit() else "site"
    plain = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_")
    return plain if plain[:1].isalpha() else f"site-{plain}".rstrip("-")


def text_of(draft: Draft, file: Path) -> str:
    """The site file."""
    return _environment().get_template("site.yaml.j2").render(d=draft, file=file)


def role_sql(draft: Draft, seen: Seen) -> str:
    """The SQL that makes the monitoring role for exactly the tables of a draft."""
    named = [table for table in seen.survey.tables if table.name in draft.tables]
    return (
        _environment()
        .get_template("role.sql.j2")
        .render(
            tables=[table.sight.quoted for table in named],
            schemas=sorted({table.sight.quoted.split(".")[0] for table in named}),
            hidden=[t.sight.quoted for t in seen.survey.tables if t.sight.grant and t.name not in draft.tables],
            secured=[
                table.sight.quoted for table in seen.survey.tables if table.secured and _is_wanted(table, draft)
            ],
        )
    )


def _is_wanted(table: Table, draft: Draft) -> bool:
    """Whether a table is in the file, or could not be looked into."""
    return table.name in draft.tables or table.sight.grant is not None


def write(draft: Draft, file: Path, overwrite: bool) -> None:
    """Writes the site file, once it is known to load.

    Raises:
        CallError: there is one already, and it is not to be overwritten.
        PdmError: it cannot be written.
    """
    if file.exists() and not overwrite:
        raise CallError(f"{file}: is there already; --overwrite writes it anew")
    unfinished = file.with_suffix(".yaml.new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(text_of(draft, file), encoding="utf-8")
        load_site(unfinished, offline=True)
        unfinished.replace(file)
    except OSError as error:
        raise PdmError(f"{file}: cannot be written: {error.strerror}") from None


def add_variables(path: Path, variables: Mapping[str, str]) -> list[str]:
    """Adds to an example of the environment the variables that it lacks; those that were added."""
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    have = set(re.findall(r"^\s*(?:export\s+)?(\w+)=", old, re.MULTILINE))
    lacking = {name: means for name, means in variables.items() if name not in have}
    lines = [f"# {means}\n{name}=\n" for name, means in lacking.items()]
    if lines:
        gap = "" if not old or old.endswith("\n") else "\n"
        path.write_text(old + gap + "".join(lines), encoding="utf-8")
    return list(lacking)


def log_format(path: Path, zone: str) -> str:
    """What a file of request logs is, as keys of `requests`: by what most of its first lines are; else a ?.

    Raises:
        CallError: it cannot be read.
    """
    from pdmlib.storage.request_logs.explain import declared

    if path.suffix in (".parquet", ".csv"):
        return f"format: {path.suffix[1:]}"
    if not path.is_file():
        raise CallError(f"{path}: no such file")
    return declared(str(path), zone) or "log_format: ?"


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("pdmlib.workbook"),
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {"inline": inline, "answer": _answer, "note": _note, "quoted": _text, "slug": _slug}
    made.filters.update(filters)
    return made


def _note(text: object) -> str:
    """A remark that stays in its comment."""
    plain = "".join(c if c.isprintable() else " " for c in str(text))
    return plain if len(plain) <= NOTE else plain[: NOTE - 1] + "…"


def _text(value: str) -> str:
    return f'"{value}"'


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9_]+", "_", name)


def _answer(answer: Answered | None) -> str:
    if answer is None:
        return "not asked"
    if answer.code is None:
        return _note(answer.detail)
    why = f" ({answer.detail})" if answer.detail else ""
    return _note(f"{answer.code} {answer.said!r} was taken for {answer.taken_for or 'not understood'}{why}")


def questions_left(draft: Draft, seen: Seen | None) -> Iterable[str]:
    """What a person has to do beside answering, before the doctor is content."""
    for name, holds in draft.variables.items():
        if environment_value(name) is None:
            yield f"set {name}: {holds}"
    if seen is not None and seen.is_superuser:
        yield f"run the SQL above and set {draft.told.database_env} to that role's address: a superuser is refused"
    hidden = [table.name for table in seen.survey.tables if table.sight.grant] if seen else []
    if hidden:
        yield f"not looked into: {', '.join(hidden)}; run the SQL above, then init again with --overwrite"
    if draft.told.log_format:
        yield "take the logs in with `pdm ingest`"
