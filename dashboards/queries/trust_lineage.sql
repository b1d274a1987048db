-- One row per table and table that it is made from, with the number of steps between them and how the rules on the latter ended in the
-- newest run that judged it.
with results as (
    select
        table_name,
        count(*) as rules_checked,
        count(*) filter (where not passed) as rules_failed,
        string_agg(rule, ', ' order by rule) filter (where not passed) as failed_rules
    from shared.current_results
    group by table_name
)

select
    lineage.table_name,
    lineage.steps,
    lineage.input_name,
    coalesce(results.rules_checked, 0) as rules_checked,
    coalesce(results.rules_failed, 0) as rules_failed,
    coalesce(results.failed_rules, 'none') as failed_rules
from ops.lineage as lineage
left join results on lineage.input_name = results.table_name
where not starts_with(lineage.table_name, 'raw.') and not starts_with(lineage.table_name, 'ref.')
