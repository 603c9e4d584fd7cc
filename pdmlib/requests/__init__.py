"""Raw request logs: ingested once, kept as typed rows by day and histograms that add up.

`ingest` and `follow` take logs in, `collect` gives the frames that reports are made of, `percentiles_of`
the percentiles of any window with their intervals, `breakdown` its figures by release or region.
"""

from __future__ import annotations

from pdmlib.requests.figures import breakdown, collect, percentiles_of
from pdmlib.requests.intake import follow, ingest, store_of
from pdmlib.requests.progress import IngestReport, Progress

__all__ = ["IngestReport", "Progress", "breakdown", "collect", "follow", "ingest", "percentiles_of", "store_of"]
