-- Months by years, ready for a spreadsheet
pivot (select calendar_year, month_of_year, month_total_return_pct from marts.monthly_returns where symbol = 'IWM')
on month_of_year in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
using first(month_total_return_pct)
order by calendar_year desc;
