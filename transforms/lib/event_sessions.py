"""Releases, decisions and turns of policy, each with the session that answers it: one definition.

In: ref.events (cpi, jobs, jackson_hole), ref.fomc_meetings (decisions that took place), ref.calendar,
staging.fomc_decisions (their outcomes). Out: SQL for event_type, event_date and session_number.

first_cut and first_hike are decisions that change the target range in the direction opposite to the change
before, scheduled or not. The first change of the list has none before it and is neither, and a decision whose
outcome is not known is passed over. The session is the first that closes at or after the release.
"""

from __future__ import annotations

EVENTS = """
    with changes as (
        select
            decision_date, announced_at_utc,
            sign(round(lower_after + upper_after - lower_before - upper_before, 4)) as direction
        from staging.fomc_decisions
        where direction != 0
    ),
    turns as (
        select *
        from changes
        qualify direction != lag(direction) over (order by decision_date)
    ),
    happened as (
        select event_type, event_date, released_at_utc from ref.events where event_type != 'fomc'
        union all
        select 'fomc', decision_date, announced_at_utc from ref.fomc_meetings where not cancelled
        union all
        select if(direction < 0, 'first_cut', 'first_hike'), decision_date, announced_at_utc from turns
    ),
    sessions as (
        select calendar_date, session_number, close_at_utc from ref.calendar where session_number is not null
    )
    select happened.event_type, happened.event_date, min(sessions.session_number) as session_number
    from happened
    inner join sessions
        on sessions.calendar_date between happened.event_date and happened.event_date + 10
        and sessions.close_at_utc >= coalesce(happened.released_at_utc, sessions.close_at_utc)
    where happened.event_date <= getvariable('session_date')
    group by happened.event_type, happened.event_date
    order by happened.event_type, happened.event_date
"""
