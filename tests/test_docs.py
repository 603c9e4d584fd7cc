"""The documentation tells what is so: its pages are made from the code, and every snippet is run or checked."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import pdmlib
from pdmlib.cli.main import COMMANDS
from pdmlib.frames.about import FILLED_BY
from pdmlib.report.columns import COLUMNS
from pdmlib.site.site import Site
from tests.acceptance.test_phases import COSTS, EVERYWHERE, FROM_DAY_1
from tests.reference import FOLDER, PAGES, family
from tests.test_deploy import check_call

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PROSE = [path for path in sorted(DOCS.rglob("*.md")) if path.parent != FOLDER]
BLOCK = re.compile(r"(?:^<!-- not run: (.+) -->\n)?^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Of blocks: bash, python and yaml are tried here, text is what a command printed, sql is tried with the database.
LANGUAGES = ("bash", "text", "yaml", "python", "sql", "")
BASE = {"site": "shop", "title": "Shop", "time_zone": "UTC", "sources": {}}
TOOLS = Path(sys.executable).parent
COMMAND = f"#!{sys.executable}\nfrom pdmlib.cli.main import main\nmain()\n"


def blocks(path: Path, language: str) -> Iterator[tuple[str, str]]:
    """Why a block is not run, if so, and its text."""
    for reason, spoken, text in BLOCK.findall(path.read_text(encoding="utf-8")):
        if spoken == language:
            yield reason, text


def named(paths: list[Path]) -> Any:
    return pytest.mark.parametrize("path", paths, ids=lambda path: path.relative_to(DOCS).as_posix())


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_the_reference_is_the_one_that_the_code_makes(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == PAGES[name](), "run `make reference`"


@pytest.mark.slow
def test_the_reference_names_every_command_option_table_and_frame() -> None:
    text = {name: page() for name, page in PAGES.items()}
    assert [name for name in COMMANDS if f"## pdm {name}\n" not in text["commands.md"]] == []
    assert [
        name for name in COLUMNS if not name.endswith("_glance") and f"## {name}\n" not in text["tables.md"]
    ] == []
    assert [name for name in FILLED_BY if f"## {name}\n" not in text["frames.md"]] == []
    assert [name for name in pdmlib.__all__ if f"## pdmlib.{name}\n" not in text["python.md"]] == []


def test_the_reference_names_every_reading_of_the_outside_interface() -> None:
    names = {family(name) for name in (*EVERYWHERE, *FROM_DAY_1, *COSTS)}
    assert {name for name in names if f"| `{name}` |" not in PAGES["readings.md"]()} == set()


@named(PROSE)
def test_every_block_says_what_it_is(path: Path) -> None:
    spoken = {language for _, language, _ in BLOCK.findall(path.read_text(encoding="utf-8"))}
    assert spoken <= set(LANGUAGES)


@named([path for path in PROSE if list(blocks(path, "yaml"))])
def test_every_yaml_is_part_of_a_valid_site_file(path: Path) -> None:
    for _, text in blocks(path, "yaml"):
        content = yaml.safe_load(text)
        if isinstance(content, dict):  # a list is a step of a workflow
            Site.model_validate(BASE | content)


@named([path for path in PROSE if list(blocks(path, "bash"))])
def test_every_call_is_one_that_the_command_or_make_takes(path: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for _, text in blocks(path, "bash"):
        for line in text.replace("\\\n", " ").splitlines():
            if line.startswith("pdm "):
                check_call(shlex.split(re.split(r" [|&>]| 2>|\|\|", line.removeprefix("pdm "))[0]))
            if line.startswith("make "):
                assert re.search(
                    rf"^[^#\n]*{re.escape(line.split()[1].replace('.venv', '$(VENV)'))}\b.*:", makefile, re.M
                )


class Shell:
    """A copy of the project in which blocks are run one after the other, as a reader would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "pdmlib"
        for name in ("notebooks", "params"):
            shutil.copytree(ROOT / name, self.folder / name)
        with (self.folder / "params/demo.yaml").open("a", encoding="utf-8") as site:
            site.write("notify_env: SLACK_WEBHOOK_URL\n")  # as the page of messages says
        (folder / "bin").mkdir()
        (folder / "bin/pdm").write_text(COMMAND)
        (folder / "bin/pdm").chmod(0o755)
        self.path = f"{folder / 'bin'}:{TOOLS}:{os.environ['PATH']}"

    def run(self, texts: list[str]) -> list[str]:
        """What each block prints."""
        script = "set -m\n" + "".join(f"echo @@@\n{text}" for text in texts)
        environ = {k: v for k, v in os.environ.items() if k != "DATABASE_URL"} | {"PATH": self.path}
        environ |= {"PYTHONPATH": str(ROOT), "COLUMNS": "120", "SLACK_WEBHOOK_URL": "http://127.0.0.1:9/"}
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
        )
        return done.stdout.split("@@@\n")[1:]


def flat(text: str) -> str:
    """A text without its numbers and the widths of its columns."""
    return " ".join(re.sub(r"\d+", "9", text).split())


@pytest.mark.slow
def test_the_tutorial_leads_from_nothing_to_a_report_as_it_says(tmp_path: Path) -> None:
    """Every line that it shows under a command was printed by it, but for numbers and what `..` leaves out."""
    text = (DOCS / "tutorial.md").read_text(encoding="utf-8")
    found = [(language, body) for reason, language, body in BLOCK.findall(text) if not reason]
    steps = [body for language, body in found if language == "bash"]
    printed = iter(Shell(tmp_path).run(steps))
    said = ""
    for language, body in found:
        if language == "bash":
            said = next(printed)
            assert "Traceback" not in said
        else:
            lost = [line for line in body.splitlines() if line != ".." and flat(line) not in flat(said)]
            assert lost == [], said


@pytest.mark.slow
def test_what_the_how_tos_say_runs(tmp_path: Path) -> None:
    demo = ["pdm demo > demo.env &\nuntil grep -q RESEND_API_KEY demo.env; do sleep 1; done\nsource demo.env\n"]
    pages = sorted((DOCS / "how-to").glob("*.md"))
    told = [
        f"({text}\n) || echo FAILED\n" for path in pages for reason, text in blocks(path, "bash") if not reason
    ]
    for path in pages:
        code = "".join(text for _, text in blocks(path, "python"))
        told.append(f"python - <<'END' || echo FAILED\n{code}END\n")
    shown = Shell(tmp_path).run([*demo, *told, "kill %1\n"])
    assert [one for one in shown if "Traceback" in one or "FAILED" in one] == []
