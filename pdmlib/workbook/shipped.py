"""What comes with the package: the notebooks, and parameters to try them with.

They lie beside the package in a checkout, where people edit them, and inside it where it was installed.
"""

from pathlib import Path

DEMO_SITE = "params/demo.yaml"
_PACKAGE = Path(__file__).resolve().parents[1]


def shipped(name: str) -> Path:
    """Where a folder or file lies that came with the package, named as in a checkout."""
    inside = _PACKAGE / "shipped" / name
    return inside if inside.exists() else _PACKAGE.parent / name


def site_file(given: str) -> str:
    """The site file that a person means: the demo's is the one that came along where the folder has none."""
    return str(shipped(given)) if given == DEMO_SITE and not Path(given).exists() else given
