-- One row per calendar year and family of answers: on how many of the year's sessions it was too old or not known yet, so that its numbers
-- are not shown in marts.daily_summary.
select
    year(session_date) as year,
    family,
    count(*) as sessions,
    count(*) filter (where reason is not null) as sessions_not_shown,
    100.0 * count(*) filter (where reason is not null) / count(*) as sessions_not_shown_pct
from (
    select
        session_date,
        unnest([ -- noqa: AL03
            { 'family': 'Fed funds futures', 'reason': fed_missing_reason },
            { 'family': 'Expected policy and regime', 'reason': regime_missing_reason },
            { 'family': 'Treasury yields', 'reason': curve_missing_reason },
            { 'family': 'Sensitivity of banks to yields', 'reason': banks_missing_reason },
            { 'family': 'Sensitivity of KRE to yields', 'reason': kre_rates_missing_reason },
            { 'family': 'Jobless claims', 'reason': growth_missing_reason },
            { 'family': 'VIX', 'reason': vix_missing_reason },
            { 'family': 'Baa spread', 'reason': baa_spread_missing_reason },
            { 'family': 'High-yield spread', 'reason': high_yield_spread_missing_reason }
        ], recursive := true)
    from marts.daily_summary
) as families
group by year(session_date), family
