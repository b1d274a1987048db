"""Claims: figures and tolerances, verdicts, refused rows, and the published statements on recorded prices."""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from expectations.reference_checks import check_reference_rows
from tests.market_fixture import simulated
from tests.model_fixture import add_closes, build, create, fill, project_warehouse, set_session
from transforms.lib.claims.evidence import Evidence, Finding, NotComputable
from transforms.lib.claims.mart_metrics import slope_with_interval
from transforms.lib.claims.metrics import METRICS
from transforms.lib.claims.nearby import KINDS, neighbours
from transforms.lib.claims.parameters import parse_other_bases, parse_parameters, unit_of_last_digit
from transforms.lib.claims.price_metrics import share_interval_pct
from transforms.lib.claims.verdict import Claim, Verdict, agrees, is_undecided, judge
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
    verdict = _whole(figure, other, parameters, **more)
    return verdict.verdict, verdict.why


def _whole(figure: str, other: str = "", parameters: str = "symbol=IWM;sessions=5", **more: str) -> Verdict:
    claim = Claim(
        dt.date(2024, 7, 16),
        more.get("metric", "return_pct"),
        parse_parameters(parameters),
        figure,
        unit="%",
        other_bases=tuple(parse_other_bases(other)),
        note=more.get("note"),
        fitted=more.get("fitted") == "yes",
    )
    return judge(claim, _evidence())


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
            "There are no prices of IWN (bring prices/IWN.csv, or a live source). Also tried, of SPY,"
            " not of IWN: return of SPY over 5 sessions to"
            " 2024-07-16: 0.00 %."
        ),
    )


def test_a_fitted_reading_confirms_nothing() -> None:
    # During the session 7.0 was possible; a reading that was taken because of that is no evidence.
    fitted = _whole("7.0", "shift=-1 | price=session;fitted=yes")
    assert (fitted.verdict, fitted.as_stated) == ("fitted_only", "contradicted")
    assert fitted.why.startswith("Comes out only as fitted, of prices during the session") and fitted.basis
    assert (fitted.tried, fitted.agreeing) == (3, 1)
    # An honest reading that agrees comes before one that was fitted, wherever it stands.
    honest = _whole("4.8", "symbol=IWM;fitted=yes | symbol=IWM", "symbol=IWN;sessions=5")
    assert (honest.verdict, honest.as_stated) == ("confirmed_on_other_basis", "not_computable")
    assert honest.agreeing == 2
    # The statement's own reading can be fitted as well; what it chose, its further readings share.
    own = _whole("4.8", fitted="yes")
    assert (own.verdict, own.as_stated, own.basis) == ("fitted_only", "fitted_only", None)
    assert "fitted to the figure" in own.why
    inherited = _whole("7.0", "price=session", fitted="yes")
    assert (inherited.verdict, inherited.as_stated) == ("fitted_only", "contradicted")


def test_every_reading_is_tried_and_counted_behind_the_first_that_agrees() -> None:
    confirmed = _whole("4.8", "shift=-1 | price=session | symbol=SPY")
    assert (confirmed.verdict, confirmed.as_stated) == ("confirmed", "confirmed")
    assert (confirmed.tried, confirmed.agreeing) == (4, 3)  # 4.81 the session before; 1.90 to 7.62; SPY 0


def test_nearby_readings_are_the_registered_ones_and_are_counted() -> None:
    nearby = _whole("4.8").nearby
    # a session before 109/104 - 1 = 4.81 (the one after lies outside); over 4 sessions 110/106 - 1 = 3.77,
    # over 6 110/104 - 1 = 5.77; ^RUT, the twin of IWM, has no prices
    assert (nearby.readings, nearby.agreeing) == (3, 1)
    assert nearby.words == (
        "on the session before 4.81 % (holds); over 4 sessions, not 5 3.77 % (does not); over 6 sessions, not"
        " 5 5.77 % (does not)"
    )
    # Those of the reading that the verdict rests on: around 5 sessions to the session before.
    moved = _whole("4.81", "shift=-1").nearby
    assert moved.words and moved.words.startswith(
        "on the session before 4.85 % (does not); on the session after"
    )
    started = _whole("7.0", "", "symbol=IWM;start=2024-07-08").nearby
    assert (
        started.words
        and "counted from 2024-07-09" in started.words
        and "counted from 2024-07-05" in started.words
    )


def test_neighbours_of_every_metric_are_registered_kinds_and_can_be_read() -> None:
    evidence = _evidence()
    for name, metric in METRICS.items():
        assert set(metric.nearby) <= set(KINDS), name
    twins = neighbours(evidence, "regime_mean_spread_pp", {"pair": "IWM/SPY", "horizon": "63"})
    assert twins == [{"pair": "^RUT/^GSPC"}, {"horizon": "21"}, {"horizon": "126"}]
    estimators = neighbours(evidence, "rate_effect_pct", {"symbol": "KRE"})
    assert estimators == [{"estimator": "w60"}, {"estimator": "w126"}, {"symbol": "KBE"}]
    assert neighbours(evidence, "spread_pp", {"base": "IWM", "quote": "EFA", "sessions": "1"}) == [
        {"shift": "-1"},
        {"shift": "1"},
        {"sessions": "2"},
    ]


