"""One message to a webhook when things get worse, or an urgent alert begins or ends; never twice the same."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from pdmlib.errors import SiteError, SourceError
from pdmlib.frames.readings import Status
from pdmlib.frames.states import ReportStatus
from pdmlib.phases.phase import phase_named
from pdmlib.report.card import lines
from pdmlib.site.environment import environment_value
from pdmlib.site.masking import keep_secret
from pdmlib.site.site import Site
from pdmlib.sources.http import Api, Budget, one_line
from pdmlib.storage import durable
from pdmlib.storage.reports import read_json

WORSE = {ReportStatus.GREEN: 0, ReportStatus.UNKNOWN: 1, ReportStatus.YELLOW: 2, ReportStatus.RED: 3}
URGENT = ("P0", "P1")
SECONDS = 10.0
HEADER, SECTION, FIELD = 150, 3000, 2000  # characters that Slack takes of each block


def webhook(site: Site) -> str:
    """The address of the site's webhook.

    Raises:
        SiteError: the site file names no variable, it is not set, or holds something else than an https
            or loopback address.
    """
    name = site.notify_env
    if name is None:
        raise SiteError(
            site.file, "notify_env", "is required by --notify: the variable that holds the webhook's URL"
        )
    url = environment_value(name)
    if url is None:
        raise SiteError(site.file, "notify_env", f"set the environment variable {name}")
    parts = urlsplit(url)
    if not parts.hostname or not (
        parts.scheme == "https" or (parts.scheme == "http" and _loopback(parts.hostname))
    ):
        raise SiteError(site.file, "notify_env", f"{name} must hold an https:// address, or http:// on loopback")
    return url


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def notify(url: str, folder: Path, content: Mapping[str, Any], previous: Mapping[str, Any] | None) -> str | None:
    """Posts what changed since the last message; returns the text posted, None when there was nothing to say.

    Args:
        folder: the site's folder of outputs, where what was said is kept in `.notified.json`.
        content: the report as `report.json`.
        previous: the last `report.json` of the phase, for its status where nothing was said yet.

    Raises:
        SourceError: the message was not delivered; the next call tries again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with durable.alone(folder / ".notified.lock"):
        path = folder / ".notified.json"
        said = _said(path)
        if content["as_of"] < said["phases"].get(content["phase"], {}).get("as_of", ""):
            return None
        lines, state = news(said, content, previous)
        text = "\n".join(lines) or None
        if text:
            _post(url, text, content.get("card"))
        _keep(path, state)
        return text


def news(
    said: Mapping[str, Any], content: Mapping[str, Any], previous: Mapping[str, Any] | None
) -> tuple[list[str], dict[str, Any]]:
    """The lines of the message, none where nothing is new, and what will have been said after it.

    An alert ends only when its reading was measured again, over at least the stretch that it fired on.
    """
    phase, status = content["phase"], content["status"]
    latest = phase_named(phase).latest.total_seconds()
    blind = {row["id"] for row in content["readings"] if row["status"] == Status.UNKNOWN}
    open_now = {a["id"]: _as_cause(a, content) for a in content["alerts"] if a["priority"] in URGENT}
    known: dict[str, Any] = dict(said["alerts"])
    begun = [a for a in open_now.values() if a["priority"] < known.get(a["id"], {"priority": "P9"})["priority"]]
    ended = [
        name
        for name, row in known.items()
        if name not in open_now and row["reading"] not in blind and row["latest_s"] <= latest
    ]
    lines = [line for alert in begun for line in _begun(alert)]
    lasting = {row["title"] for name, row in known.items() if name not in ended}
    over = [known[name] for name in ended if known[name]["title"] not in lasting]
    lines += [f"ended: {row['priority']} {_safe(row['title'])}" for row in over]
    lines = list(dict.fromkeys(lines))
    was = _status_before(said, phase, previous)
    if lines or (was is not None and WORSE[status] > WORSE[was]):
        changed = f" (was {was})" if was and was != status else ""
        advice = content["recommendation"].replace("_", " ")
        lines.insert(0, f"{_safe(content.get('title', content['site']))}, {phase}: {status}{changed}, {advice}")
    for a in begun:
        known[a["id"]] = {
            "priority": a["priority"],
            "title": _title(a),
            "reading": a["reading"],
            "latest_s": latest,
        }
    alerts = {name: row for name, row in sorted(known.items()) if name not in ended}
    phases = {**said["phases"], phase: {"status": status, "as_of": content["as_of"]}}
    return lines, {"phases": phases, "alerts": alerts}


