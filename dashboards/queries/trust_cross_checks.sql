-- One row per comparison of what the warehouse holds twice: how many days the publication's own run knows to be compared, how many
-- disagreed, and the largest share of the tolerance that the kept days used (the ten newest, and those that failed).
with results as (
    select *
    from ops.validation_results
    where
        table_name = 'ops.cross_checks'
        and run_id = (
            select arg_max(run_id, generation)
            from ops.publication
        )
),

kept as (
    select
        check_id,
        max(day) as newest_day,
        100.0 * max(abs(difference) / nullif(tolerance, 0)) as tolerance_used_per_cent,
        string_agg(distinct offender, ', ') as offenders
    from ops.cross_checks
    group by check_id
),

exceptions as (
    select
        check_id,
        count(*) as known_exceptions
    from ref.cross_check_exceptions
    group by check_id
)

select
    case when not results.passed then 1 when results.checked_rows > 0 then 2 else 3 end as position,
    checks.check_id,
    checks.severity,
    checks.check_kind,
    checks.left_input || ' with ' || coalesce(checks.right_input, 'each other') as compared,
    case
        when results.rule is null then 'not judged in this run'
        when not results.passed then 'disagrees'
        when results.checked_rows > 0 then 'agrees'
        else 'not compared: one side is not there'
    end as verdict,
    results.checked_rows,
    results.failed_rows,
    kept.newest_day,
    kept.tolerance_used_per_cent,
    kept.offenders,
    checks.why || coalesce(' Known exceptions (a day or a span of days each): ' || exceptions.known_exceptions || '.', '') as why
from ref.cross_checks as checks
left join results on checks.check_id = results.rule
left join kept on checks.check_id = kept.check_id
left join exceptions on checks.check_id = exceptions.check_id
