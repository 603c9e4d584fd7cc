"""The facts of a demo production: who did what when, from 35 days before to 35 days after the deployment.

The same seed and plan make the same world, byte for byte. Whatever two systems show is stored once:
a failed request is a 5xx at Vercel, a failed span and an error at Sentry.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from pdmlib.demo.scenarios import Plan
from pdmlib.demo.world import business, issues, messages, money, operations, traffic
from pdmlib.demo.world.grid import Story, Table
from pdmlib.demo.world.host import Host


@dataclass(frozen=True)
class World:
    """All facts: tables by name, and the story they were made from."""

    story: Story
    tables: dict[str, Table]

    def __getitem__(self, name: str) -> Table:
        return self.tables[name]

    @cached_property
    def host(self) -> Host:
        """The database host."""
        return Host(self.story, self["requests"])

    @cached_property
    def spans(self) -> Table:
        """The sampled requests, as Sentry stores them."""
        return self["requests"].where(self["requests"]["sampled"])

    def save(self, path: Path) -> None:
        """Write the tables to one file."""
        columns = {f"{name}.{c}": a for name, t in self.tables.items() for c, a in t.columns.items()}
        np.savez(path, **columns)  # type: ignore[arg-type]


def build(seed: int, plan: Plan) -> World:
    """The world of a seed and a plan."""
    story = Story(seed, plan.facts())
    requests, cron = traffic.requests(story), operations.cron_runs(story)
    reviews, promotions = business.review_requests(story), business.promotions(story)
    registered, visits = business.registrations(story), business.sessions(story)
    tables = {
        "requests": requests,
        "events": issues.events(story, requests, cron),
        "cron_runs": cron,
        "probes": operations.probes(story),
        "integration_checks": operations.integration_checks(story),
        "alerts": operations.alerts(story),
        "opportunities": business.opportunities(story),
        "promotions": promotions,
        "review_requests": reviews,
        "loyalty": business.loyalty(story),
        "registrations": registered,
        "logins": business.logins(story, registered),
        "sessions": visits,
        "page_views": business.page_views(story, visits),
        "tickets": business.tickets(story),
        "charges": money.charges(story),
        "texts": messages.texts(story),
        "emails": messages.emails(story, reviews, promotions),
    }
    return World(story, tables)


def load(path: Path, seed: int, plan: Plan) -> World:
    """A saved world."""
    tables: dict[str, dict[str, np.ndarray]] = {}
    with np.load(path) as stored:
        for key in stored.files:
            name, column = key.split(".")
            tables.setdefault(name, {})[column] = stored[key]
    return World(Story(seed, plan.facts()), {name: Table(columns) for name, columns in tables.items()})
