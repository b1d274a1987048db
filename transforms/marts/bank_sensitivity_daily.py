"""How each bank, and each group of banks, responds to interest rates: one row per entity and session.

In: marts.bank_rate_betas (symbols), staging.bank_regression_inputs, ref.group_members and ref.instruments
(groups).
Out: the betas of `market_2y_slope`/`w252` and `y2_only`/`w252`, the regime, the empirical durations, what 25
bp less would do and the rank with its interval, from an entity's first full window on. Where the regression
is degenerate all of its figures are NULL.

Groups: a bank group is a group all of whose members have the role `bank`. Its return on a day is the equal-
weighted mean over the members of that day (member_from to member_to) with a complete observation, on days
with at least half of them; its betas are regressions of that series, by the code that computes the symbols'.
Caveat: SIVB, FRC, SBNY and PACW, which failed or were taken over in 2023, are not among the instruments. Up
to then a group is its survivors: the mean is without the banks that lost most when yields rose, so up to
2023 the figures of `regional` and `all_banks` look less sensitive than such banks were.

Regime: of a day, `gains_when_rates_fall` (beta_y2 < 0 and t ≤ −1.96), `gains_when_rates_rise` (t ≥ 1.96),
else `unclear`. The published regime starts as `unclear` and changes on the day on which the day's regime has
been the same other value for 20 rows in a row, that day included; regime_start_date is the day of that
change (or the entity's first row), so it is known on the day and equals the first row of the spell.
`t_y2_without_top5` is the t of the same window without its five largest moves of the 2-year yield;
`regime_rests_on_few_days` says that the day's regime would be another one with it.
Caveat: `unclear` is not "insensitive". On recorded data of 2000 to 2026 about half of all rows are unclear.
And a spell is no proof: with recorded yields shifted in a circle, so that nothing is there to be found, 88 to
100 % of the histories of twenty years contain a spell that is not `unclear`, on 5 % of their days on average
(docs/metrics-banks.md).
Scenario: with the slope in the model beta_y2 is a parallel shift of the curve at an unchanged market; −25 bp
moves the price by −2.5 · beta_y2, with the normal 90 % interval of the Newey–West standard error. The
unconditional move, from the regression on y2 alone, lets the market go along and can have the other sign.
Duration: +10 bp is 0.1 percentage points, so −10 · beta is the price loss in % per percentage point, positive
when prices fall as yields rise, as for a bond.
Rank: among the session's symbols; its interval by transforms/lib/rank_intervals.py, with the correlation of
the symbols' errors over the last 252 sessions that have observations.
"""

from __future__ import annotations

from datetime import date

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd

from transforms.increment import first_day
from transforms.lib.membership import member_days
from transforms.lib.rank_intervals import rank_bounds, score_correlations
from transforms.lib.rolling_ols import Floats, fit_panel_without_largest
from transforms.marts.bank_rate_betas import (
    ESTIMATORS,
    FACTOR_COLUMNS,
    INPUTS,
    MODELS,
    RESPONSE,
    Observations,
    fit_model,
)

MODEL = "market_2y_slope"
ESTIMATOR = "w252"
WINDOW = ESTIMATORS[ESTIMATOR].window
LARGEST_DAYS = 5
CRITICAL_T = 1.96
HYSTERESIS_SESSIONS = 20
NORMAL_QUANTILE_90 = 1.6449  # two-sided 90 %
SHIFT_10BP = -2.5  # all yields 25 bp down, in units of 10 bp
YEARS_PER_BETA = -10.0  # % per +10 bp as a price loss in % per percentage point
REGIMES = ("unclear", "gains_when_rates_fall", "gains_when_rates_rise")
UNCLEAR, FALL, RISE = range(3)

COLUMNS = [
    "entity_id",
    "session_date",
    "entity_type",
    "beta_y2",
    "std_error_y2",
    "t_y2",
    "t_y2_without_top5",
    "beta_slope",
    "t_slope",
    "beta_market",
    "beta_y2_only",
    "t_y2_only",
    "daily_regime",
    "regime",
    "regime_start_date",
    "regime_rests_on_few_days",
    "empirical_duration_market_hedged_years",
    "empirical_duration_unconditional_years",
    "empirical_duration_unconditional_low_years",
    "empirical_duration_unconditional_high_years",
    "move_if_yields_down_25bp_pct",
    "move_low_pct",
    "move_high_pct",
    "unconditional_move_if_2y_down_25bp_pct",
    "sensitivity_rank",
    "rank_low",
    "rank_high",
    "ranked_members",
]
# std_error_y2_only is what the unconditional interval is made from.
ESTIMATES = [
    "beta_y2",
    "std_error_y2",
    "t_y2",
    "beta_slope",
    "t_slope",
    "beta_market",
    "beta_y2_only",
    "t_y2_only",
    "std_error_y2_only",
    "t_y2_without_top5",
]


