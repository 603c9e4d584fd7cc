"""Earlier reports of a site, as they lie in its folder of outputs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from pdmlib.phases.window import stamp


def reports_of(folder: Path) -> list[Path]:
    """The folders of a phase's finished reports, oldest as-of first."""
    return sorted(path.parent for path in folder.glob("[0-9]*/report.json") if not path.parent.is_symlink())


def previous_report(folder: Path, as_of: datetime) -> Mapping[str, Any] | None:
    """The newest `report.json` of a phase's folder whose as-of is strictly earlier; None when there is none."""
    earlier = [path for path in reports_of(folder) if path.name < stamp(as_of)]
    content = json.loads((earlier[-1] / "report.json").read_text(encoding="utf-8")) if earlier else None
    return content if isinstance(content, dict) else None
