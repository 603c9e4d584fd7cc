"""All sources at once against the slowest of them: on a normal demo, and with one vendor that never answers."""

from __future__ import annotations

import time

from pdmlib import demo
from pdmlib.site.environment import set_environment
from pdmlib.site.load import load_site
from pdmlib.sources import catalogue
from pdmlib.workbook.scope import scope_for

SITE = "params/demo.yaml"
SCENARIOS = ("rough", "rough+resend_timeout")


def measure(scenario: str) -> tuple[float, float, str]:
    """Seconds of the whole collection, of its slowest source, and that source's name."""
    with demo.start(scenario) as production:
        set_environment(production.environ)
        site = load_site(SITE)
        scope = scope_for(site, "week1")
        start = time.perf_counter()
        found = catalogue.collect(site, scope)
        whole = time.perf_counter() - start
    slowest = max(found.coverage, key=lambda row: row.seconds)
    return whole, slowest.seconds, slowest.source


def main() -> None:
    """Prints a line a scenario."""
    print("| scenario | all, s | slowest, s | ratio |\n|---|---|---|---|")
    for scenario in SCENARIOS:
        whole, slowest, name = measure(scenario)
        print(f"| {scenario} | {whole:.2f} | {slowest:.2f} ({name}) | {whole / slowest:.2f} |")


if __name__ == "__main__":
    main()
