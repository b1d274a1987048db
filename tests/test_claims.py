"""Claims: figures and tolerances, verdicts, refused rows, and the published statements on recorded prices."""

from __future__ import annotations

import csv
import datetime as dt
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from expectations.reference_checks import check_reference_rows
from tests.market_fixture import simulated
from tests.model_fixture import add_closes, build, create, project_warehouse, set_session
from transforms.lib.claims.evidence import Evidence, Finding, NotComputable
from transforms.lib.claims.metrics import METRICS
from transforms.lib.claims.parameters import parse_other_bases, parse_parameters, unit_of_last_digit
from transforms.lib.claims.verdict import Claim, agrees, judge
from warehouse import reference_data
from warehouse.reference_data import ReferenceDataError, reference_frame

# -- figures ----------------------------------------------------------------------------------------------


def _claim(
    figure: str, comparison: str = "equals", tolerance: float | None = None, metric: str = "return_pct"
) -> Claim:
    return Claim(dt.date(2024, 7, 16), metric, {}, figure, comparison, tolerance)


@pytest.mark.parametrize(
    ("figure", "comparison", "number", "holds"),
    [
        ("10.4", "equals", 10.449, True),
        ("10.4", "equals", 10.451, False),
        ("3", "equals", 3.5, True),  # half a unit of the last digit, the edge included
        ("3", "equals", 3.51, False),
        ("-3", "equals", -2.8, True),
        ("9", "over", 9.99, True),
        ("9", "over", 11.5, False),
        ("9", "over", 8.99, False),
        ("1.5", "over", 1.59, True),
        ("-4", "less_than", -4.4, True),
        ("-4", "less_than", -4.0, False),
        ("10", "at_most", 10, True),
        ("1", "more_than", 1.0, False),
        ("2", "at_least", 2.0, True),
    ],
)
def test_tolerance_is_half_a_unit_of_the_last_digit(
    figure: str, comparison: str, number: float, holds: bool
) -> None:
    assert agrees(_claim(figure, comparison), Finding("", number=number)) is holds
    assert unit_of_last_digit("10.4") == 0.1 and unit_of_last_digit("9") == 1


def test_a_row_may_set_its_own_tolerance() -> None:
    assert agrees(_claim("100", tolerance=10.0), Finding("", number=92.6))
    assert not agrees(_claim("100", tolerance=0.0), Finding("", number=99.9))


def test_a_range_agrees_where_it_covers_the_figure() -> None:
    assert agrees(_claim("10.4"), Finding("", low=8.6, high=12.6))
    assert not agrees(_claim("10.4"), Finding("", low=10.46, high=12.6))
    assert agrees(_claim("9", "over"), Finding("", low=8.75, high=11.6))
    assert not agrees(_claim("9", "over"), Finding("", low=10.0, high=11.6))


def test_dates_agree_to_the_precision_published() -> None:
    day = Finding("", day=dt.date(2016, 11, 14))
    for figure in ("2016", "2016-11", "2016-11-14"):
        assert agrees(_claim(figure, metric="best_since"), day)
    assert not agrees(_claim("2016-12", metric="best_since"), day)
    assert not agrees(_claim("2016-11", metric="best_since"), Finding("none"))
    assert _claim("2016-11", metric="best_since").first_day == dt.date(2016, 11, 1)


def test_parameters_are_parsed() -> None:
    assert parse_parameters("base=IWM; quote=QQQ;sessions=5") == {
        "base": "IWM",
        "quote": "QQQ",
        "sessions": "5",
    }
    assert parse_other_bases("price=session | symbol=IWC;shift=-1") == [
        {"price": "session"},
        {"symbol": "IWC", "shift": "-1"},
    ]
    assert parse_parameters("") == {} and parse_other_bases("") == []


# -- verdicts ---------------------------------------------------------------------------------------------


