"""What Airflow sees of a run: the operators of the steps, their errors in Airflow's terms.

A DAG file imports it when it is parsed, so its modules import Airflow's SDK and the standard library at the
top, and the steps themselves when a task runs.
"""