def _as_cause(alert: Mapping[str, Any], content: Mapping[str, Any]) -> Mapping[str, Any]:
    """An alert with the words, urgency, action and fix of the cause that it belongs to, if any is told."""
    causes = content.get("causes", ())
    place = next((place for place, cause in enumerate(causes) if alert["id"] in cause["chain"]), None)
    if place is None:
        return alert
    found, card = causes[place], content.get("card", {"causes": (), "others": ()})
    said = {told["number"]: told["said"] for told in (*card["causes"], *card["others"])}
    title = said.get(place + 1, found["title"])
    return {**alert, "title": title, **{key: found[key] for key in ("priority", "action", "fix")}}


def _begun(alert: Mapping[str, Any]) -> list[str]:
    """What began and what to do, and under it the statement that mends it, whole, to be copied."""
    fix = alert.get("fix") or ""
    action = str(alert["action"]).removesuffix(f": {fix}") if fix else alert["action"]
    told = f"began: {alert['priority']} {_safe(_title(alert))}: {_safe(action)}"
    return [told, *(f"   {_safe(line)}" for line in fix.splitlines())]


def _title(alert: Mapping[str, Any]) -> str:
    return str(alert.get("title") or alert["id"])


def _status_before(said: Mapping[str, Any], phase: str, previous: Mapping[str, Any] | None) -> ReportStatus | None:
    """The status last said of the phase, else that of its last report, else the last of any phase."""
    if phase in said["phases"]:
        return ReportStatus(said["phases"][phase]["status"])
    if previous is not None:
        return ReportStatus(previous["status"])
    newest = max(said["phases"].values(), key=lambda row: row["as_of"], default=None)
    return ReportStatus(newest["status"]) if newest else None


def _safe(text: Any) -> str:
    """Text of a stranger for Slack: one line, and nothing in it is a link, a mention or a command."""
    return one_line(str(text)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def blocks(card: Mapping[str, Any], news_of_it: str) -> list[dict[str, Any]]:
    """The decision card and what is new as blocks of Slack; plain text only, so that nothing of a stranger acts.

    Where the receiver knows no blocks it shows the message's text.
    """
    first, *more = lines(card)
    figures = [_plain(f"{t['title']}: {t['value']}, {t['judged']}", FIELD) for t in card["tiles"]]
    return [
        {"type": "header", "text": _plain(first, HEADER)},
        {"type": "section", "text": _plain(news_of_it, SECTION)},
        {"type": "section", "text": _plain("\n".join(more[:-1]), SECTION)},
        *([{"type": "section", "fields": figures}] if figures else []),
        {"type": "context", "elements": [_plain(card["dates"], SECTION)]},
    ]


def _plain(text: str, most: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": text if len(text) <= most else text[: most - 1] + "…", "emoji": False}


def _post(url: str, text: str, card: Mapping[str, Any] | None = None) -> None:
    keep_secret(url)
    parts = urlsplit(url)
    base = f"{parts.scheme}://{parts.netloc}{parts.path}"
    message: dict[str, Any] = {"text": text, "mrkdwn": False, "unfurl_links": False, "unfurl_media": False}
    if card:
        message["blocks"] = blocks(card, text)
    try:
        with Api("webhook", base, budget=Budget(SECONDS)) as api:
            api.post("", message, parse_qsl(parts.query, keep_blank_values=True))
    except SourceError as error:
        raise SourceError("webhook", f"not notified: {error.reason}") from None


def _said(path: Path) -> dict[str, Any]:
    """What was said so far; a file that is not what `_keep` wrote is set aside, and all is said again."""
    said = read_json(path) or {}
    try:
        for row in said.get("phases", {}).values():
            ReportStatus(row["status"]), row["as_of"] + ""
        for row in said.get("alerts", {}).values():
            row["reading"] + "", row["latest_s"] + 0, row["priority"] + "", row["title"] + ""
    except (AttributeError, KeyError, TypeError, ValueError):
        durable.set_aside(path)
        return {"phases": {}, "alerts": {}}
    return {"phases": {}, "alerts": {}, **said}


def _keep(path: Path, state: Mapping[str, Any]) -> None:
    with durable.replacing(path) as beside:
        beside.write_text(json.dumps(state, indent=1, ensure_ascii=False), encoding="utf-8")
