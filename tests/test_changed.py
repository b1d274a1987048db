"""What changed since the session before, and what is due: each sentence against rows that are given."""

from __future__ import annotations

import random
from datetime import date, datetime
from typing import Any

import duckdb
import pytest

from brief.blocks import Page, Section
from brief.reader import Reader
from brief.rendering import plain_text
from brief.sections import first_sections
from warehouse.catalog import load_catalog

BEFORE, DAY = date(2024, 7, 15), date(2024, 7, 16)


@pytest.fixture
def marts() -> duckdb.DuckDBPyConnection:
    """Every table of a publication, empty but for its own row."""
    connection = duckdb.connect()
    for schema in ("marts", "ops", "ref"):
        connection.execute(f"create schema {schema}")
        for table in load_catalog().in_schema(schema):
            connection.execute(table.ddl().replace(" not null", ""))
    publish(connection, 2, DAY, "now")
    return connection


def publish(connection: duckdb.DuckDBPyConnection, generation: int, session: date, run: str) -> None:
    connection.execute(
        "insert into ops.publication (generation, session_date, data_source, published_at_utc, run_id)"
        " values (?, ?, 'files', ?, ?)",
        [generation, session, datetime(2024, 7, 16, 22), run],
    )


def insert(connection: duckdb.DuckDBPyConnection, table: str, **values: Any) -> None:
    names = ", ".join(values)
    marks = ", ".join("?" for _ in values)
    connection.execute(f"insert into {table} ({names}) values ({marks})", list(values.values()))


def texts(section: Section) -> list[str]:
    parts = [*section.leads, *section.lists, *section.notes]
    return [" ".join(plain_text(part).split()) for part in parts]


def changed(connection: duckdb.DuckDBPyConnection, day: date = DAY) -> list[str]:
    return texts(first_sections(Page(Reader(connection), day, False))[0])


def ahead(connection: duckdb.DuckDBPyConnection, day: date = DAY) -> list[str]:
    return texts(first_sections(Page(Reader(connection), day, False))[1])


def said(sentences: list[str], start: str) -> str:
    [sentence] = [one for one in sentences if one.startswith(start)]
    return sentence


# ---- extremes


def cell(
    connection: duckdb.DuckDBPyConnection, pair: str, window: int, day: date, z: float, record: str | None
) -> None:
    insert(
        connection,
        "marts.rotation_pair_daily",
        pair_id=pair,
        window_sessions=window,
        session_date=day,
        spread_pp=2 * z,
        spread_z=z,
        is_record_high=record == "high",
        is_record_low=record == "low",
    )


def count(connection: duckdb.DuckDBPyConnection) -> None:
    insert(
        connection,
        "marts.rotation_extremes_daily",
        session_date=DAY,
        cells_ranked=1387,
        cells_answered=317,
        sessions_with_record_pct=45.15,
    )


def test_new_records_are_counted_out_of_all_and_the_farthest_named(marts: duckdb.DuckDBPyConnection) -> None:
    count(marts)
    cell(marts, "IWM/SPY", 5, BEFORE, 4.0, "high")
    cell(marts, "IWM/SPY", 5, DAY, 4.5, "high")  # stood at one already
    cell(marts, "IWM/QQQ", 5, BEFORE, 3.5, "low")
    cell(marts, "IWM/QQQ", 5, DAY, 4.0, "high")  # the other side is new
    cell(marts, "KRE/SPY", 21, BEFORE, -1.0, None)
    cell(marts, "KRE/SPY", 21, DAY, -6.0, "low")
    assert said(changed(marts), "Extremes") == (
        "Extremes: 2 of 1,387 spreads are newly at a record (some stand at one on 45 % of days), namely"
        " KRE/SPY over 1 month −12.00 points, IWM/QQQ over 5 days +8.00 points; 1 of 317 newly have a z"
        " beyond 3."
    )