def _evidence() -> Evidence:
    """IWM rises by 1 % a session to 110 at the end; its high of the last session is 3 above; SPY does not
    move.
    """
    con = project_warehouse("2024-07-16")
    create(con, "marts.instrument_daily")
    days = add_closes(con, "IWM", "2024-07-01", [100.0, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110])
    add_closes(con, "SPY", "2024-07-01", [400.0] * 11)
    assert days[-1] == dt.date(2024, 7, 16)
    con.execute("update staging.equity_prices set high = close + 3, low = close - 3 where symbol = 'IWM'")
    con.execute("update staging.equity_prices set low = close where symbol = 'SPY'")
    return Evidence(con)


def _judged(
    figure: str, other: str = "", parameters: str = "symbol=IWM;sessions=5", **more: str
) -> tuple[str, str]:
    claim = Claim(
        dt.date(2024, 7, 16),
        more.get("metric", "return_pct"),
        parse_parameters(parameters),
        figure,
        unit="%",
        other_bases=tuple(parse_other_bases(other)),
        note=more.get("note"),
    )
    verdict = judge(claim, _evidence())
    return verdict.verdict, verdict.why


def test_the_four_verdicts_and_their_sentences() -> None:
    # 110 / 105 - 1 = 4.76 %; at its high 113 / 105 - 1 = 7.62 %, at its low 107 / 105 - 1 = 1.90 %
    assert _judged("4.8") == ("confirmed", "Return of IWM over 5 sessions to 2024-07-16: 4.76 %.")
    verdict, why = _judged("7.0", "shift=-1 | price=session", note="Written during the session.")
    assert verdict == "confirmed_on_other_basis"
    assert (
        why
        == "True of prices during the session, not of the close: return of IWM over 5 sessions to 2024-07-16:"
        " between 1.90 and 7.62 %. As stated: return of IWM over 5 sessions to 2024-07-16: 4.76 %. Written"
        " during the session."
    )
    verdict, why = _judged("9.9", "shift=-1")
    assert verdict == "contradicted"
    assert "published: 9.9 %" in why and "on the session before" in why and "4.81 %" in why
    verdict, why = _judged("5", "symbol=SPY", "symbol=IWN;sessions=5")
    assert (verdict, why) == (
        "not_computable",
        (
            "IWN has no close on 2024-07-09. Also tried, of SPY, not of IWN: return of SPY over 5 sessions to"
            " 2024-07-16: 0.00 %."
        ),
    )


def test_another_basis_can_confirm_what_is_not_computable_as_stated() -> None:
    assert _judged("4.8", "symbol=IWM", "symbol=IWN;sessions=5")[0] == "confirmed_on_other_basis"


def test_a_reading_after_the_publication_is_not_tried() -> None:
    verdict, why = _judged("9.9", "shift=1")
    assert verdict == "contradicted" and "that session lies outside the publication" in why


def test_best_since_without_any_earlier_return_says_so() -> None:
    """A history that begins with the claim, as with a late ROTATION_HISTORY_START."""
    function = METRICS["best_since"].function
    for extra in ({}, {"value": "10.4"}):
        parameters = {"base": "IWM", "sessions": "20", **extra}
        with pytest.raises(NotComputable, match="there is no 20-session"):
            function(_evidence(), dt.date(2024, 7, 16), parameters)


def test_best_since_names_the_days_that_the_session_allows() -> None:
    con = project_warehouse("2024-07-16")
    # one-session returns: +5 %, +3 %, +4 %, then 0 and at last +2 %, with a high of +4.5 % and a low of +1 %
    closes = [100.0, 105, 108.15, 112.476, 112.476, 114.72552]
    days = add_closes(con, "IWM", "2024-07-09", closes)
    con.execute(
        "update staging.equity_prices set high = 112.476 * 1.045, low = 112.476 * 1.01 where session_date ="
        " '2024-07-16'"
    )
    create(con, "marts.instrument_daily")
    own = {"base": "IWM", "sessions": "1"}
    function = METRICS["best_since"].function
    assert function(Evidence(con), days[-1], own).day == days[3]  # 2 %: the last one as large is the 4 %
    assert function(Evidence(con), days[-1], {**own, "value": "4.5"}).day == days[1]
    possible = function(Evidence(con), days[-1], {**own, "price": "session"}).possible_days
    assert set(possible) == {
        days[3],
        days[1],
    }  # up to 4 %: the 4 % day; above: the 5 % day; never the 3 % day


