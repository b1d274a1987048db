-- How many of the spreads watched are extreme or at a record on a session, out of how many, and how common such a day is.
-- In: marts.rotation_pair_daily (every pair and window is a cell). Out: one row per session with any spread.
-- With hundreds of cells a day some are always far out: a record somewhere is no news, an unusual number of them is. Cells
-- move together (pairs share members, windows share days), so their number has fat tails of its own: hence its percentile.
-- Shares are compared as fractions of the cells that could answer, exactly (a/b <= c/d is a*d <= c*b), since pairs begin one by one.
-- Caveat: the first sessions with an answer have few cells; percentiles are NULL with fewer than 252 sessions to compare with.
with
cells as (
    select
        session_date,
        count(spread_z)::integer as cells_answered,
        (count(*) filter (where abs(spread_z) >= 3))::integer as cells_extreme,
        count(spread_rank)::integer as cells_ranked,
        (count(*) filter (where is_record_high or is_record_low))::integer as cells_record
    from marts.rotation_pair_daily
    group by session_date
),

placed as (
    select
        day.session_date,
        count(*)::integer as compared_sessions,
        100.0 * count(*) filter (
            where earlier.cells_extreme * day.cells_answered <= day.cells_extreme * earlier.cells_answered
        ) / count(*) as cells_extreme_percentile,
        100.0 * count(*) filter (where earlier.cells_extreme > 0) / count(*) as sessions_with_extreme_pct,
        100.0 * count(*) filter (
            where earlier.cells_record * day.cells_ranked <= day.cells_record * earlier.cells_ranked
        ) / count(*) as cells_record_percentile,
        100.0 * count(*) filter (where earlier.cells_record > 0) / count(*) as sessions_with_record_pct
    from cells as day
    inner join cells as earlier on day.session_date >= earlier.session_date
    where
        day.cells_answered > 0 and day.cells_ranked > 0 and earlier.cells_answered > 0 and earlier.cells_ranked > 0
        and coalesce(day.session_date >= getvariable('since'), true)
    group by day.session_date
)

select
    cells.session_date,
    cells.cells_answered,
    cells.cells_extreme,
    case when placed.compared_sessions >= 252 then placed.cells_extreme_percentile end as cells_extreme_percentile,
    case when placed.compared_sessions >= 252 then placed.sessions_with_extreme_pct end as sessions_with_extreme_pct,
    cells.cells_ranked,
    cells.cells_record,
    case when placed.compared_sessions >= 252 then placed.cells_record_percentile end as cells_record_percentile,
    case when placed.compared_sessions >= 252 then placed.sessions_with_record_pct end as sessions_with_record_pct,
    coalesce(placed.compared_sessions, 0)::integer as compared_sessions
from cells
left join placed on cells.session_date = placed.session_date
where coalesce(cells.session_date >= getvariable('since'), true)
