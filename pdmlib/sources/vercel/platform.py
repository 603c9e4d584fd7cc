"""Vercel's REST API: the project, its deployments, and what the metrics are asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from pdmlib.errors import SourceError
from pdmlib.frames.understanding import Unclear
from pdmlib.phases.phase import DAY
from pdmlib.phases.window import Window, iso
from pdmlib.site.site import Site
from pdmlib.site.vendors import Vercel
from pdmlib.sources.fields import entries
from pdmlib.sources.http import Api, Query
from pdmlib.sources.specifications import vercel as said

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
PAGES = 20
LIMIT = 1000  # groups; the command line asks for 10, and the most that is answered is not stated
SMALLEST = ((HOUR, MINUTE), (12 * HOUR, 5 * MINUTE), (3 * DAY, HOUR), (30 * DAY, 4 * HOUR))
METRICS = "/v2/observability"
TOO_SMALL = "400"  # how a bucket is refused that is smaller than allowed: a bad request, as no plan is named


def block_of(site: Site) -> Vercel:
    """Vercel's block of a site file."""
    block = site.source("vercel")
    assert isinstance(block, Vercel)
    return block


def api_of(site: Site) -> Api:
    """Vercel's API with the site's token."""
    block = block_of(site)
    return Api("vercel", block.base_url, {"Authorization": f"Bearer {site.secret(block.token_env)}"})


def milliseconds(moment: datetime) -> int:
    """A moment as Vercel takes it."""
    return round(moment.timestamp() * 1000)


def spans(windows: tuple[Window, ...]) -> list[Window]:
    """Those of some windows that are not empty."""
    return [window for window in windows if window.seconds]


@dataclass(frozen=True)
class Platform:
    """What every call is about.

    Attributes:
        denied: the first refusal of the metrics, after which none is asked for.
        coarse: refusals of a bucket as too small, after which wholes are asked for in hours.
    """

    api: Api
    block: Vercel
    unclear: Unclear = field(default_factory=lambda: Unclear("vercel"))
    denied: list[SourceError] = field(default_factory=list)
    coarse: list[SourceError] = field(default_factory=list)

    @property
    def team(self) -> dict[str, str]:
        """Whose project it is, as a query."""
        team = self.block.team
        return {} if team is None else {"teamId" if team.startswith("team_") else "slug": team}

    def get(self, path: str, query: Query = ()) -> Any:
        """The JSON of an answer."""
        pairs = list(query.items()) if hasattr(query, "items") else list(query)
        return self.api.get(path, [*self.team.items(), *pairs]).json()

    @cached_property
    def body(self) -> dict[str, Any]:
        """The project as it was answered.

        Raises:
            SourceError: as `Api.get`; or it is no object.
        """
        found = self.get(f"/v9/projects/{self.block.project}")
        if not isinstance(found, dict):
            raise SourceError("vercel", "its answer is not a project")
        return found

    @cached_property
    def project(self) -> said.Project:
        """The project."""
        found = said.Project.of(self.body, self.unclear)
        assert found is not None
        return found

    @cached_property
    def project_id(self) -> str:
        """Its id, as named in the site file or told.

        Raises:
            SourceError: neither knows it.
        """
        named = self.block.project
        return named if named.startswith("prj_") else _known(self.project.id, "the project's id")

    @cached_property
    def metrics(self) -> frozenset[str]:
        """The ids of the metrics that can be asked for."""
        body = self.get(f"{METRICS}/schema")
        found = said.Metric.each(entries("vercel", body, "metrics"), self.unclear)
        return frozenset(metric.id for metric in found if metric.id)

    def deployments(self, query: list[tuple[str, Any]]) -> Iterator[list[Any]]:
        """Pages of production deployments, newest first."""
        asked = [("projectId", self.block.project), ("target", "production"), ("limit", 100)]
        until: float | None = None
        for _ in range(PAGES):
            paged = [p for p in query if until is None or p[0] != "until"]
            last = None if until is None else round(until)
            body = self.get("/v7/deployments", [*asked, *paged, ("until", last)])
            yield entries("vercel", body, "deployments")
            page = said.Page.of(body.get("pagination"), self.unclear)
            following = page.following if page else None
            if following is None or following == until:
                return
            until = following

    def query(
        self,
        metric: str,
        aggregation: str,
        window: Window,
        bucket: timedelta | None = None,
        by: tuple[str, ...] = (),
    ) -> tuple[list[Any], list[Any]]:
        """Rows of the whole window and of its buckets, the asked value under `value`.

        Raises:
            SourceError: as `Api.post`; the metric is not known; or more rows than are returned.
        """
        if self.denied:
            raise self.denied[0]
        if metric not in self.metrics:
            raise SourceError("vercel", f"it has no metric {metric}")
        asked = {
            "metric": metric,
            "aggregation": aggregation,
            "scope": {"type": "project", "ownerId": self._owner(), "projectIds": [self.project_id]},
            "startTime": iso(window.start),
            "endTime": iso(window.end),
            "groupBy": list(by),
            "filter": f"environment eq '{self.block.environment}'",
            "limit": LIMIT,
        }
        body = self._answered(asked, window, bucket)
        summary = entries("vercel", body, "summary")
        if len(summary) >= LIMIT:
            raise SourceError("vercel", f"more than {LIMIT:,} groups of {metric}, some were left off")
        key = f"{metric.replace('.', '_')}_{aggregation}"
        return _renamed(summary, key), _renamed(entries("vercel", body, "data"), key)

    def _answered(self, asked: dict[str, Any], window: Window, bucket: timedelta | None) -> Any:
        """The answer; where no bucket is asked for, with one of hours once a smaller one was refused."""
        length = bucket or max(_smallest(window), HOUR if self.coarse else MINUTE)
        try:
            cut = {**asked, "granularity": _granularity(length)}
            return self.api.post(f"{METRICS}/query", cut, self.team).json()
        except SourceError as error:
            if length < HOUR and error.reason.startswith(TOO_SMALL):
                self.coarse.append(error)
                if bucket is None:
                    return self._answered(asked, window, bucket)
            if error.reason.startswith(("402", "403")):
                self.denied.append(error)
            raise

    def _owner(self) -> str:
        team = self.block.team or ""
        return team if team.startswith("team_") else _known(self.project.owner, "the project's owner")


def _renamed(rows: list[Any], key: str) -> list[Any]:
    return [{**row, "value": row.get(key)} if isinstance(row, dict) else row for row in rows]


def _known(value: str | None, what: str) -> str:
    if value is None:
        raise SourceError("vercel", f"it does not tell {what}")
    return value


def _granularity(bucket: timedelta) -> dict[str, int]:
    """A length as the command line writes it: whole days or hours where it is some."""
    for unit, length in (("days", DAY), ("hours", HOUR)):
        if bucket % length == timedelta(0):
            return {unit: bucket // length}
    return {"minutes": bucket // MINUTE}


def _smallest(window: Window) -> timedelta:
    """The smallest bucket that is allowed for a range."""
    return next((bucket for limit, bucket in SMALLEST if window.end - window.start <= limit), DAY)
