"""yield_curve_daily on the simulated market; its arithmetic is in the cases of `tests/models/`."""

from __future__ import annotations

import duckdb
import pandas as pd

from tests.market_fixture import simulated
from tests.model_fixture import build

QUERY = "from marts.yield_curve_daily where session_date <= '2023-06-30' order by session_date"


def curve(session: str) -> duckdb.DuckDBPyConnection:
    con = simulated(["SPY"], session)
    build(con, "marts.yield_curve_daily")
    return con


def test_every_spell_of_inversion_starts_with_its_first_inverted_session() -> None:
    frame = curve("2025-09-24").execute("from marts.yield_curve_daily order by session_date").df()
    inverted = frame["inverted"].astype(bool)
    assert (inverted == (frame["slope_2s10s_bp"] < -0.005)).all() and 100 < inverted.sum() < len(frame)
    spell = (inverted != inverted.shift()).cumsum()
    first = frame.groupby(spell)["session_date"].transform("first")
    pd.testing.assert_series_equal(frame["inversion_start_date"], first.where(inverted), check_names=False)


def test_rows_do_not_change_with_later_days() -> None:
    early = curve("2023-06-30").execute(QUERY).fetchall()
    assert early == curve("2025-09-24").execute(QUERY).fetchall() and len(early) > 5000
