"""The database host: its load minute by minute, and the counters that grow with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pdmlib.demo.world.grid import MINUTE, START, Floats, Story, Table, minutes, ms, strength

CORES = 2
MEMORY_BYTES = 1_023_311_872
DISK_BYTES = 8_350_298_112
MAX_CONNECTIONS, RESERVED = 60, 3  # as PostgreSQL keeps for superusers


@dataclass(frozen=True)
class Sample:
    """The host at one moment; `cpu_s` are core-seconds by mode since it started."""

    cpu_s: dict[str, float]
    memory_available: float
    load5: float
    disk_available: float
    connections: int
    queries: float
    query_seconds: float
    rollbacks: float
    database_bytes: float


class Host:
    """The host of a story: load and memory of every minute, integrated over time."""

    def __init__(self, story: Story, requests: Table) -> None:
        rng = story.rng("host")
        count = len(minutes())
        by_minute = np.bincount((requests["at"].astype(np.int64) - ms(START)) // MINUTE, minlength=count)
        calls = np.convolve(by_minute, np.ones(5) / 5, "same")
        load = 0.09 + 0.0075 * calls + rng.normal(0, 0.012, count)
        load = np.where(load > 0.7, 0.7 + 0.05 * np.tanh(load - 0.7), load)
        busy = strength(minutes(), story.plan.busy_host)
        self.load: Floats = np.clip(np.where(busy > 0, busy + rng.normal(0, 0.01, count), load), 0.03, 0.97)
        self.calls = calls
        self._loads, self._served = (np.concatenate([[0.0], np.cumsum(x)]) for x in (self.load, calls))
        self.memory: Floats = np.clip(0.46 + 0.0015 * calls + rng.normal(0, 0.006, count), 0.3, 0.78)

    def sample(self, clock: int, elapsed_s: float) -> Sample:
        """The host `elapsed_s` after the clock; until the clock moves it goes on as in its last minute."""
        done, part = divmod(clock - ms(START), MINUTE)
        done = min(done, len(self.load))
        minute = max(min(done, len(self.load) - 1) - 1, 0)
        load, calls = float(self.load[minute]), float(self.calls[minute])
        rest = part / 1000 + elapsed_s
        busy = CORES * (float(self._loads[done]) * 60 + load * rest)
        total = CORES * ((clock - ms(START)) / 1000 + elapsed_s + 3_000_000)
        served = float(self._served[done]) + calls * rest / 60
        stored = 1.42e9 + 90.0 * served
        return Sample(
            cpu_s={
                "idle": total - busy,
                "iowait": 0.04 * busy,
                "system": 0.26 * busy,
                "user": 0.69 * busy,
                "steal": 0.01 * busy,
            },
            memory_available=MEMORY_BYTES * (1 - float(self.memory[minute])),
            load5=CORES * load,
            disk_available=DISK_BYTES - 7.4e8 - stored,
            connections=min(round(14 + 0.25 * calls), MAX_CONNECTIONS - RESERVED),
            queries=5_000_000 + 7 * served,
            query_seconds=40_000 + 0.05 * served,
            rollbacks=700 + served / 9_000,
            database_bytes=stored,
        )
