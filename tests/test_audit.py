"""An audit that could look nothing up says so: silence is no health."""

from typing import Any

from tests.audit import told

# As pip-audit 2.10 writes it (its README, "Output formats").
WELL = {"name": "httpx", "version": "0.28.1", "vulns": []}
BAD = {
    "name": "flask",
    "version": "0.5",
    "vulns": [{"id": "PYSEC-2019-179", "fix_versions": ["1.0"], "aliases": [], "description": "x"}],
}
UNKNOWN = {"name": "rich", "skip_reason": "Dependency not found on PyPI and could not be audited: rich (15.0.0)"}


def code_of(*packages: dict[str, Any]) -> tuple[int, str]:
    code, lines = told({"dependencies": list(packages), "fixes": []})
    return code, "\n".join(lines)


def test_an_advisory_is_named_with_the_version_that_mends_it() -> None:
    code, text = code_of(WELL, BAD)
    assert (code, text.splitlines()[0]) == (1, "flask 0.5: PYSEC-2019-179, mended in 1.0")


def test_packages_that_were_not_looked_up_are_not_well() -> None:
    assert code_of(WELL, UNKNOWN)[0] == 1
    assert "not looked up: rich" in code_of(WELL, UNKNOWN)[1]
    assert code_of(UNKNOWN)[1].startswith("SKIPPED: the source of advisories knows none of 1 packages")


def test_packages_without_an_advisory_are_well() -> None:
    assert code_of(WELL) == (0, "1 of 1 packages looked up, 0 advisories")