@pytest.mark.parametrize("seed", range(5))
def test_new_records_and_extremes_are_those_of_a_count_by_hand(
    marts: duckdb.DuckDBPyConnection, seed: int
) -> None:
    count(marts)
    draw = random.Random(seed)
    held: dict[date, dict[tuple[str, int], tuple[float, str | None]]] = {BEFORE: {}, DAY: {}}
    for day, cells in held.items():
        for number in range(40):
            if draw.random() < 0.9:
                z = draw.gauss(0, 3)
                record = draw.choice([None, "high" if z > 0 else "low"])
                cells[f"P{number}/Q", 5] = z, record
                cell(marts, f"P{number}/Q", 5, day, z, record)
    was = held[BEFORE]
    records = sum(
        record is not None and was.get(place, (0.0, None))[1] != record
        for place, (_, record) in held[DAY].items()
    )
    extremes = sum(
        abs(z) >= 3 and not (abs(before := was.get(place, (0.0, None))[0]) >= 3 and (before > 0) == (z > 0))
        for place, (z, _) in held[DAY].items()
    )
    sentence = said(changed(marts), "Extremes")
    assert f"Extremes: {records} of 1,387" in sentence
    assert f"; {extremes} of 317 newly" in sentence


# ---- regimes and quadrants


def test_a_change_of_regime_is_said_and_an_unknown_one_is_none(marts: duckdb.DuckDBPyConnection) -> None:
    for day, growth, policy in ((BEFORE, "up", None), (DAY, "down", "easing")):
        for horizon in (21, 63):
            insert(
                marts,
                "marts.regimes_daily",
                session_date=day,
                pair_id="IWM/SPY",
                horizon_sessions=horizon,
                growth=growth,
                expected_policy_change=policy,
            )
    assert said(changed(marts), "Regime") == "Regime: growth up → down."
    marts.execute("update marts.regimes_daily set growth = 'up'")
    assert any("no regime changed" in one for one in changed(marts))


def test_a_bank_whose_regime_was_established_is_named(marts: duckdb.DuckDBPyConnection) -> None:
    for day, regime, since in (
        (date(2024, 7, 12), "unclear", date(2024, 1, 2)),
        (BEFORE, "gains_when_rates_fall", BEFORE),
    ):
        insert(
            marts,
            "marts.bank_sensitivity_daily",
            entity_id="KRE",
            session_date=day,
            beta_y2=-0.5,
            regime=regime,
            regime_start_date=since,
        )
    insert(
        marts,
        "marts.bank_sensitivity_daily",
        entity_id="NEW",
        session_date=BEFORE,
        beta_y2=-0.5,
        regime="unclear",
        regime_start_date=BEFORE,
    )
    insert(marts, "marts.regimes_daily", session_date=DAY, pair_id="IWM/SPY", horizon_sessions=21)
    sentence = said(changed(marts), "Banks’ regime")
    assert (
        sentence == "Banks’ regime: KRE unclear → gains when rates fall (20 days in a row, to 15 Jul 2024)."
    )
    marts.execute("delete from marts.bank_sensitivity_daily where session_date = ?", [BEFORE])
    assert not any("Banks" in one for one in changed(marts)), "what was known before is no news"


def test_confirmed_quadrants_alone_are_named_and_stay_in_small_print(
    marts: duckdb.DuckDBPyConnection,
) -> None:
    for pair, before, now in (("IWM/SPY", "lagging", "leading"), ("VB/SPY", "lagging", "leading")):
        for day, quadrant in ((BEFORE, before), (DAY, now)):
            insert(
                marts,
                "marts.rotation_state_daily",
                pair_id=pair,
                session_date=day,
                quadrant=now,
                quadrant_confirmed=quadrant,
                weekly_quadrant_confirmed="leading",
            )
    insert(
        marts,
        "marts.rotation_state_daily",
        pair_id="KRE/SPY",
        session_date=DAY,
        quadrant="weakening",
        quadrant_confirmed="leading",
    )
    page = Page(Reader(marts), DAY, False)
    section = first_sections(page)[0]
    sentence = said([plain_text(note) for note in section.notes], "Confirmed")
    assert " ".join(sentence.split()) == (
        "Confirmed quadrants: IWM/SPY lagging → leading (daily). Of 3 pairs 2 changed by daily bars; of"
        " random walks one in twelve does per bar."
    )


# ---- the expected rate


def reprice(connection: duckdb.DuckDBPyConnection, day: date, change: float, **more: Any) -> None:
    values = {"horizon": "year_end", **more}
    insert(connection, "marts.policy_repricing", as_of_date=day, change_bp=change, **values)


