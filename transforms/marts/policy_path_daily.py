"""The path of the policy rate that fed funds futures imply, one row per settlement day.

In: settlements, final averages and decisions (transforms/lib/policy_inputs.py), staging.fomc_moves, DFF,
IORB, SOFR, EXPINF1YR. Out: expected rate after the last meeting of the year and twelve months ahead
(constant maturity), each against the rate expected before the next meeting; peak and trough of the path;
the fit of the whole curve; the real rate; the effective rate beside IORB and SOFR; why a figure is missing.
Formulas: transforms/lib/fomc.py, transforms/lib/policy_path.py (CME FedWatch methodology). Caveat: rates
are risk-neutral. The twelve-month rate comes from month averages alone, so that it does not depend on which
meetings are known; peak and trough see known meetings only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import duckdb
import numpy as np
import pandas as pd

from transforms.increment import first_day
from transforms.lib import fomc, meeting_path, policy_inputs, policy_path

COLUMNS = [
    "as_of_date",
    "target_lower_pct",
    "target_upper_pct",
    "effr_pct",
    "next_meeting_date",
    "rate_before_next_meeting_pct",
    "year_end_rate_pct",
    "bp_priced_year_end",
    "rate_12m_pct",
    "bp_priced_12m",
    "path_peak_pct",
    "path_peak_meeting_date",
    "path_trough_pct",
    "path_trough_meeting_date",
    "curve_residual_bp",
    "curve_residual_month",
    "curve_contracts",
    "curve_degrees_of_freedom",
    "year_end_reason",
    "year_end_missing_contract",
    "rate_12m_reason",
    "curve_reason",
    "expected_inflation_1y_pct",
    "expected_inflation_month",
    "real_rate_12m_pct",
    "real_rate_reason",
    "effr_less_iorb_bp",
    "iorb_reason",
    "sofr_less_effr_bp",
    "sofr_reason",
    "reason",
]

MOVES = """
select
    as_of_date,
    meeting_date,
    meeting_number,
    target_lower_pct,
    target_upper_pct,
    start_rate_pct,
    end_rate_pct,
    reason,
    missing_contract
from staging.fomc_moves
order by as_of_date, meeting_number
"""

# The rates of a Fed business day are published on the next one: the last rates that could be had on a day.
RATES = """
with business_days as (
    select
        calendar_date,
        lead(calendar_date) over (order by calendar_date) as published_date
    from ref.calendar
    where is_fed_business_day
)

select
    business_days.calendar_date,
    business_days.published_date,
    fixings.value,
    reserves.value as iorb,
    secured.value as sofr
from business_days
left join staging.fred_observations as fixings
    on
        business_days.calendar_date = fixings.observation_date
        and fixings.series_id = 'DFF'
left join staging.fred_observations as reserves
    on
        business_days.calendar_date = reserves.observation_date
        and reserves.series_id = 'IORB'
left join staging.fred_observations as secured
    on
        business_days.calendar_date = secured.observation_date
        and secured.series_id = 'SOFR'
where business_days.published_date is not null
order by business_days.published_date
"""

EXPECTED_INFLATION = """
select
    observation_date,
    value
