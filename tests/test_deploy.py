"""What `deploy/` gives away works as it is: the schedules, the units, the gate of a pipeline, the container."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from cronsim import CronSim

from pdmlib.cli.main import called
from tests.acceptance.conftest import demo_of
from tests.test_install import Clone
from tests.test_install import clone as clone

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())
SITE = "site: shop\ntitle: Shop\ntime_zone: UTC\ndeployed_at: 2025-03-03T00:00:00Z\nsources: {}\n"
PDM = Path(sys.executable).with_name("pdm")
# How much a unit can do, 0 (nothing) to 10, as `systemd-analyze security` counts; below 2.5 it calls it "OK".
EXPOSURE = 2.5


def check_call(words: list[str]) -> None:
    """Fails where the command would not take such a call."""
    called(words[0]).make_context(words[0], words[1:])


def cron_lines() -> list[tuple[str, str]]:
    """Schedule and command of each line."""
    lines = (DEPLOY / "crontab").read_text(encoding="utf-8").splitlines()
    jobs = [line for line in lines if re.match(r"[*\d]", line)]
    return [(" ".join(line.split(" ", 5)[:5]), line.split(" ", 5)[5]) for line in jobs]


def test_every_line_of_the_crontab_has_a_schedule_and_a_call_that_the_command_takes() -> None:
    assert len(cron_lines()) == 3
    for schedule, line in cron_lines():
        CronSim(schedule, datetime(2025, 3, 3))
        assert "%" not in line, "crontab(5) takes it for the end of the line"
        check_call(shlex.split(line.partition('"$PDM" ')[2].partition(" >")[0]))


@pytest.mark.parametrize("line", [line for _, line in cron_lines()])
def test_a_line_of_cron_gives_secrets_as_they_are(tmp_path: Path, line: str) -> None:
    """As systemd and a container take them: an address with `&`, a password with signs of a shell."""
    wanted = "postgresql://pdm:p$1;w 'x'@db/shop?sslmode=require&target_session_attrs=any"
    (tmp_path / "shop.env").write_text(f"# of the shop\n\nDATABASE_URL={wanted}\nTOKEN=a=b\n")
    (tmp_path / "pdm").write_text(f'#!/bin/sh\nprintf "%s\\n" "$DATABASE_URL" "$TOKEN" > {tmp_path}/told\n')
    (tmp_path / "pdm").chmod(0o755)
    named = {"PDM": f"{tmp_path}/pdm", "SITE": "shop.yaml", "ENV": f"{tmp_path}/shop.env", "OUT": str(tmp_path)}
    subprocess.run(["bash", "-c", line], env={**os.environ, **named}, check=True)
    assert (tmp_path / "told").read_text().splitlines() == [wanted, "a=b"]


@pytest.mark.slow
def test_the_line_of_cron_that_collects_does_so_and_leaves_out_one_that_overlaps(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(SITE)
    (tmp_path / "shop.env").write_text("TOKEN=secret\n")
    named = {"PDM": str(PDM), "SITE": f"{tmp_path}/shop.yaml", "ENV": f"{tmp_path}/shop.env", "OUT": str(tmp_path)}
    (_, line), *_ = cron_lines()
    call = ["bash", "-c", line]
    assert subprocess.run(call, env={**os.environ, **named}).returncode == 0
    with (tmp_path / "collect.lock").open() as held:
        subprocess.run(["flock", "-n", str(held.fileno())], pass_fds=[held.fileno()], check=True)
        assert subprocess.run(call, env={**os.environ, **named}).returncode == 1


@pytest.mark.parametrize("unit", [path for path in UNITS if path.suffix == ".service"], ids=lambda path: path.name)
def test_a_unit_calls_what_the_command_takes_and_has_its_timer(unit: Path) -> None:
    (start,) = re.findall(r"^ExecStart=/opt/pdmlib/.venv/bin/pdm (.+)$", unit.read_text(), re.MULTILINE)
    check_call(shlex.split(start))
    assert unit.with_suffix(".timer") in UNITS


def test_units_that_share_a_folder_share_its_user() -> None:
    """A dynamic user is named after its unit, and takes the folder from the other's: systemd#7090, #8093."""
    shared: dict[str, set[str]] = {}
    for text in (unit.read_text(encoding="utf-8") for unit in UNITS if unit.suffix == ".service"):
        (folder,) = re.findall(r"^StateDirectory=(.+)$", text, re.MULTILINE)
        shared.setdefault(folder, set()).update(re.findall(r"^User=(.+)$", text, re.MULTILINE) or [text])
    assert {folder: len(users) for folder, users in shared.items()} == {"pdm": 1}


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_takes_the_units_and_finds_them_well_confined(tmp_path: Path) -> None:
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8").replace("/opt/pdmlib/.venv/bin/pdm", "/bin/true")
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    names = [f"./{unit.name}" for unit in UNITS]
    done = subprocess.run(["systemd-analyze", "verify", *names], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    for name in (name for name in names if name.endswith(".service")):
        told = ["systemd-analyze", "security", "--offline=true", name]
        shown = subprocess.run(told, cwd=tmp_path, capture_output=True, text=True).stdout
        found = re.search(r"exposure level for \S+: ([\d.]+)", shown)
        assert found and float(found[1]) < EXPOSURE


class _Yaml(yaml.SafeLoader):
    """YAML 1.2, as GitHub reads it: `true` and `false` are the truths, `on` is a word."""


_Yaml.yaml_implicit_resolvers = {
    sign: [(tag, form) for tag, form in rows if tag != "tag:yaml.org,2002:bool"]
    for sign, rows in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Yaml.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("true|false"), ["t", "f"])


@pytest.mark.parametrize(
    ("file", "schema"), [("workflow.yml", "github-workflows"), ("gate/action.yml", "github-actions")]
)
def test_github_takes_the_workflow_and_the_action(file: str, schema: str) -> None:
    """By the schemas of SchemaStore, as check-jsonschema brings them."""
    known = files("check_jsonschema.builtin_schemas.vendor").joinpath(f"{schema}.json").read_text(encoding="utf-8")
    jsonschema.validate(yaml.load((DEPLOY / file).read_text(encoding="utf-8"), _Yaml), json.loads(known))


def action() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "gate/action.yml").read_text(encoding="utf-8"))