@pytest.mark.parametrize(
    ("events", "words"),
    [
        (
            "cpi+fomc",
            ", with CPI and FOMC since the settlement before; none of 12 earlier days moved it as far.",
        ),
        (
            None,
            ", without a listed release since the settlement before; none of 12 earlier days moved it as"
            " far.",
        ),
    ],
)
def test_the_largest_repricing_names_the_release_of_its_day_and_no_cause(
    marts: duckdb.DuckDBPyConnection, events: str | None, words: str
) -> None:
    for number in range(1, 13):
        reprice(marts, date(2024, 6, number), 1.0, horizon="12m")
    reprice(marts, DAY, -3.0, event_types=events)
    reprice(marts, DAY, -12.34, event_types=events, horizon="12m")
    sentence = said(changed(marts), "Expected rate")
    assert sentence == f"Expected rate: −12.3 bp for twelve months ahead on 16 Jul 2024{words}"
    assert not any(word in sentence for word in ("because", "caused", "after", "due to"))


def test_a_small_repricing_is_no_news_and_an_old_one_is_none(marts: duckdb.DuckDBPyConnection) -> None:
    for number in range(1, 9):
        reprice(marts, date(2024, 7, number), 5.0)
    assert any("no change of the expected rate is known since 15 Jul 2024" in one for one in changed(marts))
    reprice(marts, DAY, 1.0)
    assert any(
        "none of the implied rates that are known moved by more than 1.0 bp" in one for one in changed(marts)
    )
    assert not any(one.startswith("Expected rate") for one in changed(marts))


# ---- decisions


@pytest.mark.parametrize(
    ("before", "after", "scheduled", "words"),
    [
        (1.25, 0.25, False, "on 15 Jul 2024 (unscheduled) the FOMC lowered its target range by 100 bp."),
        (0.25, 1.0, True, "on 15 Jul 2024 the FOMC raised its target range by 75 bp."),
        (5.5, 5.5, True, "on 15 Jul 2024 the FOMC left its target range as it was."),
        (5.5, None, True, "on 15 Jul 2024 the FOMC decided; its target range is not known here yet."),
    ],
)
def test_a_decision_since_the_session_before_is_said_first(
    marts: duckdb.DuckDBPyConnection, before: float, after: float | None, scheduled: bool, words: str
) -> None:
    for day, cancelled in ((date(2024, 7, 12), False), (date(2024, 7, 15), False), (date(2024, 7, 16), True)):
        insert(
            marts,
            "ref.fomc_meetings",
            decision_date=day,
            scheduled=scheduled,
            cancelled=cancelled,
            upper_before=before,
            upper_after=after,
        )
    insert(marts, "ref.fomc_meetings", decision_date=date(2024, 7, 17), scheduled=True)
    monday = [one for one in changed(marts, date(2024, 7, 15)) if one.startswith("Decision")]
    assert monday == [f"Decision: {words}"]
    assert not any(one.startswith("Decision") for one in changed(marts, DAY))


# ---- rules


def result(connection: duckdb.DuckDBPyConnection, run: str, rule: str, passed: bool) -> None:
    insert(
        connection,
        "ops.validation_results",
        run_id=run,
        table_name="raw.equity_prices",
        rule=rule,
        severity="warning",
        passed=passed,
        checked_rows=10,
        failed_rows=0 if passed else 1,
    )


def test_rules_that_began_or_ceased_to_fail(marts: duckdb.DuckDBPyConnection) -> None:
    result(marts, "now", "close_is_positive", False)
    result(marts, "now", "high_is_not_below_low", True)
    result(marts, "now", "still_fails", False)
    assert "There is no earlier publication whose rules could be compared." in changed(marts)
    publish(marts, 1, BEFORE, "before")
    result(marts, "before", "close_is_positive", True)
    result(marts, "before", "high_is_not_below_low", False)
    result(marts, "before", "not_checked_now", False)
    result(marts, "before", "still_fails", False)
    assert said(changed(marts), "Rules") == (
        "Rules: 1 began to fail: “close is positive” (equity prices, raw); 1 ceased to fail: “high is not"
        " below low” (equity prices, raw); since the publication of 15 Jul 2024."
    )


def test_a_quiet_day_says_so_in_one_line(marts: duckdb.DuckDBPyConnection) -> None:
    count(marts)
    cell(marts, "IWM/SPY", 5, DAY, 0.1, None)
    for day in (BEFORE, DAY):
        insert(
            marts,
            "marts.regimes_daily",
            session_date=day,
            pair_id="IWM/SPY",
            horizon_sessions=21,
            growth="up",
        )
    for number in range(1, 9):
        reprice(marts, date(2024, 7, number), 5.0)
    reprice(marts, DAY, 0.5)
    publish(marts, 1, BEFORE, "before")
    for run in ("before", "now"):
        result(marts, run, "still_fails", False)
    section = first_sections(Page(Reader(marts), DAY, False))[0]
    assert [plain_text(lead) for lead in section.leads] == [
        "Since 15 Jul 2024 none of 1,387 spreads is newly at a record; no regime changed; none of the"
        " implied rates that are known moved by more than 0.5 bp; the same rules fail as in the publication"
        " before."
    ]


