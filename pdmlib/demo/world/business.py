"""What customers and staff do: the rows behind the application's features, visits and tickets.

A time of 0 in a column means that it never happens.
"""

from __future__ import annotations

import numpy as np

from pdmlib.demo.world.grid import DAY, HOUR, MINUTE, START, Ints, Story, Table, draw, during, ms, rates, table

CUSTOMERS = 5_000
_REGISTERED_BEFORE = 1_500


def opportunities(story: Story) -> Table:
    """Missed opportunities, years of history included: at, customer, converted, value."""
    rng = story.rng("opportunities")
    history = np.sort(rng.integers(ms(START) - 730 * DAY, ms(START), 7_000))
    at = np.concatenate([history, draw(rng, rates(33, 7))])
    later = at + 2 * HOUR + rng.exponential(1.3 * DAY, len(at)).astype(np.int64)
    converts = (rng.random(len(at)) < 0.3) & ~during(later, story.plan.idle_features, "opportunity_conversions")
    return Table(
        {
            "at": at,
            "customer": rng.integers(0, CUSTOMERS, len(at)),
            "converted": np.where(converts, later, 0),
            "value": np.round(rng.lognormal(5.5, 0.5, len(at))).astype(np.int64),
        }
    )


def promotions(story: Story) -> Table:
    """Promotions delivered: at, customer, claimed, redeemed."""
    rng = story.rng("promotions")
    at = draw(rng, rates(135, 40))
    claimed = at + HOUR + rng.exponential(0.6 * DAY, len(at)).astype(np.int64)
    redeemed = claimed + rng.exponential(0.8 * DAY, len(at)).astype(np.int64)
    claims = rng.random(len(at)) < 0.24
    redeems = claims & (rng.random(len(at)) < 0.62)
    return Table(
        {
            "at": at,
            "customer": rng.integers(0, CUSTOMERS, len(at)),
            "claimed": np.where(claims, claimed, 0),
            "redeemed": np.where(redeems, redeemed, 0),
        }
    )


def review_requests(story: Story) -> Table:
    """Review requests: at, customer, portal and google (when each review came; some have both)."""
    rng = story.rng("reviews")
    at = draw(rng, rates(70, 22))
    portal = at + 30 * MINUTE + rng.exponential(0.7 * DAY, len(at)).astype(np.int64)
    google = portal + rng.exponential(0.4 * DAY, len(at)).astype(np.int64)
    luck = rng.random(len(at))
    return Table(
        {
            "at": at,
            "customer": rng.integers(0, CUSTOMERS, len(at)),
            "portal": np.where(luck < 0.22, portal, 0),
            "google": np.where((luck > 0.17) & (luck < 0.29), google, 0),
        }
    )


def loyalty(story: Story) -> Table:
    """Loyalty transactions: at, customer, earned and redeemed points."""
    rng = story.rng("loyalty")
    awards, redemptions = draw(rng, rates(64, 20)), draw(rng, rates(6.5, 3))
    redemptions = redemptions[~during(redemptions, story.plan.idle_features, "loyalty_redemptions")]
    earned = rng.choice([10, 15, 25, 40, 60], len(awards), p=[0.25, 0.3, 0.25, 0.12, 0.08])
    spent = rng.choice([100, 250, 500], len(redemptions), p=[0.6, 0.3, 0.1])
    at = np.concatenate([awards, redemptions])
    return table(
        at,
        customer=rng.integers(0, CUSTOMERS, len(at)),
        earned=np.concatenate([earned, np.zeros(len(redemptions), dtype=np.int64)]),
        redeemed=np.concatenate([np.zeros(len(awards), dtype=np.int64), spent]),
    )


def registrations(story: Story) -> Table:
    """First portal sessions: at, customer; each customer once, in order of number."""
    rng = story.rng("registrations")
    before = np.sort(rng.integers(ms(START) - 400 * DAY, ms(START), _REGISTERED_BEFORE))
    at = np.concatenate([before, draw(rng, rates(46, 12))])[:CUSTOMERS]
    return Table({"at": at, "customer": np.arange(len(at))})


def logins(story: Story, registered: Table) -> Table:
    """Portal log-ins: at, customer (one who has registered before), pages seen after it."""
    rng = story.rng("logins")
    at = draw(rng, rates(72, 26))
    known = np.searchsorted(registered["at"], at, side="left")
    customer = (rng.random(len(at)) ** 1.5 * known).astype(np.int64)
    return Table({"at": at, "customer": customer, "pages": rng.integers(1, 5, len(at))})


def sessions(story: Story) -> Table:
    """Sessions on the web site: at, visitor, pages, duration_s; one page is a bounce."""
    rng = story.rng("sessions")
    at = draw(rng, rates(340, 120))
    pages = np.where(rng.random(len(at)) < 0.33, 1, 1 + rng.geometric(0.28, len(at))).clip(max=25)
    duration = np.where(pages == 1, rng.integers(3, 25, len(at)), 35 * pages * rng.lognormal(0, 0.5, len(at)))
    visitor = (2_600 * rng.beta(0.9, 1.6, len(at))).astype(np.int64)
    return Table({"at": at, "visitor": visitor, "pages": pages, "duration_s": duration.astype(np.int64)})


PAGES = ("/", "/portal", "/portal/bookings", "/promotions", "/reviews", "/loyalty")


def page_views(story: Story, visits: Table) -> Table:
    """Page views of the sessions: at, session (its position), visitor, page (position in PAGES)."""
    rng = story.rng("page views")
    pages: Ints = visits["pages"].astype(np.int64)
    session = np.arange(len(visits)).repeat(pages)
    nth = np.arange(len(session)) - (np.cumsum(pages) - pages).repeat(pages)
    step = (visits["duration_s"] * 1000 // pages).repeat(pages)
    page = np.where(nth == 0, 0, rng.integers(0, len(PAGES), len(session))).astype(np.int8)
    at = visits["at"].repeat(pages) + nth * step
    return table(at, session=session, visitor=visits["visitor"].repeat(pages), page=page)


TAGS = ("question", "access", "bug", "performance", "feature-request", "praise")
SUBJECTS = (
    "How do I change my appointment?",
    "I did not get the sign-in link",
    "Photo upload shows the wrong picture",
    "The booking page took long to open",
    "Please let us pay by bank transfer",
    "The new portal is lovely, thank you",
)


def tickets(story: Story) -> Table:
    """Support tickets: at, resolved, tag, priority (0 low, 1 medium, 2 high), rating (0: none given)."""
    rng = story.rng("tickets")
    at = draw(rng, rates(4.2, 1.3))
    resolved = at + HOUR + rng.exponential(0.5 * DAY, len(at)).astype(np.int64)
    rating = rng.choice([0, 3, 4, 5], len(at), p=[0.22, 0.01, 0.13, 0.64])
    return Table(
        {
            "at": at,
            "resolved": resolved,
            "tag": rng.choice(len(TAGS), len(at), p=[0.34, 0.14, 0.08, 0.06, 0.18, 0.2]),
            "priority": rng.choice(3, len(at), p=[0.55, 0.4, 0.05]),
            "rating": rating,
        }
    )
