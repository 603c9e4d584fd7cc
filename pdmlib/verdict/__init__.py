"""The only judge: ladders, alerts, status, causes, changes since the last report, checklist."""