def classify_regimes(beta: Floats, t_stat: Floats) -> npt.NDArray[np.int8]:
    """Regime of each day, as an index into REGIMES; without an estimate (NaN) it is unclear."""
    regimes = np.full(beta.shape, UNCLEAR, dtype=np.int8)
    regimes[(beta < 0) & (t_stat <= -CRITICAL_T)] = FALL
    regimes[t_stat >= CRITICAL_T] = RISE
    return regimes


def hold_regimes(
    daily: npt.NDArray[np.int8], sessions: int = HYSTERESIS_SESSIONS, held: int = UNCLEAR
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int64]]:
    """The published regime of one entity's rows in order, and the position of each row's spell's first row.

    It changes on the row that makes `sessions` equal ones in a row of another regime, and starts as `held`.
    """
    positions = np.arange(daily.size)
    if daily.size == 0:
        return daily.copy(), positions
    changes = np.flatnonzero(np.diff(daily)) + 1
    run_start = np.zeros(daily.size, dtype=np.int64)
    run_start[changes] = changes
    run_start = np.maximum.accumulate(run_start)
    confirmed = positions - run_start == sessions - 1
    # Last confirmation up to each row; before the first one (−1) nothing is established.
    latest = np.maximum.accumulate(np.where(confirmed, positions, -1))
    published = np.where(latest >= 0, daily[np.maximum(latest, 0)], held).astype(np.int8)
    starts = np.zeros(daily.size, dtype=np.int64)
    turns = np.flatnonzero(np.diff(published)) + 1
    starts[turns] = turns
    return published, np.maximum.accumulate(starts)


def compute_group_observations(inputs: pd.DataFrame, members: pd.DataFrame) -> pd.DataFrame:
    """Equal-weighted complete observations per bank group: `entity_id`, `session_date`, factors, return.

    Args:
        inputs: Complete observations, as in INPUTS.
        members: `group_id`, `symbol`, `member_from`, `member_to` (None: open).
    """
    shared = [*FACTOR_COLUMNS.values()]
    # The factors are the market's and the same for every symbol of a session.
    per_session = inputs.drop_duplicates("session_date").set_index("session_date")[shared].sort_index()
    # Members are summed in the order of their names, so the mean is the same to the bit in every run.
    wide = inputs.pivot(index="session_date", columns="symbol", values=RESPONSE).sort_index()
    frames: list[pd.DataFrame] = []
    for group_id, rows in members.sort_values("symbol").groupby("group_id", sort=True):
        belongs = member_days(wide.index.to_numpy(), list(rows["member_from"]), list(rows["member_to"]))
        returns = wide.reindex(columns=list(rows["symbol"])).to_numpy(np.float64)
        present = np.isfinite(returns) & belongs
        count = present.sum(axis=1)
        total = np.zeros(len(wide))
        for position in range(len(rows)):
            total += np.where(present[:, position], returns[:, position], 0.0)
        enough = (count > 0) & (2 * count >= belongs.sum(axis=1))
        frame: pd.DataFrame = per_session.loc[wide.index[enough]].reset_index()
        frame[RESPONSE] = total[enough] / count[enough]
        frame.insert(0, "entity_id", str(group_id))
        frames.append(frame)
    if not frames:
        return pd.DataFrame(columns=["entity_id", "session_date", *shared, RESPONSE])
    return pd.concat(frames, ignore_index=True)


def compute_group_estimates(observations: pd.DataFrame, since: date | None = None) -> pd.DataFrame:
    """The columns of ESTIMATES for every group and session (from `since` on) with a full window."""
    grouped = Observations.of(observations, since, entity="entity_id")
    full = fit_model(grouped, MODEL, ESTIMATOR)
    single = fit_model(grouped, "y2_only", ESTIMATOR)
    market, y2, slope = (MODELS[MODEL].index(name) for name in ("market", "y2", "slope"))
    keep = full.observations > 0
    return pd.DataFrame(
        {
            "entity_id": observations["entity_id"].to_numpy()[keep],
            "session_date": observations["session_date"].to_numpy()[keep],
            "beta_y2": full.beta[keep, y2],
            "std_error_y2": full.std_error[keep, y2],
            "t_y2": full.t_stat[keep, y2],
            "beta_slope": full.beta[keep, slope],
            "t_slope": full.t_stat[keep, slope],
            "beta_market": full.beta[keep, market],
            "beta_y2_only": single.beta[keep, 0],
            "t_y2_only": single.t_stat[keep, 0],
            "std_error_y2_only": single.std_error[keep, 0],
            "t_y2_without_top5": compute_t_without_largest(grouped)[keep],
        }
    )


