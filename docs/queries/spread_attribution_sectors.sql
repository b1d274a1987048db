-- The three sectors that matter most for each pair on the newest session, such as small value against large caps (IWN/SPY)
select pair_id, sector_fund, base_sector_weight_pct, quote_sector_weight_pct, sector_return_pct, sector_allocation_pp
from latest.spread_attribution_sectors
qualify row_number() over (partition by pair_id order by abs(sector_allocation_pp) desc, sector_fund) <= 3
order by pair_id, abs(sector_allocation_pp) desc, sector_fund;

-- What holding more banks and less technology has done to IWM against SPY, by month
select
    date_trunc('month', session_date) as month_start_date,
    round(sum(sector_allocation_pp) filter (where sector_fund = 'XLF'), 2) as financials_pp,
    round(sum(sector_allocation_pp) filter (where sector_fund = 'XLK'), 2) as technology_pp
from marts.spread_attribution_sectors
where pair_id = 'IWM/SPY'
group by month_start_date
order by month_start_date desc
limit 12;

-- Where small and large companies differ most: weights by sector at the newest open
select sector_fund, base_sector_weight_pct, quote_sector_weight_pct, base_sector_weight_pct - quote_sector_weight_pct as apart_pp
from latest.spread_attribution_sectors
where pair_id = 'IWM/SPY'
order by abs(apart_pp) desc, sector_fund;
