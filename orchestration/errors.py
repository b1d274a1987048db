"""Errors of a step in Airflow's terms: what may pass by itself is retried, what another attempt cannot fix is
not, and a run that leaves its work to another one is skipped.

Imported when a task runs, because the errors of the layers below bring DuckDB with them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowRuntimeError,
    AirflowSkipException,
)

from pipeline.endings import LeftToAnother, NothingNew, TryAgain
from pipeline.errors import EXPECTED, passes_by_itself, sentence_of
from warehouse.database import WarehouseBusy

LOG = logging.getLogger(__name__)
# Their text says what happened and what to do: the task's log shows it without frames.
AS_SENTENCES = (AirflowFailException, TryAgain, WarehouseBusy)


@contextmanager
def airflow_errors() -> Iterator[None]:
    """Translate what a step raises."""
    try:
        yield
    except LeftToAnother as left:
        raise AirflowSkipException(str(left)) from None
    except NothingNew as nothing:
        raise AirflowSkipException(f"Nothing new: {nothing}; nothing was published.") from None
    except (AirflowException, AirflowRuntimeError):
        # Of Airflow itself, as when its API does not answer: its own rules hold.
        raise
    except Exception as error:
        if passes_by_itself(error):
            raise
        if not isinstance(error, EXPECTED):
            # A programming error or a broken file: the next attempt would meet it too.
            LOG.exception("unexpected %s, not tried again", type(error).__name__)
        raise AirflowFailException(sentence_of(error)) from None
