"""What an address of a log looks like: a place of this machine, or of object storage."""

SOURCE = "requests"  # how coverage, gaps and errors name the request logs
REMOTE = "s3://"
WILD = r"[*?\[]"  # what makes a pattern of a path
