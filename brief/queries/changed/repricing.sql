-- The change of a rate that is implied for a horizon, on the newest settlement day since the session before; the largest first.
select
    as_of_date,
    horizon,
    change_bp,
    abs(change_bp) as distance,
    event_types,
    reason,
    missing_contract
from marts.policy_repricing
where
    as_of_date = (
        select max(newest.as_of_date)
        from marts.policy_repricing as newest
        where newest.as_of_date > $before and newest.as_of_date <= $session and newest.change_bp is not null
    )
    and change_bp is not null
order by abs(change_bp) desc, horizon
