"""Causes: findings that explain each other as one item, with its chain, one action, one fix and one owner."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from pdmlib.frames.case import Case
from pdmlib.frames.readings import ORDER, Finding, Priority, aside, lowered
from pdmlib.verdict.links import Link, links_of, root_of

DUE = {Priority.P0: timedelta(0), Priority.P1: timedelta(days=1), Priority.P2: timedelta(days=7)}
TOLD = 4  # links of a chain that are told in a title; the chain has them all
LONGEST_TITLE = 240  # characters, so that a title stays one line of a message
_FIX = re.compile(r"\b(?:CREATE|ALTER|DROP|REINDEX|GRANT|ANALYZE|VACUUM)\b [A-Z][^;]*;")
_AREAS = {
    "db_": "database",
    "query_": "database",
    "cron_": "cron",
    "feature_": "features",
    "integration_": "integrations",
    "sms_": "integrations",
    "email_": "integrations",
    "payment_": "integrations",
    "webhooks": "integrations",
    "tickets": "support",
    "support": "support",
}


class CauseStatus(StrEnum):
    """Whether a cause is the deployment's: it began since, was there before, or is over."""

    NEW = "new"
    STANDING = "standing"
    RECOVERED = "recovered"


# What a customer notices first, by the id of a finding; what none of these begins comes last.
FELT = (
    re.compile(r"incident:|app|health_ok|health:unconfirmed|db_connection_errors|database:unconfirmed"),
    re.compile(r"payment"),
    re.compile(r"route:.*:failing|error_rate"),
    re.compile(r"route:.*:slower|latency"),
    re.compile(r"health:"),  # it works in part, or did: what of it fails says more
    re.compile(r"issue"),
    re.compile(r"integration|sms|email|webhook"),
    re.compile(r"cron"),
    re.compile(r"feature"),
    re.compile(r"requests_per_min"),
    # A share of the whole window: where it was down at a moment, an incident says so.
    re.compile(r"downtime|uptime"),
)


class Step(NamedTuple):
    """A finding of a cause: what was seen, and why it belongs there, which of the root is empty."""

    id: str
    title: str
    evidence: str
    why: str


@dataclass(frozen=True, repr=False)
class Cause:
    """Findings that explain each other.

    Attributes:
        chain: ids of the findings, root first.
        steps: the same findings in words.
        said: what a customer notices of it, in one sentence without its full stop.
        why: what explains that; empty where it is the cause itself.
        absolute: it breaks a limit that no site is excused from, however long it has.
        fix: what mends the root, such as a statement of SQL; None where it is not known.
        due: local day, ISO.
        becomes_green: what would have to be measured for it to go away.
    """

    id: str
    title: str
    priority: Priority
    since: datetime | None
    status: CauseStatus
    chain: tuple[str, ...]
    evidence: str
    action: str
    fix: str | None
    owner: str | None
    due: str
    becomes_green: str
    steps: tuple[Step, ...] = ()
    said: str = ""
    why: str = ""
    absolute: bool = False

    def __repr__(self) -> str:
        return f"Cause({self.priority}, {self.status}: {self.title})"

    @property
    def waits(self) -> bool:
        """Whether it was there before the deployment and can wait."""
        return self.status is CauseStatus.STANDING and not self.absolute

    @property
    def decides(self) -> bool:
        """Whether somebody decides by it now: it is new, or too urgent to ask when it began."""
        return self.status is not CauseStatus.RECOVERED and not self.waits

    @property
    def sentence(self) -> str:
        """What is noticed and why."""
        if ": " in self.why:
            return f"{self.said}; {self.why}" if "(" in self.why else f"{self.said} ({self.why})"
        return f"{self.said}: {self.why}" if self.why else self.said


def telling(steps: Iterable[Step]) -> list[Step]:
    """The steps that say more than those before them."""
    kept: list[Step] = []
    for step in steps:
        if not any(step.evidence in earlier.evidence for earlier in kept):
            kept.append(step)
    return kept


def causes_of(case: Case, findings: Sequence[Finding], standing: Iterable[str]) -> tuple[Cause, ...]:
    """Every finding in exactly one cause, most urgent first; what stood before the deployment is one of them.

    Args:
        standing: ids of findings that were there before the deployment.
    """
    there, links = set(standing), links_of(findings)
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(root_of(links, finding.id), []).append(finding)
    found = [_cause(case, _in_order(root, group, links), links, there) for root, group in groups.items()]
    old = [cause for cause in found if cause.waits]
    new = [cause for cause in found if not cause.waits]
    past = case.scope.phase.named_window
    return tuple(sorted([*new, *_as_one(old)], key=lambda cause: _urgency(cause, past)))


def _urgency(cause: Cause, past: bool = False) -> tuple[int, int, bool, int, str]:
    """What to tell first: of equal priority what is new, as a report asks what the deployment did.

    Of a window of the past what was over then is as urgent as what was not.
    """
    felt = min((_felt(name) for name in cause.chain), default=len(FELT))
    first = cause.decides or (past and cause.status is CauseStatus.RECOVERED)
    rank = 0 if first else list(CauseStatus).index(cause.status)
    return rank, ORDER[cause.priority], cause.status is CauseStatus.STANDING, felt, cause.id


