-- One row: a quarter and a group of FDIC-insured banks by size, with its net interest margin and what its deposits cost; the funds rate is
-- a group of its own, for comparison. Where no quarter is held, one row says so.
with quarters as (
    select
        quarter_end,
        case size_group
            when 'all' then 'All banks'
            when 'under_100mn' then 'Under 100 mn USD'
            when '100mn_1bn' then '100 mn to 1 bn USD'
            when '1bn_10bn' then '1 to 10 bn USD'
            when '10bn_250bn' then '10 to 250 bn USD'
            when 'over_250bn' then 'Over 250 bn USD'
            else size_group
        end as size_in_words,
        net_interest_margin_pct,
        deposit_cost_pct,
        deposit_cost_pct as cost_or_rate_pct,
        known_on
    from marts.bank_margins
)

select *
from quarters
union all
select distinct
    quarter_end,
    'Federal funds rate' as size_in_words,
    cast(null as double) as net_interest_margin_pct,
    cast(null as double) as deposit_cost_pct,
    policy_rate_avg_pct as cost_or_rate_pct,
    cast(null as date) as known_on
from marts.bank_margins
where policy_rate_avg_pct is not null
union all
select
    newest.session_date as quarter_end,
    'None: no quarter of the FDIC is held here' as size_in_words,
    null as net_interest_margin_pct,
    null as deposit_cost_pct,
    null as cost_or_rate_pct,
    null as known_on
from shared.newest_publication as newest
where
    not exists (
        select 1
        from quarters
    )
