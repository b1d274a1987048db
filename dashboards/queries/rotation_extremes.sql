-- One row: a session, with how many of all cells (pair and window) are extreme or at a record, of how many that could be.
select
    session_date,
    cells_extreme,
    cells_answered,
    100.0 * cells_extreme / nullif(cells_answered, 0) as cells_extreme_pct,
    cells_extreme_percentile,
    sessions_with_extreme_pct,
    cells_record,
    cells_ranked,
    100.0 * cells_record / nullif(cells_ranked, 0) as cells_record_pct,
    cells_record_percentile,
    sessions_with_record_pct,
    compared_sessions
from marts.rotation_extremes_daily
