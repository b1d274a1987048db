"""Kuttner surprises: contract and scale by case, the mart on made-up rows, and against published figures."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import numpy as np
import pytest

from tests.replay_fixture import replay_dir, run_model
from tests.test_fomc_marts import add_replay, add_settlements
from tests.test_policy_path import empty_policy_inputs, row
from transforms.lib import policy_path

# Surprise in percentage points over a window of 30 minutes, scaled as here: column MP1 of the surprises
# around FOMC announcements by Jarocinski and Karadi (2020, American Economic Journal: Macroeconomics 12(2),
# updated; data under CC BY 4.0, github.com/marekjarocinski/jkshocks_update_fed,
# source_data/fomc_surprises_jk.csv), after Gürkaynak, Sack and Swanson (2005). All decisions from February
# 2000 to April 2008 that it has.
PUBLISHED_30_MINUTES = {
    "2000-02-02": -0.05907,
    "2000-03-21": -0.03100,
    "2000-05-16": 0.04133,
    "2000-06-28": -0.02000,
    "2000-08-22": 0.01722,
    "2000-10-03": 0.00000,
    "2000-11-15": -0.01000,
    "2000-12-19": 0.06458,
    "2001-01-03": -0.38750,
    "2001-01-31": 0.03000,
    "2001-03-20": 0.05636,
    "2001-04-18": -0.46250,
    "2001-05-15": -0.09687,
    "2001-06-27": 0.10000,
    "2001-08-21": 0.04650,
    "2001-10-02": -0.03207,
    "2001-11-06": -0.13750,
    "2001-12-11": -0.00775,
    "2002-01-30": 0.01750,
    "2002-03-19": -0.03229,
    "2002-05-07": 0.00646,
    "2002-06-26": 0.00500,
    "2002-08-13": 0.03444,
    "2002-09-24": 0.02000,
    "2002-11-06": -0.20625,
    "2002-12-10": 0.00000,
    "2003-01-29": 0.00750,
    "2003-03-18": 0.02385,
    "2003-05-06": 0.01550,
    "2003-06-25": 0.13250,
    "2003-08-12": 0.00408,
    "2003-09-16": -0.00536,
    "2003-10-28": -0.00250,
    "2003-12-09": -0.00352,
    "2004-01-28": 0.00000,
    "2004-03-16": 0.00000,
    "2004-05-04": -0.00861,
    "2004-06-30": -0.00750,
    "2004-08-10": 0.01476,
    "2004-09-21": 0.00000,
    "2004-11-10": 0.00000,
    "2004-12-14": 0.00000,
    "2005-02-02": -0.00538,
    "2005-03-22": 0.00000,
    "2005-05-03": 0.00000,
    "2005-06-30": 0.00000,
    "2005-08-09": 0.00000,
    "2005-09-20": 0.03000,
    "2005-11-01": 0.00000,
    "2005-12-13": 0.00000,
    "2006-01-31": 0.00500,
    "2006-03-28": 0.00500,
    "2006-05-10": 0.00000,
    "2006-06-29": -0.01500,
    "2006-08-08": -0.04043,
    "2006-09-20": 0.00000,
    "2006-10-25": -0.00500,
    "2006-12-12": -0.00408,
    "2007-01-31": 0.00000,
    "2007-03-21": -0.00775,
    "2007-05-09": 0.00000,
    "2007-06-28": 0.00000,
    "2007-08-07": 0.00646,
    "2007-09-18": -0.21250,
    "2007-10-31": -0.02500,
    "2007-12-11": 0.03875,
    "2008-01-22": -0.46500,
    "2008-01-30": -0.10750,
    "2008-03-18": 0.09538,
    "2008-04-30": -0.06000,
}


def build(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    run_model(con, "marts.policy_surprises")
    return con


@pytest.fixture(scope="module")
def replay() -> Iterator[duckdb.DuckDBPyConnection]:
    folder = replay_dir()
    con = empty_policy_inputs()
    add_replay(con, folder)
    yield build(con)
    con.close()


@pytest.mark.parametrize(
    ("decision", "effective", "month", "scale"),
    [
        ("2001-01-03", "2001-01-04", "2001-01", 31 / 28),
        ("2008-01-22", "2008-01-23", "2008-01", 31 / 9),  # nine days left: scaled
        ("2006-10-24", "2006-10-25", "2006-11", 1.0),  # seven days left: next month's, unscaled
        ("2006-10-23", "2006-10-24", "2006-10", 31 / 8),
        ("2001-01-31", "2001-02-01", "2001-02", 1.0),  # last day of the month
        ("2017-02-01", "2017-02-02", "2017-02", 28 / 27),  # first day of the month
        ("2004-11-10", "2004-11-12", "2004-11", 30 / 19),  # Veterans Day keeps the old rate
        ("2020-03-15", "2020-03-16", "2020-03", 31 / 16),
        ("1998-11-30", "1998-12-01", "1998-12", 1.0),
    ],
)
def test_contract_and_scale(decision: str, effective: str, month: str, scale: float) -> None:
    number, factor = policy_path.compute_surprise_contract(
        np.array([decision], dtype="datetime64[D]"), np.array([effective], dtype="datetime64[D]")
    )
    assert str(number.astype("datetime64[M]")[0]) == month and factor[0] == pytest.approx(scale)


def test_decision_between_two_settlements_of_a_weekend_and_a_missing_one() -> None:
    con = empty_policy_inputs()
    for day, price in (
        ("2020-03-02", 98.99),
        ("2020-03-03", 99.10),
        ("2020-03-13", 99.315),
        ("2020-03-16", 99.38),
    ):
        add_settlements(con, day, {"2020-03": price, "2020-04": 99.5})
    add_settlements(con, "2020-04-28", {"2020-04": 99.95, "2020-05": 99.95})
    add_settlements(con, "2020-04-29", {"2020-04": 99.95})
    build(con)
    sunday = row(con, "marts.policy_surprises", "meeting_date = '2020-03-15'")
    assert (
        sunday["surprise_bp"] == pytest.approx(-31 / 16 * 6.5)
        and sunday["contract"] == "ZQH20"
        and sunday["scaled"]
    )
    assert (str(sunday["previous_as_of_date"])[:10], str(sunday["as_of_date"])[:10]) == (
        "2020-03-13",
        "2020-03-16",
    )
    tuesday = row(con, "marts.policy_surprises", "meeting_date = '2020-03-03'")
    assert tuesday["surprise_bp"] == pytest.approx(-31 / 28 * 11) and tuesday["decided_change_bp"] == -50.0
    april = row(con, "marts.policy_surprises", "meeting_date = '2020-04-29'")
    assert (
        april["surprise_bp"] is None and april["reason"] == "price_missing" and april["contract"] == "ZQK20"
    )
    assert not april["scaled"]
    # the cancelled meeting is none, and later ones are not there before their settlements
    assert con.execute("select count(*) from marts.policy_surprises").fetchall() == [(3,)]


def test_a_run_knows_decisions_up_to_its_session_even_without_settlements() -> None:
    con = empty_policy_inputs()
    add_settlements(con, "2024-07-30", {"2024-08": 94.69})
    con.execute("set variable session_date = date '2024-09-20'")
    build(con)
    rows = con.execute("select meeting_date, reason from marts.policy_surprises order by 1").fetchall()
    assert [(str(day), why) for day, why in rows] == [
        ("2024-07-31", "price_missing"),
        ("2024-09-18", "price_missing"),
    ]


def test_published_figures_from_daily_settlements(replay: duckdb.DuckDBPyConnection) -> None:
    """Kuttner 2001, Table 2, last row (the only one inside the recorded settlements); Bernanke's speech of
    2 October 2003 on his paper with Kuttner: of the 50 bp cut of 6 November 2002 only 19 were a surprise.
    """
    first = row(replay, "marts.policy_surprises", "meeting_date = '2000-02-02'")
    assert round(float(str(first["surprise_bp"]))) == -5
    assert first["decided_change_bp"] == 25.0
    november = row(replay, "marts.policy_surprises", "meeting_date = '2002-11-06'")
    assert round(float(str(november["surprise_bp"]))) == -19


def test_agreement_with_the_published_half_hour_surprises(replay: duckdb.DuckDBPyConnection) -> None:
    """A day holds more than half an hour: most decisions agree within 1 bp, the few that do not have other
    news that day.
    """
    rows = replay.execute("select meeting_date, surprise_bp from marts.policy_surprises").fetchall()
    ours = {str(day): surprise for day, surprise in rows}
    dates = list(PUBLISHED_30_MINUTES)
    mine = np.array([ours[date] for date in dates], dtype=float)
    published = 100 * np.array([PUBLISHED_30_MINUTES[date] for date in dates])
    gap = np.abs(mine - published)
    assert np.isfinite(mine).all() and np.corrcoef(mine, published)[0, 1] > 0.93
    assert np.median(gap) <= 0.6 and (gap <= 2.0).mean() > 0.75
    # the market had moved over the holiday before the half hour of 22 January 2008
    assert max(zip(gap, dates, strict=True))[1] == "2008-01-22"


def test_missing_and_refused_prices_say_so(replay: duckdb.DuckDBPyConnection) -> None:
    silent = replay.execute(
        "select count(*) from marts.policy_surprises where (surprise_bp is null) <> (reason is not null)"
    ).fetchall()
    assert silent == [(0,)]
    counts = replay.execute(
        "select count(*), count(surprise_bp), min(meeting_date) filter (surprise_bp is not null) from"
        " marts.policy_surprises"
    ).fetchall()[0]
    assert counts[1] > 190 and str(counts[2]) == "2000-02-02"


@pytest.mark.parametrize("session", ["2008-01-22", "2020-03-16"])
def test_history_does_not_change_when_later_days_arrive(
    replay: duckdb.DuckDBPyConnection, session: str
) -> None:
    con = empty_policy_inputs()
    add_replay(con, replay_dir(), session)
    build(con)
    cut = con.execute("from marts.policy_surprises order by all").fetchall()
    whole = replay.execute(
        "from marts.policy_surprises where as_of_date <= cast(? as date) order by all", [session]
    ).fetchall()
    assert cut == whole and len(cut) > 60
