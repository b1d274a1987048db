-- The returns of small caps and of large caps on the session.
select
    symbol,
    return_1d_pct,
    return_5d_pct
from marts.instrument_daily
where
    session_date = $session and symbol in ('^RUT', 'IWM', 'SPY')
    and return_1d_pct is not null and return_5d_pct is not null
order by symbol
