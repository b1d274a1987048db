-- How a pair answered on the day of the last event of each kind that comes again and again, newest first.
select
    event_type,
    event_date,
    pair_id,
    window_sessions,
    session_date,
    spread_pp,
    abnormal_spread_pp,
    abnormal_z,
    mean_abnormal_spread_pp,
    mean_abnormal_low_pp,
    mean_abnormal_high_pp,
    spread_rank,
    like_events,
    change_2y_bp
from marts.event_responses
where
    pair_id = $pair
    and window_sessions = 1
    and session_date <= $session
    and (event_type, event_date) in (
        select (event_type, max(event_date))
        from marts.event_responses as held
        where
            pair_id = $pair
            and window_sessions = 1
            and session_date <= $session
            and event_type not in ('first_cut', 'first_hike')
        group by event_type
    )
order by event_date desc, event_type asc
