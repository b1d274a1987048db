-- FOMC decisions with their outcome: as ref.fomc_meetings has it, else as FRED's target range shows it. Nothing of an outcome counts
-- before it is announced, and one from the series only when the series covers a day after the effective date. The range before is read on
-- the day before the decision, so that a date that is listed a day off still finds both sides of the step. Where row and series disagree,
-- the row is kept and `conflict` names both; an outcome of the series that the funds rate contradicts is not taken.
with ranges as (
    select
        observation_date,
        observation_date >= date '2008-12-16' as is_range,
        max(case when series_id in ('DFEDTARL', 'DFEDTAR') then value end) as lower_pct,
        max(case when series_id in ('DFEDTARU', 'DFEDTAR') then value end) as upper_pct
    from staging.fred_observations
    where
        (series_id in ('DFEDTARL', 'DFEDTARU') and observation_date >= date '2008-12-16')
        or (series_id = 'DFEDTAR' and observation_date < date '2008-12-16')
    group by observation_date
    having lower_pct is not null and upper_pct is not null
),

meetings as (
    select
        *,
        not coalesce(cancelled, false)
        and coalesce(coalesce(announced_at_utc, decision_date + interval 1 day) <= getvariable('cutoff_utc'), true) as announced
    from ref.fomc_meetings
),

fixings as (
    select
        observation_date,
        value
    from staging.fred_observations
    where series_id = 'DFF'
),

nearest as (
    select
        meetings.decision_date,
        before.lower_pct as lower_before,
        before.upper_pct as upper_before,
        on_day.lower_pct as lower_on,
        on_day.upper_pct as upper_on,
        after.observation_date as after_date,
        after.is_range,
        after.lower_pct as lower_after,
        after.upper_pct as upper_after,
        fixing.observation_date as fixing_date,
        fixing.value as fixing_pct,
        before.observation_date >= meetings.decision_date - 7 as has_before,
        after.observation_date <= meetings.effective_date + 7 as has_after,
        fixing.observation_date <= meetings.effective_date + 7 as has_fixing
    from meetings
    asof left join ranges as before
        on meetings.decision_date > before.observation_date
    left join ranges as on_day
        on meetings.effective_date = on_day.observation_date
    asof left join ranges as after
        on meetings.effective_date < after.observation_date
    asof left join fixings as fixing
        on meetings.effective_date <= fixing.observation_date
    where meetings.announced
),

observed as (
    -- a day more than a week away belongs to another decision
    select
        decision_date,
        case when has_before then lower_before end as lower_before,
        case when has_before then upper_before end as upper_before,
        lower_on,
        upper_on,
        case when has_after then after_date end as after_date,
        case when has_after then lower_after end as lower_after,
        case when has_after then upper_after end as upper_after,
        case when has_fixing then fixing_date end as fixing_date,
        case when has_fixing then fixing_pct end as fixing_pct,
        coalesce(
            has_after and has_fixing and is_range and (fixing_pct < lower_after - 0.03 or fixing_pct > upper_after + 0.03), false
        ) as outside
    from nearest
),

day_pairs as (
    select
        observation_date,
        lower_pct,
        upper_pct,
        lag(lower_pct) over by_day as lower_of_the_day_before,
        lag(upper_pct) over by_day as upper_of_the_day_before,
        -- in December 2008 a target of 1 became a range of 0 to 0.25: no step of one series
        lag(is_range) over by_day = is_range as is_same_series
    from ranges
    window by_day as (order by observation_date)
),

unlisted_steps as (
    -- a step of the range on a day on which no decision takes effect, with the nearest one
    select
        day_pairs.observation_date,
        arg_min(meetings.decision_date, abs(meetings.effective_date - day_pairs.observation_date)) as decision_date,
        arg_min(meetings.effective_date, abs(meetings.effective_date - day_pairs.observation_date)) as effective_date,
        any_value(format('{:.2f}-{:.2f}', day_pairs.lower_of_the_day_before, day_pairs.upper_of_the_day_before)) as range_before,
        any_value(format('{:.2f}-{:.2f}', day_pairs.lower_pct, day_pairs.upper_pct)) as range_after
    from day_pairs
    inner join meetings on meetings.announced
    where
        day_pairs.is_same_series
        and (
            abs(day_pairs.lower_pct - day_pairs.lower_of_the_day_before) > 0.005
            or abs(day_pairs.upper_pct - day_pairs.upper_of_the_day_before) > 0.005
        )
        and day_pairs.observation_date >= (select min(first_listed.effective_date) from ref.fomc_meetings as first_listed)
        and not exists (
            select 1
            from meetings as listed
            where
                listed.announced
                and (
                    day_pairs.observation_date = listed.effective_date
                    -- FRED dated the steps up to 2016 by the decision
                    or (day_pairs.observation_date = listed.decision_date and day_pairs.observation_date < date '2017-01-01')
                )
        )
    group by day_pairs.observation_date
),

