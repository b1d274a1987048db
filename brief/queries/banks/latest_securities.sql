-- The last session with an estimate of the securities' mark.
select max(session_date)
from marts.bank_securities_mark
where session_date <= $session and mark_pct_of_book is not null
