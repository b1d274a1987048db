"""The run's log: progress, warnings and errors by level, through the logging module.

Under Airflow the lines go to the task's log with their level. `make run` runs the DAG in a process of its
own and shows the lines of our packages to the person who waits: they are printed with a mark that `cli.run`
looks for.
"""

from __future__ import annotations

import logging

LOG = logging.getLogger("pipeline")
# Whose lines a person at `make run` sees.
PACKAGES = ("pipeline", "datasets", "sources", "warehouse", "brief")
MARK = "▸"


class Progress(logging.Handler):
    """Prints a line at once; what the terminal cannot show is replaced, so that a progress line never stops a
    run.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        text = self.format(record)
        try:
            print(text, flush=True)
        except UnicodeEncodeError:
            print(text.encode("ascii", "replace").decode("ascii"), flush=True)


def show_progress() -> None:
    """Print what our packages log from INFO on; calling it again changes nothing."""
    for package in PACKAGES:
        logger = logging.getLogger(package)
        if not any(isinstance(handler, Progress) for handler in logger.handlers):
            handler = Progress(logging.INFO)
            handler.setFormatter(logging.Formatter(f"{MARK} %(message)s"))
            logger.addHandler(handler)
            logger.setLevel(logging.INFO)
