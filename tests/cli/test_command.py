"""The command as people and programs call it: quick, helpful where a name is mistyped, else silent."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pdmlib.cli.main import COMMANDS, application
from pdmlib.storage.request_logs.manifests import locked

ROOT = Path(__file__).parents[2]
SITE = (
    "site: shop\ntitle: Shop\ntime_zone: UTC\ndeployed_at: 2025-03-03T00:00:00Z\nsources: {}\n"
    "requests: {format: json}\n"
)
# What takes long to import: frames, the database of the history, statistics, pictures, notebooks.
HEAVY = ("pandas", "numpy", "duckdb", "scipy", "matplotlib", "psycopg", "httpx", "nbformat", "jupyter_client")
COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-7]m")  # ECMA-48, 8.3.117: SGR 30 to 37 are the colours of the text
# `params/` of the guide's phases, as the outside interface names them.
GUIDE = ("hour1", "day1", "daily", "week1", "weekly-review", "month1", "ongoing", "database", "dashboard")


def call(*arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a call in this process."""
    done = CliRunner().invoke(application(), list(arguments))
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop.yaml"
    path.write_text(SITE)
    return path


@pytest.mark.parametrize("asked", [("--help",), ("report", "--help"), ("status",), ("--version",)])
def test_help_version_and_status_import_nothing_that_takes_long(asked: tuple[str, ...], shop: Path) -> None:
    code = f"""import sys
sys.argv = ["pdm", *{asked!r}]
from pdmlib.cli.main import main
try:
    main()
finally:
    print("imported:", *(name for name in {HEAVY!r} if name in sys.modules))
"""
    environment = {**os.environ, "SITE": str(shop)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].split() == ["imported:"]


def test_the_help_names_every_command_with_what_it_does() -> None:
    _, shown, _ = call("--help")
    assert [name for name in COMMANDS if not re.search(rf"^  {name} +[A-Z]\w+[ ,]", shown, re.MULTILINE)] == []


def test_the_help_of_report_names_every_phase_of_the_guide_with_its_question() -> None:
    _, shown, _ = call("report", "--help")
    assert [name for name in GUIDE if not re.search(rf"^ +{name} +[A-Z].+\?$", shown, re.MULTILINE)] == []


MISTYPED = {
    "a command": (("reprt", "week1"), "report"),
    "an option": (("report", "week1", "--fail-no", "red"), "--fail-on"),
    "an option of all": (("--verison",), "--version"),
    "a phase": (("report", "wek1"), "week1"),
    "a phase of a limit": (("report", "weekly-revue"), "weekly-review"),
    "a status": (("report", "week1", "--fail-on", "yelow"), "yellow"),
    "a scenario": (("demo", "--scenario", "app_donw"), "app_down"),
}


@pytest.mark.parametrize("mistake", MISTYPED)
def test_a_mistyped_name_is_one_line_that_names_the_nearest(mistake: str) -> None:
    arguments, meant = MISTYPED[mistake]
    code, shown, said = call(*arguments)
    assert (code, shown, said.count("\n")) == (2, "", 1), said
    assert re.search(rf"did you mean '?{re.escape(meant)}'?\?", said, re.IGNORECASE), said


@pytest.mark.parametrize(
    "asked", [("collect", "--every", "x"), ("watch", "--every", "x"), ("report",), ("watch", "--rounds", "0")]
)
def test_whatever_else_is_wrong_with_a_call_is_one_line_too(asked: tuple[str, ...]) -> None:
    code, shown, said = call(*asked)
    assert (code, shown, said.count("\n")) == (2, "", 1), said
    assert said.startswith("pdm: ")


def on_terminal(*arguments: str, **environ: str) -> str:
    """What the command writes to a terminal."""
    ours, theirs = pty.openpty()
    code = "from pdmlib.cli.main import main; main()"
    environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {"TERM": "xterm", **environ}
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=theirs, stderr=theirs, env=environment, cwd=ROOT
    )
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:  # Linux ends a terminal that nobody holds any more so
        pass
    process.wait(60)
    return shown.decode()


def test_a_failure_is_red_on_a_terminal_and_plain_where_colours_are_unwanted_or_piped() -> None:
    assert COLOUR.search(on_terminal("report", "week9"))
    assert not COLOUR.search(on_terminal("report", "week9", NO_COLOR="1"))
    code = "from pdmlib.cli.main import main; main()"
    piped = subprocess.run([sys.executable, "-c", code, "report", "week9"], capture_output=True, cwd=ROOT)
    assert b"\x1b" not in piped.stdout + piped.stderr


LOG = '{{"time": "2025-03-04T10:00:{0:02}Z", "path": "/", "status": 200, "request_id": "r{0}"}}\n'


