"""The supervisor of one demo production: `python -m pdmlib.demo SCENARIO SEED CLOCK BEGIN CACHE`.

Writes one JSON object a line: `{"progress": ...}` while it starts, `{"ready": ...}` or `{"failed": ...}` in
the end. Lives until its standard input closes, its parent is gone, or it is told to terminate.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import signal
import sys
import threading
from datetime import datetime
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from pdmlib.demo import database
from pdmlib.demo.cache import Order, default_root, prepared, programs_folder, run_folder
from pdmlib.demo.exchange import Stage
from pdmlib.demo.scenarios import plan_of
from pdmlib.demo.server import VendorServer
from pdmlib.errors import PdmError

_SECRETS = {
    "PDM_DEMO_SENTRY_TOKEN": "sntryu_",
    "PDM_DEMO_VERCEL_TOKEN": "vcp_",
    "PDM_DEMO_SUPABASE_METRICS_KEY": "sb_secret_",
    "PDM_DEMO_SUPABASE_ACCESS_TOKEN": "sbp_",
    "PDM_DEMO_STRIPE_API_KEY": "rk_demo_",
    "PDM_DEMO_TWILIO_API_KEY": "SK",
    "PDM_DEMO_TWILIO_API_SECRET": "",
    "PDM_DEMO_RESEND_API_KEY": "re_",
}


def _say(**message: Any) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _tell(step: str) -> None:
    _say(progress=step)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


def _wait_for_the_end(parent: int) -> None:
    while os.getppid() == parent:
        readable, _, _ = select.select([sys.stdin], [], [], 1.0)
        if readable and not os.read(sys.stdin.fileno(), 4096):
            return


def _serve(order: Order, root: Path, parent: int) -> None:
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(run_folder())
        with prepared(order, root, _tell) as template:
            template.copy_to(folder)
            server = None
            if order.plan.database_listens:
                server = database.Server(database.binaries(programs_folder()), folder)
                stack.callback(server.stop, clean=False)
            world = template.world(order)
        tokens = {name: prefix + secrets.token_hex(16) for name, prefix in _SECRETS.items()}
        vendors = VendorServer(Stage(world, order.plan, tokens, order.clock))
        threading.Thread(target=vendors.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        stack.callback(vendors.stop)
        if server:
            server.until_ready()
            vendors.move_rows = partial(database.move, server, world)
        port = server.port if server else database.free_port()
        environ = {
            "PDM_DEMO_URL": f"http://127.0.0.1:{vendors.server_port}",
            "PDM_DEMO_DATABASE_URL": database.address("pdm_monitor", template.passwords["pdm_monitor"], port),
            "PDM_DEMO_OWNER_URL": database.address("app_owner", template.passwords["app_owner"], port),
            **tokens,
        }
        _say(ready={"environ": environ, "clock_token": vendors.clock_token, "history": str(folder / "history")})
        _wait_for_the_end(parent)


def main(arguments: list[str]) -> int:
    """Run one production until nobody needs it; 1 when it could not start."""
    parent = os.getppid()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _terminate)
    scenario, seed, clock, begin, root = arguments
    plan = plan_of(scenario, datetime.fromisoformat(clock))
    try:
        order = Order(plan, int(seed), datetime.fromisoformat(begin))
        _serve(order, Path(root) if root else default_root(), parent)
    except PdmError as error:
        _say(failed=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
