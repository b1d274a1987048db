-- One row per session and family of answers: its newest day that was known by the session's evening, how old that is, and how old it may
-- be. The allowed age is the one that the data dictionary states for the family's reason in marts.daily_summary; the verdict is the mart's.
with days as (
    select
        calendar_date,
        count(*) filter (where is_nyse_session) over before as sessions,
        count(*) filter (where is_settlement_day) over before as settlement_days,
        count(*) filter (where is_fed_business_day) over before as business_days
    from marts.calendar
    window before as (order by calendar_date)
),

allowed as (
    select
        column_name,
        try_cast(regexp_extract(description, 'is more than ([0-9]+) ([a-z ]+) before the session', 1) as integer) as allowed_age,
        regexp_extract(description, 'is more than ([0-9]+) ([a-z ]+) before the session', 2) as counted_in,
        regexp_extract(description, '^Why (.+?) (is|are) NULL', 1) as not_shown_when_too_old
    from ops.data_dictionary
    where schema_name = 'marts' and table_name = 'daily_summary' and ends_with(column_name, '_missing_reason')
)

select
    case families.reason when 'older_than_allowed' then 1 when 'none_yet' then 2 else 3 end as position,
    families.session_date,
    families.family,
    families.newest_date,
    case allowed.counted_in
        when 'sessions' then today.sessions - newest.sessions
        when 'settlement days' then today.settlement_days - newest.settlement_days
        when 'business days' then today.business_days - newest.business_days
        when 'days' then families.session_date - families.newest_date
    end as age,
    allowed.allowed_age,
    allowed.counted_in,
    today.sessions - newest.sessions as sessions_old,
    case families.reason
        when 'older_than_allowed' then 'too old: not shown'
        when 'none_yet' then 'not known yet: not shown'
        else 'shown'
    end as verdict,
    allowed.not_shown_when_too_old
from shared.families as families
left join allowed on families.reason_column = allowed.column_name
left join days as today on families.session_date = today.calendar_date
left join days as newest on families.newest_date = newest.calendar_date
