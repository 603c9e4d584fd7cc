"""A production that is dressed anew for each deployment: one PostgreSQL and one server of the vendors.

What is collected from it goes through the real collectors: SQL over a socket, HTTP over loopback.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from pdmlib.demo import database, history
from pdmlib.demo.cache import run_folder
from pdmlib.demo.exchange import Stage
from pdmlib.demo.rows import ROWS, lines, visibility
from pdmlib.demo.scenarios import Plan
from pdmlib.demo.server import VendorServer
from pdmlib.demo.workload import run
from pdmlib.demo.world import World, build
from pdmlib.demo.world.grid import ms
from pdmlib.site.load import load_site, variables_of
from pdmlib.site.site import Site

SITE = "params/demo.yaml"
UNREAD = "website_analytics"  # no collector reads it, and it is the largest
_INDEX = "CREATE INDEX IF NOT EXISTS missed_opportunities_status_idx ON public.missed_opportunities (status)"


@dataclass
class Production:
    """A running production; `dress` gives it the facts of a deployment."""

    folder: Path
    server: database.Server
    passwords: dict[str, str]
    vendors: VendorServer
    tokens: dict[str, str]
    world: World = field(repr=False)
    plan: Plan = field(default_factory=Plan)
    queried: bool = False

    def dress(self, seed: int, plan: Plan, clock: datetime, afresh: bool = False) -> None:
        """Tell another story, up to a clock.

        Args:
            afresh: let the application query again, for counters of its own; it takes ten seconds.
        """
        if (seed, plan.facts()) != (self.world.story.seed, self.world.story.plan):
            self.world = build(seed, plan)
        self.plan = plan
        self.vendors.stage = Stage(self.world, plan, self.tokens, clock)
        self._fill(ms(clock))
        if afresh or self.queried != plan.index_dropped:
            self._query()
        shutil.rmtree(self.folder / "kept", ignore_errors=True)
        shutil.copytree(self.folder / "looks", self.folder / "kept")
        history.keep_host(self.folder / "kept", self.world, ms(clock))

    def _fill(self, clock: int) -> None:
        tables = {name: columns for name, columns in ROWS.items() if name != UNREAD}
        with self.server.superuser() as connection:
            connection.execute("SET pg_stat_statements.track = none")
            connection.execute("SET session_replication_role = replica")
            connection.execute(f"TRUNCATE {', '.join(f'public.{name}' for name in tables)} CASCADE".encode())
            for name, columns_of in tables.items():
                columns = columns_of(self.world, clock)
                target = f"COPY public.{name} ({', '.join(columns)}) FROM STDIN".encode()
                with connection.cursor().copy(target) as copy:
                    copy.write("\n".join(lines(columns)))
            for name in ROWS:
                connection.execute(f"DROP POLICY IF EXISTS monitor_reads ON public.{name}".encode())
            connection.execute("RESET session_replication_role")
            if not (self.plan.index_dropped and self.queried):
                connection.execute(_INDEX.encode())
            connection.execute("ALTER ROLE pdm_monitor NOBYPASSRLS")
            connection.execute(visibility(self.plan).encode())
            connection.execute("VACUUM (ANALYZE)")

    def _query(self) -> None:
        self.queried = self.plan.index_dropped
        looks = _looks(self.folder, self._address(self.server.port))
        with self.server.superuser() as connection:
            run(connection, index_dropped=self.plan.index_dropped, looks=looks)

    def _address(self, port: int) -> str:
        return database.address("pdm_monitor", self.passwords["pdm_monitor"], port)

    def site(self) -> Site:
        """The site as it sees this production."""
        port = self.server.port if self.plan.database_listens else database.free_port()
        environ = {
            **self.tokens,
            "PDM_DEMO_URL": f"http://127.0.0.1:{self.vendors.server_port}",
            "PDM_DEMO_DATABASE_URL": self._address(port),
        }
        return load_site(SITE, environ).model_copy(update={"history": str(self.folder / "kept")})


def _looks(folder: Path, address: str) -> list[Callable[[], None]]:
    """Looks at the database's counters before the deployment, to be kept below a folder."""
    shutil.rmtree(folder / "looks", ignore_errors=True)
    look = history.looker(folder / "looks", address)
    return [partial(look, at) for at in history.LOOKS]


@contextlib.contextmanager
def production(seed: int = 1) -> Iterator[Production]:
    """A production of an unchanged deployment, which goes away on leaving."""
    passwords = database.new_passwords()
    tokens = {name: secrets.token_hex(16) for name in variables_of(SITE)}
    world = build(seed, Plan())
    with run_folder() as folder, contextlib.ExitStack() as stack:
        programs = database.binaries(folder.parent)
        database.initialise(programs, folder)
        server = database.Server(programs, folder)
        stack.callback(server.stop)
        server.until_ready()
        looks = _looks(folder, database.address("pdm_monitor", passwords["pdm_monitor"], server.port))
        database.fill(
            server,
            world,
            Plan(),
            clock=ms(history.LOOKS[0]),
            passwords=passwords,
            looks=looks,
            tell=lambda step: None,
        )
        vendors = VendorServer(Stage(world, Plan(), tokens, history.LOOKS[0]))
        threading.Thread(target=vendors.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        stack.callback(vendors.stop)
        yield Production(folder, server, passwords, vendors=vendors, tokens=tokens, world=world)
