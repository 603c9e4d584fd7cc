"""Raw request logs: ingested once, kept as typed rows by day and histograms that add up.

`ingest` and `follow` take logs in, `collect` gives the frames that reports are made of.
"""

from __future__ import annotations

from pdmlib.requests.intake import IngestReport, Progress, follow, ingest, store_of

__all__ = ["IngestReport", "Progress", "follow", "ingest", "store_of"]
