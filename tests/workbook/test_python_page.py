"""Every snippet of docs/python.md is run, and shows what the page says that it shows."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs/python.md"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def shown(code: str, statement: ast.stmt) -> str:
    """What the page says behind a statement; empty where it says nothing."""
    assert statement.end_lineno
    line = code.splitlines()[statement.end_lineno - 1]
    return line[statement.end_col_offset or 0 :].strip().removeprefix("# ")


@pytest.mark.slow
def test_each_snippet_shows_what_the_page_says(
    demo_environ: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: dict[str, Any] = {}
    (tmp_path / "params").symlink_to(PAGE.parents[1] / "params")
    monkeypatch.chdir(tmp_path)
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert len(blocks) == 9
    for code in blocks:
        for statement in ast.parse(code).body:
            said = shown(code, statement)
            if not isinstance(statement, ast.Expr):
                exec(compile(ast.Module([statement], []), str(PAGE), "exec"), names)
                continue
            value = repr(eval(compile(ast.Expression(statement.value), str(PAGE), "eval"), names))
            pattern = re.escape(said).replace("…", ".*")
            assert re.fullmatch(pattern, value, re.DOTALL), f"{ast.unparse(statement)} shows {value}, not {said}"
