-- One row per table and severity: how many rules the newest run that judged the table checked on it, and how many passed.
select
    table_name,
    severity,
    count(*) as rules_checked,
    count(*) filter (where passed) as rules_passed,
    count(*) filter (where not passed) as rules_failed,
    max(checked_rows) as checked_rows,
    max(session_date) as judged_session_date
from shared.current_results
group by table_name, severity
