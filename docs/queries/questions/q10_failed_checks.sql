-- What failed validation, and which marts are made from it?
select failed.table_name, failed.rule, failed.severity, failed.failed_rows, string_agg(touched.table_name, ', ' order by touched.table_name) as touches
from ops.validation_results as failed
left join ops.lineage as touched on failed.table_name = touched.input_name and touched.table_name like 'marts.%'
where not failed.passed
group by all
order by failed.severity, failed.table_name, failed.rule;