@pytest.mark.slow
def test_what_takes_long_shows_how_far_it_is_on_a_terminal_alone(shop: Path, tmp_path: Path) -> None:
    log = tmp_path / "requests.jsonl"
    log.write_text("".join(map(LOG.format, range(60))))
    asked = ("ingest", str(log), "--site", str(shop))
    shown = on_terminal(*asked, "--out", str(tmp_path / "one"))
    assert re.search(r"100%", shown) and re.search(r"\d:\d\d:\d\d", shown), shown
    code, _, said = call(*asked, "--out", str(tmp_path / "two"))
    assert (code, said) == (0, "")


def test_a_second_ingest_at_once_is_no_wrong_call_and_says_so_in_one_line(shop: Path, tmp_path: Path) -> None:
    log, out = tmp_path / "requests.jsonl", tmp_path / "out"
    log.write_text(LOG.format(1))
    asked = ("ingest", str(log), "--site", str(shop), "--out", str(out))
    with locked(out / "shop" / "requests"):
        code, shown, said = call(*asked)
    assert (code, shown, said.count("\n")) == (1, "", 1)
    assert "another ingest is writing there; run this one again when it is done" in " ".join(said.split())


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_report_is_written_where_whoever_called_closed_a_stream(closed: str, shop: Path, tmp_path: Path) -> None:
    """Nothing of the site can be read: exit code 3. A file that took the number of a stream would get its text."""
    program = "from pdmlib.cli.main import main; main()"
    line = f"'{sys.executable}' -c '{program}' report hour1 --site {shop} --out {tmp_path} {closed}"
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    environ.pop("PYTEST_CURRENT_TEST", None)  # with it a kernel leaves its streams alone
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert (done.returncode, "Traceback" in done.stderr) == (3, False), done.stderr
    assert json.loads((tmp_path / "shop/hour1/latest/report.json").read_text())["phase"] == "hour1"


def test_a_program_reads_json_alone_on_stdout(shop: Path, tmp_path: Path) -> None:
    log, out = tmp_path / "requests.jsonl", ("--out", str(tmp_path / "out"))
    log.write_text("".join(map(LOG.format, range(60))))
    site = ("--site", str(shop))
    _, shown, _ = call("ingest", str(log), "--json", *site, *out)
    taken = json.loads(shown)
    assert (taken["requests"], taken["each"][0]["state"]) == (60, "taken")
    _, shown, _ = call("status", "--json", *site, *out)
    assert json.loads(shown)["deployed_at"] == "2025-03-03T00:00:00Z"
    _, shown, _ = call("collect", "--json", *site, *out)
    collected = json.loads(shown)
    assert collected["added"] == 0 and {row["status"] for row in collected["coverage"]} == {"not_configured"}
    _, shown, _ = call("compact", "--json", *site, *out)
    assert json.loads(shown) == {"merged_away": 0}
    _, shown, _ = call("demo", "--list", "--json")
    assert {"healthy", "rough"} <= {row["name"] for row in json.loads(shown)}


BASH = """
source <(_PDM_COMPLETE=source_bash {pdm})
COMP_WORDS=({words}); COMP_CWORD={last}; _pdm_completion pdm; printf '%s\\n' "${{COMPREPLY[@]}}"
"""
COMPLETED = {
    "commands": ("pdm re", {"report"}),
    "phases": ("pdm report we", {"week1", "weekly-review"}),
    "options": ("pdm report week1 --fail", {"--fail-on"}),
    "scenarios": ("pdm demo --scenario app_d", {"app_down"}),
}


@pytest.fixture(scope="module")
def folder_of_pdm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the command as its installer makes it."""
    folder = tmp_path_factory.mktemp("bin")
    command = folder / "pdm"
    command.write_text(f"#!{sys.executable}\nfrom pdmlib.cli.main import main\nmain()\n")
    command.chmod(0o755)
    return folder


@pytest.mark.parametrize("what", COMPLETED)
def test_bash_completes(what: str, folder_of_pdm: Path) -> None:
    typed, meant = COMPLETED[what]
    script = BASH.format(pdm=folder_of_pdm / "pdm", words=typed, last=len(typed.split()) - 1)
    environment = {**os.environ, "PATH": f"{folder_of_pdm}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "--norc", "-c", script], capture_output=True, text=True, env=environment, cwd=ROOT
    )
    assert set(done.stdout.split()) == meant, done.stderr


@pytest.mark.parametrize("what", COMPLETED)
def test_zsh_is_told_what_it_asks_for(what: str, folder_of_pdm: Path) -> None:
    """As the script of `pdm --show-completion zsh` asks; the words stand in quotes in the answer."""
    typed, meant = COMPLETED[what]
    environment = {**os.environ, "_PDM_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": typed}
    done = subprocess.run([str(folder_of_pdm / "pdm")], capture_output=True, text=True, env=environment, cwd=ROOT)
    assert set(re.findall(r'"([\w-]+)"(?::|\n|\))', done.stdout)) == meant, done.stdout
