"""The only judge: ladders, alerts, status, changes since the last report, checklist, actions."""
