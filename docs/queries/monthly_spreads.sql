-- Total return of small less that of large caps, years by months (also for a spreadsheet)
pivot (from marts.monthly_spreads where pair_id = 'IWM/SPY')
on month_of_year in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
using round(first(month_total_return_spread_pp), 2)
group by calendar_year
order by calendar_year desc;

-- All pairs in the newest month
select pair_id, month_end_date, month_total_return_spread_pp
from marts.monthly_spreads
where month_start_date = (select max(month_start_date) from marts.monthly_spreads)
order by month_total_return_spread_pp desc nulls last, pair_id;

-- In how many of the last twelve whole months did small beat large caps?
select count(*) as months, count(*) filter (where month_total_return_spread_pp > 0) as months_ahead
from (
    select month_total_return_spread_pp
    from marts.monthly_spreads
    where pair_id = 'IWM/SPY'
    order by month_start_date desc
    limit 12
);
