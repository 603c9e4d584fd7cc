"""Text messages that Twilio carries and emails that Resend sends."""

from __future__ import annotations

import numpy as np

from pdmlib.demo.world.grid import HOUR, Story, Table, draw, rates, strength, table

SMS_STATUSES = ("delivered", "undelivered", "failed", "received")
_UNREACHABLE, _FILTERED = 30003, 30007
DELIVERED, OPENED, CLICKED, BOUNCED = range(4)
EMAIL_EVENTS = ("delivered", "opened", "clicked", "bounced")
EMAIL_SUBJECTS = ("How did we do?", "An offer for your next cleaning")


def texts(story: Story) -> Table:
    """Text messages: at, status (position in SMS_STATUSES), error (0: none), segments, customer."""
    rng = story.rng("texts")
    at = draw(rng, rates(88, 26))
    inbound = rng.random(len(at)) < 0.08
    lost = ~inbound & (rng.random(len(at)) < strength(at, story.plan.undelivered_sms))
    usual = ~inbound & ~lost & (rng.random(len(at)) < 0.006 * story.plan.everyday_failures)
    status = np.select([inbound, lost | usual], [3, 1], 0).astype(np.int8)
    error = np.select([lost, usual], [_FILTERED, _UNREACHABLE], 0)
    segments = np.where(rng.random(len(at)) < 0.06, 2, 1)
    return Table(
        {
            "at": at,
            "status": status,
            "error": error,
            "segments": segments,
            "customer": rng.integers(0, 900, len(at)),
        }
    )


def emails(story: Story, reviews: Table, promotions: Table) -> Table:
    """Emails: one a review request, and one for two promotions in three.

    Columns: at, subject (position in EMAIL_SUBJECTS), event (position in EMAIL_EVENTS), opened (when).
    """
    rng = story.rng("emails")
    promoted = promotions["at"][rng.random(len(promotions)) < 2 / 3]
    at = np.concatenate([reviews["at"], promoted]) + rng.integers(800, 9_000, len(reviews) + len(promoted))
    subject = np.concatenate([np.zeros(len(reviews), dtype=np.int8), np.ones(len(promoted), dtype=np.int8)])
    bounced = rng.random(len(at)) < np.maximum(0.006, strength(at, story.plan.bounced_emails))
    luck = rng.random(len(at))
    event = np.select([bounced, luck < 0.07, luck < 0.4], [BOUNCED, CLICKED, OPENED], DELIVERED)
    opened = at + 60_000 + rng.exponential(3 * HOUR, len(at)).astype(np.int64)
    return table(at, subject=subject, event=event.astype(np.int8), opened=opened)
