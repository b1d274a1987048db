"""The run's log: progress, warnings and errors by level, through the logging module.

Under Airflow the lines go to the task's log with their level. `make run` runs the DAG in a process of its
own and shows the lines of our packages to the person who waits: they are printed with a mark that `cli.run`
looks for. A line about one input or one rule is a detail: it is in the task's log, and `make run` lists it in
its summary instead.
"""

from __future__ import annotations

import logging

LOG = logging.getLogger("pipeline")
# Whose lines a person at `make run` sees.
PACKAGES = ("pipeline", "datasets", "sources", "warehouse", "brief")
MARK = "▸"
# Severity of a rule as a level of the log.
LEVELS = {"critical": logging.ERROR, "warning": logging.WARNING, "info": logging.INFO}
DETAIL = "rotation_detail"


def log_detail(level: int, message: str, *arguments: object) -> None:
    """A line about one input or one rule."""
    LOG.log(level, message, *arguments, extra={DETAIL: True}, stacklevel=2)


class Progress(logging.Handler):
    """Prints a line at once; what the terminal cannot show is replaced, so that a progress line never stops a
    run.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record, unless it is a detail."""
        if getattr(record, DETAIL, False):
            return
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
