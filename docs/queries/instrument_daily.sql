-- How did the main funds do on the last session, over five sessions and this year?
select symbol, close, return_1d_pct, return_5d_pct, return_ytd_pct, drawdown_close_pct
from marts.instrument_daily
where symbol in ('SPY', 'QQQ', 'IWM') and session_date = (select max(session_date) from marts.instrument_daily)
order by symbol;

-- Which sessions had the largest five-session return of IWM, and how rare were they then?
select session_date, return_5d_pct, return_5d_percentile, return_5d_last_exceeded_date
from marts.instrument_daily
where symbol = 'IWM' and return_5d_pct is not null
order by return_5d_pct desc
limit 10;

-- Total return with dividends since the first session, at the end of each year
select year(session_date) as year, max_by(total_return_index, session_date) as total_return_index
from marts.instrument_daily
where symbol = 'SPY'
group by 1
order by 1;

-- The bars of the last sessions, and how the volume compares with its average
select session_date, open, high, low, close, volume, volume / volume_20d_average as volume_ratio
from marts.instrument_daily
where symbol = 'KRE'
order by session_date desc
limit 10;