step_texts as (
    select
        decision_date,
        string_agg(
            format(
                'FRED''s target range changes on {} from {} to {} %, where no decision takes effect; the nearest, of {}, is listed as'
                ' effective on {}', observation_date, range_before, range_after, decision_date, effective_date
            ),
            '; ' order by observation_date
        ) as text
    from unlisted_steps
    group by decision_date
),

joined as (
    select
        meetings.*,
        meetings.upper_after is not null and meetings.lower_after is not null as is_listed,
        observed.outside and meetings.upper_after is null as refused,
        observed.after_date,
        observed.fixing_date,
        observed.fixing_pct,
        observed.lower_before as series_lower_before,
        observed.upper_before as series_upper_before,
        observed.lower_on as series_lower_on,
        observed.upper_on as series_upper_on,
        observed.lower_after as series_lower_after,
        observed.upper_after as series_upper_after,
        step_texts.text as step_text
    from meetings
    left join observed on meetings.decision_date = observed.decision_date
    left join step_texts on meetings.decision_date = step_texts.decision_date
),

resolved as (
    select
        *,
        case when announced then coalesce(lower_before, case when not refused then series_lower_before end) end as known_lower_before,
        case when announced then coalesce(upper_before, case when not refused then series_upper_before end) end as known_upper_before,
        case when announced then coalesce(lower_after, case when not refused then series_lower_after end) end as known_lower_after,
        case when announced then coalesce(upper_after, case when not refused then series_upper_after end) end as known_upper_after
    from joined
)

select
    decision_date,
    announced_at_utc,
    effective_date,
    scheduled,
    coalesce(cancelled, false) as cancelled,
    known_lower_before as lower_before,
    known_upper_before as upper_before,
    known_lower_after as lower_after,
    known_upper_after as upper_after,
    coalesce(known_lower_after, case when not refused then series_lower_on end) as lower_in_force,
    coalesce(known_upper_after, case when not refused then series_upper_on end) as upper_in_force,
    case
        when known_upper_after is null then null
        when is_listed then 'listed'
        else 'target_range_series'
    end as outcome_source,
    case
        when known_upper_after is not null and known_upper_before is not null then null
        when cancelled then 'cancelled'
        when not announced then 'not_announced_yet'
        when refused then 'range_series_contradicts_dff'
        when getvariable('session_date') <= effective_date then 'not_in_force_yet'
        else 'range_series_missing'
    end as outcome_reason,
    nullif(
        concat_ws(
            '; ',
            case
                when abs(upper_before - series_upper_before) > 0.005 or abs(lower_before - series_lower_before) > 0.005
                    then format(
                        'ref.fomc_meetings has {:.2f}-{:.2f} % before the decision of {}, FRED''s target range {:.2f}-{:.2f} %',
                        lower_before, upper_before, decision_date, series_lower_before, series_upper_before
                    )
            end,
            case
                when abs(upper_after - series_upper_after) > 0.005 or abs(lower_after - series_lower_after) > 0.005
                    then format(
                        'ref.fomc_meetings has {:.2f}-{:.2f} % after the decision of {}, FRED''s target range {:.2f}-{:.2f} % on {}',
                        lower_after, upper_after, decision_date, series_lower_after, series_upper_after, after_date
                    )
            end,
            case
                when refused
                    then format(
                        'FRED''s target range has {:.2f}-{:.2f} % after the decision of {}, but DFF is {:.2f} % on {}',
                        series_lower_after, series_upper_after, decision_date, fixing_pct, fixing_date
                    )
            end,
            step_text
        ),
        ''
    ) as conflict
from resolved