def test_a_place_in_history_needs_twenty_windows_side_by_side() -> None:
    con = project_warehouse("2024-07-16")
    create(con, "marts.instrument_daily")
    rng = np.random.default_rng(3)
    days = add_closes(con, "IWM", "2022-06-01", list(100 * np.exp(np.cumsum(rng.normal(0, 0.01, 520)))))
    own = {"base": "IWM", "sessions": "25"}
    position, evidence = METRICS["history_position"].function, Evidence(con)
    # 495 returns to the last session, 500 are 20 windows of 25
    for statistic in ("z", "percentile"):
        with pytest.raises(NotComputable, match=r"495 observations since .* needs 500: 20 windows"):
            position(evidence, days[-1], {**own, "statistic": statistic})
    assert position(evidence, days[-1], {**own, "statistic": "rank"}).number is not None
    for statistic in ("z", "percentile"):
        shorter = {**own, "sessions": "24", "statistic": statistic}
        assert position(evidence, days[-1], shorter).number is not None


# -- refused rows -----------------------------------------------------------------------------------------


def test_the_reference_data_of_the_repository_is_accepted() -> None:
    check_reference_rows()
    rows = reference_frame("claims")
    ids = set(rows["claim_id"])
    assert {f"R{n}" for n in range(1, 24)} | {f"P{n}" for n in range(1, 6)} | {"B1", "B2", "B3"} == ids
    assert set(rows["metric"]) <= set(METRICS)


def _changed(table: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[str], pd.DataFrame]:
    return lambda name: change(reference_frame(name).copy()) if name == table else reference_frame(name)


def _with(column: str, value: object, place: int = 0) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[place, column] = value
        return frame

    return change


@pytest.mark.parametrize(
    ("table", "column", "value", "message"),
    [
        ("pairs", "base_symbol", "NOPE", "reference/pairs.csv line 2: unknown base_symbol 'NOPE'"),
        ("pairs", "quote_symbol", "A'); DROP TABLE x", "reference/pairs.csv line 2: unknown quote_symbol"),
        ("pairs", "pair_id", "IWM-SPY", "is not base_symbol/quote_symbol"),
        ("group_members", "symbol", "NOPE", "reference/group_members.csv line 2: unknown symbol 'NOPE'"),
        ("group_members", "group_id", "nope", "reference/group_members.csv line 2: unknown group_id 'nope'"),
        (
            "group_members",
            "member_to",
            pd.Timestamp("2014-09-23"),
            "reference/group_members.csv line 2: member_from 2014-09-24 is after member_to 2014-09-23",
        ),
        (
            "group_members",
            "membership_note",
            None,
            "reference/group_members.csv line 2: a membership with a date needs its membership_note",
        ),
        ("groups", "group_kind", "nope", "reference/groups.csv line 2: group_kind = 'nope' is not one of"),
        (
            "instruments",
            "benchmark_symbol",
            "NOPE",
            "reference/instruments.csv line 2: unknown benchmark_symbol 'NOPE'",
        ),
        ("instruments", "asset_class", "crypto", "reference/instruments.csv line 2: asset_class = 'crypto'"),
        ("claims", "metric", "select 1", "reference/claims.csv line 2: claim R1: unknown metric 'select 1'"),
        (
            "claims",
            "parameters",
            "base=IWM;quote=NOPE;sessions=5",
            "claim R1: quote = 'NOPE' is an unknown symbol",
        ),
        (
            "claims",
            "parameters",
            "base=IWM;quote=QQQ;sessions=5;sql=1",
            "claim R1: unknown parameter 'sql' of spread_pp",
        ),
        ("claims", "parameters", "base=IWM;quote=QQQ", "needs one of sessions, start, years"),
        ("claims", "parameters", "base=IWM;sessions=5", "spread_pp needs the parameter 'quote'"),
        (
            "claims",
            "parameters",
            "base=IWM;quote=QQQ;sessions=five",
            "sessions = 'five' is not a whole number",
        ),
        ("claims", "parameters", "base=IWM;quote=QQQ;start=2024-13-01", "start = '2024-13-01' is not a date"),
        (
            "claims",
            "parameters",
            "base=IWM;quote=QQQ;sessions=5;price=noon",
            "price = 'noon' is not one of close,session",
        ),
        ("claims", "parameters", "base", "'base' is not key=value"),
        ("claims", "other_bases", "price=session | base=NOPE", "base = 'NOPE' is an unknown symbol"),
        ("claims", "other_bases", "shift=yesterday", "shift = 'yesterday' is not a small number of sessions"),
        ("claims", "figure", "about ten", "figure = 'about ten' is not a number"),
        ("claims", "comparison", "like", "comparison = 'like' is not one of"),
    ],
)
def test_a_wrong_row_is_refused_with_file_and_line(
    table: str, column: str, value: object, message: str
) -> None:
    with pytest.raises(ReferenceDataError) as refused:
        check_reference_rows(_changed(table, _with(column, value)))
    assert message in str(refused.value)


