"""Which of a vendor's webhook endpoints are the application's own, and in which state each is.

An account often has endpoints of several deployments: production, staging, a developer's machine. They are told
apart by their id, and judged by the host that they lead to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pdmlib.frames.understanding import Unclear, mend_line
from pdmlib.site.site import Site
from pdmlib.sources.http import one_line

ENABLED, DISABLED = "enabled", "disabled"


@dataclass(frozen=True)
class Endpoint:
    """One webhook endpoint as a vendor tells it; the status is None where it was not understood."""

    id: str
    url: str
    status: str | None


def states(vendor: str, endpoints: Iterable[Endpoint], site: Site, unclear: Unclear) -> Iterator[dict[str, Any]]:
    """Rows of `vendor_states`: `webhook` for the application's own endpoints, `webhook elsewhere` for others.

    Where no endpoint leads to a host that the site file names, all of them may be the application's: they are
    judged when all are in one state, else nobody can tell, and that is noted.
    """
    found = list(endpoints)
    hosts = own_hosts(site, vendor)
    own = [e for e in found if host(e.url) in hosts]
    candidates = own or found
    told = bool(own) or len({e.status for e in found}) == 1
    if candidates and not told:
        _note(vendor, candidates, unclear)
    for endpoint in found:
        yield _state(vendor, endpoint, endpoint in candidates, told)


def _state(vendor: str, endpoint: Endpoint, own: bool, told: bool) -> dict[str, Any]:
    return {
        "vendor": vendor,
        "kind": "webhook" if own else "webhook elsewhere",
        "item": endpoint.id,
        "status": endpoint.status,
        "ok": endpoint.status == ENABLED if own and told and endpoint.status else None,
        "detail": place(endpoint.url),
    }


def _note(vendor: str, candidates: Iterable[Endpoint], unclear: Unclear) -> None:
    """That endpoints differ in state and none leads to a host of the site."""
    first = next((host(e.url) for e in candidates if e.status == ENABLED), "")
    unclear.note(
        "webhook_endpoints.url",
        "some enabled and some not, none at a host of the site's",
        ", ".join(sorted({host(e.url) for e in candidates})),
        taken_for="not judged",
        mend=mend_line("sources", vendor, "webhook_hosts", value=[first]),
    )


def own_hosts(site: Site, vendor: str) -> frozenset[str]:
    """The hosts whose endpoints are the application's: those of the block, else those that the site file names."""
    declared: tuple[str, ...] = getattr(site.source(vendor), "webhook_hosts", ())
    if declared:
        return frozenset(name.lower() for name in declared)
    addresses = [site.url, *(getattr(site.source(name), key, None) for name, key in _ADDRESSES)]
    return frozenset(host(address) for address in addresses if address)


_ADDRESSES = (
    ("app", "base_url"),
    ("supabase", "metrics_url"),
)  # functions of Supabase answer at its metrics' host


def host(url: str) -> str:
    """The host of an address, with its port where it names one; empty where there is none."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2].lower().removesuffix(":443")
    except ValueError:
        return ""


def place(url: str) -> str:
    """Host and path of an address, without what may hold a secret."""
    try:
        return one_line(host(url) + (urlsplit(url).path or "/"))
    except ValueError:
        return ""
