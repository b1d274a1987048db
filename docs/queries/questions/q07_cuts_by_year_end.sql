-- How many cuts are priced by the end of the year?
select as_of_date, target_upper_pct, year_end_rate_pct, bp_priced_year_end, bp_priced_year_end / -25 as cuts_priced, year_end_reason
from latest.policy_path_daily;
