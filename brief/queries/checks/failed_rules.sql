-- How many rules failed in the run.
select count(*) from ops.validation_results where run_id = $run and not passed
