"""Settings of the server, for `make dashboards` and for the stack alike.

One process with threads: the limit of sign-in attempts is in its memory, and DuckDB answers threads.
"""

from typing import Any

workers = 1
worker_class = "gthread"
threads = 16
# A statement is stopped long before (dashboards.connection).
timeout = 120
graceful_timeout = 5


def post_worker_init(worker: Any) -> None:
    """Bind the Celery tasks before the first thread asks.

    SQL Lab calls one of them as a function. Celery binds it when it is first called, and not under a lock: of
    two first statements at once one met it unbound ('NoneType' object has no attribute 'push').
    """
    import superset.sql_lab  # noqa: F401 - registers it
    from superset.extensions import celery_app

    celery_app.finalize()
