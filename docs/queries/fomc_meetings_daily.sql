-- What is priced for each coming meeting?
select meeting_date, cut_prob, hold_prob, hike_prob, expected_rate_pct, solved, reason
from marts.fomc_meetings_daily
where as_of_date = (select max(as_of_date) from marts.fomc_meetings_daily)
order by meeting_date;

-- How sure was the market of the next meeting, day by day?
select as_of_date, meeting_date, meeting_cut_prob, meeting_hold_prob, meeting_hike_prob, entropy_bits
from marts.fomc_meetings_daily
qualify row_number() over (partition by as_of_date order by meeting_date) = 1
order by as_of_date desc
limit 10;

-- Why could meetings not be solved?
select reason, solved is not null as is_solved, count(*) as rows
from marts.fomc_meetings_daily
group by all
order by rows desc, reason;
