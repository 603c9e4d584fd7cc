"""What a vendor's account holds, for a site that is described for the first time."""

from __future__ import annotations

from dataclasses import dataclass

from pdmlib.sources.http import Api, Budget, listed

LOOK_S = 15.0


@dataclass(frozen=True)
class SentryProject:
    """A project of Sentry, by the slugs that its address has."""

    organization: str
    project: str


def sentry_projects(base_url: str, token: str) -> list[SentryProject]:
    """The projects that a token may see, the first hundred of them (Sentry's "List Your Projects").

    Raises:
        SourceError: refused, failed or out of time.
    """
    with Api("sentry", base_url, {"Authorization": f"Bearer {token}"}, budget=Budget(LOOK_S)) as api:
        found = listed("sentry", api.get("/api/0/projects/").json())
    pairs = [(entry.get("organization"), entry.get("slug")) for entry in found]
    return [SentryProject(str(o["slug"]), str(p)) for o, p in pairs if isinstance(o, dict) and "slug" in o and p]
