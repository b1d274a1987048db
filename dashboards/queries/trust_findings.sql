-- One row per question about the publication, answered in one sentence from its own records.
with inputs as (
    select
        count(*) as inputs,
        count(*) filter (where not stale) as on_time,
        count(*) filter (where stale and required) as required_late,
        count(*) filter (where stale and last_date is null) as never_served,
        count(*) filter (where stale and last_date is not null) as late,
        string_agg(input || ' (newest day ' || last_date || ')', ', ' order by last_date, input) filter (
            where stale and last_date is not null
        ) as late_inputs
    from ops.freshness
),

old as (
    select
        count(*) as families,
        count(*) filter (where reason is not null) as not_shown,
        string_agg(
            family || coalesce(
                ' (of ' || newest_date || ', ' || (
                    select count(*) || if(count(*) = 1, ' session', ' sessions')
                    from marts.calendar as calendar
                    where
                        calendar.is_nyse_session
                        and calendar.calendar_date > families.newest_date and calendar.calendar_date <= families.session_date
                ) || ' old)', ' (nothing known yet)'
            ), ', ' order by family
        ) filter (where reason is not null) as old_families
    from shared.families as families
    where session_date = (select max(session_date) from marts.daily_summary)
),

rules as (
    select
        count(*) as rules,
        count(*) filter (where not passed) as failed,
        count(*) filter (where not passed and severity = 'critical') as critical,
        count(*) filter (where not passed and severity = 'warning') as warnings,
        count(*) filter (where not passed and severity = 'info') as infos,
        count(distinct table_name) as tables,
        string_agg(distinct table_name, ', ' order by table_name) filter (where not passed) as failed_tables
    from shared.current_results
),

quarantined as (
    select
        count(*) as held,
        count(distinct rule) as rules,
        string_agg(distinct table_name, ', ' order by table_name) as tables
    from ops.quarantine
),

compared as (
    select
        count(*) as checks,
        count(*) filter (where checked_rows > 0) as compared,
        count(*) filter (where not passed) as failed,
        sum(checked_rows) as days,
        string_agg(rule, ', ' order by rule) filter (where not passed) as failed_checks
    from shared.current_results
    where table_name = 'ops.cross_checks'
),

claims as (
    select
        count(*) as claims,
        count(*) filter (where verdict = 'confirmed') as confirmed,
        count(*) filter (where verdict = 'confirmed_on_other_basis') as on_other_basis,
        count(*) filter (where verdict = 'fitted_only') as fitted_only,
        count(*) filter (where verdict = 'not_distinguishable') as not_distinguishable,
        sum(readings_tried) as readings,
        sum(readings_agreeing) as readings_agreeing,
        sum(nearby_readings) as nearby,
        sum(nearby_agreeing) as nearby_agreeing,
        count(*) filter (where verdict = 'contradicted') as contradicted,
        count(*) filter (where verdict = 'not_computable') as not_computable
    from marts.claim_checks
),

steps as (
    select
        min(runs.started_at_utc) as started_at_utc,
        count(*) filter (where runs.outcome = 'warning') as warnings
    from ops.runs as runs
    inner join shared.newest_publication as newest on runs.run_id = newest.run_id
)

select
    1 as position,
    'Inputs' as about,
    case
        when late + never_served = 0 then 'All ' || inputs || ' inputs reach the day that their own schedule expects.'
        else
            on_time || ' of ' || inputs || ' inputs reach the day that their own schedule expects. '
            || if(late = 0, 'None stopped', late || ' stopped: ' || late_inputs)
            || '; never served by this source: '
            || never_served
            || '. '
            || if(required_late = 0, 'None of these is required.', required_late || ' OF THESE ARE REQUIRED.')
    end as finding,
    newest.session_date
from inputs
cross join shared.newest_publication as newest
union all
select
    2 as position,
    'Families of answers' as about,
    case
        when not_shown = 0 then 'All ' || families || ' families of answers are within their allowed age.'
        else
            'All ' || families || ' families of answers are within their allowed age but ' || not_shown || ': ' || old_families
            || '. What is too old is not shown.'
    end as finding,
    newest.session_date
from old
cross join shared.newest_publication as newest
union all
select
    3 as position,
    'Rules' as about,
    case
        when failed = 0 then 'None of ' || format('{:,}', rules) || ' rules on ' || tables || ' tables failed.'
        else
            failed || ' of ' || format('{:,}', rules) || ' rules on ' || tables || ' tables failed, '
            || if(critical = 0, 'none critical', critical || ' CRITICAL')
            || ' (as a warning: '
            || warnings
            || ', for information: '
            || infos
            || '), on '
            || failed_tables || '.'
    end as finding,
    newest.session_date
from rules
cross join shared.newest_publication as newest
union all
select
    4 as position,
    'Quarantine' as about,
    case
        when held = 0 then 'No row is in quarantine.'
        else
            'Rows in quarantine: ' || format('{:,}', held) || ', of ' || tables || '; rules that put them there: ' || rules
            || '. No figure uses them.'
    end as finding,
    newest.session_date
from quarantined
cross join shared.newest_publication as newest
union all
select
    5 as position,
    'Cross checks' as about,
    case
        when compared = 0 then 'Nothing was compared: none of ' || checks || ' comparisons has both sides.'
        else if(
            failed = 0,
            'What the warehouse holds twice agrees in all ' || compared || ' comparisons',
            failed || ' of ' || compared || ' comparisons disagree (' || failed_checks || ')'
        ) || ', over ' || format('{:,}', days::bigint) || ' days and blocks; ' || (checks - compared)
        || ' more lack a side that this source does not serve.'
    end as finding,
    newest.session_date
from compared
cross join shared.newest_publication as newest
union all
select
    6 as position,
    'Published statements' as about,
    case
        when claims = 0 then 'No published statement dates from before this session.'
        when not_computable = claims
            then
                'No published statement can be judged (' || claims || '): '
                || (
                    select min(why)
                    from marts.claim_checks
                )
        else
            'Published statements: ' || claims || '; confirmed as stated: ' || confirmed || ', on another basis: ' || on_other_basis
            || ', on a fitted reading only: ' || fitted_only || ', not distinguishable: ' || not_distinguishable
            || ', contradicted: ' || contradicted || ', not to be computed: ' || not_computable || '. Readings tried: ' || readings
            || ', of which ' || readings_agreeing || ' agree; of ' || nearby || ' next to those, ' || nearby_agreeing || '.'
    end as finding,
    newest.session_date
from claims
cross join shared.newest_publication as newest
union all
select
    7 as position,
    'Generation' as about,
    'Generation ' || generation || ' was built at ' || strftime(published_at_utc, '%Y-%m-%d %H:%M') || ' UTC, '
    || round(date_diff('second', started_at_utc, published_at_utc) / 60.0, 1) || ' minutes after its run began'
    || if(warnings = 0, ', without a warning.', '; ' || warnings || ' of its steps ended with a warning.') as finding,
    newest.session_date
from shared.newest_publication as newest
cross join steps
union all
select
    8 as position,
    'Revisions' as about,
    'Values that a source changed later are restated in every figure. The list of them is not part of a publication: it is ops.revisions'
    || ' in the pipeline''s own database.' as finding,
    session_date
from shared.newest_publication as newest
