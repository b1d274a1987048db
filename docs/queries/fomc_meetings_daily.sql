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

-- How many meetings were solved, and why not, or with which flag?
select reason, solved is not null as is_solved, count(*) as rows
from marts.fomc_meetings_daily
group by all
order by rows desc, reason;

-- Meetings now, a week ago and a month ago: expected rate, and the chance of a range below the one in force then, on both days
select meeting_date, expected_rate_pct, expected_rate_pct - expected_rate_change_1w_bp / 100 as expected_rate_1w_ago_pct,
    expected_rate_pct - expected_rate_change_1m_bp / 100 as expected_rate_1m_ago_pct, base_1w_lower_pct, below_base_1w_prob,
    below_base_1w_prob - below_base_1w_change_pp / 100 as below_base_1w_ago_prob, change_1w_reason
from marts.fomc_meetings_daily
where as_of_date = (select max(as_of_date) from marts.fomc_meetings_daily)
order by meeting_date;

-- Days on which a meeting's chance of a cut rose by more than 10 points, against the range in force on the day before
select as_of_date, meeting_date, below_base_1d_change_pp, expected_rate_change_1d_bp, base_1d_lower_pct
from marts.fomc_meetings_daily
where below_base_1d_change_pp > 10
order by as_of_date desc, meeting_date
limit 20;

-- News or base effect? The days on which cut_prob jumped furthest from what the fixed base says
select now.as_of_date, now.meeting_date, 100 * (now.cut_prob - earlier.cut_prob) as cut_prob_change_pp, now.below_base_1d_change_pp,
    now.expected_rate_change_1d_bp, earlier.target_upper_pct as range_then_pct, now.target_upper_pct as range_now_pct
from marts.fomc_meetings_daily as now
inner join marts.fomc_meetings_daily as earlier
    on now.compared_date_1d = earlier.as_of_date and now.meeting_date = earlier.meeting_date
where now.below_base_1d_change_pp is not null
order by abs(100 * (now.cut_prob - earlier.cut_prob) - now.below_base_1d_change_pp) desc, now.as_of_date, now.meeting_date
limit 10;

-- Which meetings are degraded today, and for want of which contract? The rest is as FedWatch, but for the ninth (cme_number) and those behind it
select meeting_date, cme_number, missing_contract, reason, solved, expected_rate_pct
from marts.fomc_meetings_daily
where as_of_date = (select max(as_of_date) from marts.fomc_meetings_daily)
order by missing_contract is null, meeting_date;

-- How many moves were priced for the end of the year, a week and a month ago as well?
select as_of_date, meeting_date, moves_priced, expected_rate_change_1w_bp, expected_rate_change_1m_bp, change_1w_reason, change_1m_reason
from marts.fomc_meetings_daily
where year(meeting_date) = year(as_of_date)
qualify row_number() over (partition by as_of_date order by meeting_date desc) = 1
order by as_of_date desc
limit 10;

-- The path of the newest day with the band that nine of ten past errors were within
select meeting_date, expected_rate_low_pct, expected_rate_pct, expected_rate_high_pct, band_meetings, band_reason
from marts.fomc_meetings_daily
where as_of_date = (select max(as_of_date) from marts.fomc_meetings_daily)
order by meeting_date;