def test_a_publication_without_marts_says_what_is_not_known(marts: duckdb.DuckDBPyConnection) -> None:
    sentences = changed(marts)
    for table in ("rotation_pair_daily", "regimes_daily", "policy_repricing", "rotation_state_daily"):
        assert any(f"marts.{table} has no rows" in one for one in sentences)


# ---- what is due


def meeting(connection: duckdb.DuckDBPyConnection, day: date, **more: Any) -> None:
    values = {"scheduled": True, "cancelled": False, "known_from_date": date(2023, 1, 1), **more}
    insert(connection, "ref.fomc_meetings", decision_date=day, **values)


def lists_reach(connection: duckdb.DuckDBPyConnection) -> None:
    for kind in ("cpi", "jobs", "fomc"):
        insert(connection, "ref.events", event_type=kind, event_date=date(2025, 1, 10))


def test_nothing_due_is_said(marts: duckdb.DuckDBPyConnection) -> None:
    lists_reach(marts)
    insert(marts, "ref.events", event_type="cpi", event_date=DAY)
    insert(marts, "ref.events", event_type="jobs", event_date=date(2024, 7, 24))
    meeting(marts, date(2024, 7, 31))
    assert ahead(marts) == [
        "No CPI, no jobs report and no FOMC decision is due between 16 Jul 2024 and 23 Jul 2024."
    ]


def test_what_is_due_stands_by_day_with_what_is_priced(marts: duckdb.DuckDBPyConnection) -> None:
    lists_reach(marts)
    insert(
        marts,
        "ref.events",
        event_type="cpi",
        event_date=date(2024, 7, 19),
        reference_month=date(2024, 6, 1),
    )
    meeting(marts, date(2024, 7, 18))
    insert(marts, "marts.policy_path_daily", as_of_date=BEFORE)
    key = {"as_of_date": BEFORE, "meeting_date": date(2024, 7, 18)}
    insert(marts, "marts.fomc_meetings_daily", **key, cut_prob=1.0)
    for moves, prob in ((-1, 0.75), (-2, 0.246), (0, 0.004)):
        insert(
            marts,
            "marts.fomc_probabilities",
            **key,
            target_lower_pct=5.25 + moves / 4,
            moves=moves,
            prob=prob,
        )
    assert ahead(marts) == [
        "Thu 18 Jul 2024 FOMC decision: by the futures of 15 Jul 2024 25 bp lower 75 %, 50 bp lower 25 %"
        " Fri 19 Jul 2024 CPI for Jun 2024"
    ]
    [old] = ahead(marts, date(2024, 7, 17))
    assert "by the futures of 15 Jul 2024 25 bp lower 75 %" in old
    marts.execute("delete from ref.fomc_meetings")
    meeting(marts, date(2024, 7, 25))
    [old] = ahead(marts, date(2024, 7, 22))
    assert "FOMC decision: not priced: Fed funds futures end on 2024-07-15, 5 settlement days before" in old


@pytest.mark.parametrize(
    ("more", "due"),
    [
        ({}, True),
        ({"cancelled": True, "cancelled_on": date(2024, 7, 15)}, False),
        ({"cancelled": True, "cancelled_on": date(2024, 7, 17)}, True),
        ({"scheduled": False, "known_from_date": date(2024, 7, 18)}, False),
    ],
)
def test_a_decision_is_due_as_far_as_was_known(
    marts: duckdb.DuckDBPyConnection, more: dict[str, Any], due: bool
) -> None:
    """The meeting of 17–18 March 2020 was called off on the 15th; that of the 15th was known by nobody."""
    lists_reach(marts)
    meeting(marts, date(2024, 7, 18), **more)
    assert any("FOMC decision: not priced" in one for one in ahead(marts)) == due


def test_a_list_that_ends_is_named(marts: duckdb.DuckDBPyConnection) -> None:
    lists_reach(marts)
    meeting(marts, date(2024, 7, 31))
    marts.execute("update ref.events set event_date = '2024-07-20' where event_type = 'cpi'")
    assert "The list of CPI dates ends on 20 Jul 2024: later ones are not known." in ahead(marts)
