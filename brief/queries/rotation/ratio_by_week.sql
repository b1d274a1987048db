-- The ratio of a pair at the last session of each week, and how far it is below its highest level until then.
with history as (
    select
        session_date,
        ratio,
        100 * (ratio / max(ratio) over (order by session_date) - 1) as drawdown_pct
    from marts.rotation_state_daily
    where pair_id = $pair and session_date <= $session
)

select
    session_date,
    ratio,
    drawdown_pct
from history
qualify row_number() over (partition by date_trunc('week', session_date) order by session_date desc) = 1
order by session_date
