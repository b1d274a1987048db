-- Margin and deposit cost of all banks and by size, a row per quarter and group. Amounts are whole thousands of dollars, whose sums
-- are exact in any order.
with sums as (
    select
        quarter_end,
        coalesce(size_group, 'all') as size_group,
        count(*) as institutions,
        sum(assets_usd_thousand) as assets,
        sum(net_interest_income_usd_thousand) filter (where in_margin_panel) as income,
        sum(opening_earning_assets_usd_thousand + earning_assets_usd_thousand) filter (where in_margin_panel) as earning,
        sum(deposit_interest_usd_thousand) filter (where in_deposit_panel) as interest,
        sum(opening_domestic_deposits_usd_thousand + domestic_deposits_usd_thousand) filter (where in_deposit_panel) as deposits,
        sum(opening_interest_bearing_deposits_usd_thousand + interest_bearing_deposits_usd_thousand) filter (
            where in_deposit_panel
        ) as bearing,
        count(*) filter (where in_deposit_panel) as panel_institutions,
        sum(domestic_deposits_usd_thousand) filter (where in_deposit_panel) as panel_deposits,
        sum(domestic_deposits_usd_thousand) as all_deposits,
        max(known_on) as known_on
    from staging.bank_quarters
    where size_group is not null
    group by grouping sets ((quarter_end), (quarter_end, size_group))
)

select
    sums.quarter_end,
    sums.size_group,
    sums.institutions,
    sums.assets / 1e6 as assets_usd_bn,
    800 * sums.income / nullif(sums.earning, 0) as net_interest_margin_pct,
    800 * sums.interest / nullif(sums.deposits, 0) as deposit_cost_pct,
    800 * sums.interest / nullif(sums.bearing, 0) as interest_bearing_deposit_cost_pct,
    sums.panel_institutions,
    100 * coalesce(sums.panel_deposits, 0) / nullif(sums.all_deposits, 0) as panel_share_pct,
    rates.policy_rate_avg_pct,
    sums.known_on
from sums
left join staging.policy_rate_quarters as rates on sums.quarter_end = rates.quarter_end
