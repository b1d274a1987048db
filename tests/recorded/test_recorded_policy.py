"""What the recorded settlements of fed funds futures show, against published figures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.policy_checks import CHECKS, Check, assert_history_is_the_same
from tests.policy_market import recorded_policy, row
from transforms.lib import fomc
from transforms.marts.fomc_probabilities import compute_probabilities
from transforms.staging import fomc_moves

pytestmark = [pytest.mark.replay, pytest.mark.slow]

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


def probabilities(as_of: str, meeting: str) -> dict[float, float]:
    rows = recorded_policy().execute(
        """
        select target_lower_pct, prob from marts.fomc_probabilities
        where as_of_date = cast(? as date) and meeting_date = cast(? as date) order by target_lower_pct
        """,
        [as_of, meeting],
    )
    return dict(rows.fetchall())


def meeting_row(as_of: str, meeting: str) -> dict[str, object]:
    return row(
        recorded_policy(),
        "marts.fomc_meetings_daily",
        f"as_of_date = '{as_of}' and meeting_date = '{meeting}'",
    )


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_recorded_market(check: Check) -> None:
    check(recorded_policy())


@pytest.mark.parametrize("session", ["2008-10-10", "2020-03-13", "2023-06-30", "2024-08-02"])
def test_history_does_not_change_when_later_days_arrive(session: str) -> None:
    assert_history_is_the_same(recorded_policy(session), recorded_policy(), session)


def test_cme_table_of_12_september_2022() -> None:
    """CME's worked example gives 10/90 (test_fomc_core); the live table of the day, from August's final
    settlement, 8/92.
    """
    assert probabilities("2022-09-12", "2022-09-21") == pytest.approx({2.75: 0.08, 3.0: 0.92}, abs=5e-4)


@pytest.mark.parametrize(
    ("as_of", "published"),
    [
        ("2023-03-10", {5.0: 0.574, 5.25: 0.410, 5.5: 0.016}),
        ("2023-04-03", {4.75: 0.428, 5.0: 0.572}),
        ("2023-04-07", {4.75: 0.288, 5.0: 0.712}),  # Good Friday: a settlement day, no NYSE session
    ],
)
def test_published_tables_of_3_may_2023_fit_the_day_count_of_then(
    as_of: str, published: dict[float, float]
) -> None:
    """FedWatch figures quoted by the press on those days; they fit N = d - 1 and not N = d."""
    moves = fomc_moves.build(recorded_policy(), fomc.METHOD_VERSION_2022)
    moves = moves[moves["as_of_date"] == pd.Timestamp(as_of)].sort_values("meeting_number")
    table = compute_probabilities(moves, fomc.METHOD_VERSION_2022)
    assert set(table["method_version"]) == {"cme_2022"}
    table = table[table["meeting_date"] == pd.Timestamp("2023-05-03")]
    got = dict(zip(table["target_lower_pct"], table["prob"], strict=True))
    assert {rate: round(got[rate], 3) for rate in published} == pytest.approx(published, abs=1e-9)
    now = probabilities(as_of, "2023-05-03")
    assert {rate: round(now.get(rate, 0.0), 3) for rate in published} != published


def test_september_2024_cut_was_priced_in_full_on_16_july() -> None:
    rows = (
        recorded_policy()
        .execute("""
        select as_of_date, cut_prob from marts.fomc_meetings_daily
        where meeting_date = '2024-09-18' and as_of_date between '2024-06-12' and '2024-08-16' order by all
        """)
        .fetchall()
    )
    cut = {str(day): prob for day, prob in rows}
    assert len(cut) == 46 and all(prob is not None for prob in cut.values())
    assert cut["2024-07-10"] < 0.75 < 0.9 < cut["2024-07-11"] < 1.0  # the CPI day
    assert cut["2024-07-16"] == 1.0
    june = meeting_row("2024-06-12", "2024-06-12")
    assert june["solved"] == "forward" and june["hold_prob"] == 1.0  # May's contract, expired, from April's


def test_contract_that_stopped_being_captured_is_missing() -> None:
    """ZQQ24 ends 2024-08-16: on the 19th September's start is solved from September's own contract."""
    assert meeting_row("2024-08-16", "2024-09-18")["solved"] == "anchor"
    assert meeting_row("2024-08-19", "2024-09-18")["solved"] == "backward"


def test_march_2020() -> None:
    shown = (
        recorded_policy()
        .execute("""
        select as_of_date, min(meeting_date) as next_meeting from marts.fomc_meetings_daily
        where as_of_date in ('2020-03-02', '2020-03-03', '2020-03-04', '2020-03-13', '2020-03-16')
        group by all order by all
        """)
        .fetchall()
    )
    assert [str(meeting) for _, meeting in shown] == [
        "2020-03-18",
        "2020-03-03",
        "2020-03-18",
        "2020-03-18",
        "2020-04-29",
    ]
    assert meeting_row("2020-03-04", "2020-03-18")["reason"] == "two_decisions_in_month"
    # the level between the two decisions, solved from March's price, is close to what was fixed then (1.09)
    between = (
        recorded_policy()
        .execute(
            "select start_rate_pct from staging.fomc_moves where as_of_date = '2020-03-04' and meeting_date ="
            " '2020-03-18'"
        )
        .fetchall()
    )
    assert between[0][0] == pytest.approx(1.09, abs=0.05)


def test_wild_and_placeholder_prices_of_2000_and_2001_are_refused() -> None:
    """ZQG02 at 83.425 on 2000-09-12; 93.425 in every contract that had not traded yet, into 2002."""
    extreme = (
        recorded_policy().execute("select max(abs(moves_expected)) from staging.fomc_moves").fetchall()[0][0]
    )
    assert extreme < 4.5  # 17 March 2008: a full point expected
    refused = (
        recorded_policy()
        .execute(
            "select year(as_of_date), count(*) from staging.fomc_moves where reason = 'price_refused'"
            " group by all order by all"
        )
        .fetchall()
    )
    assert {year for year, _ in refused} <= {2000, 2001, 2002, 2003, 2004}


def test_silicon_valley_bank_repriced_the_year() -> None:
    largest = (
        recorded_policy()
        .execute(
            "select as_of_date, change_bp from marts.policy_repricing where horizon = 'year_end' order by"
            " abs(change_bp) desc limit 1"
        )
        .fetchall()
    )
    assert str(largest[0][0]) == "2023-03-13" and largest[0][1] == pytest.approx(-97.5, abs=0.1)
    assert (
        row(
            recorded_policy(), "marts.policy_repricing", "as_of_date = '2024-06-12' and horizon = 'year_end'"
        )["event_types"]
        == "cpi+fomc"
    )


def test_good_curves_fit_within_half_a_tick() -> None:
    quantiles = (
        recorded_policy()
        .execute("""
        select median(curve_residual_bp), quantile_cont(curve_residual_bp, 0.9) from marts.policy_path_daily
        where as_of_date between '2010-01-01' and '2023-09-15'
        """)
        .fetchall()[0]
    )
    assert quantiles[0] < 0.35 and quantiles[1] < 0.8


def test_published_figures_from_daily_settlements() -> None:
    """Kuttner 2001, Table 2, last row (the only one inside the recorded settlements); Bernanke's speech of
    2 October 2003 on his paper with Kuttner: of the 50 bp cut of 6 November 2002 only 19 were a surprise.
    """
    first = row(recorded_policy(), "marts.policy_surprises", "meeting_date = '2000-02-02'")
    assert round(float(str(first["surprise_bp"]))) == -5
    assert first["decided_change_bp"] == 25.0
    november = row(recorded_policy(), "marts.policy_surprises", "meeting_date = '2002-11-06'")
    assert round(float(str(november["surprise_bp"]))) == -19


def test_agreement_with_the_published_half_hour_surprises() -> None:
    """A day holds more than half an hour: most decisions agree within 1 bp, the few that do not have other
    news that day.
    """
    rows = (
        recorded_policy().execute("select meeting_date, surprise_bp from marts.policy_surprises").fetchall()
    )
    ours = {str(day): surprise for day, surprise in rows}
    dates = list(PUBLISHED_30_MINUTES)
    mine = np.array([ours[date] for date in dates], dtype=float)
    published = 100 * np.array([PUBLISHED_30_MINUTES[date] for date in dates])
    gap = np.abs(mine - published)
    assert np.isfinite(mine).all() and np.corrcoef(mine, published)[0, 1] > 0.93
    assert np.median(gap) <= 0.6 and (gap <= 2.0).mean() > 0.75
    # the market had moved over the holiday before the half hour of 22 January 2008
    assert max(zip(gap, dates, strict=True))[1] == "2008-01-22"


def test_missing_and_refused_prices_say_so() -> None:
    silent = (
        recorded_policy()
        .execute(
            "select count(*) from marts.policy_surprises where (surprise_bp is null) <> (reason is not null)"
        )
        .fetchall()
    )
    assert silent == [(0,)]
    counts = (
        recorded_policy()
        .execute(
            "select count(*), count(surprise_bp), min(meeting_date) filter (surprise_bp is not null) from"
            " marts.policy_surprises"
        )
        .fetchall()[0]
    )
    assert counts[1] > 190 and str(counts[2]) == "2000-02-02"


def test_published_table_of_3_april_2023_is_in_the_older_count() -> None:
    rows = (
        recorded_policy()
        .execute("""
        select method_version, round(prob, 3) from marts.fomc_probabilities_by_method
        where as_of_date = '2023-04-03' and meeting_date = '2023-05-03' and target_lower_pct = 5 order by 1
        """)
        .fetchall()
    )
    assert rows[0] == ("cme_2022", 0.572) and rows[1][0] == "cme_2023plus" and rows[1][1] != 0.572
