-- How many rows of a table a rule put into quarantine in the run.
select count(*) from ops.quarantine where run_id = $run and table_name = $table and rule = $rule
