-- One bucket of the banks' securities with its estimated gain or loss.
select
    session_date,
    bucket,
    etf_symbol,
    price_change_pct,
    weight_pct,
    mark_pct_of_book,
    since_date
from marts.bank_securities_mark
where session_date = $session
order by bucket
