-- How many rules the run checked.
select count(*) from ops.validation_results where run_id = $run
