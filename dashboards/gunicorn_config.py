"""Settings of the server, for `make dashboards` and for the stack alike.

One process with threads: the limit of sign-in attempts is in its memory, and DuckDB answers threads.
"""

workers = 1
worker_class = "gthread"
threads = 16
# A statement is stopped long before (dashboards.connection).
timeout = 120
graceful_timeout = 5
