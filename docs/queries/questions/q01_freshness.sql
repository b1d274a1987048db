-- How old is each family of answers at the newest session?
select family, newest_date, session_date - newest_date as age_days
from (
    unpivot (
        select session_date, fed_date, curve_date, banks_date, regime_date, growth_date, vix_date, baa_spread_date, high_yield_spread_date
        from latest.daily_summary
    ) on columns(* exclude session_date) into name family value newest_date
)
order by age_days desc, family;