def compute_t_without_largest(observations: Observations) -> Floats:
    """Per row the t of y2 over its window without the days of the largest moves of the 2-year yield; NaN
    where no full window ends.
    """
    target = MODELS[MODEL].index("y2")
    panel = observations.panel([FACTOR_COLUMNS[factor] for factor in MODELS[MODEL]])
    t_stat: Floats = fit_panel_without_largest(panel, target, LARGEST_DAYS, WINDOW).t_stat[:, target]
    return t_stat


def compute_rank_intervals(estimates: pd.DataFrame, inputs: pd.DataFrame) -> pd.DataFrame:
    """`entity_id`, `session_date`, `rank_low`, `rank_high` of the symbols that have estimates.

    Args:
        estimates: Of symbols, as for `compute_sensitivity`.
        inputs: Complete observations; those of the window that ends on a session must all be there.
    """
    keys = ["entity_id", "session_date"]
    empty = estimates[keys].head(0).assign(rank_low=0, rank_high=0)  # with the keys' types
    known = estimates.dropna(subset=["beta_y2", "std_error_y2", "beta_market", "beta_slope"])
    factors = (
        inputs.drop_duplicates("session_date")
        .set_index("session_date")[[FACTOR_COLUMNS[factor] for factor in MODELS[MODEL]]]
        .sort_index()
    )
    ends = factors.index.get_indexer(pd.DatetimeIndex(known["session_date"].unique()))
    sessions = factors.index[np.sort(ends[ends >= WINDOW - 1])]
    known = known[known["session_date"].isin(sessions)]
    if known.empty:
        return empty
    columns = [f"beta_{factor}" for factor in MODELS[MODEL]] + ["std_error_y2"]
    wide = known.pivot(index="session_date", columns="entity_id", values=columns).reindex(sessions)
    symbols = sorted(known["entity_id"].unique())
    figures = np.stack([wide[name][symbols].to_numpy(np.float64) for name in columns], axis=-1)
    returns = inputs.pivot(index="session_date", columns="symbol", values=RESPONSE).reindex(
        index=factors.index, columns=symbols
    )
    ends = factors.index.get_indexer(sessions)
    betas, errors = figures[:, :, :-1], figures[:, :, -1]
    target = MODELS[MODEL].index("y2")
    correlations = score_correlations(
        returns.to_numpy(np.float64), factors.to_numpy(np.float64), betas, ends, target, WINDOW
    )
    ranked = np.isfinite(errors) & np.isfinite(np.diagonal(correlations, axis1=1, axis2=2))
    frames = []
    # Sessions with the same symbols together: a session's interval depends on its own symbols alone.
    for present in np.unique(ranked[ranked.any(axis=1)], axis=0):
        rows, places = np.flatnonzero((ranked == present).all(axis=1)), np.flatnonzero(present)
        at = np.ix_(rows, places)
        low, high = rank_bounds(
            SHIFT_10BP * betas[at][:, :, target],
            abs(SHIFT_10BP) * errors[at],
            correlations[np.ix_(rows, places, places)],
        )
        frames.append(
            pd.DataFrame(
                {
                    "entity_id": np.tile(np.array(symbols, dtype=object)[places], rows.size),
                    "session_date": np.repeat(sessions[rows].to_numpy(), places.size),
                    "rank_low": low.ravel(),
                    "rank_high": high.ravel(),
                }
            )
        )
    return pd.concat(frames, ignore_index=True).sort_values(keys, ignore_index=True) if frames else empty


