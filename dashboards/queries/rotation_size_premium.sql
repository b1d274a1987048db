-- One row: a month and two portfolios of US shares, with what the small ones returned over the 120 months up to it less what the large ones
-- did. Where no portfolios are held, one row says so.
select
    month_end,
    case size_pair
        when 'lo_30/hi_30' then 'Smallest 30 % less largest 30 %'
        when 'lo_20/hi_20' then 'Smallest fifth less largest fifth'
        when 'lo_10/hi_10' then 'Smallest tenth less largest tenth'
        else size_pair
    end as portfolios,
    weighting,
    premium_pp,
    premium_ratio_return_pct,
    premium_stretch_rank_from_below,
    windows_so_far
from marts.size_premium_monthly
where window_months = 120
union all
select
    newest.session_date as month_end,
    'None: no size portfolios over 120 months are held here' as portfolios,
    'value' as weighting,
    null as premium_pp,
    null as premium_ratio_return_pct,
    null as premium_stretch_rank_from_below,
    null as windows_so_far
from shared.newest_publication as newest
where
    not exists (
        select 1
        from marts.size_premium_monthly
        where window_months = 120
    )
