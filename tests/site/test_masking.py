"""What no text that is shown may hold: secrets in every form, and what names a person."""

from __future__ import annotations

import base64
import json
import time
from urllib.parse import quote, quote_plus

import pytest

from pdmlib.frames.frame import MOST_PROSE, MOST_TEXT, frame
from pdmlib.frames.understanding import Unclear
from pdmlib.site import masking
from pdmlib.site.masking import keep_secret, masked, without_secrets

SECRET = 'v3ry/S3cret+"K\u00e9y"=='


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "_secrets", set())
    monkeypatch.setattr(masking, "_pieces", set())


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET, safe=""),
        quote(SECRET, safe="").replace("%2F", "%2f").replace("%2B", "%2b").replace("%3D", "%3d"),
        quote_plus(SECRET),
        json.dumps(SECRET)[1:-1],
        base64.b64encode(SECRET.encode()).decode(),
        SECRET[:9],
        SECRET[-10:],
        quote(SECRET, safe="")[:12],
    ],
)
def test_a_secret_is_hidden_in_each_form_and_in_part(form: str) -> None:
    keep_secret(SECRET)
    told = without_secrets(f"refused: {form} is unknown")
    assert told.startswith("refused: ***")
    assert not any(form[n : n + 8] in told for n in range(len(form) - 7))


def test_of_an_address_the_password_and_the_key_are_secret_and_the_host_is_not() -> None:
    keep_secret("postgresql://reader:n0b0dy%2Fkn0ws@db.shop.example:5432/shop")
    keep_secret("https://0123456789abcdef@o1.ingest.sentry.io/42")
    keep_secret("https://hooks.example/services/T0/B0ABCDEFGH1?token=abcdefghij")
    told = without_secrets(
        "reader at db.shop.example: n0b0dy/kn0ws and n0b0dy%2fkn0ws; 0123456789abcdef at o1.ingest.sentry.io; "
        "hooks.example: B0ABCDEFGH1, abcdefghij"
    )
    assert told == "reader at db.shop.example: *** and ***; *** at o1.ingest.sentry.io; hooks.example: ***, ***"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("call +1 (312) 555-0142 now", "call (phone) now"),
        ("to ada.lovelace@mail.example, sent", "to (e-mail), sent"),
        ("release shop@1.2.3 and shop@2.0.0-rc.1", "release shop@1.2.3 and shop@2.0.0-rc.1"),
        ("from 203.0.113.9 and 2001:db8:0:0:0:0:0:1", "from (IP address) and (IP address)"),
        ("lives at 12 Old Mill Road, Leeds", "lives at (postal address), Leeds"),
        ("GET /reset?token=abc&x=1", "GET /reset?token=(hidden)&x=1"),
        ("GET /a?x=1&access_token=abc#top", "GET /a?x=1&access_token=(hidden)#top"),
        ("GET /a;jsessionid=44AF", "GET /a;jsessionid=(hidden)"),
        ("key SK0123456789abcdef0123456789abcdef", "key (token)"),
        ("Authorization: Bearer abcdef123456", "Authorization: (token)"),
        ("postgres://u:p@db/x failed", "(address) failed"),
        (
            "TypeError: x is undefined at 12:30:11 on 2025-03-04",
            "TypeError: x is undefined at 12:30:11 on 2025-03-04",
        ),
    ],
)
def test_what_names_a_person_or_opens_a_door_is_masked(text: str, shown: str) -> None:
    assert masked(text, 200) == shown
    assert frame("issues", [{"issue": "1", "title": text}])["title"].tolist() == [shown]


def test_a_strangers_text_is_bounded_at_the_edge_and_two_names_stay_two() -> None:
    titles = frame("issues", [{"issue": "1", "title": "T" * 105_000}])["title"]
    assert len(titles.iloc[0]) == MOST_PROSE
    routes = ["/a" + "b" * 5000 + end for end in "12"]
    found = frame("latencies", [{"source": "v", "route": route} for route in routes])["route"]
    assert found.nunique() == 2
    assert found.str.len().max() <= MOST_TEXT


def test_examples_that_look_alike_once_masked_are_counted_together() -> None:
    unclear = Unclear("postgres")
    for n in range(3):
        unclear.note("tickets.status", "unknown word", f"ada{n}@mail.example", mend=f"down: [ada{n}@mail.example]")
    row = unclear.frames()["not_understood"].iloc[0]
    assert (row["example"], row["count"], row["mend"]) == ("(e-mail)", 3, "down: [(e-mail)]")


@pytest.mark.parametrize("piece", ["x", "1.", "a.b", "?a", "@a", "sk_live_", "12-", "a1", "a://", "+1 ", "1 A "])
def test_no_text_takes_long_to_mask(piece: str) -> None:
    """Four times the text takes about four times as long; read again from each of its letters it takes sixteen."""

    def took(length: int) -> float:
        text, times = piece * (length // len(piece)), list[float]()
        for _ in range(5):
            began = time.process_time()
            masked(text)
            times.append(time.process_time() - began)
        return min(times)

    assert took(10_000) < 8 * took(2_500)
