"""The one engine of this process: each cursor of it can be used at once for whatever comes."""

from __future__ import annotations

import duckdb
import pandas as pd
import pytest

from pdmlib.storage import engine


@pytest.mark.parametrize("bar", ["true", "false"])
def test_a_new_cursor_takes_a_frame_whether_or_not_there_is_a_bar(bar: str) -> None:
    with duckdb.connect() as whole:
        whole.execute(f"SET enable_progress_bar = {bar}")
        with engine.beside(whole) as own:
            own.register("rows", pd.DataFrame({"a": [1, 2]}))
            assert engine.table(own, "SELECT sum(a) AS a FROM rows")["a"].tolist() == [3]
