-- How much of the spread of small against large caps do sectors explain, over a day, a week, a month and a quarter?
select
    window_sessions,
    total_return_spread_pp,
    allocation_pp,
    within_sector_pp,
    attribution_unknown_reason,
    base_report_date
from latest.spread_attribution_daily
where pair_id = 'IWM/SPY'
order by window_sessions;

-- The pairs whose spread of the last 21 sessions is most a matter of sectors
select pair_id, total_return_spread_pp, allocation_pp, within_sector_pp
from latest.spread_attribution_daily
where window_sessions = 21 and allocation_pp is not null
order by abs(allocation_pp) - abs(within_sector_pp) desc;

-- Where nothing can be said, and why
select attribution_unknown_reason, count(*) as sessions, min(session_date) as first_date, max(session_date) as last_date
from marts.spread_attribution_daily
where attribution_unknown_reason is not null
group by attribution_unknown_reason
order by sessions desc;
