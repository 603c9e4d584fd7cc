"""Whatever a site file holds: a site, or one error of one line, within a second."""

from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pdmlib.errors import SiteError
from pdmlib.site.load import load_site, read_demo, variables_of
from pdmlib.site.notes import load_notes

PARAMS = Path(__file__).parent.parent.parent / "params"
EXAMPLE = (PARAMS / "example.yaml").read_bytes()
TREE = yaml.safe_load(EXAMPLE)
# What other people's files and other programs put where a value belongs.
ODD: list[Any] = [
    None,
    True,
    -1,
    0,
    1.5,
    float("nan"),
    float("inf"),
    10**17,
    "",
    " ",
    "x",
    "\x00",
    "${",
    "${A}",
    "é" * 300,
    "1" * 5000,
    "2025-02-30",
    "2025-01-01T00:00:00",
    "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00+14:00",
    [],
    {},
    [[]],
    {"": ""},
    {"a": {"b": {}}},
    ["a"] * 50,
    "http://[",
    "https://u:p@h",
    "* * * * *",
    "a.b.c",
    "'; --",
]
one_second = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))


def holds(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "site.yaml"
        path.write_bytes(content)
        for read in (
            lambda: load_site(path, offline=True),
            lambda: read_demo(path),
            lambda: variables_of(path),
            lambda: load_notes(path),
        ):
            began = process_time()
            try:
                read()
            except SiteError as error:
                assert str(error).isprintable()
                assert len(str(error)) < 3000
            assert process_time() - began < 1


ANY_BYTES = st.binary(max_size=400) | st.text(max_size=400).map(lambda text: text.encode("utf-8", "surrogatepass"))
SIGNS = st.lists(st.text("&*!|>{}[],:?-#%@`'\"\\~<= \n\tab01.", max_size=12), max_size=60).map("".join)


@st.composite
def sewn(draw: Any, content: bytes) -> bytes:
    """A file of which pieces are cut out and others put in their place."""
    for _ in range(draw(st.integers(1, 4))):
        start, end = sorted(draw(st.integers(0, len(content))) for _ in range(2))
        end = min(end, start + 200)
        other = draw(st.integers(0, len(content)))
        put = draw(st.sampled_from([b"", b"*", b"&a ", b"\n", b": ", b"- ", b"\xff", content[other:][:100]]))
        content = content[:start] + put + content[end:]
    return content


def odd_at_a_place(tree: Any) -> st.SearchStrategy[Any]:
    """A tree with one of its values, or all of it, replaced by an odd one."""
    odd = st.sampled_from([*ODD, *({"a": value} for value in ODD)])
    return st.builds(_changed, st.just(tree), st.sampled_from(_places(tree)), odd)


@one_second
@given(ANY_BYTES)
def test_any_bytes_are_a_site_or_one_line(content: bytes) -> None:
    holds(content)


@one_second
@given(SIGNS)
def test_any_signs_of_yaml_are_a_site_or_one_line(text: str) -> None:
    holds(text.encode())


@one_second
@given(sewn(EXAMPLE))
def test_a_site_file_cut_and_sewn_is_a_site_or_one_line(content: bytes) -> None:
    holds(content)


def _places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [path, *(place for key, value in inner for place in _places(value, (*path, key)))]


def _changed(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    copy[path[0]] = _changed(tree[path[0]], path[1:], value)
    return copy


@one_second
@given(odd_at_a_place(TREE))
def test_an_odd_value_at_any_key_is_a_site_or_one_line(tree: Any) -> None:
    holds(yaml.safe_dump(tree, allow_unicode=True).encode())


def test_files_made_to_be_slow_are_refused_in_a_second() -> None:
    for content in (
        b"[" * 450_000,
        b"{" * 450_000,
        b"? " * 220_000,
        b"- " * 220_000,
        b"&a " * 150_000,
        b"a: b\n" * 90_000,
        b"!" * 450_000,
        b"'" * 450_000,
        b"# \n" * 150_000,
        b"a: &a [*a]\n",
        b"\n".join(b"k%d: v" % n for n in range(70_000)),
        b"x: " + b"1" * 450_000,
        b"a: [" + b"x," * 220_000 + b"]",
        b"b: >\n" + b" \n" * 220_000,
        b'"' + b"\\\n" * 160_000,
    ):
        holds(content)
