"""Errors of a step in Airflow's terms: what another attempt cannot fix is not retried, and a run that leaves
its work to another one is skipped.

Imported when a task runs, because the errors of the layers below bring DuckDB with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from market_calendar.dag_session import SessionUnknown
from market_calendar.sessions import CalendarError
from pipeline.errors import LeftToAnother, StepFailed, TryAgain
from warehouse.database import HomeError, WarehouseBusy
from warehouse.settings import SettingsError

FINAL = (SettingsError, HomeError, CalendarError, SessionUnknown, StepFailed)
# Their text says what happened and what to do: the task's log shows it without frames.
AS_SENTENCES = (AirflowFailException, TryAgain, WarehouseBusy)


@contextmanager
def airflow_errors() -> Iterator[None]:
    """Translate what a step raises."""
    try:
        yield
    except LeftToAnother as left:
        raise AirflowSkipException(str(left)) from None
    except WarehouseBusy:
        raise
    except FINAL as error:
        raise AirflowFailException(str(error)) from None
