"""The pinned packages against the advisories of PyPI: `make audit`. What could not be looked up is said aloud."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

# Asks PyPI for each pinned version; with `--strict` it would end at the first that PyPI does not know.
CALL = ("tool", "run", "--quiet", "pip-audit==2.10.1", "--no-deps", "--disable-pip", "--format", "json")


def told(found: Mapping[str, Any]) -> tuple[int, list[str]]:
    """Exit code and lines of what `pip-audit` found: nothing that was not looked up counts as well."""
    packages = found["dependencies"]
    bad = [(p["name"], p["version"], vuln) for p in packages for vuln in p.get("vulns", ())]
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    lines = [f"{name} {version}: {v['id']}, mended in {', '.join(v['fix_versions'])}" for name, version, v in bad]
    if len(unknown) == len(packages):
        return 0, [
            f"SKIPPED: the source of advisories knows none of {len(packages)} packages, so nothing is known"
        ]
    lines += [f"not looked up: {', '.join(unknown)}"] if unknown else []
    lines.append(f"{len(packages) - len(unknown)} of {len(packages)} packages looked up, {len(bad)} advisories")
    return int(bool(bad or unknown)), lines


def main(uv: str, *files: str) -> int:
    """Looks up the packages of some lock files."""
    arguments = [part for file in files for part in ("-r", file)]
    run = subprocess.run([uv, *CALL, *arguments], capture_output=True, text=True, check=False)
    try:
        code, lines = told(json.loads(run.stdout))
    except ValueError:
        code, lines = 0, ["SKIPPED: no source of advisories is reachable, so nothing is known", run.stderr[-300:]]
    print("\n".join(lines), file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
