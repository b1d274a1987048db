"""Health checks of the Airflow services: exit code 0 when the service of this container works, else 1 and a
sentence.

    health.py scheduler | triggerer | dag-processor    its job in the metadata database sent a heartbeat
    lately health.py api-server                               it answers, and reaches the metadata database
    health.py worker                                   the Celery worker answers a ping through the broker

It does not import Airflow: `airflow jobs check` takes seconds of CPU at every call, this a tenth of a second.
"""

from __future__ import annotations

import json
import socket
import sys
import urllib.request

from deploy.address import address, secret

JOBS = {"scheduler": "SchedulerJob", "triggerer": "TriggererJob", "dag-processor": "DagProcessorJob"}
# The heartbeat comes every 5 seconds; Airflow itself calls a component unhealthy after 30.
LONGEST_SILENCE_SECONDS = 30


def heartbeat_problem(service: str) -> str | None:
    """What is wrong with the job of this container, by its newest heartbeat."""
    import psycopg2

    try:
        connection = psycopg2.connect(
            host="postgres",
            dbname="airflow",
            user="airflow",
            password=secret("postgres_password"),
            connect_timeout=5,
            options="-c statement_timeout=5000",
        )
    except psycopg2.Error as error:
        return f"the metadata database cannot be reached: {str(error).splitlines()[0]}"
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "select extract(epoch from now() - max(latest_heartbeat)) from job"
            " where job_type = %s and hostname = %s and state = 'running'",
            (JOBS[service], socket.getfqdn()),
        )
        (silence,) = cursor.fetchone() or (None,)
    if silence is None:
        return f"no {JOBS[service]} of this container is running"
    if silence > LONGEST_SILENCE_SECONDS:
        return f"the last heartbeat of the {JOBS[service]} is {silence:.0f} s old"
    return None


def api_problem() -> str | None:
    """Whether the api-server answers and reaches its database."""
    url = "http://127.0.0.1:8080/api/v2/monitor/health"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            state = json.load(answer)["metadatabase"]["status"]
    except OSError as error:
        return f"{url} does not answer: {error}"
    return None if state == "healthy" else f"the api-server reports the metadata database as {state}"


def worker_problem() -> str | None:
    """Whether the worker of this container answers through the broker."""
    from celery import Celery

    name = f"celery@{socket.gethostname()}"
    try:
        answers = Celery(broker=address("broker")).control.ping(destination=[name], timeout=8, limit=1)
    except OSError as error:
        return f"the broker cannot be reached: {type(error).__name__}"
    return None if answers else f"{name} does not answer"


def main(service: str) -> int:
    """Print the problem, if there is one."""
    if service in JOBS:
        problem = heartbeat_problem(service)
    else:
        problem = api_problem() if service == "api-server" else worker_problem()
    if problem:
        print(problem)
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
