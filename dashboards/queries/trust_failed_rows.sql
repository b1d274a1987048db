-- One row per row that broke a rule in the newest run that judged its table, as far as the rule kept a sample (five at most); and one row
-- per table and severity of which no rule failed.
select
    case severity when 'critical' then 1 when 'warning' then 2 else 3 end as position,
    severity,
    table_name,
    rule,
    failed_rows,
    unnest(string_split(coalesce(sample, 'the rule kept no row'), '; ')) as failed_row
from shared.current_results
where not passed
union all
select
    case severity when 'critical' then 4 when 'warning' then 5 else 6 end as position,
    severity,
    table_name,
    if(count(*) = 1, 'its one rule passed', 'none of ' || count(*) || ' rules failed') as rule,
    0 as failed_rows,
    'no row broke a rule' as failed_row
from shared.current_results
group by severity, table_name
having bool_and(passed)
