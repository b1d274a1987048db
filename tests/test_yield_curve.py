"""yield_curve_daily on hand-made yields and, where it is there, on the recorded ones."""

from __future__ import annotations

import datetime as dt

import duckdb
import pandas as pd
import pytest

from tests.replay_fixture import empty_warehouse, replay_dir, replay_warehouse, run_model

Yields = dict[str, tuple[float | None, float | None]]  # day → (2-year, 10-year)


def _build(yields: Yields, **others: float) -> pd.DataFrame:
    con = empty_warehouse()
    for day, (y2, y10) in yields.items():
        for series, value in {"DGS2": y2, "DGS10": y10, **others}.items():
            if value is not None:
                con.execute(
                    "insert into staging.fred_observations values (?, ?, ?, null)", [series, day, value]
                )
    return _table(con)


def _table(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    run_model(con, "marts.yield_curve_daily")
    frame = con.execute("select * from marts.yield_curve_daily order by session_date").df()
    return frame.set_index(frame["session_date"].dt.strftime("%Y-%m-%d"))


def _starts(frame: pd.DataFrame) -> list[str | None]:
    return [None if pd.isna(day) else f"{day:%m-%d}" for day in frame["inversion_start_date"]]


def test_slope_and_changes_in_basis_points() -> None:
    frame = _build({"2024-07-10": (4.62, 4.28), "2024-07-11": (4.50, 4.20)}, DGS3MO=5.4, DGS1=4.9, DGS5=4.1)
    row = frame.loc["2024-07-11"]
    assert (row["slope_2s10s_bp"], row["change_2y_bp"], row["change_10y_bp"]) == (-30.0, -12.0, -8.0)
    assert (row["y3m_pct"], row["y1_pct"], row["y5_pct"]) == (5.4, 4.9, 4.1)
    assert frame["y30_pct"].isna().all()
    assert frame.loc["2024-07-10", ["change_2y_bp", "change_10y_bp"]].isna().all()


def test_no_change_across_a_bond_holiday_and_no_row_on_it() -> None:
    # 2023-10-09 (Columbus Day): the NYSE traded, bonds did not
    frame = _build({"2023-10-06": (5.08, 4.78), "2023-10-10": (4.96, 4.66), "2023-10-11": (4.99, 4.58)})
    assert frame.index.tolist() == ["2023-10-06", "2023-10-10", "2023-10-11"]
    assert frame["change_2y_bp"].isna().tolist() == [True, True, False]
    assert frame.loc["2023-10-11", "change_2y_bp"] == 3.0


def test_a_bond_day_without_nyse_session_has_no_row() -> None:
    # Good Friday 2023-04-07 had yields (jobs report); the change on Monday is against Thursday
    frame = _build({"2023-04-06": (3.82, 3.30), "2023-04-07": (3.97, 3.39), "2023-04-10": (3.99, 3.41)})
    assert frame.index.tolist() == ["2023-04-06", "2023-04-10"]
    assert frame.loc["2023-04-10", "change_2y_bp"] == 17.0


def test_no_row_without_both_ends_of_the_slope() -> None:
    frame = _build({"2024-07-10": (4.6, None), "2024-07-11": (None, 4.2), "2024-07-12": (4.45, 4.18)})
    assert frame.index.tolist() == ["2024-07-12"]
    # the session before had a 10-year yield: its change is known though that session has no row
    assert frame.loc["2024-07-12", "change_10y_bp"] == -2.0
    assert pd.isna(frame.loc["2024-07-12", "change_2y_bp"])


def test_zero_is_not_an_inversion_and_dust_neither() -> None:
    dusty = 0.1 + 0.2  # 0.30000000000000004
    frame = _build({"2024-07-10": (3.0, 3.0), "2024-07-11": (dusty, 0.3), "2024-07-12": (3.01, 3.0)})
    assert frame["inverted"].tolist() == [False, False, True]
    assert [str(slope) for slope in frame["slope_2s10s_bp"]] == ["0.0", "0.0", "-1.0"]
    assert _starts(frame) == [None, None, "07-12"]


def test_spells_of_inversion() -> None:
    up, down = (4.0, 4.5), (4.5, 4.0)
    frame = _build(
        {
            "2023-10-03": down,  # the history starts inverted: counted from its first row
            "2023-10-04": down,
            "2023-10-05": up,
            "2023-10-06": down,  # unbroken across the bond holiday of 2023-10-09
            "2023-10-10": down,
            "2023-10-11": (4.0, 4.0),
            "2023-10-12": down,
        }
    )
    assert _starts(frame) == ["10-03", "10-03", None, "10-06", "10-06", None, "10-12"]


def test_empty_input_gives_an_empty_table() -> None:
    assert _build({}).empty


@pytest.fixture(scope="module")
def recorded() -> duckdb.DuckDBPyConnection:
    con = replay_warehouse(symbols=["SPY"])
    run_model(con, "marts.yield_curve_daily")
    return con


def test_recorded_slope_equals_the_spread_that_fred_publishes(recorded: duckdb.DuckDBPyConnection) -> None:
    published = pd.read_csv(replay_dir() / "fred" / "T10Y2Y.csv", parse_dates=["observation_date"])
    frame = recorded.execute(
        "select session_date, slope_2s10s_bp, inverted from marts.yield_curve_daily"
    ).df()
    both = frame.merge(published, left_on="session_date", right_on="observation_date").dropna()
    assert len(both) > 6000
    assert ((both["slope_2s10s_bp"] - 100 * both["T10Y2Y"]).abs() > 1e-6).sum() == 0
    assert (both["inverted"] == (both["T10Y2Y"] < 0)).all()


def test_recorded_inversion_begins_in_july_2022(recorded: duckdb.DuckDBPyConnection) -> None:
    start, slope = recorded.execute("""
        select inversion_start_date, slope_2s10s_bp
        from marts.yield_curve_daily where session_date = '2024-07-29'
        """).fetchall()[0]
    assert start == dt.date(2022, 7, 6)
    assert slope < 0
    assert recorded.execute(
        "select slope_2s10s_bp from marts.yield_curve_daily where session_date = '2022-07-05'"
    ).fetchall() == [(0.0,)]  # the day before was flat, which is no inversion


def test_recorded_rows_do_not_change_with_later_days(recorded: duckdb.DuckDBPyConnection) -> None:
    early = replay_warehouse(symbols=["SPY"], last_date="2023-06-30")
    run_model(early, "marts.yield_curve_daily")
    query = "select * from marts.yield_curve_daily where session_date <= '2023-06-30' order by session_date"
    assert early.execute(query).fetchall() == recorded.execute(query).fetchall()
