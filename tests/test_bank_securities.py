"""Reported losses and the securities mark: worked by hand on made-up rows, and on the recorded data.

What is checked: the formula, what a session may know (published quarters and weights, no later prices), and
that a bucket without a fund is stated as not covered instead of counted as unchanged.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator

import duckdb
import pytest

from tests.replay_fixture import REPOSITORY, catalog_types, replay_warehouse, run_model
from warehouse.catalog import load_catalog
from warehouse.reference_data import reference_frame

MODELS = ("staging.bank_reported_quarters", "marts.bank_reported_losses", "marts.bank_securities_mark")
FUNDS = {"lt_1y": "BIL", "1_3y": "SHY", "3_5y": "IEI", "5_10y": "IEF", "gt_10y": "TLT", "mbs": "MBB"}


def create_references(con: duckdb.DuckDBPyConnection) -> None:
    if con.execute("select count(*) from duckdb_databases() where database_name = 'pipeline'").fetchone() == (
        0,
    ):
        con.execute("attach ':memory:' as pipeline")
        con.execute("create schema pipeline.raw")
        con.execute(load_catalog()["raw.bank_financials"].ddl(catalog="pipeline"))
    types = catalog_types()
    for name in ("bank_securities_weights", "bank_reported_losses"):
        columns = reference_frame(name).columns
        con.execute(f"create table ref.{name} ({', '.join(f'{c} {types[c]}' for c in columns)})")


def fill_references(con: duckdb.DuckDBPyConnection) -> None:
    for name in ("bank_securities_weights", "bank_reported_losses"):
        con.register("reference_rows", reference_frame(name))
        con.execute(f"insert into ref.{name} select * from reference_rows")
        con.unregister("reference_rows")


def build(con: duckdb.DuckDBPyConnection, session: str, data_source: str = "files") -> None:
    con.execute(f"set variable session_date = date '{session}'")
    con.execute(f"set variable data_source = '{data_source}'")
    for model in MODELS:
        run_model(con, model)


@pytest.fixture
def made_up() -> Iterator[duckdb.DuckDBPyConnection]:
    """Quarter end Sunday 2024-03-31, published on 2024-05-29; two funds; weights published on 2024-06-05."""
    con = duckdb.connect()
    for schema in ("staging", "ref", "marts"):
        con.execute(f"create schema {schema}")
    create_references(con)
    con.execute("""
        create table ref.calendar as
        select day::date as calendar_date, dayofweek(day) between 1 and 5 as is_nyse_session,
            case when dayofweek(day) between 1 and 5
                then (count(*) filter (where dayofweek(day) between 1 and 5) over (order by day))::integer
            end as session_number
        from range(date '2024-03-01', date '2024-07-01', interval 1 day) as days (day);
        create table marts.instrument_daily as
        select symbol, calendar_date as session_date,
            100 + (session_number - 21) * step as total_return_index
        from ref.calendar, (values ('SHY', 0.01), ('TLT', -0.2)) as funds (symbol, step)
        where is_nyse_session;
        create table staging.fred_observations as
        select series_id, calendar_date as observation_date, value
        from ref.calendar, (values ('DGS2', 4.6), ('DGS30', 4.4), ('DGS10', 4.2)) as yields (series_id, value)
        where is_nyse_session;
        insert into ref.bank_reported_losses values
            ('2023-12-31', -200, -270, -470, '2024-03-07', 'secondary', 'test'),
            ('2024-03-31', -210, -300, -510, '2024-05-29', 'secondary', 'test');
        """)
    for bucket, weight, series in (("1_3y", 30, "DGS2"), ("gt_10y", 10, "DGS30"), ("mbs", 60, "DGS10")):
        basis = "reported" if bucket == "mbs" else "assumed"
        con.execute(
            "insert into ref.bank_securities_weights values ('2024-03-31', ?, ?, ?, ?, ?, 0, '2024-06-05',"
            " 'test')",
            [bucket, weight, basis, FUNDS[bucket], series],
        )
    yield con
    con.close()


def marks(con: duckdb.DuckDBPyConnection, session: str) -> dict[str, dict[str, object]]:
    rows = con.execute(f"from marts.bank_securities_mark where session_date = '{session}'").df()
    return {row["bucket"]: row for row in rows.astype(object).to_dict("records")}


def test_mark_by_hand(made_up: duckdb.DuckDBPyConnection) -> None:
    build(made_up, "2024-06-28")
    row = marks(made_up, "2024-06-28")
    # Friday 2024-03-29 is session 21 with the index at 100; Friday 2024-06-28 is session 86: 89 days
    # after the quarter's end.
    shy = 100 * (100.65 / 100 - 1) - 4.6 * 89 / 365
    tlt = 100 * (87 / 100 - 1) - 4.4 * 89 / 365
    assert row["1_3y"]["price_change_pct"] == pytest.approx(shy, abs=1e-12)
    assert row["gt_10y"]["price_change_pct"] == pytest.approx(tlt, abs=1e-12)
    assert row["1_3y"]["mark_pct_of_book"] == pytest.approx(0.30 * shy, abs=1e-12)
    covered = row["covered"]
    assert covered["weight_pct"] == 40
    assert covered["mark_pct_of_book"] == pytest.approx(0.30 * shy + 0.10 * tlt, abs=1e-12)
    assert covered["price_change_pct"] == pytest.approx((0.30 * shy + 0.10 * tlt) / 0.4, abs=1e-12)
    assert {entry["since_date"].date() for entry in row.values()} == {dt.date(2024, 3, 31)}  # type: ignore[attr-defined]


def test_a_bucket_without_its_fund_is_not_covered(made_up: duckdb.DuckDBPyConnection) -> None:
    build(made_up, "2024-06-28")
    row = marks(made_up, "2024-06-28")["mbs"]
    assert row["weight_pct"] == 60 and row["etf_symbol"] == "MBB"
    assert math.isnan(row["mark_pct_of_book"]) and math.isnan(row["price_change_pct"])  # type: ignore[arg-type]
    made_up.execute("delete from marts.instrument_daily")
    build(made_up, "2024-06-28")
    covered = marks(made_up, "2024-06-28")["covered"]
    assert covered["weight_pct"] == 0 and math.isnan(covered["mark_pct_of_book"])  # type: ignore[arg-type]


def test_a_quarter_counts_from_the_day_of_its_publication(made_up: duckdb.DuckDBPyConnection) -> None:
    build(made_up, "2024-06-28")
    since = dict(
        made_up.execute(
            "select session_date, min(since_date) from marts.bank_securities_mark group by all having"
            " count(distinct since_date) = 1"
        ).fetchall()
    )
    assert since[dt.date(2024, 5, 28)] == dt.date(2023, 12, 31)
    assert since[dt.date(2024, 5, 29)] == dt.date(2024, 3, 31)
    assert min(since) == dt.date(2024, 3, 7)  # nothing before the first publication
    # The older quarter began before the prices did: no mark, not a shorter one.
    assert math.isnan(marks(made_up, "2024-05-28")["1_3y"]["mark_pct_of_book"])  # type: ignore[arg-type]


def test_weights_before_their_publication_are_assumed(made_up: duckdb.DuckDBPyConnection) -> None:
    build(made_up, "2024-06-28")
    assert marks(made_up, "2024-06-04")["mbs"]["weight_basis"] == "assumed"
    assert marks(made_up, "2024-06-05")["mbs"]["weight_basis"] == "reported"
    assert marks(made_up, "2024-06-05")["1_3y"]["weight_basis"] == "assumed"


def test_a_later_set_of_weights_leaves_earlier_days_alone(made_up: duckdb.DuckDBPyConnection) -> None:
    build(made_up, "2024-06-28")
    before = made_up.execute("from marts.bank_securities_mark where session_date < '2024-06-20'").fetchall()
    made_up.execute("""
        insert into ref.bank_securities_weights
        select date '2024-05-31', bucket, weight_pct + case bucket when 'mbs' then -5 when '1_3y' then 5 else 0 end,
            weight_basis, etf_symbol, yield_series_id, yield_spread_pp, date '2024-06-20', source
        from ref.bank_securities_weights
        """)
    build(made_up, "2024-06-28")
    assert (
        before
        == made_up.execute("from marts.bank_securities_mark where session_date < '2024-06-20'").fetchall()
    )
    assert marks(made_up, "2024-06-20")["mbs"]["weight_pct"] == 55


def test_a_missing_session_leaves_no_mark(made_up: duckdb.DuckDBPyConnection) -> None:
    made_up.execute("delete from marts.instrument_daily where symbol = 'SHY' and session_date = '2024-06-10'")
    build(made_up, "2024-06-28")
    assert not math.isnan(marks(made_up, "2024-06-07")["1_3y"]["mark_pct_of_book"])  # type: ignore[arg-type]
    for session in ("2024-06-10", "2024-06-28"):
        assert math.isnan(marks(made_up, session)["1_3y"]["mark_pct_of_book"])  # type: ignore[arg-type]
        assert marks(made_up, session)["covered"]["weight_pct"] == 10


def test_a_stale_yield_leaves_no_mark(made_up: duckdb.DuckDBPyConnection) -> None:
    made_up.execute(
        "delete from staging.fred_observations where series_id = 'DGS2' and observation_date > '2024-03-20'"
    )
    build(made_up, "2024-06-28")
    row = marks(made_up, "2024-06-28")
    assert math.isnan(row["1_3y"]["mark_pct_of_book"])  # type: ignore[arg-type]
    assert not math.isnan(row["gt_10y"]["mark_pct_of_book"])  # type: ignore[arg-type]


def test_losses_appear_on_the_day_of_publication_and_not_beside_made_up_prices(
    made_up: duckdb.DuckDBPyConnection,
) -> None:
    counted = "select count(*) from marts.bank_reported_losses"
    for session, rows in (("2024-03-06", 0), ("2024-05-28", 1), ("2024-05-29", 2)):
        build(made_up, session)
        assert made_up.execute(counted).fetchone() == (rows,)
    build(made_up, "2024-06-28", data_source="simulated")
    assert made_up.execute(counted).fetchone() == (0,)
    marked = made_up.execute("select count(mark_pct_of_book) from marts.bank_securities_mark").fetchone()
    assert marked is not None and marked[0] > 0


def test_an_unknown_day_of_publication_is_assumed_late(made_up: duckdb.DuckDBPyConnection) -> None:
    made_up.execute(
        "update ref.bank_reported_losses set published_on = null where quarter_end = '2024-03-31'"
    )
    build(made_up, "2024-06-28")
    assert made_up.execute(
        "select quarter_end::varchar, published_on::varchar, published_on_assumed from"
        " marts.bank_reported_losses order by 1"
    ).fetchall() == [("2023-12-31", "2024-03-07", False), ("2024-03-31", "2024-06-14", True)]


# --- the reference data --------------------------------------------------------------------------------


def test_weights_are_whole_and_name_held_instruments() -> None:
    weights = reference_frame("bank_securities_weights")
    symbols = set(reference_frame("instruments")["symbol"])
    series = set(reference_frame("fred_series")["series_id"])
    for day, rows in weights.groupby("weights_as_of_date"):
        assert rows["weight_pct"].sum() == pytest.approx(100, abs=0.005), day
        assert dict(zip(rows["bucket"], rows["etf_symbol"], strict=True)) == FUNDS
    assert set(weights["etf_symbol"]) <= symbols and set(weights["yield_series_id"]) <= series
    assert (weights["published_on"] > weights["weights_as_of_date"]).all()
    assert set(weights.loc[weights["weight_basis"] == "reported", "bucket"]) == {"mbs"}


def test_maturity_split_is_the_documented_assumption() -> None:
    """Exponential with a mean of two years, applied to what is not mortgage-backed."""
    edges = {"lt_1y": (0, 1), "1_3y": (1, 3), "3_5y": (3, 5), "5_10y": (5, 10), "gt_10y": (10, math.inf)}
    for _, rows in reference_frame("bank_securities_weights").groupby("weights_as_of_date"):
        weight = dict(zip(rows["bucket"], rows["weight_pct"], strict=True))
        for bucket, (low, high) in edges.items():
            share = math.exp(-low / 2) - math.exp(-high / 2)
            assert weight[bucket] == pytest.approx((100 - weight["mbs"]) * share, abs=0.02)


def test_losses_name_their_publisher_and_never_a_machine() -> None:
    losses = reference_frame("bank_reported_losses")
    weights = reference_frame("bank_securities_weights")
    assert losses["source"].str.startswith("FDIC Quarterly Banking Profile").all()
    assert weights["source"].str.contains("Federal Reserve H.8 release of 2025-10-31").all()
    for text in [*losses["source"], *weights["source"]]:
        assert "/work" not in text and "/tmp" not in text
    stated = losses[losses["published_on"].notna()]
    lag = (stated["published_on"] - stated["quarter_end"]).dt.days
    assert lag.max() < 75 and lag.min() > 40  # so the assumption of 75 days is never early


# --- recorded data -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recorded() -> Iterator[duckdb.DuckDBPyConnection]:
    con = replay_warehouse(["SHY", "IEF", "TLT", "SPY"], "2025-09-24")
    create_references(con)
    fill_references(con)
    # The index as marts.instrument_daily builds it: 100 on the first session, then by total returns.
    con.execute("""
        create table marts.instrument_daily as
        select symbol, session_date,
            100 * product(1 + coalesce(total_return_pct, 0) / 100) over (
                partition by symbol order by session_number rows between unbounded preceding and current row
            ) as total_return_index
        from staging.equity_prices
        """)
    build(con, "2025-09-24")
    yield con
    con.close()


def test_recorded_mark_covers_what_it_says(recorded: duckdb.DuckDBPyConnection) -> None:
    first, last, sessions, held = recorded.execute("""
        select min(session_date)::varchar, max(session_date)::varchar, count(distinct session_date),
            count(distinct session_date) filter (where bucket = 'covered' and mark_pct_of_book is not null)
        from marts.bank_securities_mark
        """).fetchone() or (None, None, 0, 0)
    assert (first, last) == ("2022-09-13", "2025-09-24")
    assert sessions == held == 761
    weights = recorded.execute(
        "select distinct weight_pct from marts.bank_securities_mark where bucket = 'covered'"
    ).fetchall()
    assert weights == [(pytest.approx(22.82),)]  # BIL, IEI and MBB are not among the recorded files


def test_recorded_mark_turned_before_march_2023_ended(recorded: duckdb.DuckDBPyConnection) -> None:
    """Yields fell by over a point in the days around 2023-03-10: bonds gained, as the mark of the 10-year
    bucket shows.
    """
    rows = dict(
        recorded.execute("""
            select session_date::varchar, price_change_pct from marts.bank_securities_mark
            where bucket = '1_3y' and session_date in ('2023-03-08', '2023-03-13')
            """).fetchall()
    )
    assert rows["2023-03-08"] < 0 and rows["2023-03-13"] - rows["2023-03-08"] > 1


def test_recorded_mark_does_not_change_when_later_days_arrive(recorded: duckdb.DuckDBPyConnection) -> None:
    earlier = replay_warehouse(["SHY", "IEF", "TLT", "SPY"], "2024-07-16")
    create_references(earlier)
    fill_references(earlier)
    frame = recorded.execute("from marts.instrument_daily where session_date <= '2024-07-16'").df()
    earlier.register("index_rows", frame)
    earlier.execute("create table marts.instrument_daily as from index_rows")
    build(earlier, "2024-07-16")
    query = "from marts.bank_securities_mark where session_date <= '2024-07-16' order by all"
    assert earlier.execute(query).fetchall() == recorded.execute(query).fetchall()
    earlier.close()


def test_models_read_no_raw_table_but_in_staging() -> None:
    for model in MODELS:
        text = (REPOSITORY / "transforms" / f"{model.replace('.', '/')}.sql").read_text(encoding="utf-8")
        assert ("raw." not in text or model == "staging.bank_reported_quarters") and "now()" not in text


def test_the_fdic_s_own_reports_come_before_recorded_figures(made_up: duckdb.DuckDBPyConnection) -> None:
    made_up.execute("""
        insert into pipeline.raw.bank_financials by name
        select date '2024-06-30' as quarter_end, 4500 as institutions, 1500e6 as afs_fair_value_usd_thousand, 1700e6 as afs_amortised_cost_usd_thousand,
            2000e6 as htm_fair_value_usd_thousand, 2300e6 as htm_amortised_cost_usd_thousand, 'fdic' as source, timestamp '2024-08-29 16:00' as available_at_utc,
            'assumed' as availability, timestamp '2024-09-01' as known_at_utc, 'r' as run_id, 'x' as payload_sha256
        """)
    quarter = (
        "select afs_usd_bn, htm_usd_bn, total_usd_bn, source_kind from staging.bank_reported_quarters where"
        " quarter_end = '2024-06-30'"
    )
    for session, cutoff, expected in (
        ("2024-10-01", "2024-10-02 03:59", (-200.0, -300.0, -500.0, "primary")),
    ):
        made_up.execute(f"set variable cutoff_utc = timestamp '{cutoff}'")
        made_up.execute(f"set variable session_date = date '{session}'")
        made_up.execute("drop table if exists staging.bank_reported_quarters")
        run_model(made_up, "staging.bank_reported_quarters")
        assert made_up.execute(quarter).fetchall() == [expected]