def compute_sensitivity(
    estimates: pd.DataFrame, intervals: pd.DataFrame, previous: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Regimes, scenarios and ranks from `entity_id`, `entity_type`, `session_date` and ESTIMATES.

    Args:
        estimates: All rows, or those from one day on.
        intervals: Those of the ranks, as of `compute_rank_intervals`.
        previous: The last rows of each entity before that day, HYSTERESIS_SESSIONS of them or all there are.
    """
    out = estimates.sort_values(["entity_type", "entity_id", "session_date"], ignore_index=True)
    out[ESTIMATES] = out[ESTIMATES].astype("float64")
    out = out.merge(intervals, on=["entity_id", "session_date"], how="left", validate="one_to_one")
    daily = classify_regimes(out["beta_y2"].to_numpy(), out["t_y2"].to_numpy())
    names = np.array(REGIMES, dtype=object)
    out["daily_regime"] = names[daily]
    published, starts = _regimes(out, daily, previous if previous is not None else out.head(0))
    out["regime"] = names[published]
    out["regime_start_date"] = starts
    without = classify_regimes(out["t_y2_without_top5"].to_numpy(), out["t_y2_without_top5"].to_numpy())
    rests = pd.Series(daily != without, index=out.index, dtype="boolean")
    out["regime_rests_on_few_days"] = rests.mask(out["t_y2_without_top5"].isna() | out["t_y2"].isna())

    half_width = NORMAL_QUANTILE_90 * abs(SHIFT_10BP) * out["std_error_y2"]
    out["empirical_duration_market_hedged_years"] = YEARS_PER_BETA * out["beta_y2"]
    out["empirical_duration_unconditional_years"] = YEARS_PER_BETA * out["beta_y2_only"]
    years_half_width = NORMAL_QUANTILE_90 * abs(YEARS_PER_BETA) * out["std_error_y2_only"]
    out["empirical_duration_unconditional_low_years"] = (
        out["empirical_duration_unconditional_years"] - years_half_width
    )
    out["empirical_duration_unconditional_high_years"] = (
        out["empirical_duration_unconditional_years"] + years_half_width
    )
    out["move_if_yields_down_25bp_pct"] = SHIFT_10BP * out["beta_y2"]
    out["move_low_pct"] = out["move_if_yields_down_25bp_pct"] - half_width
    out["move_high_pct"] = out["move_if_yields_down_25bp_pct"] + half_width
    out["unconditional_move_if_2y_down_25bp_pct"] = SHIFT_10BP * out["beta_y2_only"]
    moves = out["move_if_yields_down_25bp_pct"].where(out["entity_type"] == "symbol")
    ranks = moves.groupby(out["session_date"]).rank(method="min", ascending=False)
    out["sensitivity_rank"] = ranks.astype("Int32")
    for column in ("rank_low", "rank_high"):
        out[column] = out[column].astype("Int32")
    ranked = ranks.groupby(out["session_date"]).transform("count")
    out["ranked_members"] = ranked.where(out["entity_type"] == "symbol").astype("Int32")
    return out[COLUMNS]


def _regimes(
    out: pd.DataFrame, daily: npt.NDArray[np.int8], previous: pd.DataFrame
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.datetime64]]:
    """The published regime of each row and the first day of its spell, continued from the rows before."""
    published = np.empty_like(daily)
    dates = out["session_date"].to_numpy()
    starts = dates.copy()
    before = {str(entity): rows for entity, rows in previous.groupby("entity_id", sort=False)}
    for entity, rows in out.groupby("entity_id", sort=True).indices.items():
        earlier = before.get(str(entity), previous.head(0))
        codes = [REGIMES.index(name) for name in earlier["daily_regime"]]
        held = REGIMES.index(earlier["regime"].iloc[-1]) if codes else UNCLEAR
        regimes, first = hold_regimes(
            np.concatenate([np.array(codes, dtype=np.int8), daily[rows]]), held=held
        )
        published[rows], first = regimes[len(codes) :], first[len(codes) :]
        # A spell that no new row began is the one of the last row before.
        new = first >= len(codes)
        starts[rows[new]] = dates[rows[first[new] - len(codes)]]
        if codes:
            starts[rows[~new]] = earlier["regime_start_date"].iloc[-1]
    return published, starts


# One row per model and factor, so max() only picks it.
SYMBOLS = """
select
    symbol as entity_id,
    session_date,
    max(beta) filter (where model = 'market_2y_slope' and factor = 'y2') as beta_y2,
    max(std_error) filter (where model = 'market_2y_slope' and factor = 'y2') as std_error_y2,
    max(t_stat) filter (where model = 'market_2y_slope' and factor = 'y2') as t_y2,
    max(beta) filter (where model = 'market_2y_slope' and factor = 'slope') as beta_slope,
    max(t_stat) filter (where model = 'market_2y_slope' and factor = 'slope') as t_slope,
    max(beta) filter (where model = 'market_2y_slope' and factor = 'market') as beta_market,
    max(beta) filter (where model = 'y2_only') as beta_y2_only,
    max(t_stat) filter (where model = 'y2_only') as t_y2_only,
    max(std_error) filter (where model = 'y2_only') as std_error_y2_only
from marts.bank_rate_betas
where estimator = ? and model in ('market_2y_slope', 'y2_only')
group by symbol, session_date
order by symbol, session_date
"""

# Groups all of whose members are banks.
MEMBERS = """
with members as (
    select
        group_members.group_id,
        group_members.symbol,
        group_members.member_from,
        group_members.member_to,
        instruments.role is not distinct from 'bank' as is_bank
    from ref.group_members
    left join ref.instruments
        on instruments.symbol = group_members.symbol
),

bank_groups as (
    select group_id
    from members
    group by group_id
    having bool_and(is_bank)
)

select
    members.group_id,
    members.symbol,
    members.member_from,
    members.member_to
from members
inner join bank_groups
    on bank_groups.group_id = members.group_id
order by members.group_id, members.symbol
"""


# With a first session: the rows that the windows of the symbols and of the groups reach back to. The last
# rows of every symbol contain all rows of the last sessions, which the ranks' intervals need.
RECENT_INPUTS = """
with members as (
    {members}
),

placed as (
    select
        symbol,
        session_date,
        row_number() over (partition by symbol order by session_date desc) as from_last
    from staging.bank_regression_inputs
    where session_date < $since
),

sessions as (
    select distinct session_date
    from placed
),

-- The members of a session, and how many of them were observed.
counted as (
    select
        members.group_id,
        sessions.session_date,
        count(*) as listed,
        count(placed.symbol) as present
    from sessions
    inner join members
        on
            (members.member_from is null or members.member_from <= sessions.session_date)
            and (members.member_to is null or members.member_to >= sessions.session_date)
    left join placed
        on placed.session_date = sessions.session_date and placed.symbol = members.symbol
    group by members.group_id, sessions.session_date
),

numbered as (
    select
        session_date,
        row_number() over (partition by group_id order by session_date desc) as from_last
    from counted
    where present > 0 and 2 * present >= listed
)

select inputs.*
from ({inputs}) as inputs
where
    inputs.session_date >= $since
    or inputs.session_date in (select session_date from numbered where from_last < $window)
    or (inputs.symbol, inputs.session_date) in (
        select (symbol, session_date) from placed where from_last < $window
    )
order by inputs.symbol, inputs.session_date
"""

PREVIOUS = """
select
    entity_id,
    daily_regime,
    regime,
    regime_start_date
from previous_rows
qualify row_number() over (partition by entity_id order by session_date desc) <= ?
order by entity_id, session_date
"""

NAMES = "select symbol, name from ref.instruments union all select group_id, name from ref.groups"


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Read the betas and the groups' inputs and return the mart."""
    since = first_day(con)
    symbols = con.execute(SYMBOLS, [ESTIMATOR]).df()
    members = con.execute(MEMBERS).df()
    inputs, previous = _inputs(con, since), None
    if since is not None:
        previous = con.execute(PREVIOUS, [HYSTERESIS_SESSIONS]).df()
    observed = Observations.of(inputs, since)
    without = inputs[["symbol", "session_date"]].rename(columns={"symbol": "entity_id"})
    without["t_y2_without_top5"] = compute_t_without_largest(observed)
    symbols = symbols.merge(without, on=["entity_id", "session_date"], how="left", validate="one_to_one")
    groups = compute_group_estimates(compute_group_observations(inputs, members), since)
    intervals = compute_rank_intervals(symbols, inputs)
    symbols.insert(0, "entity_type", "symbol")
    groups.insert(0, "entity_type", "group")
    estimates = pd.concat([part for part in (symbols, groups) if len(part)] or [symbols])
    mart = compute_sensitivity(estimates, intervals, previous)
    names = dict(con.execute(NAMES).fetchall())
    mart.insert(3, "entity_name", mart["entity_id"].map(names).fillna(mart["entity_id"]).astype(object))
    return mart


def _inputs(con: duckdb.DuckDBPyConnection, since: date | None) -> pd.DataFrame:
    """Complete observations; with `since`, of the sessions that a window of the groups reaches."""
    if since is None:
        return con.execute(INPUTS).df()
    query = RECENT_INPUTS.format(members=MEMBERS, inputs=INPUTS)
    return con.execute(query, {"since": since, "window": WINDOW}).df()
