-- Total returns of a fund, years by months (also for a spreadsheet)
pivot (from marts.monthly_returns where symbol = 'KRE')
on month_of_year in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
using round(first(month_total_return_pct), 2)
group by calendar_year
order by calendar_year desc;

-- The best and the worst whole months of small caps
select month_start_date, month_total_return_pct
from marts.monthly_returns
where symbol = 'IWM' and month_total_return_pct is not null
order by abs(month_total_return_pct) desc
limit 10;

-- Is there a month of the year in which small caps did well? Few years: read the number of them first
select month_of_year, count(*) as years, avg(month_total_return_pct) as mean_pct, avg((month_total_return_pct > 0)::int) as share_above_zero
from marts.monthly_returns
where symbol = 'IWM' and month_total_return_pct is not null
group by month_of_year
order by month_of_year;