from staging.fred_observations
where series_id = 'EXPINF1YR'
order by observation_date
"""
# IORB replaced the two rates of before (IOER, IORR) on this day; those are not loaded.
FIRST_IORB = np.datetime64("2021-07-29", "D")
FIRST_SOFR = np.datetime64("2018-04-03", "D")
# The figure of a month counts from the next month on; one that is late may be two months old, not older.
MAX_MONTHS_OF_INFLATION = 2


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """One row per as_of_date, in that order."""
    market = policy_inputs.load_market(con, first_day(con))
    if market is None:
        return pd.DataFrame(columns=COLUMNS)
    moves = con.execute(MOVES).df()
    table = _table(market, moves)
    start, first = policy_path.compute_start(table)
    start_reason = np.where(
        first >= 0, table.reason[np.arange(market.as_of_date.size), first], "no_meeting_known"
    )
    # what the distances from `start` rest on: the next meeting, solved without a contract
    rows = np.arange(market.as_of_date.size)
    is_solved = (first >= 0) & np.isfinite(start) & np.isfinite(table.end_rate_pct[rows, first])
    start_missing = np.where(is_solved, table.missing_contract[rows, first], policy_inputs.NO_TEXT)
    year_end = _year_end(market, table, start, first, start_reason, start_missing)
    rate_12m, rate_12m_reason = _twelve_months(market, start, start_reason, start_missing)
    peak, peak_place, trough, trough_place = policy_path.compute_extremes(
        table, market.decision_date, market.as_of_date
    )
    fit, curve_reason = _fit(market)

    rates = _published_rates(con, market.as_of_date)
    inflation, inflation_month = _expected_inflation(con, market.as_of_date)
    real_rate = rate_12m - inflation
    no_real_rate = np.where(np.isnan(rate_12m), rate_12m_reason, "expected_inflation_missing")

    lower, upper = _range_by_day(market, moves)
    reason = np.where(np.isnan(lower), "target_range_unknown", policy_inputs.NO_TEXT)
    for text in (year_end.reason, rate_12m_reason, curve_reason):
        reason = np.where(pd.isna(reason), text, reason)
    return pd.DataFrame(
        {
            "as_of_date": market.as_of_date,
            "target_lower_pct": lower,
            "target_upper_pct": upper,
            "effr_pct": rates.effr_pct,
            "next_meeting_date": _date_at(market.decision_date, first),
            "rate_before_next_meeting_pct": start,
            "year_end_rate_pct": year_end.rate_pct,
            "bp_priced_year_end": 100.0 * (year_end.rate_pct - start),
            "rate_12m_pct": rate_12m,
            "bp_priced_12m": 100.0 * (rate_12m - start),
            "path_peak_pct": peak,
            "path_peak_meeting_date": _date_at(market.decision_date, peak_place),
            "path_trough_pct": trough,
            "path_trough_meeting_date": _date_at(market.decision_date, trough_place),
            "curve_residual_bp": fit.residual_bp,
            "curve_residual_month": _first_day(fit.month),
            "curve_contracts": fit.contracts,
            "curve_degrees_of_freedom": fit.degrees_of_freedom,
            "year_end_reason": year_end.reason,
            "year_end_missing_contract": year_end.missing_contract,
            "rate_12m_reason": rate_12m_reason,
            "curve_reason": curve_reason,
            "expected_inflation_1y_pct": inflation,
            "expected_inflation_month": inflation_month,
            "real_rate_12m_pct": real_rate,
            "real_rate_reason": np.where(np.isnan(real_rate), no_real_rate, policy_inputs.NO_TEXT),
            "effr_less_iorb_bp": rates.effr_less_iorb_bp,
            "iorb_reason": _reason_of_spread(rates.effr_less_iorb_bp, rates.day, FIRST_IORB),
            "sofr_less_effr_bp": rates.sofr_less_effr_bp,
            "sofr_reason": _reason_of_spread(rates.sofr_less_effr_bp, rates.day, FIRST_SOFR),
            "reason": reason,
        },
        columns=COLUMNS,
    )


def _year_end(
    market: policy_inputs.Market,
    table: policy_path.Table,
    start: fomc.FloatArray,
    first: fomc.IntArray,
    start_reason: fomc.TextArray,
    start_missing: fomc.TextArray,
) -> policy_path.RateOn:
    """Expected rate after the last meeting of the year, and what to know about it or its distance from
    `start`.
    """
    year_end = (market.as_of_date.astype("datetime64[Y]") + 1).astype("datetime64[D]") - 1
    found = policy_path.compute_rate_on(table, market.decision_date, year_end)
    rate = np.where(first >= 0, found.rate_pct, np.nan)
    degraded_start = ~pd.isna(start_missing) & pd.isna(found.missing_contract)
    reason = np.where(np.isfinite(rate) & (np.isnan(start) | degraded_start), start_reason, found.reason)
    missing = np.where(np.isfinite(rate) & degraded_start, start_missing, found.missing_contract)
    return replace(found, rate_pct=rate, reason=reason, missing_contract=missing)


def _twelve_months(
    market: policy_inputs.Market,
    start: fomc.FloatArray,
    start_reason: fomc.TextArray,
    start_missing: fomc.TextArray,
) -> tuple[fomc.FloatArray, fomc.TextArray]:
    """Expected rate twelve months ahead, and why it (or its distance from `start`) is missing or degraded."""
    nearer, weight = policy_path.compute_maturity_weights(policy_path.shift_months(market.as_of_date, 12))
    far = policy_path.compute_far_averages(market.as_of_date, market.averages_pct, market.first_month)
    rate = policy_path.compute_maturity_rate(far, market.first_month, nearer, weight)
    not_believed = market.refused | (np.isfinite(market.averages_pct) & np.isnan(far))
    refused = np.isnan(rate) & policy_path.compute_either_month(not_believed, market.first_month, nearer)
    reason = np.where(refused, "price_refused", "price_missing").astype(object)
    known = np.where(np.isnan(start) | ~pd.isna(start_missing), start_reason, policy_inputs.NO_TEXT)
    return rate, np.where(np.isfinite(rate), known, reason)


def _fit(market: policy_inputs.Market) -> tuple[policy_path.Fit, fomc.TextArray]:
    """Fit of the whole curve, and what to know about it."""
    fit = policy_path.compute_fit(
        market.as_of_date,
        market.averages_pct,
        market.final_averages_pct,
        market.first_month,
        market.decision_date,
        market.effective_date,
        market.known,
    )
    reason = np.where(np.isnan(fit.residual_bp), "too_few_contracts", policy_inputs.NO_TEXT)
    wide = fit.residual_bp > meeting_path.FLAG_RESIDUAL_BP
    return fit, np.where(wide, "residual_above_10_bp", reason)


def _table(market: policy_inputs.Market, moves: pd.DataFrame) -> policy_path.Table:
    """staging.fomc_moves as matrices."""
    shape = (market.as_of_date.size, market.decision_date.size)
    day = np.searchsorted(market.as_of_date, policy_inputs.to_dates(moves["as_of_date"]))
    meeting = np.searchsorted(market.decision_date, policy_inputs.to_dates(moves["meeting_date"]))
    listed = np.zeros(shape, dtype=bool)
    start, end = np.full(shape, np.nan), np.full(shape, np.nan)
    listed[day, meeting] = True
    start[day, meeting] = policy_inputs.to_floats(moves["start_rate_pct"])
    end[day, meeting] = policy_inputs.to_floats(moves["end_rate_pct"])
    reason, missing = (np.full(shape, None, dtype=object) for _ in range(2))
    for texts, name in ((reason, "reason"), (missing, "missing_contract")):
        values = moves[name].astype(object)
        texts[day, meeting] = values.where(values.notna(), None).to_numpy()
    return policy_path.Table(listed, start, end, reason, missing)


def _range_by_day(
    market: policy_inputs.Market, moves: pd.DataFrame
) -> tuple[fomc.FloatArray, fomc.FloatArray]:
    first = moves[moves["meeting_number"] == 1]
    day = np.searchsorted(market.as_of_date, policy_inputs.to_dates(first["as_of_date"]))
    lower, upper = np.full(market.as_of_date.size, np.nan), np.full(market.as_of_date.size, np.nan)
    lower[day] = policy_inputs.to_floats(first["target_lower_pct"])
    upper[day] = policy_inputs.to_floats(first["target_upper_pct"])
    return lower, upper


@dataclass(frozen=True)
class Rates:
    """Overnight rates of the last Fed business day whose rates were published, by settlement day."""

    day: fomc.DateArray
    effr_pct: fomc.FloatArray
    effr_less_iorb_bp: fomc.FloatArray
    sofr_less_effr_bp: fomc.FloatArray


def _published_rates(con: duckdb.DuckDBPyConnection, as_of_date: fomc.DateArray) -> Rates:
    rates = con.execute(RATES).df()
    place = np.searchsorted(policy_inputs.to_dates(rates["published_date"]), as_of_date, side="right") - 1
    known = place >= 0

    def at(name: str) -> fomc.FloatArray:
        if rates.empty:
            return np.full(as_of_date.size, np.nan)
        return np.where(known, policy_inputs.to_floats(rates[name])[np.maximum(place, 0)], np.nan)

    # differences of two-decimal rates carry dust; "+ 0.0" turns a rounded -0.0 into 0.0
    effr = at("value")
    day = _date_at(policy_inputs.to_dates(rates["calendar_date"]), np.where(known, place, -1))
    return Rates(
        day=day,
        effr_pct=effr,
        effr_less_iorb_bp=np.round(100.0 * (effr - at("iorb")), 6) + 0.0,
        sofr_less_effr_bp=np.round(100.0 * (at("sofr") - effr), 6) + 0.0,
    )


def _reason_of_spread(
    spread_bp: fomc.FloatArray, day: fomc.DateArray, first: np.datetime64
) -> fomc.TextArray:
    """Why a spread of overnight rates is missing."""
    why = np.where(day < first, "before_first_rate", "rate_missing").astype(object)
    return np.where(np.isfinite(spread_bp), policy_inputs.NO_TEXT, why)


def _expected_inflation(
    con: duckdb.DuckDBPyConnection, as_of_date: fomc.DateArray
) -> tuple[fomc.FloatArray, fomc.DateArray]:
    """Expected inflation of the year ahead in per cent, of the last month that is over, and that month."""
    rows = con.execute(EXPECTED_INFLATION).df()
    if rows.empty:
        return np.full(as_of_date.size, np.nan), np.full(as_of_date.size, np.datetime64("NaT", "D"))
    month = fomc.compute_month_number(policy_inputs.to_dates(rows["observation_date"]))
    current = fomc.compute_month_number(as_of_date)
    place = np.searchsorted(month, current) - 1
    found = month[np.maximum(place, 0)]
    fresh = (place >= 0) & (current - found <= MAX_MONTHS_OF_INFLATION)
    value = policy_inputs.to_floats(rows["value"])[np.maximum(place, 0)]
    return np.where(fresh, value, np.nan), _first_day(np.where(fresh, found, -1))


def _date_at(dates: fomc.DateArray, place: fomc.IntArray) -> fomc.DateArray:
    if not dates.size:
        return np.full(place.size, np.datetime64("NaT", "D"))
    found: fomc.DateArray = np.where(place >= 0, dates[np.maximum(place, 0)], np.datetime64("NaT", "D"))
    return found


def _first_day(month: fomc.IntArray) -> fomc.DateArray:
    """First day of a month by its number; none where it is negative."""
    day: fomc.DateArray = np.where(
        month >= 0, month.astype("datetime64[M]").astype("datetime64[D]"), np.datetime64("NaT", "D")
    )
    return day
