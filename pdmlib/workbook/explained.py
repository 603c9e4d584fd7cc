"""How what the vendors answered is understood: of each list the newest object, its words, what they came to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from pdmlib.frames.collection import Collection
from pdmlib.frames.rows import json_rows
from pdmlib.frames.understanding import CLASSES, Kind, Said, Understood, Used

Row = Mapping[str, Any]
WORDS = 20  # words of a list that are shown, the most frequent
FEW = 5  # different states of a kind that are words; more are amounts
HOUR_S = 3600.0  # requests are told by the hour and, again, by the minute at the edges of a window
VERDICTS = {True: "well", False: "not well"}  # of a state; one that says neither is not judged


def lists_of(found: Collection, zone: ZoneInfo) -> Iterator[Understood]:
    """Every list that a source other than a table answered, and what its states were taken for."""
    shown = json_rows(found["understood"])
    for source in (row.source for row in found.coverage if row.source != "requests"):
        key = f"sources.{source}"
        yield from (replace(one, key=key) for one in _objects([r for r in shown if r["source"] == source], zone))
        words = [used for tell in (_states, _errors, _statuses) for used in tell(found, source)]
        if words:
            yield Understood(key=key, table="what that came to", words=tuple(words))


def _objects(rows: Sequence[Row], zone: ZoneInfo) -> Iterator[Understood]:
    said: dict[str, list[Said]] = {}
    words: dict[str, list[Used]] = {}
    for row in rows:
        if row["kind"] != Kind.USE:
            said.setdefault(row["item"], []).append(_said(row, zone))
    for row in rows:
        if row["kind"] == Kind.USE:
            item, name = _split(row["item"], said)
            words.setdefault(item, []).append(Used(name, row["value"], row["count"], row["taken_for"]))
    for item in dict.fromkeys((*said, *words)):
        used = sorted(words.get(item, ()), key=lambda word: (word.ours, -word.count))
        yield Understood("", item, tuple(said.get(item, ())), tuple(used[:WORDS]))


def _split(item: str, known: Mapping[str, Sequence[Said]]) -> tuple[str, str]:
    """The list that a field is of, and the field's own name: `charges.outcome.type` is of `charges`."""
    inside = max((one for one in known if item.startswith(f"{one}.")), key=len, default=item.partition(".")[0])
    return inside, item.removeprefix(f"{inside}.")


def _said(row: Row, zone: ZoneInfo) -> Said:
    kind, taken = Kind(row["kind"]), row["taken_for"] or ""
    if kind is Kind.TIME and taken[:1].isdigit():
        taken = f"{datetime.fromisoformat(taken).astimezone(zone):%a %d %b %Y %H:%M:%S %Z}"
    return Said(row["ours"], row["theirs"], row["value"], taken_for=taken, kind=kind, means=row["means"] or "")


def _states(found: Collection, source: str) -> Iterator[Used]:
    """States by what they were taken for; of many that differ, such as amounts, one stands for all."""
    rows = [row for row in json_rows(found["vendor_states"]) if row["vendor"] == source]
    seen: dict[tuple[str, str], Counter[str]] = {}
    for row in rows:
        group = row["kind"], VERDICTS.get(row["ok"], "not judged")
        seen.setdefault(group, Counter())[row["status"] or "null"] += 1
    for (kind, verdict), counts in seen.items():
        if len(counts) > FEW:
            yield Used(kind, f"{next(iter(counts))} and {len(counts) - 1} others", counts.total(), verdict)
        else:
            yield from (Used(kind, status, count, verdict) for status, count in counts.most_common())


def _errors(found: Collection, source: str) -> Iterator[Used]:
    rows = [row for row in json_rows(found["vendor_errors"]) if row["vendor"] == source]
    for (code, kind), count in Counter((row["code"], row["kind"]) for row in rows).most_common(WORDS):
        yield Used("error code", code or "null", count, f"a failed {kind}")


def _statuses(found: Collection, source: str) -> Iterator[Used]:
    """Requests of whole hours by the class of their status."""
    counts = found["request_counts"]
    rows = counts[(counts["source"] == source) & counts["route"].isna() & (counts["interval_s"] == HOUR_S)]
    for hundred, requests in rows.groupby(rows["status"] // 100, dropna=False)["requests"].sum().items():
        name = "none" if pd.isna(hundred) or hundred < 1 else f"{hundred:.0f}xx"
        yield Used("status", name, round(requests), "no answer" if name == "none" else CLASSES.get(name[0]))
