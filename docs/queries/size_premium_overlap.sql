-- How far do the portfolios of a century go together with what is traded today?
select
    size_pair,
    weighting,
    pair_id,
    months_in_common,
    round(premium_correlation, 2) as premium_correlation,
    round(premium_slope, 2) as premium_slope,
    round(mean_difference_pp, 3) as mean_difference_pp,
    last_premium_month_end,
    pair_months_after
from marts.size_premium_overlap
order by size_pair, weighting, pair_id;

-- The pair of portfolios that is nearest to the Russell 2000 against the S&P 500
select size_pair, weighting, premium_correlation, difference_sd_pp
from marts.size_premium_overlap
where pair_id = '^RUT/^GSPC'
order by premium_correlation desc nulls last, size_pair, weighting
limit 1;

-- Which months are compared, and how many months does only today's pair have?
select distinct pair_id, first_common_month_end, last_common_month_end, last_premium_month_end, pair_months_after
from marts.size_premium_overlap
order by pair_id;
