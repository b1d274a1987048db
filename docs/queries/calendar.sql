-- What comes in the 30 days after the newest session
select calendar.calendar_date, calendar.calendar_events, calendar.is_nyse_session
from marts.calendar as calendar
cross join latest.daily_summary as newest
where calendar.calendar_date between newest.session_date + 1 and newest.session_date + 30 and calendar.calendar_events is not null
order by calendar.calendar_date;

-- IWM against SPY over 21 sessions at the end of every month
select calendar.month_start_date, pairs.spread_pp, pairs.spread_percentile
from marts.rotation_pair_daily as pairs
inner join marts.calendar as calendar on pairs.session_date = calendar.calendar_date
where calendar.is_month_end_session and pairs.pair_id = 'IWM/SPY' and pairs.window_sessions = 21
order by calendar.month_start_date desc;

-- How far IWM moves on an ordinary session, before a decision and on days with CPI
select
    case
        when calendar.calendar_events like '%cpi%' then 'cpi'
        when calendar.next_fomc_decision_days between 1 and 3 then 'three days before a decision'
        else 'other'
    end as kind_of_day,
    count(*) as sessions,
    avg(abs(prices.return_1d_pct)) as mean_absolute_return_pct
from marts.instrument_daily as prices
inner join marts.calendar as calendar on prices.session_date = calendar.calendar_date
where prices.symbol = 'IWM' and prices.return_1d_pct is not null
group by kind_of_day
order by kind_of_day;
