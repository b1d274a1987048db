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
        (11.0, 2, "2024-07-15", "2024-07-12", "among the widest tenth (rank 2 of 1,000"),
        (-9.0, 998, "2024-07-12", "2024-04-16", "among the weakest tenth (rank 998 of 1,000"),
        (-9.0, 998, "2024-07-12", "2024-04-15", "the weakest since 2024-04-15"),
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


def count_extremes(connection: duckdb.DuckDBPyConnection, common: bool) -> None:
    """The counts of the day; `common`: with a history to compare with."""
    connection.execute(
        "insert into marts.rotation_extremes_daily (session_date, cells_answered, cells_extreme,"
        " sessions_with_extreme_pct, cells_ranked, cells_record, sessions_with_record_pct, compared_sessions)"
        " values (?, 317, 79, ?, 1387, 1, ?, 5000)",
        [DAY, 29.07 if common else None, 45.15 if common else None],
    )


@pytest.mark.parametrize(
    ("common", "said"),
    [
        (
            True,
            "closes). Of 1,387 spreads watched 1 is at a record (some are on 45 % of days); of 317 with a z"
            " 79 are beyond 3 (some are on 29 % of days).",
        ),
        (False, "closes). Of 1,387 spreads watched 1 is at a record; of 317 with a z 79 are beyond 3."),
    ],
)
def test_what_is_called_wide_says_out_of_how_many(
    marts: duckdb.DuckDBPyConnection, common: bool, said: str
) -> None:
    count_extremes(marts, common)
    assert spread(marts, 11.81, 4, "2001-04-03", "2024-07-15").endswith(said)


def test_what_is_ordinary_needs_no_count(marts: duckdb.DuckDBPyConnection) -> None:
    count_extremes(marts, True)
    assert "watched" not in spread(marts, 0.4, 480, "2024-07-12", "2024-07-15")


def test_quadrants_make_no_headline(marts: duckdb.DuckDBPyConnection) -> None:
    """A random walk changes its quadrant every other day."""
    before = headlines(marts, DAY)
    marts.execute(
        "insert into marts.rotation_state_daily by name select 'IWM/SPY' as pair_id, $1 as session_date,"
        " 'leading' as quadrant, 1 as quadrant_spell_sessions, 'lagging' as weekly_quadrant",
        [DAY],
    )
    assert headlines(marts, DAY) == before
    words = ("quadrant", "leading", "weakening", "lagging", "improving")
    assert not any(word in sentence for sentence in before for word in words)


def test_an_unpriced_meeting_says_why(marts: duckdb.DuckDBPyConnection) -> None:
    marts.execute(
        "insert into marts.fomc_meetings_daily (as_of_date, meeting_date, reason, missing_contract) values"
        " ('2024-07-16', '2024-07-31', 'price_missing', 'ZQQ24'),"
        " ('2024-07-16', '2024-09-18', 'forward_amplification_above_4', 'ZQV24')"
    )
    assert fed_sentences(marts) == [
        "Fed funds futures (16 Jul): the 31 Jul meeting could not be priced: no settlement of ZQQ24"
        " (Aug 2024), which is needed.",
        "Fed funds futures (16 Jul): the 18 Sep meeting could not be priced: the error of the price would be"
        " more than four times as large in the result; no usable price of ZQV24 (Oct 2024).",
    ]


def price(connection: duckdb.DuckDBPyConnection, as_of: str, meeting: str, **moves: float) -> None:
    """A meeting as a day's futures price it: `cut1=0.9, cut2=0.1, hold=…, hike1=…`."""
    connection.execute(
        "insert into marts.fomc_meetings_daily (as_of_date, meeting_date, target_lower_pct, target_upper_pct,"
        " cut_prob, hold_prob, hike_prob, solved) values (?, ?, 5.25, 5.5, ?, ?, 0, 'anchor')",
        [as_of, meeting, 1 - moves.get("hold", 0), moves.get("hold", 0)],
    )
    count_days(connection, "cme_2023plus", as_of, meeting, as_of > "2024-03-11", **moves)


