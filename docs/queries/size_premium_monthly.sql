-- The ten worst decades of small against large shares, one for each stretch of ten years
select month_end, small_return_pct, large_return_pct, premium_pp, premium_ratio_return_pct
from marts.size_premium_monthly as worst
where
    size_pair = 'lo_30/hi_30'
    and weighting = 'value'
    and window_months = 120
    and not exists (
        select 1
        from marts.size_premium_monthly as near
        where
            near.size_pair = worst.size_pair
            and near.weighting = worst.weighting
            and near.window_months = worst.window_months
            and near.premium_pp < worst.premium_pp
            and abs(date_diff('month', near.month_end, worst.month_end)) < 120
    )
order by premium_pp
limit 10;

-- Which stretch was it, of all ten-year stretches that were over by then? (4 = the fourth-worst in the history to date)
select
    month_end,
    premium_pp,
    premium_rank_from_below,
    premium_stretch_rank_from_below,
    last_undercut_month_end,
    windows_so_far,
    n_nonoverlapping
from marts.size_premium_monthly
where
    size_pair = 'lo_30/hi_30'
    and weighting = 'value'
    and window_months = 120
    and month_end = (select max(month_end) from marts.size_premium_monthly where month_end <= '2024-06-30');

-- The newest month of each pair, weighting and window
select size_pair, weighting, window_months, month_end, round(premium_pp, 2) as premium_pp, premium_rank, premium_percentile
from marts.size_premium_monthly
qualify row_number() over (partition by size_pair, weighting, window_months order by month_end desc) = 1
order by size_pair, weighting, window_months;
