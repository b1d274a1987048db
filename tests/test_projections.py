"""The FOMC's projections from FRED to the marts: versions, availability, what is no error, and the gap.

The server speaks FRED's protocol and holds the simulated market's dots; cases of the models are in
`tests/models/`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pandas as pd
import pytest

from datasets.base import Reach
from datasets.fred import FredSeries, expected_observation, served_projection
from expectations.gate import check_rows
from market_calendar.projections import projection_days
from sources.fred import FredSource
from sources.registry import open_provider, parse_payload
from sources.simulated import simulated_market
from sources.simulated_market.market import PUBLISHED
from tests.faults.feed import Feed
from tests.faults.home import LiveHome, live_home
from tests.faults.server import Server
from tests.model_fixture import empty_warehouse, fill, fill_reference
from tests.policy_market import add_rate, add_settlements, build_policy, policy_warehouse
from transforms.runner import build_models
from warehouse.catalog import load_catalog
from warehouse.database import pipeline_database
from warehouse.payloads import Request
from warehouse.publication import attached_pipeline, copy_tables

AS_OF = date(2024, 7, 16)
START = date(2015, 1, 2)
KEY = "0123456789abcdef0123456789abcdef"
RULE = "projections@14:00"
SERIES = [("fred", "FEDTARMD"), ("fred", "FEDTARMDLR")]
MODELS = ("staging.fomc_projections", "marts.fomc_projections")


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(Feed(AS_OF), key=KEY) as running:
        yield running


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHome]:
    """A home that loaded both series with a key; a test leaves its rows as they are."""
    with pytest.MonkeyPatch.context() as patch, Server(Feed(AS_OF), key=KEY) as running:
        folder = tmp_path_factory.mktemp("keyed")
        home = live_home(patch, folder / "home", running.url, KEY, ROTATION_HISTORY_START=str(START))
        home.run(SERIES, AS_OF)
        assert home.errors == {} and home.missing == []
        yield home


def made(end: date = AS_OF) -> pd.DataFrame:
    """The simulated dots as they were published: day of publication, year, value."""
    text = simulated_market().fred_csv("FEDTARMD", START, end)
    rows = pd.read_csv(io.BytesIO(text), parse_dates=["observation_date", PUBLISHED])
    rows = rows[rows["observation_date"] >= pd.Timestamp(START)]
    return pd.DataFrame(
        {"day": rows[PUBLISHED], "year": rows["observation_date"].dt.year, "value": rows["FEDTARMD"]}
    ).reset_index(drop=True)


def dots_of(home: LiveHome, session: str, table: str = "marts.fomc_projections") -> pd.DataFrame:
    """The mart as a run for a session would publish it."""
    with duckdb.connect() as connection, attached_pipeline(connection, home.settings):
        copy_tables(connection, load_catalog(), "ref")
        build_models(
            connection,
            session=pd.Timestamp(session).date(),
            cutoff_utc=pd.Timestamp(session) + pd.Timedelta(days=1, hours=4),
            data_source="live",
            only=table,
        )
        return connection.execute(f"from {table}").df()


def by_year(dots: pd.DataFrame) -> pd.DataFrame:
    years = dots[dots["target_year"].notna()]
    return pd.DataFrame(
        {
            "day": years["projection_date"].astype("datetime64[us]"),
            "year": years["target_year"].astype("int64"),
            "value": years["median_dot_pct"],
        }
    ).reset_index(drop=True)


# ---- through the client


def test_every_projection_comes_back_from_the_versions(keyed: LiveHome) -> None:
    """With a key: one row per projection and year, although FRED keeps a version only where a value changed;
    asked again, nothing is added.
    """
    home = keyed
    raw = home.rows(
        "select count(*), max(observation_date) from raw.fred_observations where value is not null"
    )
    assert raw[0][1] == date(2026, 1, 1), "a year ahead of the session is taken"
    dots = dots_of(home, "2024-07-16")
    expected = made()
    assert expected.duplicated(["year", "value"]).any(), "some dots did not change, and have no version"
    pd.testing.assert_frame_equal(by_year(dots), expected, check_dtype=False)
    assert not dots["repeated"].any() and set(dots["availability"]) == {"vintage"}
    longer = dots[dots["target"] == "longer_run"]
    days = [day for day in projection_days() if START <= day <= AS_OF]
    assert [stamp.date() for stamp in longer["projection_date"]] == days
    assert home.rows("select count(*) from ops.quarantine") == [(0,)]
    assert (
        home.rule("observation_is_not_in_the_future")[0] and home.rule("source_still_serves_what_is_held")[0]
    )
    before = home.raw()
    home.run(SERIES, AS_OF, trailing=True)
    assert home.raw() == before


def test_a_projection_is_not_visible_the_day_before(keyed: LiveHome) -> None:
    """Everything is held; what a run for an earlier session sees ends with the projections of its time."""
    for day, before in (("2024-06-12", "2024-03-20"), ("2023-12-13", "2023-09-20")):
        eve = str(pd.Timestamp(day) - pd.Timedelta(days=1))
        seen = dots_of(keyed, eve)
        assert seen["projection_date"].max() == pd.Timestamp(before)
        evening = dots_of(keyed, day)
        assert evening["projection_date"].max() == pd.Timestamp(day)
        earlier = evening[evening["projection_date"] < day].reset_index(drop=True)
        pd.testing.assert_frame_equal(earlier, seen)


def test_without_a_key_the_newest_projections_only_and_assumed(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = live_home(monkeypatch, tmp_path / "home", server.url, ROTATION_HISTORY_START=str(START))
    home.run([("fred", "FEDTARMD"), ("fred", "FEDTARMDLR")], AS_OF)
    dots = dots_of(home, "2024-07-16")
    expected = made()
    newest = expected[expected["day"] == "2024-06-12"].reset_index(drop=True)
    pd.testing.assert_frame_equal(by_year(dots), newest, check_dtype=False)
    assert set(dots["availability"]) == {"assumed"} and dots["target"].eq("longer_run").sum() > 30
    assert set(dots.loc[dots["target_year"].notna(), "available_at_utc"]) == {
        pd.Timestamp("2024-06-12 18:00")
    }
    assert by_year(dots_of(home, "2024-06-11")).empty

    server.feed.as_of = date(2025, 3, 20)
    home.run([("fred", "FEDTARMD"), ("fred", "FEDTARMDLR")], date(2025, 3, 20), trailing=True)
    assert home.errors == {} and home.missing == []
    assert home.rule("source_still_serves_what_is_held")[0], "a year that has passed is not gone"
    expected = made(date(2025, 3, 20))
    captured = expected[expected["day"].isin(["2024-06-12", "2025-03-19"])].reset_index(drop=True)
    later = by_year(dots_of(home, "2025-03-20"))
    pd.testing.assert_frame_equal(
        later[later["day"].isin(captured["day"])].reset_index(drop=True), captured, check_dtype=False
    )

    monkeypatch.setenv("FRED_API_KEY", KEY)
    home.run(SERIES, date(2025, 3, 20))
    server.feed.as_of = date(2026, 3, 19)
    home.run(SERIES, date(2026, 3, 19))
    assert home.rule("series_metadata_is_unchanged")[0], "another first year is no change of the series"


def test_the_download_asks_for_years_behind_the_session(server: Server) -> None:
    source = FredSource({"ROTATION_FRED_URL": server.url})
    frame = parse_payload(source.fetch(Request("fred", "FEDTARMD", START, AS_OF))).frame
    assert frame["observation_date"].max() == pd.Timestamp("2026-01-01")
    assert [("coed" in path) for path in server.paths("fredgraph")] == [False]


# ---- when an answer without dates could first be had


@pytest.mark.parametrize(
    ("known", "years", "expected"),
    [
        ("2024-06-12 17:59", (2024, 2026), "2024-03-20 18:00"),
        ("2024-06-12 18:00", (2024, 2026), "2024-06-12 18:00"),
        ("2024-06-13 02:00", (2024, 2026), "2024-06-12 18:00"),
        ("2025-02-03 12:00", (2024, 2027), "2024-12-18 19:00"),
        ("2026-11-29 12:00", (2024, 2026), "2024-06-12 18:00"),  # a file from back then
        ("2026-11-29 12:00", (2025, 2026), "2026-11-29 12:00"),  # cut: nobody knows from when
    ],
)
def test_an_answer_is_from_the_newest_projections_that_name_its_years(
    known: str, years: tuple[int, int], expected: str
) -> None:
    named = range(years[0] - 1, years[1] + 1)
    rows = pd.DataFrame(
        {
            "observation_date": pd.to_datetime([f"{year}-01-01" for year in named]),
            "value": [None, *([3.1] * (len(named) - 1))],  # FRED's blank of the year that has passed
            "known_at_utc": pd.Timestamp(known),
        }
    )
    assert set(served_projection(RULE, rows)) == {pd.Timestamp(expected)}


# ---- what must not count as wrong


def test_years_ahead_are_neither_future_nor_behind_their_schedule() -> None:
    session = date(2024, 7, 16)
    assert expected_observation(RULE, "annual", session, None) == date(2026, 1, 1)
    assert expected_observation(RULE, "annual", date(2024, 9, 18), None) == date(2027, 1, 1)
    assert expected_observation("same_day@14:00", "irregular", session, None) == date(2024, 6, 12)
    assert expected_observation("same_day@14:00", "irregular", date(2020, 6, 9), None) == date(2019, 12, 11)
    known = pd.Timestamp("2024-07-16 22:00")
    rows = pd.DataFrame(
        {
            "series_id": ["FEDTARMD", "FEDTARMD", "DGS2", "DGS2"],
            "observation_date": pd.to_datetime(["2027-01-01", "2028-01-01", "2024-07-17", "2024-07-15"]),
            "value": [2.9, 2.8, 4.4, 4.4],
            "source": "fred",
            "available_at_utc": known,
            "availability": "assumed",
            "known_at_utc": known,
            "payload_sha256": "x",
        }
    )
    with duckdb.connect() as connection:
        judged = FredSeries().with_context(connection, rows)
        gate = check_rows(load_catalog()["raw.fred_observations"], judged, connection)
    assert gate.broken.tolist() == [False, True, True, False]


def test_a_run_asks_for_every_projected_year(keyed: LiveHome) -> None:
    provider = open_provider(keyed.settings, "fred")
    assert provider is not None
    with pipeline_database(keyed.settings, read_only=True) as connection:
        planned = FredSeries().plan(connection, keyed.settings, provider, Reach(AS_OF, AS_OF))
    starts = {item.input: item.start for item in planned}
    assert starts["FEDTARMD"] == START and starts["FEDTARMDLR"] == date(2024, 4, 28)


def test_a_home_without_the_series_has_marts_without_rows() -> None:
    con = policy_warehouse("2024-07-16")
    add_settlements(con, "2024-07-15", {"2024-07": 94.67, "2024-08": 94.69})
    build_policy(
        con, ("marts.fomc_probabilities", "marts.policy_path_daily", *MODELS, "marts.market_versus_dots")
    )
    for table in (*MODELS, "marts.market_versus_dots"):
        assert con.execute(f"select count(*) from {table}").fetchone() == (0,)
    assert con.execute("select count(*) from marts.policy_path_daily").fetchone() == (1,)


# ---- the gap


def test_the_gap_is_that_of_the_distribution_after_the_years_last_meeting() -> None:
    """Independently: the mean of the midpoints of marts.fomc_probabilities, outcome by outcome."""
    con = empty_warehouse("2024-08-14", data_source="files")
    fill_reference(con, "fomc_meetings", "events", "calendar", "fred_series")
    months = [f"{stamp:%Y-%m}" for stamp in pd.date_range("2024-06-01", "2027-02-01", freq="MS")]
    for place, day in enumerate(("2024-06-11", "2024-06-12", "2024-08-09", "2024-08-14")):
        prices = {month: 94.67 + 0.035 * number + 0.02 * place for number, month in enumerate(months)}
        add_settlements(con, day, prices)
    add_rate(con, "DFF", "2024-05-01", "2024-08-14", 5.33)
    published = pd.DataFrame(
        {
            "series_id": "FEDTARMD",
            "observation_date": [f"{year}-01-01" for year in (2024, 2025, 2026)] * 2,
            "value": [4.6, 3.9, 3.1, 5.1, 4.1, 3.1],
            "available_at_utc": ["2024-03-20 18:00"] * 3 + ["2024-06-12 18:00"] * 3,
            "availability": "vintage",
        }
    )
    fill(con, "raw.fred_observations", published)
    build_policy(
        con, ("marts.fomc_probabilities", "marts.policy_path_daily", *MODELS, "marts.market_versus_dots")
    )
    means = con.execute("""
        select as_of_date, meeting_date, sum(prob * (target_lower_pct + target_upper_pct) / 2) as mean_pct
        from marts.fomc_probabilities group by all
    """).df()
    last = {2024: "2024-12-18", 2025: "2025-12-10", 2026: "2026-12-09"}
    rows = con.execute("from marts.market_versus_dots").df()
    checked = 0
    for row in rows.itertuples():
        row = SimpleNamespace(**row._asdict())
        dots = (4.6, 3.9, 3.1) if f"{row.as_of_date:%Y-%m-%d}" < "2024-06-12" else (5.1, 4.1, 3.1)
        assert row.median_dot_pct == dots[row.target_year - 2024]
        of_day = means[means["as_of_date"] == row.as_of_date]
        found = of_day.loc[of_day["meeting_date"] == last.get(row.target_year), "mean_pct"]
        if found.empty:
            assert (
                row.gap_reason == "meeting_not_known" and pd.isna(row.gap_bp) and pd.isna(row.parts_by_25bp)
            )
            continue
        assert row.gap_bp == pytest.approx(100 * (found.iloc[0] - row.median_dot_pct), abs=1e-9)
        assert row.parts_by_25bp == (abs(row.gap_bp) >= 25)
        checked += 1
    assert len(rows) == 12 and checked == 8
    rates = con.execute("""
        select count(*) from marts.market_versus_dots as dots
        inner join staging.fomc_moves as meetings
            on dots.as_of_date = meetings.as_of_date and meetings.meeting_date = '2024-12-18'
        where dots.target_year = 2024 and dots.market_rate_pct = meetings.end_rate_pct
    """).fetchone()
    assert rates == (4,)