def count_days(
    connection: duckdb.DuckDBPyConnection,
    method: str,
    as_of: str,
    meeting: str,
    as_published: bool,
    **moves: float,
) -> None:
    """The outcomes of a meeting by one day count."""
    signs = {"cut": -1, "hold": 0, "hike": 1}
    for name, prob in moves.items():
        count = signs[name.rstrip("1234")] * int(name[-1] if name[-1].isdigit() else 0)
        connection.execute(
            "insert into marts.fomc_probabilities_by_method (method_version, as_of_date, meeting_date,"
            " target_lower_pct, target_upper_pct, moves, prob, as_published) values (?, ?, ?, ?, ?, ?, ?, ?)",
            [method, as_of, meeting, 5.25 + count / 4, 5.5 + count / 4, count, prob, as_published],
        )


def fed_sentences(connection: duckdb.DuckDBPyConnection, day: date = DAY) -> list[str]:
    return [sentence for sentence in headlines(connection, day) if sentence.startswith("Fed")]


@pytest.mark.parametrize(
    ("as_of", "meeting", "moves", "said"),
    [
        (
            "2024-07-16",
            "2024-09-18",
            {"cut1": 0.92, "cut2": 0.08},
            "Fed funds futures (16 Jul): after the 18 Sep meeting 25 bp lower 92 %, 50 bp lower 8 %.",
        ),
        (
            "2024-07-16",
            "2024-07-31",
            {"hold": 0.996, "cut1": 0.004},
            "Fed funds futures (16 Jul): after the 31 Jul meeting unchanged 100 %.",
        ),
        (
            "2024-07-12",
            "2025-01-29",
            {"hold": 0.25, "hike1": 0.75},
            "Fed funds futures (12 Jul): after the 29 Jan 2025 meeting 25 bp higher 75 %, unchanged 25 %;"
            " 16 Jul is not settled yet.",
        ),
    ],
)
def test_the_outcomes_in_question_are_named(
    marts: duckdb.DuckDBPyConnection, as_of: str, meeting: str, moves: dict[str, float], said: str
) -> None:
    price(marts, as_of, meeting, **moves)
    assert fed_sentences(marts) == [said]


@pytest.mark.parametrize(
    ("as_of", "meeting", "moves", "said"),
    [
        ("2024-07-16", "2024-07-31", {"hold": 1.0}, "after the 31 Jul meeting unchanged 100 %."),
        ("2024-07-16", "2024-07-31", {"hike1": 1.0}, "after the 31 Jul meeting 25 bp higher 100 %."),
        ("2024-07-16", "2024-07-31", {"hike3": 0.998, "hike4": 0.002}, "75 bp higher 100 %."),
        ("2024-07-16", "2024-07-17", {"cut1": 0.75, "cut2": 0.25}, "25 bp lower 75 %, 50 bp lower 25 %."),
        ("2024-07-15", "2024-07-17", {"cut2": 1.0}, "50 bp lower 100 %; 16 Jul is not settled yet."),
    ],
)
def test_a_certain_outcome_and_a_meeting_tomorrow_name_no_outcome_of_nothing(
    marts: duckdb.DuckDBPyConnection, as_of: str, meeting: str, moves: dict[str, float], said: str
) -> None:
    price(marts, as_of, meeting, **moves)
    [sentence] = fed_sentences(marts)
    assert sentence.endswith(said)
    assert " 0 %" not in sentence and "below" not in sentence


def test_what_cme_published_is_not_repeated_where_it_is_the_same(marts: duckdb.DuckDBPyConnection) -> None:
    price(marts, "2022-07-12", "2022-07-27", hold=0.902, cut1=0.098)
    count_days(marts, "cme_2022", "2022-07-12", "2022-07-27", True, hold=0.9, cut1=0.1)
    assert fed_sentences(marts, date(2022, 7, 12)) == [
        "Fed funds futures (12 Jul): after the 27 Jul meeting unchanged 90 %, 25 bp lower 10 %; the same as"
        " CME published then."
    ]


