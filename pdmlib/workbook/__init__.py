"""What notebooks and commands do: open a report, gather, run a notebook, watch, status, notify, lab."""
