"""The verdict as files: `report.json`, `report.md`, `report.html`, slides; and as tables for a notebook."""

ASK = "ask"  # tag of a notebook's cells that are questions to go on with: a report is made without them