@pytest.mark.parametrize(
    ("comparison", "low", "high", "holds", "undecided"),
    [
        ("less_than", -3.0, -0.1, True, False),
        ("less_than", -3.0, 0.1, False, True),
        ("less_than", 0.1, 2.0, False, False),
        ("more_than", 0.1, 2.0, True, False),
        ("more_than", -0.1, 2.0, False, True),
        ("at_least", 0.0, 2.0, True, False),
        ("at_most", -2.0, 0.0, True, False),
    ],
)
def test_an_estimate_holds_with_its_whole_interval(
    comparison: str, low: float, high: float, holds: bool, undecided: bool
) -> None:
    finding = Finding("", number=(low + high) / 2, low=low, high=high, interval_pct=90)
    claim = _claim("0", comparison, metric="rate_effect_pct")
    assert agrees(claim, finding) is holds
    assert (is_undecided(claim, finding) and not holds) is undecided


def test_a_test_is_decided_by_the_reading_as_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    """A window that passes, found after one that does not, would be a search."""
    intervals = {"w252": (-1.0, 0.2), "w126": (-2.0, -0.5), "w60": (0.3, 1.0)}

    def effect(evidence: Evidence, day: dt.date, p: Mapping[str, str]) -> Finding:
        low, high = intervals[p.get("estimator", "w252")]
        return Finding("effect", number=(low + high) / 2, low=low, high=high, interval_pct=95)

    metric = METRICS["rate_effect_pct"]
    monkeypatch.setitem(METRICS, "rate_effect_pct", dataclasses.replace(metric, function=effect))
    claim = Claim(dt.date(2024, 7, 16), "rate_effect_pct", {"symbol": "KRE"}, "0", "less_than", unit="%")
    searched = dataclasses.replace(claim, other_bases=({"estimator": "w126"},))
    verdict = judge(searched, _evidence())
    assert (verdict.verdict, verdict.as_stated) == ("not_distinguishable", "not_distinguishable")
    assert (verdict.tried, verdict.agreeing) == (2, 1)
    assert "-0.40 % (95 % interval -1.00 to 0.20), so these data cannot tell" in verdict.why
    assert "over the last 126 observations" in verdict.why
    intervals["w252"] = (0.1, 0.9)
    assert judge(searched, _evidence()).verdict == "contradicted"
    intervals["w252"] = (-0.9, -0.1)
    assert judge(claim, _evidence()).verdict == "confirmed"


def test_a_published_percentile_inside_the_interval_is_not_told_apart() -> None:
    finding = Finding("", number=99.7, low=99.1, high=99.9, interval_pct=90)
    claim = _claim("99.3", metric="history_position")
    assert not agrees(claim, finding) and is_undecided(claim, finding)
    assert agrees(_claim("99.7", metric="history_position"), finding)
    assert not is_undecided(_claim("98", metric="history_position"), finding)


