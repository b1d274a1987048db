"""Deposit betas by quarter, group of banks and kind of deposits: in the running cycle of policy, and by a
rolling regression.

In: staging.bank_quarters, the funds rate by quarter, the decisions of the FOMC. Out: per quarter of which
reports are known, group and kind of deposits the changes since the quarter before the cycle's first move
(deposit cost, margin, funds rate) and their ratio; the sum of coefficients on the same and three earlier
changes of the funds rate. Formulas: transforms/lib/deposit_betas.py.

A change is that of the same banks: a bank counts where it has a deposit cost in both quarters, in the group
to which it belonged at the end of the earlier one (also the thirds by deposit cost). So a cycle's groups do
not change their members, and `panel_share_pct` says how much of the earlier quarter's deposits is left.
Caveats: a bank that takes over another grows by its deposits within a quarter, and half of them count as
there at its start; thirds by cost hold some banks that were cheap by chance.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import duckdb
import numpy as np
import pandas as pd

from transforms.lib import deposit_betas as betas

BASES = {"all_domestic": "deposits", "interest_bearing": "bearing"}
COLUMNS = [
    "quarter_end",
    "bank_group",
    "deposit_basis",
    "policy_cycle",
    "cycle_first_move_date",
    "cycle_base_quarter_end",
    "policy_rate_avg_pct",
    "policy_rate_change_pp",
    "deposit_cost_change_pp",
    "margin_change_pp",
    "cumulative_deposit_beta",
    "cumulative_reason",
    "panel_institutions",
    "panel_share_pct",
    "rolling_deposit_beta",
    "rolling_beta_std_error",
    "rolling_beta_low",
    "rolling_beta_high",
    "rolling_quarters",
    "known_on",
]
GROUPS = """
select
    quarter_end,
    coalesce(size_group, 'all') as bank_group,
    max(known_on) as known_on
from staging.bank_quarters
where size_group is not null
group by grouping sets ((quarter_end), (quarter_end, size_group))
order by all
"""
RATES = "select quarter_end, policy_rate_avg_pct from staging.policy_rate_quarters order by 1"
MOVES = """
select
    decision_date,
    (lower_after + upper_after - lower_before - upper_before) / 2 as change_pp
from staging.fomc_decisions
where
    not cancelled
    and lower_after is not null
    and upper_after is not null
    and lower_before is not null
    and upper_before is not null
order by decision_date
"""
# Sums over the banks that both quarters of a pair have, by their group in the earlier one: of whole thousands
# of dollars, exact in any order.
PANELS = """
with pairs as (
    select
        unnest($1::date[]) as quarter_end,
        unnest($2::date[]) as base_quarter_end
),

bases as (
    select
        *,
        case when in_deposit_panel then deposit_interest_usd_thousand end
        / nullif(opening_domestic_deposits_usd_thousand + domestic_deposits_usd_thousand, 0) as cost
    from staging.bank_quarters
    where
        size_group is not null
        and quarter_end in (select pairs.base_quarter_end from pairs)
),

thirds as (
    select
        cert,
        quarter_end,
        case ntile(3) over (partition by quarter_end order by cost, cert)
            when 1 then 'cheapest_third'
            when 2 then 'middle_third'
            else 'dearest_third'
        end as cost_group
    from bases
    where $3 and cost is not null
),

grouped as (
    select
        bases.*,
        thirds.cost_group
    from bases
    left join thirds on bases.cert = thirds.cert and bases.quarter_end = thirds.quarter_end
),

wholes as (
    select
        quarter_end,
        coalesce(size_group, cost_group, 'all') as bank_group,
        sum(domestic_deposits_usd_thousand) as all_deposits
    from grouped
    group by grouping sets ((quarter_end), (quarter_end, size_group), (quarter_end, cost_group))
    having not (grouping(cost_group) = 0 and cost_group is null)
),

