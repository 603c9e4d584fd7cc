"""What is kept: samples over time, earlier reports, raw request logs."""