def test_the_interval_of_a_share_is_wilsons() -> None:
    # By the formula: p = 0.9, n = 50, z = 1.6449
    z, p, n = 1.6448536269514722, 0.9, 50
    middle, half = (p + z * z / (2 * n)) / (1 + z * z / n), z / (1 + z * z / n)
    half *= (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    assert share_interval_pct(90.0, 50) == pytest.approx((100 * (middle - half), 100 * (middle + half)))


def test_slopes_have_the_errors_of_the_textbooks() -> None:
    """HC3 and Newey-West by their sums, against what the library gives."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=40)
    y = 2 * x + rng.normal(size=40) * (1 + np.abs(x))
    design = np.column_stack([np.ones(40), x])
    bread = np.linalg.inv(design.T @ design)
    residual = y - design @ (bread @ design.T @ y)
    leverage = np.einsum("ij,jk,ik->i", design, bread, design)
    meat = (design * (residual / (1 - leverage))[:, None] ** 2).T @ design
    hc3 = (bread @ meat @ bread)[1, 1] ** 0.5
    scores = design * residual[:, None]
    long_run = scores.T @ scores
    for lag in range(1, 6):
        cross = scores[lag:].T @ scores[:-lag]
        long_run += (1 - lag / 6) * (cross + cross.T)
    newey_west = (bread @ long_run @ bread)[1, 1] ** 0.5 * (40 / 38) ** 0.5
    quantile = 2.0243941639119702  # Student's t, 38 degrees of freedom, 97.5 %
    for lags, error in ((None, hc3), (5, newey_west)):
        slope, low, high = slope_with_interval(x, y, lags)
        assert slope == pytest.approx((bread @ design.T @ y)[1])
        assert (low, high) == pytest.approx((slope - quantile * error, slope + quantile * error), rel=1e-6)
    with pytest.raises(NotComputable, match="does not vary"):
        slope_with_interval(np.ones(10), np.arange(10.0))


def test_readings_that_lack_the_same_are_named_once() -> None:
    verdict, why = _judged("4.8", "return=total | symbol=IWO", "symbol=IWN;sessions=5")
    assert (verdict, why) == (
        "not_computable",
        "There are no prices of IWN (bring prices/IWN.csv, or a live source). Also tried, of IWO, not of IWN:"
        " there are no prices of IWO (bring prices/IWO.csv, or a live source). Nor, for the same reason, of"
        " the total return, not of the price return.",
    )


@pytest.mark.parametrize(
    ("metric", "parameters", "changes"),
    [
        ("size_premium_rank", "month=2024-01-31", [{"month": "2023-12-31"}, {"month": "2024-02-29"}]),
        (
            "margin_change_pp",
            "quarter=2024-12-31",
            [{"quarter": "2024-09-30"}, {"quarter": "2025-03-31"}],
        ),
        ("sector_rank", "symbol=IWN", [{"reports_back": "1"}]),
        ("sector_rank", "symbol=IWN;reports_back=1", [{"reports_back": "2"}]),
        (
            "positions_change_contracts",
            "market=russell_2000;since=2024-07-02;report=2024-07-09",
            [{"report": "2024-07-16"}, {"since": "2024-06-25"}],
        ),
        (
            "positions_share_pct",
            "market=russell_2000;report=2024-07-09",
            [{"report": "2024-07-02"}, {"report": "2024-07-16"}],
        ),
    ],
)
def test_neighbours_of_reports_months_and_quarters(
    metric: str, parameters: str, changes: list[dict[str, str]]
) -> None:
    con = project_warehouse("2024-07-24")
    days = ["2024-06-25", "2024-07-02", "2024-07-09", "2024-07-16"]
    fill(con, "marts.futures_positioning", pd.DataFrame({"market_id": "russell_2000", "report_date": days}))
    assert neighbours(Evidence(con), metric, parse_parameters(parameters)) == changes


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
    ids = rows["claim_id"].unique()
    for letter in sorted({name[0] for name in ids}):  # numbers without a gap, so that none is lost
        numbers = sorted(int(name[1:]) for name in ids if name[0] == letter)
        assert numbers == list(range(1, len(numbers) + 1)), letter
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
        ("claims", "other_bases", "price=session;fitted=no", "fitted = 'no' is not yes"),
        ("claims", "parameters", "base=IWM;quote=QQQ;sessions=5;fitted=yes", "unknown parameter 'fitted'"),
        (
            "claims",
            "other_bases",
            "shift=-1 | sectors=Banks",
            "unknown parameter 'sectors' of spread_pp",
        ),
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


@pytest.mark.parametrize(
    ("metric", "parameters", "message"),
    [
        (
            "sector_weight_pct",
            "symbol=IWN;sectors=Financials+Banks",
            "sectors = 'Banks' is an unknown sector",
        ),
        ("positions_share_pct", "market=gold;report=2024-07-09", "market = 'gold' is an unknown market"),
        ("size_premium_rank", "month=2024-06-30;years=5", "years = '5' is not one of 1,10"),
        (
            "margin_change_pp",
            "banks=large;quarter=2024-06-30;cycle=hikes",
            "banks = 'large' is not one of cheapest_third,middle_third,dearest_third,all",
        ),
    ],
)
def test_what_is_no_sector_market_or_group_of_banks_is_refused(
    metric: str, parameters: str, message: str
) -> None:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        return _with("metric", metric)(_with("parameters", parameters)(_with("other_bases", None)(frame)))

    with pytest.raises(ReferenceDataError) as refused:
        check_reference_rows(_changed("claims", change))
    assert f"reference/claims.csv line 2: claim R1: {message}" in str(refused.value)


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
                "false",
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


def checked_statements(con: duckdb.DuckDBPyConnection, built: Sequence[str] = ()) -> pd.DataFrame:
    """The claims of the repository on the prices and yields that a warehouse holds; other marts are empty,
    but for those that are built.
    """
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
        "policy_repricing",
        "policy_turn_returns",
        "fund_score_daily",
        "fund_sector_weights",
        "futures_positioning",
        "size_premium_monthly",
        "bank_income",
        "deposit_betas",
    ):
        if name not in built:
            create(con, f"marts.{name}")
    create(con, "staging.fomc_decisions")
    return build(con, "marts.claim_checks").set_index(["claim_id", "part"])


def test_simulated_data_judges_nothing() -> None:
    con = project_warehouse("2024-07-16")
    con.execute("set variable data_source = 'simulated'")
    checked = build(con, "marts.claim_checks")
    assert len(checked) >= 5 and set(checked["verdict"]) == {"not_computable"}
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
