-- One row per run, rule and source that put rows into quarantine before load: such rows are in no figure. Where no row was ever put there,
-- one row says so.
with held as (
    select
        quarantine.*,
        row_number() over (partition by quarantine.run_id, quarantine.table_name, quarantine.rule order by quarantine.row) as place,
        payloads.source,
        payloads.dataset,
        payloads.input
    from ops.quarantine as quarantine
    left join (
        select
            payload_sha256,
            arg_max(source, fetched_at_utc) as source,
            arg_max(dataset, fetched_at_utc) as dataset,
            arg_max(input, fetched_at_utc) as input
        from ops.payloads
        group by payload_sha256
    ) as payloads on quarantine.payload_sha256 = payloads.payload_sha256
),

severities as (
    select
        run_id,
        table_name,
        rule,
        severity
    from ops.validation_results
)

select
    held.table_name,
    severities.severity,
    held.rule,
    coalesce(held.source, 'payload not on record') as source,
    count(*) as rows_quarantined,
    count(distinct held.input) as inputs,
    (
        select min(runs.session_date)
        from ops.runs as runs
        where runs.run_id = held.run_id
    ) as session_date,
    string_agg(row, '; ') filter (where place <= 2) as examples
from held
left join severities on held.run_id = severities.run_id and held.table_name = severities.table_name and held.rule = severities.rule
group by held.run_id, held.table_name, severities.severity, held.rule, held.source
union all
select
    'all tables' as table_name,
    'none' as severity,
    'no row was ever put into quarantine' as rule,
    'all sources' as source,
    0 as rows_quarantined,
    0 as inputs,
    session_date,
    null as examples
from shared.newest_publication as newest
where
    not exists (
        select 1
        from ops.quarantine
    )
