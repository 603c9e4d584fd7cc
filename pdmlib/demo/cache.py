"""Prepared productions on disk, and the private folder of each run.

A template is built aside and renamed into place; its marker, written last, holds the number and size of
its files, so a half-made or damaged one is seen and built again. A run's folder is locked as long as its
process lives, so folders of dead runs can be told and removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from pdmlib.demo import database, history
from pdmlib.demo.scenarios import Plan
from pdmlib.demo.world import World, build, load
from pdmlib.demo.world.grid import ms
from pdmlib.errors import PdmError

_KEPT = 8
_MARKER = "whole.json"
MEMORY = Path("/dev/shm")  # of Linux; containers may give it 64 MB
ROOM = 2**30  # bytes that must be free there: a run takes 50 MB, and more when its rows are moved
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Order:
    """What a run is to show: a plan, a seed and the clock at which the database stands still."""

    plan: Plan
    seed: int
    clock: datetime

    def key(self) -> str:
        """A name that changes with the facts and with the code that makes them."""
        digest = hashlib.sha256(repr((self.plan.facts(), self.seed, self.clock.isoformat())).encode())
        package = Path(__file__).parent
        kept = [package.parent / "frames" / name for name in ("schemas.py", "frame.py")]
        looks = package.parent / "sources/postgres"
        kept += [looks / "snapshot.py", *looks.glob("sql/*.sql")]
        for path in sorted([*package.rglob("*.py"), *package.rglob("*.sql"), *kept]):
            digest.update(path.read_bytes())
        return digest.hexdigest()[:20]


@dataclass(frozen=True)
class Prepared:
    """A template on disk: a data directory, the world, and the passwords of the database's roles."""

    folder: Path
    passwords: dict[str, str]

    def world(self, order: Order) -> World:
        """The facts, read back."""
        return load(self.folder / "world.npz", order.seed, order.plan)

    def copy_to(self, target: Path) -> None:
        """A private copy: the data directory, owned by whom PostgreSQL runs as, and the history."""
        for name in ("data", "history"):
            shutil.copytree(self.folder / name, target / name)
        database.own(target / "data")


def default_root() -> Path:
    """The user's cache directory for prepared productions."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "pdmlib/demo"


@contextlib.contextmanager
def prepared(order: Order, root: Path, tell: Tell) -> Iterator[Prepared]:
    """The template of an order, built when there is none; nobody removes it while it is held."""
    root.mkdir(parents=True, exist_ok=True)
    target = root / order.key()
    with _locked(root / f"{target.name}.lock", tell):
        found = _whole(target)
        if not found:
            shutil.rmtree(target, ignore_errors=True)
            tell("preparing the demo production (once for this scenario)")
            _make(order, target, tell)
            found = _whole(target)
        if not found:
            raise PdmError(f"the prepared production in {target} is not whole")
        os.utime(target)
        _prune(root, target)
        yield found


@contextlib.contextmanager
def _locked(path: Path, tell: Tell) -> Iterator[None]:
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell("waiting for another start of the same production")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _contents(folder: Path) -> list[int]:
    sizes = [p.stat().st_size for p in folder.rglob("*") if p.is_file() and p.name != _MARKER]
    return [len(sizes), sum(sizes)]


def _whole(folder: Path) -> Prepared | None:
    try:
        marker = json.loads((folder / _MARKER).read_text())
    except (OSError, ValueError):
        return None
    return Prepared(folder, marker["passwords"]) if marker["contents"] == _contents(folder) else None


def _make(order: Order, target: Path, tell: Tell) -> None:
    tell("computing the facts of ten weeks")
    world = build(order.seed, order.plan)
    passwords = database.new_passwords()
    with run_folder() as work:
        programs = database.binaries(programs_folder())
        tell("creating the database cluster")
        database.initialise(programs, work)
        server = database.Server(programs, work)
        try:
            server.until_ready()
            look = history.looker(
                work / "history", database.address("pdm_monitor", passwords["pdm_monitor"], server.port)
            )
            looks = [partial(look, at) for at in history.LOOKS if at < order.clock]
            database.fill(
                server, world, order.plan, clock=ms(order.clock), passwords=passwords, looks=looks, tell=tell
            )
        finally:
            server.stop()
        tell("keeping the history of the host")
        history.keep_host(work / "history", world, ms(order.clock))
        unfinished = Path(tempfile.mkdtemp(prefix=f"{target.name}.new-", dir=target.parent))
        for name in ("data", "history"):
            shutil.copytree(work / name, unfinished / name)
    world.save(unfinished / "world.npz")
    (unfinished / _MARKER).write_text(json.dumps({"passwords": passwords, "contents": _contents(unfinished)}))
    unfinished.rename(target)


def _prune(root: Path, kept: Path) -> None:
    others = [p for p in root.iterdir() if p.is_dir() and p != kept]
    for old in sorted(others, key=lambda p: p.stat().st_mtime, reverse=True)[_KEPT - 1 :]:
        with contextlib.suppress(OSError), (root / f"{old.name.split('.')[0]}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(old, ignore_errors=True)


def _runs() -> Path:
    """Where the folders of runs lie: unless TMPDIR is set in memory, where a copy takes a tenth of the time."""
    with contextlib.suppress(OSError, PdmError):
        if "TMPDIR" not in os.environ and shutil.disk_usage(MEMORY).free >= ROOM and os.access(MEMORY, os.W_OK):
            return _ours(MEMORY)
    return programs_folder()


def programs_folder() -> Path:
    """Where programs are copied to, which memory may refuse to run."""
    return _ours(Path(tempfile.gettempdir()))


def _ours(place: Path) -> Path:
    folder = _named(place)
    folder.mkdir(mode=0o711, exist_ok=True)
    if folder.lstat().st_uid != os.getuid():
        raise PdmError(f"{folder} belongs to somebody else")
    return folder


def _named(place: Path) -> Path:
    return place / f"pdm-demo-{os.getuid()}"


def _sweep() -> None:
    """Removes the folders of dead runs wherever one may have been: what is left in memory takes room from all."""
    for place in (MEMORY, Path(tempfile.gettempdir())):
        with contextlib.suppress(OSError):
            if _named(place).lstat().st_uid == os.getuid():
                for old in _named(place).glob("run-*"):
                    _remove_if_dead(old)


@contextlib.contextmanager
def run_folder() -> Iterator[Path]:
    """A private folder that goes away with its run; those of dead runs are removed first."""
    _sweep()
    runs = _runs()
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=runs))
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        database.own(folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _remove_if_dead(folder: Path) -> None:
    with contextlib.suppress(OSError):
        lock = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)