panels as (
    select
        pairs.quarter_end,
        pairs.base_quarter_end,
        coalesce(base.size_group, base.cost_group, 'all') as bank_group,
        count(*) filter (where base.in_deposit_panel and now.in_deposit_panel) as panel_institutions,
        sum(base.domestic_deposits_usd_thousand) filter (
            where base.in_deposit_panel and now.in_deposit_panel
        ) as panel_deposits,
        {ratios}
    from pairs
    inner join grouped as base on pairs.base_quarter_end = base.quarter_end
    inner join staging.bank_quarters as now on pairs.quarter_end = now.quarter_end and base.cert = now.cert
    group by grouping sets (
        (pairs.quarter_end, pairs.base_quarter_end),
        (pairs.quarter_end, pairs.base_quarter_end, base.size_group),
        (pairs.quarter_end, pairs.base_quarter_end, base.cost_group)
    )
    having not (grouping(base.cost_group) = 0 and base.cost_group is null)
)

select
    panels.*,
    100 * panels.panel_deposits / nullif(wholes.all_deposits, 0) as panel_share_pct
from panels
inner join wholes
    on panels.base_quarter_end = wholes.quarter_end and panels.bank_group = wholes.bank_group
"""
# Ratio → numerator, what its denominator adds up, the panel that counts.
RATIOS = {
    "deposits": (
        "deposit_interest_usd_thousand",
        "opening_domestic_deposits_usd_thousand",
        "domestic_deposits_usd_thousand",
        "in_deposit_panel",
    ),
    "bearing": (
        "deposit_interest_usd_thousand",
        "opening_interest_bearing_deposits_usd_thousand",
        "interest_bearing_deposits_usd_thousand",
        "in_deposit_panel",
    ),
    "margin": (
        "net_interest_income_usd_thousand",
        "opening_earning_assets_usd_thousand",
        "earning_assets_usd_thousand",
        "in_margin_panel",
    ),
}


# Quarter and group.
Key = tuple[dt.date, str]


@dataclass(frozen=True)
class _Policy:
    """What the policy rate did up to the end of a quarter."""

    cycle: betas.Cycle | None
    base: dt.date | None
    rate_pct: float
    change_pp: float


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """One row per quarter_end, bank_group and deposit_basis."""
    found = con.execute(GROUPS).fetchall()
    if not found:
        return pd.DataFrame(columns=COLUMNS)
    known_on = {(end, group): day for end, group, day in found}
    ends = sorted({end for end, _ in known_on})
    rates: dict[dt.date, float] = dict(con.execute(RATES).fetchall())
    moves = con.execute(MOVES).fetchall()
    cycles = betas.find_cycles([day for day, _ in moves], [float(change) for _, change in moves])
    policy = {end: _policy_at(cycles, rates, end) for end in ends}
    pairs = [(end, base) for end in ends if (base := policy[end].base)]
    in_cycle = _changes(con, pairs, thirds=True)
    in_quarter = _changes(con, [(end, _quarter_before(end)) for end in ends], thirds=False)
    rolling = _rolling(ends, rates, in_quarter)
    of_all = {end: known_on[end, "all"] for end in ends}
    rows = [
        {
            "quarter_end": end,
            "bank_group": group,
            "deposit_basis": basis,
            "known_on": known_on.get((end, group), of_all[end]),
            **_cumulative(policy[end], in_cycle.get((end, group), {}), basis),
            **rolling.get((end, group, basis), {}),
        }
        for end, group in sorted(known_on.keys() | in_cycle.keys())
        for basis in BASES
    ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    for name in ("panel_institutions", "rolling_quarters"):
        table[name] = table[name].astype("Int64")
    return table


def _policy_at(cycles: list[betas.Cycle], rates: dict[dt.date, float], end: dt.date) -> _Policy:
    cycle = betas.cycle_of(cycles, end)
    base = cycle.base_quarter_end if cycle else None
    rate = _known(rates.get(end))
    return _Policy(cycle, base, rate, rate - _known(rates.get(base)) if base else np.nan)


def _known(value: float | None) -> float:
    return np.nan if value is None else value


def _cumulative(policy: _Policy, change: dict[str, float], basis: str) -> dict[str, object]:
    """The columns of the running cycle."""
    cost_change = change.get(BASES[basis], np.nan)
    if policy.base is None:
        reason = "no_cycle_seen"
    elif not np.isfinite(policy.change_pp):
        reason = "policy_rate_missing"
    elif not np.isfinite(cost_change):
        reason = "base_quarter_missing"
    elif abs(policy.change_pp) < betas.LEAST_CHANGE_PP - 1e-9:
        reason = "rate_change_below_50bp"
    else:
        reason = None
    return {
        "policy_cycle": policy.cycle.direction if policy.cycle else None,
        "cycle_first_move_date": policy.cycle.first_move if policy.cycle else None,
        "cycle_base_quarter_end": policy.base,
        "policy_rate_avg_pct": policy.rate_pct,
        "policy_rate_change_pp": policy.change_pp,
        "deposit_cost_change_pp": cost_change,
        "margin_change_pp": change.get("margin", np.nan),
        "cumulative_deposit_beta": cost_change / policy.change_pp if reason is None else np.nan,
        "cumulative_reason": reason,
        "panel_institutions": change.get("panel_institutions", 0) if policy.base else None,
        "panel_share_pct": change.get("panel_share_pct", np.nan),
    }


def _changes(
    con: duckdb.DuckDBPyConnection, pairs: list[tuple[dt.date, dt.date]], *, thirds: bool
) -> dict[Key, dict[str, float]]:
    """Per later quarter and group the changes since the earlier one; pairs are (later, earlier)."""
    ratios = ",\n    ".join(
        f"{_ratio('now', *terms)} - {_ratio('base', *terms)} as {name}" for name, terms in RATIOS.items()
    )
    laters, earliers = [later for later, _ in pairs], [earlier for _, earlier in pairs]
    result = con.execute(PANELS.format(ratios=ratios), [laters, earliers, thirds]).df()
    names = ["panel_institutions", "panel_share_pct", *RATIOS]
    columns = {name: result[name].astype("float64").tolist() for name in names}
    days, groups = result["quarter_end"].dt.date, result["bank_group"]
    return {
        (day, str(group)): {name: values[row] for name, values in columns.items()}
        for row, (day, group) in enumerate(zip(days, groups, strict=True))
    }


def _ratio(of: str, part: str, opening: str, closing: str, panel: str) -> str:
    """SQL of a ratio in % a year over the banks of the panel in both quarters."""
    counts = f"filter (where base.{panel} and now.{panel})"
    return f"800 * sum({of}.{part}) {counts} / nullif(sum({of}.{opening} + {of}.{closing}) {counts}, 0)"


def _rolling(
    ends: list[dt.date], rates: dict[dt.date, float], changes: dict[Key, dict[str, float]]
) -> dict[tuple[dt.date, str, str], dict[str, float]]:
    """The columns of the rolling regression by quarter, group and kind of deposits."""
    quarters = [min(ends)]
    while quarters[-1] < max(ends):
        quarters.append(_quarter_after(quarters[-1]))
    # The changes of the rate before the first reports count as well.
    earlier = [quarters[0]]
    for _ in range(betas.LAGS):
        earlier.append(_quarter_before(earlier[-1]))
    days = [*reversed(earlier[1:]), *quarters]
    rate_change = np.diff([_known(rates.get(day)) for day in days])
    pad = np.full(len(days) - 1 - len(quarters), np.nan)
    found = {}
    for group in sorted({name for _, name in changes}):
        for basis, ratio in BASES.items():
            own = [changes.get((day, group), {}).get(ratio, np.nan) for day in quarters]
            fits = betas.fit_rolling(np.concatenate([pad, own]), rate_change)[len(pad) :]
            for day, fit in zip(quarters, fits, strict=True):
                found[day, group, basis] = {
                    "rolling_deposit_beta": fit.beta,
                    "rolling_beta_std_error": fit.std_error,
                    "rolling_beta_low": fit.low,
                    "rolling_beta_high": fit.high,
                    "rolling_quarters": fit.quarters,
                }
    return found


def _quarter_before(end: dt.date) -> dt.date:
    return dt.date(end.year, end.month - 2, 1) - dt.timedelta(days=1)


def _quarter_after(end: dt.date) -> dt.date:
    later = pd.Timestamp(end) + pd.offsets.QuarterEnd(1)
    return dt.date(later.year, later.month, later.day)
