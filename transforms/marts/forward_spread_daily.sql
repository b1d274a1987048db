-- What each pair did next: the forward return of its base less that of its quote. A row is there once both have the close that ends the
-- window; it grows by end_date, which base and quote of a session and horizon share. In: marts.forward_return_daily, ref.pairs.
select
    pairs.pair_id,
    base.horizon_sessions,
    base.session_date,
    base.start_date,
    base.end_date,
    base.forward_return_pct - quote.forward_return_pct as forward_spread_pp
from marts.forward_return_daily as base
inner join ref.pairs as pairs on base.symbol = pairs.base_symbol
inner join marts.forward_return_daily as quote
    on
        pairs.quote_symbol = quote.symbol
        and base.session_date = quote.session_date
        and base.horizon_sessions = quote.horizon_sessions
