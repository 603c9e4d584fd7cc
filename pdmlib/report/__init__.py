"""The verdict as files: `report.json`, `report.md`, `report.html`, slides; and as tables for a notebook."""
