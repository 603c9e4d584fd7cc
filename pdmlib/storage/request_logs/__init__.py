"""Raw request logs: ingested once, kept as typed rows by day and histograms that add up."""
