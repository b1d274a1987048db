-- How many of all pairs and windows stood at an extreme or at a record at the session, and how common that is.
select
    session_date,
    cells_answered,
    cells_extreme,
    sessions_with_extreme_pct,
    cells_ranked,
    cells_record,
    sessions_with_record_pct
from marts.rotation_extremes_daily
where session_date = $session
