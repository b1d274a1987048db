-- Total return of each pair's base less that of its quote by calendar month that is over. In: marts.monthly_returns, ref.pairs. No
-- row where one of the two has no close on the month's last session.
select
    pairs.pair_id,
    base.month_start_date,
    base.calendar_year,
    base.month_of_year,
    base.month_end_date,
    base.month_total_return_pct - quote.month_total_return_pct as month_total_return_spread_pp
from marts.monthly_returns as base
inner join ref.pairs as pairs on base.symbol = pairs.base_symbol
inner join marts.monthly_returns as quote
    on
        pairs.quote_symbol = quote.symbol
        and base.month_start_date = quote.month_start_date