def test_shares_that_do_not_add_to_100_say_that_they_are_rounded(marts: duckdb.DuckDBPyConnection) -> None:
    price(marts, "2024-07-16", "2024-09-18", cut1=0.667, cut2=0.307, hold=0.026)
    price(marts, "2024-07-16", "2024-11-07", cut1=0.664, cut2=0.307, hold=0.029)
    assert fed_sentences(marts) == [
        "Fed funds futures (16 Jul): after the 18 Sep meeting 25 bp lower 67 %, 50 bp lower 31 %, unchanged"
        " 3 % (rounded).",
        "Fed funds futures (16 Jul): after the 7 Nov meeting 25 bp lower 66 %, 50 bp lower 31 %, unchanged"
        " 3 %.",
    ]


def test_before_the_switch_the_published_figure_stands_beside(marts: duckdb.DuckDBPyConnection) -> None:
    """The press of 12 July 2022 has 92.4 and 7.6 per cent; the marts' own count gives 96.2 for 75 bp."""
    for day, last in (("2022-07-12", True), ("2024-03-12", False)):
        meeting = "2022-07-27" if last else "2024-03-20"
        price(marts, day, meeting, hike3=0.962, hike2=0.038)
        count_days(marts, "cme_2022", day, meeting, last, hike3=0.924, hike4=0.076)
    assert fed_sentences(marts, date(2022, 7, 12)) == [
        "Fed funds futures (12 Jul): after the 27 Jul meeting 75 bp higher 96 %, 50 bp higher 4 %;"
        " as CME published then: 75 bp higher 92 %, 100 bp higher 8 %."
    ]
    assert fed_sentences(marts, date(2024, 3, 12)) == [
        "Fed funds futures (12 Mar): after the 20 Mar meeting 75 bp higher 96 %, 50 bp higher 4 %."
    ]


def test_what_lacks_a_contract_is_called_neither_fedwatch_nor_published(
    marts: duckdb.DuckDBPyConnection,
) -> None:
    price(marts, "2022-07-12", "2022-07-27", hike3=0.962, hike2=0.038)
    count_days(marts, "cme_2022", "2022-07-12", "2022-07-27", True, hike3=0.924, hike4=0.076)
    for table in ("fomc_meetings_daily", "fomc_probabilities_by_method"):
        marts.execute(f"update marts.{table} set missing_contract = 'ZQQ22'")
    marts.execute("update marts.fomc_meetings_daily set reason = 'later_contract_missing'")
    assert fed_sentences(marts, date(2022, 7, 12)) == [
        "Fed funds futures (12 Jul): after the 27 Jul meeting 75 bp higher 96 %, 50 bp higher 4 % (no usable"
        " price of ZQQ22 (Aug 2022), so worked out another way than CME would: not FedWatch’s figure)."
    ]


@pytest.mark.parametrize(("session", "settled"), [("2024-07-31", "2024-07-31"), ("2024-07-31", "2024-07-30")])
def test_on_the_day_of_a_decision_the_next_meeting_is_the_one_after_it(
    marts: duckdb.DuckDBPyConnection, session: str, settled: str
) -> None:
    """The decision is out at 14:00 in New York, an hour before the futures settle."""
    price(marts, settled, "2024-07-31", hold=0.96, cut1=0.04)
    price(marts, settled, "2024-09-18", cut1=0.87, cut2=0.13)
    [sentence] = fed_sentences(marts, date.fromisoformat(session))
    assert (
        "after the 18 Sep meeting 25 bp lower 87 %, 50 bp lower 13 %; measured from 5.25–5.50 %," in sentence
    )
    assert "before the decision of 31 Jul" in sentence
    assert sentence.endswith("31 Jul is not settled yet.") == (settled != session)


