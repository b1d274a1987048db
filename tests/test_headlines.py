"""Headlines: each sentence says what the marts hold, and nothing more."""

from __future__ import annotations

from datetime import date

import duckdb
import pytest

from brief.headlines import headlines
from warehouse.catalog import load_catalog

DAY = date(2024, 7, 16)


@pytest.fixture
def marts() -> duckdb.DuckDBPyConnection:
    """The marts that headlines read, empty."""
    connection = duckdb.connect()
    connection.execute("create schema marts")
    for table in load_catalog().in_schema("marts"):
        connection.execute(table.ddl().replace(" not null", ""))
    return connection


def spread(
    connection: duckdb.DuckDBPyConnection,
    value: float | None,
    rank: int | None,
    above: str | None,
    below: str | None,
) -> str:
    """The rotation headline for one row."""
    connection.execute(
        """
        insert into marts.rotation_pair_daily by name
        select
            'IWM/QQQ' as pair_id, 5 as window_sessions, $1 as session_date,
            $2::double as spread_pp, $3::int as spread_rank,
            1000 as history_sessions, date '2000-06-05' as history_start_date,
            $4::date as last_exceeded_date, $5::date as last_undercut_date,
            $4::date is null as is_record_high, $5::date is null as is_record_low
        """,
        [DAY, value, rank, above, below],
    )
    return headlines(connection, DAY)[0]


@pytest.mark.parametrize(
    ("value", "rank", "above", "below", "said"),
    [
        (
            11.81,
            4,
            "2001-04-03",
            "2024-07-15",
            (
                "IWM beat QQQ by 11.81 points over the five sessions to 2024-07-16, the widest since"
                " 2001-04-03 (rank 4 of 1,000"
            ),
        ),
        (13.5, 1, None, "2024-07-15", "the widest on record"),
        (
            -9.0,
            998,
            "2024-07-15",
            "2011-08-08",
            (
                "IWM trailed QQQ by 9.00 points over the five sessions to 2024-07-16, the weakest since"
                " 2011-08-08"
            ),
        ),
        (-12.0, 1000, "2024-07-15", None, "the weakest on record"),
        (0.4, 480, "2024-07-12", "2024-07-15", "nothing out of the ordinary (rank 480 of 1,000"),
        (0.4, None, None, None, "its history is too short for a rank"),
        (None, None, None, None, "a price is missing"),
    ],
)
def test_rotation(
    marts: duckdb.DuckDBPyConnection,
    value: float | None,
    rank: int | None,
    above: str | None,
    below: str | None,
    said: str,
) -> None:
    assert said in spread(marts, value, rank, above, below)


def test_an_unpriced_meeting_says_why(marts: duckdb.DuckDBPyConnection) -> None:
    marts.execute(
        "insert into marts.fomc_meetings_daily (as_of_date, meeting_date, reason) values ('2024-07-16',"
        " '2024-07-31', 'price_missing')"
    )
    assert "Fed: the meeting of 2024-07-31 could not be priced on 2024-07-16: price_missing." in headlines(
        marts, DAY
    )


def test_old_settlements_are_not_passed_off_as_today_s(marts: duckdb.DuckDBPyConnection) -> None:
    marts.execute(
        "insert into marts.fomc_meetings_daily (as_of_date, meeting_date, cut_prob, hold_prob, hike_prob)"
        " values ('2024-07-12', '2024-07-31', 0.08, 0.92, 0)"
    )
    [fed] = [sentence for sentence in headlines(marts, DAY) if sentence.startswith("Fed")]
    assert "futures of 2024-07-12" in fed
    assert "the latest settlement; 2024-07-16 is missing" in fed


def test_without_anything_nothing_is_made_up(marts: duckdb.DuckDBPyConnection) -> None:
    sentences = headlines(marts, DAY)
    assert sentences == [
        "Rotation: no 5-session spread of IWM over QQQ for 2024-07-16: a price is missing.",
        "Fed: no fed funds futures have been loaded, so no meeting is priced.",
    ]