def test_every_wrong_row_is_named_at_once() -> None:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        return _with("quote_symbol", "B", 4)(_with("base_symbol", "A", 3)(frame))

    with pytest.raises(
        ReferenceDataError, match=r"line 5: unknown base_symbol 'A'.*line 6: unknown quote_symbol 'B'"
    ):
        check_reference_rows(_changed("pairs", change))


def test_a_file_with_one_more_row_is_read_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "reference"
    shutil.copytree(reference_data.FOLDER, folder)
    lines = len((folder / "claims.csv").read_text(encoding="utf-8").splitlines())
    with (folder / "claims.csv").open("a", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerow(
            [
                "X1",
                1,
                "2024-07-16",
                "SPY up",
                "return_pct",
                "symbol=SPX;sessions=1",
                "1",
                "equals",
                "",
                "%",
                "",
                "me",
                "",
            ]
        )
    monkeypatch.setattr(reference_data, "FOLDER", folder)
    with pytest.raises(ReferenceDataError) as refused:
        check_reference_rows(reference_frame.__wrapped__)
    assert (
        str(refused.value)
        == f"reference/claims.csv line {lines + 1}: claim X1: symbol = 'SPX' is an unknown symbol"
    )


# -- the published statements -----------------------------------------------------------------------------

SYMBOLS = ("IWM", "SPY", "QQQ", "IWC", "^RUT", "^GSPC")


def checked_statements(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """The claims of the repository on the prices and yields that a warehouse holds; other marts are empty."""
    for model in (
        "staging.instrument_returns",
        "staging.instrument_history",
        "marts.instrument_daily",
        "marts.yield_curve_daily",
    ):
        build(con, model)
    for name in (
        "size_style_rank_daily",
        "group_score_daily",
        "fomc_meetings_daily",
        "macro_daily",
        "bank_rate_betas",
        "bank_reported_losses",
        "regimes_daily",
    ):
        create(con, f"marts.{name}")
    return build(con, "marts.claim_checks").set_index(["claim_id", "part"])


def test_simulated_data_judges_nothing() -> None:
    con = project_warehouse("2024-07-16")
    con.execute("set variable data_source = 'simulated'")
    checked = build(con, "marts.claim_checks")
    assert len(checked) > 5 and set(checked["verdict"]) == {"not_computable"}
    assert checked["recomputed"].isna().all() and "simulated" in checked["why"].iloc[0]


def test_only_statements_up_to_the_session_and_nothing_from_later() -> None:
    early, late = (_checked_as_if_real(session) for session in ("2024-07-18", "2024-09-30"))
    assert set(early.index) < set(late.index)
    assert early["as_of_date"].max() == pd.Timestamp("2024-07-16")
    assert early["recomputed"].notna().sum() > 5
    same = late.loc[early.index]
    pd.testing.assert_series_equal(early["recomputed"], same["recomputed"], check_exact=True)
    # a later session can add a reading (the session after), never change the figure as stated
    assert (early["verdict"] == same["verdict"]).all()


def _checked_as_if_real(session: str) -> pd.DataFrame:
    con = simulated(SYMBOLS, session)
    set_session(con, session, data_source="files")
    return checked_statements(con)
