-- One row: one of the 63 sessions up to a session (day) and a part of a pair's total return spread over a window that ends on it: what the
-- weights of the sectors explain, or the rest; part_pp is missing where the part says why.
with days as (
    select
        *,
        row_number() over (partition by pair_id, window_sessions order by session_date) as day_number
    from marts.spread_attribution_daily
),

split_days as (
    select
        chosen.session_date,
        chosen.pair_id,
        chosen.window_sessions,
        days.session_date as day,
        days.allocation_pp,
        days.within_sector_pp,
        days.attribution_unknown_reason
    from days as chosen
    inner join days
        on
            chosen.pair_id = days.pair_id
            and chosen.window_sessions = days.window_sessions
            and chosen.day_number - days.day_number between 0 and 62
)

select
    session_date,
    pair_id,
    window_sessions,
    day,
    'Explained by the weights of the sectors' as part,
    allocation_pp as part_pp
from split_days
where allocation_pp is not null
union all
select
    session_date,
    pair_id,
    window_sessions,
    day,
    'The rest: size, style and shares within the sectors' as part,
    within_sector_pp as part_pp
from split_days
where within_sector_pp is not null
union all
select
    session_date,
    pair_id,
    window_sessions,
    day,
    'Not split: ' || replace(attribution_unknown_reason, '_', ' ') as part,
    null as part_pp
from split_days
where allocation_pp is null
union all
select
    spreads.session_date,
    spreads.pair_id,
    spreads.window_sessions,
    spreads.session_date as day,
    case
        when spreads.window_sessions not in (1, 5, 21, 63) then 'Not split over this window: only over 1, 5, 21 and 63 sessions'
        else 'Not split: no report of holdings of both funds by this session'
    end as part,
    null as part_pp
from marts.rotation_pair_daily as spreads
anti join days
    on
        spreads.pair_id = days.pair_id
        and spreads.window_sessions = days.window_sessions
        and spreads.session_date = days.session_date
