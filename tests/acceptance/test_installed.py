"""The package as a person gets it: its wheel, in an environment and a folder that know nothing of the checkout."""

import json
import os
import signal
import site
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.acceptance.conftest import FILES, ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pdm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of the installed wheel; what it needs comes from the packages that are here."""
    folder = tmp_path_factory.mktemp("installed")
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input")
    quiet = ("--no-index", "--no-deps", "--no-build-isolation")
    subprocess.run([*pip, "wheel", *quiet, "--wheel-dir", str(folder), str(ROOT)], check=True, cwd=folder)
    venv.create(folder / "venv")
    python = folder / "venv/bin/python"
    (wheel,) = folder.glob("*.whl")
    subprocess.run([*pip, "--python", str(python), "install", *quiet[:2], str(wheel)], check=True, cwd=folder)
    (packages,) = (folder / "venv/lib").glob("python*/site-packages")
    # A folder named in a .pth is searched, but its own .pth files, which lead to the checkout, are not read.
    (packages / "needed.pth").write_text("\n".join(site.getsitepackages()), encoding="utf-8")
    return folder / "venv/bin/pdm"


def environment() -> Mapping[str, str]:
    """This environment without the checkout; the templates of nbconvert are where its package is."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "SITE")}
    return {**kept, "JUPYTER_PATH": str(Path(sys.prefix) / "share/jupyter")}


def test_the_wheel_is_what_runs_and_it_brings_notebooks_and_parameters(pdm: Path, tmp_path: Path) -> None:
    told = "import pdmlib.workbook.execute as e; from pdmlib.workbook.shipped import site_file as s; "
    told += "print(e.NOTEBOOKS, s('params/demo.yaml'), s('params/mine.yaml'))"
    python = pdm.parent / "python"
    call = subprocess.run(
        [python, "-c", told], cwd=tmp_path, env=environment(), check=True, capture_output=True, text=True
    )
    notebooks, demo, mine = call.stdout.split()
    installed = str(pdm.parents[1])
    assert notebooks.startswith(installed) and demo.startswith(installed)
    assert mine == "params/mine.yaml"
    names = {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert {path.name for path in Path(notebooks).glob("*.ipynb")} == names
    assert Path(demo).read_bytes() == (ROOT / "params/demo.yaml").read_bytes()
    assert Path(demo).with_name("example.yaml").exists()
    (packages,) = (pdm.parents[1] / "lib").glob("python*/site-packages")
    (record,) = packages.glob("pdmlib-*.dist-info/RECORD")
    tops = {line.split("/")[0] for line in record.read_text().splitlines() if not line.startswith("..")}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"pdmlib"}


def test_a_report_is_written_in_an_empty_folder(pdm: Path, tmp_path: Path) -> None:
    call = subprocess.run(
        [pdm, "report", "week1"], cwd=tmp_path, env=environment(), check=False, capture_output=True, text=True
    )
    assert call.returncode == 0, call.stderr[-2000:]
    folder = tmp_path / "outputs/demo/week1/latest"
    assert all((folder / name).stat().st_size > 1000 for name in FILES)
    content = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert content["phase"] == "week1"
    assert {row["status"] for row in content["coverage"]} == {"ok"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outputs"]


def test_the_folders_own_site_file_comes_first(pdm: Path, tmp_path: Path) -> None:
    (tmp_path / "params").mkdir()
    (tmp_path / "params/demo.yaml").write_text("site: mine\nunknown: 1\n", encoding="utf-8")
    call = subprocess.run(
        [pdm, "report", "week1"], cwd=tmp_path, env=environment(), check=False, capture_output=True, text=True
    )
    assert call.returncode == 2
    assert call.stderr.startswith("pdm: params/demo.yaml:")


def test_the_demo_runs_until_ctrl_c(pdm: Path, tmp_path: Path) -> None:
    with subprocess.Popen(
        [pdm, "demo"], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        try:
            assert running.stdout is not None
            first = running.stdout.readline()
            running.send_signal(signal.SIGINT)
            _, told = running.communicate(timeout=300)
        finally:
            running.kill()
    assert first.startswith("export ")
    assert running.returncode == 0
    assert "stopping" in told
    assert not list(tmp_path.iterdir())