def _felt(name: str) -> int:
    return next((place for place, kind in enumerate(FELT) if kind.match(name)), len(FELT))


def _in_order(root: str, group: Sequence[Finding], links: Mapping[str, Link]) -> list[Finding]:
    """The findings of a cause, each after what explains it."""
    known, order = {finding.id: finding for finding in group}, [root]
    for name in order:
        order += [effect for effect in known if effect in links and links[effect].cause == name]
    return [known[name] for name in order]


def _cause(case: Case, chain: Sequence[Finding], links: Mapping[str, Link], standing: set[str]) -> Cause:
    root, priority = chain[0], min((f.priority for f in chain), key=ORDER.__getitem__)
    status = _status(chain, standing)
    area = next((area for prefix, area in _AREAS.items() if root.reading.startswith(prefix)), "application")
    steps = tuple(_step(finding, links) for finding in chain)
    told = dict.fromkeys(finding.evidence for finding in chain if finding.evidence)
    felt = min((f for f in chain if f is root or f.said), key=lambda finding: _felt(finding.id))
    begun = [f.since for f in chain if f.since is not None]
    since = min(begun, default=None) if root.since is None else min(root.since, felt.since or root.since)
    if root.since and root.since >= case.scope.deployed_at:  # an hour's bucket holds what was before it, too
        since = since and max(since, case.scope.deployed_at)
    return Cause(
        id=root.id,
        title=_title(chain),
        priority=priority,
        since=since,
        status=status,
        chain=tuple(f.id for f in chain),
        evidence=" ".join(told),
        action=root.action,
        fix=_fix(chain),
        owner=root.owner or case.site.people.owners.get(area),
        due=_due(case, priority),
        becomes_green=root.becomes_green,
        steps=steps,
        said=_plain(felt),
        why="" if felt is root else _because(root),
        absolute=any(finding.decides for finding in chain),
    )


def _status(chain: Sequence[Finding], standing: set[str]) -> CauseStatus:
    # A reading of the whole window goes on to tell of what has ended, unless its alert holds now.
    telling = [finding for finding in chain[1:] if finding.id != finding.reading or finding.since]
    if not any(finding.active for finding in (chain[0], *telling)):
        return CauseStatus.RECOVERED
    there = chain[0].id in standing and all(f.id in standing or f.id == f.reading for f in chain)
    return CauseStatus.STANDING if there else CauseStatus.NEW


def _step(finding: Finding, links: Mapping[str, Link]) -> Step:
    why = links[finding.id].reason if finding.id in links else ""
    return Step(finding.id, finding.title, finding.evidence.removeprefix(f"{finding.title}: "), why)


def _plain(finding: Finding) -> str:
    """What a finding says to somebody who knows no term of ours; a schema that all is in tells nothing."""
    return (finding.said or finding.title).replace("public.", "")


def _because(root: Finding) -> str:
    """The root behind a colon; the names of vendors stay as they are."""
    return _plain(root) if root.id.startswith("integration:") else lowered(_plain(root))


def _title(chain: Sequence[Finding]) -> str:
    titles = [finding.title for finding in chain if finding is chain[0] or finding.id != chain[0].reading]
    text = " → ".join(dict.fromkeys(titles[:TOLD]))
    return text if len(text) <= LONGEST_TITLE else text[: LONGEST_TITLE - 1] + "…"


def _fix(chain: Sequence[Finding]) -> str | None:
    texts = (text for finding in chain for text in (finding.fix, finding.action, finding.evidence) if text)
    found = next((match for match in map(_FIX.search, texts) if match), None)
    return found[0] if found else None


def _due(case: Case, priority: Priority) -> str:
    return (case.scope.as_of.astimezone(case.site.zone) + DUE[priority]).date().isoformat()


def _as_one(causes: Sequence[Cause]) -> list[Cause]:
    """The faults that were there before the deployment as one line."""
    if len(causes) < 2:
        return list(causes)
    first = min(causes, key=_urgency)
    return [
        replace(
            first,
            id="standing",
            title=f"{len(causes)} faults that were there before the deployment",
            since=min((c.since for c in causes if c.since), default=None),
            chain=tuple(name for cause in causes for name in cause.chain),
            evidence="; ".join(cause.title for cause in causes),
            steps=tuple(step for cause in causes for step in cause.steps),
            said=f"{len(causes)} faults were there before the deployment",
            action="Plan them apart from this deployment",
            fix="\n".join(dict.fromkeys(cause.fix for cause in causes if cause.fix)) or None,
            becomes_green=f"each of these {len(causes)} is mended; none of them is this deployment's",
        )
    ]


def action_items(causes: Iterable[Cause]) -> tuple[Mapping[str, Any], ...]:
    """One proposed action item a cause."""
    return tuple(_item(cause) for cause in causes)


def _item(cause: Cause) -> Mapping[str, Any]:
    fix = f": {cause.fix}" if cause.fix and cause.fix not in cause.action else ""
    return {
        "id": cause.id,
        "action": f"{cause.action}{fix}{aside(cause.sentence)}",
        "priority": cause.priority.value,
        "owner": cause.owner,
        "due": cause.due,
        "state": "proposed",
    }