@pytest.mark.parametrize(
    ("session", "speaks"), [("2024-07-12", True), ("2024-07-17", True), ("2024-07-18", False)]
)
def test_settlements_older_than_three_days_leave_the_headlines(
    marts: duckdb.DuckDBPyConnection, session: str, speaks: bool
) -> None:
    price(marts, "2024-07-12", "2024-07-31", hold=0.92, cut1=0.08)
    assert bool(fed_sentences(marts, date.fromisoformat(session))) == speaks


@pytest.mark.parametrize("settled_after", [True, False])
def test_a_list_of_meetings_that_is_over_leaves_no_next_meeting(
    marts: duckdb.DuckDBPyConnection, settled_after: bool
) -> None:
    price(marts, "2024-07-12", "2024-07-12", hold=1.0)
    if settled_after:
        marts.execute(
            "insert into marts.policy_path_daily (as_of_date) values ('2024-07-12'), ('2024-07-15')"
        )
    assert fed_sentences(marts) == [
        "Fed: The list of FOMC meetings has none after 12 Jul 2024, so the next meeting is not known."
    ]


@pytest.mark.parametrize(
    ("last", "speaks"), [("2024-07-15", True), ("2024-07-10", True), ("2024-06-14", False)]
)
def test_old_yields_and_old_estimates_leave_the_headlines(
    marts: duckdb.DuckDBPyConnection, last: str, speaks: bool
) -> None:
    marts.execute(
        "insert into marts.yield_curve_daily (session_date, y2_pct, y10_pct, slope_2s10s_bp, inverted)"
        " values (?, 4.5, 4.2, -30, false)",
        [last],
    )
    marts.execute(
        "insert into marts.bank_sensitivity_daily (entity_id, session_date, beta_y2, t_y2, regime)"
        " values ('KRE', ?, -0.5, -2, 'unclear')",
        [last],
    )
    marts.execute(
        "insert into marts.bank_rate_betas (symbol, session_date, model, estimator, factor, std_error)"
        " values ('KRE', ?, 'market_2y_slope', 'w252', 'y2', 0.2)",
        [last],
    )
    said = [sentence.partition(":")[0] for sentence in headlines(marts, DAY)]
    assert ("Curve" in said, "Banks" in said) == (speaks, speaks)


@pytest.mark.parametrize(
    ("rests", "said"),
    [
        (
            True,
            ", t = -2.93, -1.45 without the five days of the largest yield moves); regime: gains when",
        ),
        (False, ", t = -2.93); regime: gains when rates fall"),
        (None, ", t = -2.93); regime: gains when rates fall"),
    ],
)
def test_a_class_that_rests_on_five_days_is_said(
    marts: duckdb.DuckDBPyConnection, rests: bool | None, said: str
) -> None:
    marts.execute(
        "insert into marts.bank_sensitivity_daily (entity_id, session_date, beta_y2, t_y2, t_y2_without_top5,"
        " regime, regime_rests_on_few_days)"
        " values ('KRE', '2024-07-15', -0.64, -2.93, ?, 'gains_when_rates_fall', ?)",
        [None if rests is None else -1.45, rests],
    )
    marts.execute(
        "insert into marts.bank_rate_betas (symbol, session_date, model, estimator, factor, std_error)"
        " values ('KRE', '2024-07-15', 'market_2y_slope', 'w252', 'y2', 0.2)"
    )
    [sentence] = [text for text in headlines(marts, DAY) if text.startswith("Banks")]
    assert said in sentence
    assert ("but those five days decide what the day says." in sentence) == bool(rests)


def test_without_anything_nothing_is_made_up(marts: duckdb.DuckDBPyConnection) -> None:
    sentences = headlines(marts, DAY)
    assert sentences == [
        "Rotation: no 5-session spread of IWM over QQQ for 2024-07-16: a price is missing.",
        "Fed: no fed funds futures have been loaded, so no meeting is priced.",
    ]
