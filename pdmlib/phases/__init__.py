"""Time: windows, the phases of the guide, the scope of a report, and what is due when."""
