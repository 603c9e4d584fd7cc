"""`python -m bench`: every benchmark, one after the other; `python -m bench.<name>` for one of them."""

from bench import collecting, database, history, report, requests

for title, run in (
    ("The week-1 report", report.main),
    ("Collecting", collecting.main),
    ("A database of 15,000 tables", database.main),
    ("The history", history.main),
    ("Raw request logs", requests.main),
):
    print(f"\n## {title}\n", flush=True)
    run()
