"""Secrets that everybody repeats, in every form: not one of them is in anything written, printed or sent."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout, suppress
from pathlib import Path
from unittest.mock import patch
from urllib.parse import quote

import yaml
from rich.console import Console

from pdmlib.cli import reports
from pdmlib.site.load import load_site
from pdmlib.workbook.execute import write_report
from pdmlib.workbook.gather import gather
from pdmlib.workbook.kernel import Kernel
from pdmlib.workbook.notify import notify
from pdmlib.workbook.scope import scope_for
from tests.hostile.proxy import Fault, Handler, each, faulty
from tests.hostile.vendors import DEMO, _pieces
from tests.sources.loopback import Reply, vendor

# Secrets of headers, with what is written otherwise in an address, in JSON and in HTML.
OWN = {f"PDM_CANARY_{n}": f"c4nary{n}{odd}{'zq7' * 4}{n}w" for n, odd in enumerate("/+=&?#%\"'<>")}
FORMS = (
    str,
    lambda key: quote(key, safe=""),
    lambda key: quote(key, safe="").lower(),
    lambda key: base64.b64encode(key.encode()).decode(),
    lambda key: json.dumps(key)[1:-1],
    lambda key: key[:14],
    lambda key: key[-14:],
)


def _echo(call: Handler) -> None:
    """A good answer whose texts repeat what was sent with the question, each in another form."""
    sent = [value.split()[-1] for name, value in call.headers.items() if name in ("Authorization", *OWN)]
    told = " ".join(form(key) for key in sent for form in FORMS)
    status, headers, body = call.fetched()
    with suppress(ValueError):
        change = each(lambda v: f"{told} {v}" if isinstance(v, str) and " " in v else v)
        body = json.dumps({**change(json.loads(body)), "message": told}).encode()
    call.send(body, status, headers)


def _refuse(call: Handler) -> None:
    sent = [value.split()[-1] for name, value in call.headers.items() if name in ("Authorization", *OWN)]
    told = " ".join(form(key) for key in sent for form in FORMS)
    call.send(json.dumps({"error": {"message": told}, "detail": told, "message": told}).encode(), 403)


def looked_for(environ: Mapping[str, str], folder: Path) -> Iterator[tuple[str, str]]:
    """Each secret, and where it was found; empty: nowhere."""
    environ, posted = {**environ, **OWN}, list[str]()
    folder.mkdir(parents=True, exist_ok=True)
    tree = yaml.safe_load(DEMO.read_text(encoding="utf-8"))
    tree["sources"]["app"]["headers_env"] = {name.replace("_", "-"): name for name in OWN}
    (folder / "site.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    printed, secrets = io.StringIO(), dict[str, str]()
    with vendor(lambda call: Reply(posted.append(call.body.decode()) or "ok")) as slack, Kernel() as kernel:
        webhook = f"{slack.url}/services/T0C4NARY0/B0C4NARY0/w3bh00kc4nary00?token=w3bh00kt0kenc4nary"
        for name, answer in (("echo", _echo), ("refusal", _refuse)):
            fault = Fault(name, answer)
            with faulty(fault, environ["PDM_DEMO_URL"]) as url:
                site = load_site(folder / "site.yaml", {**environ, "PDM_DEMO_URL": url})
                scope = scope_for(site, "hour1")
                found = gather(site, scope, folder / name)
                written = write_report(site, scope, folder / name, collection=found, kernel=kernel)
            with redirect_stdout(printed), patch.object(reports, "console", Console(file=printed, width=200)):
                reports._announce(written, as_json=False)
                notify(webhook, folder / name / site.site, {**written.content, "status": "RED"}, None)
            secrets |= {name: value.get_secret_value() for name, value in site.secrets.items()}
    secrets |= {"the webhook": webhook}
    told = {
        str(path.relative_to(folder)): path.read_bytes()
        for name in ("echo", "refusal")
        for path in (folder / name).rglob("*")
        if path.is_file()
    }
    told |= {"what was printed": printed.getvalue().encode(), "what was sent": "".join(posted).encode()}
    for name, secret in secrets.items():
        forms = {piece for one in _pieces(secret) for piece in (one, quote(one, safe=""), json.dumps(one)[1:-1])}
        where = sorted(place for place, text in told.items() if any(form.encode() in text for form in forms))
        yield name, ", ".join(where)