def steps() -> dict[str, dict[str, Any]]:
    """The steps of the action that have a name, by it."""
    return {step["name"]: step for step in action()["runs"]["steps"] if "name" in step}


def test_the_action_gives_no_input_to_a_shell_but_by_a_variable() -> None:
    """GitHub's guide to secure use: what stands in `${{ }}` inside a script is run as a part of it."""
    assert [step for step in steps().values() if "${{" in step.get("run", "")] == []


def test_the_workflow_gives_the_action_what_it_asks_for() -> None:
    jobs = yaml.safe_load((DEPLOY / "workflow.yml").read_text(encoding="utf-8"))["jobs"]
    (step,) = (step for step in jobs["gate"]["steps"] if step.get("uses", "").partition("@")[0].endswith("/gate"))
    wanted = action()["inputs"]
    assert set(step["with"]) <= set(wanted)
    assert {name for name, one in wanted.items() if one.get("required")} <= set(step["with"])


def run_step(name: str, checkout: Path, folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """A step as GitHub runs it: its script by bash, with the variables that GitHub sets."""
    named = {
        "GITHUB_ACTION_PATH": str(checkout / "deploy/gate"),
        "GITHUB_OUTPUT": str(folder / "output"),
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
        **environ,
    }
    bash = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", steps()[name]["run"]]
    return subprocess.run(bash, env={**os.environ, **named}, cwd=ROOT, capture_output=True, text=True, timeout=600)


def test_the_action_installs_what_is_pinned(clone: Clone, tmp_path: Path) -> None:
    (clone.folder / "deploy/gate").mkdir(parents=True)
    environ = {"LOG": str(clone.log), "UV_BIN": str(clone.folder / "uv-stand-in"), "CUT": ""}
    path = f"{clone.folder}:{os.environ['PATH']}"
    done = run_step("Install", clone.folder, tmp_path, PATH=path, **environ)
    assert done.returncode == 0, done.stderr
    assert clone.installed_by("uv")


@pytest.mark.slow
def test_the_gate_stays_shut_on_a_red_report_and_says_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "deploy/gate").mkdir(parents=True)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    site = demo_of(tmp_path, "app_down")
    asked = {"SITE": str(site), "PHASE": "daily", "DEPLOYED_AT": "", "OUT": str(tmp_path / "pdm")}
    done = run_step("Judge", tmp_path, tmp_path, FAIL_ON="red", **asked)
    assert done.returncode == 10, done.stderr  # shared interface: 10 is RED
    told = dict(line.split("=", 1) for line in (tmp_path / "output").read_text().splitlines())
    assert told["status"] == "RED"
    assert (Path(told["folder"]) / "report.html").exists()
    assert "RED" in (tmp_path / "summary.md").read_text(encoding="utf-8")


def test_a_gate_that_could_not_judge_says_so_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "deploy/gate").mkdir(parents=True)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    asked = {"SITE": "params/none.yaml", "PHASE": "hour1", "DEPLOYED_AT": "", "OUT": str(tmp_path / "pdm")}
    done = run_step("Judge", tmp_path, tmp_path, FAIL_ON="red", **asked)
    assert done.returncode == 2  # shared interface: 2 is a wrong call or site file
    assert done.stderr.count("\n") == 1 and "params/none.yaml" in done.stderr
    assert not (tmp_path / "output").exists()


def container_lines(word: str) -> list[str]:
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    return re.findall(rf"^{word} (.+)$", text, re.MULTILINE)


def test_the_container_copies_files_that_are_there_and_starts_the_command() -> None:
    for line in container_lines("COPY"):
        *copied, _ = line.split()
        assert [name for name in copied if not (ROOT / name).exists()] == []
    assert container_lines("ENTRYPOINT") == ['["pdm"]']


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="the container's steps run as root")
def test_the_containers_steps_install_a_command_that_works(tmp_path: Path) -> None:
    """Its COPY and RUN lines in order in an empty folder: no container engine runs everywhere that tests do."""
    folder = tmp_path / "pdmlib"
    folder.mkdir()
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    for word, line in re.findall(r"^(COPY|RUN) (.+)$", text, re.MULTILINE):
        if word == "RUN":
            subprocess.run(["bash", "-ec", line], cwd=folder, check=True, timeout=600)
            continue
        *copied, target = line.split()
        for name in copied:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, folder / target if target != "./" else folder / name)
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    asked = [str(folder / ".venv/bin/pdm"), "status", "--json"]
    done = subprocess.run(asked, cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert done.returncode == 0 and '"phase": "month1"' in done.stdout, done.stderr
