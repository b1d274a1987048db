"""Which errors of a step are for people, and what another attempt may mend."""

from __future__ import annotations

import errno

from market_calendar.dag_session import SessionUnknown
from market_calendar.sessions import CalendarError
from pipeline.endings import StepFailed, TryAgain
from warehouse.database import HomeError, WarehouseBusy, is_open_elsewhere
from warehouse.settings import SettingsError

# Their messages are for people, and say what to change.
EXPECTED = (SettingsError, HomeError, CalendarError, SessionUnknown, StepFailed)
# Of a disk or a network that may answer again. A full disk is not among them: somebody must make room.
PASSING_ERRNO = (
    errno.EAGAIN,
    errno.EBUSY,
    errno.EINTR,
    errno.EIO,
    errno.EMFILE,
    errno.ENETDOWN,
    errno.ENETUNREACH,
    errno.ENFILE,
    errno.EHOSTUNREACH,
    errno.ESTALE,
    errno.ETIMEDOUT,
)
# Whose errors are those of a request to a source or to Airflow's API, or a step's time that is up.
PASSING_PACKAGES = ("airflow", "httpcore", "httpx", "requests", "urllib3")
LONGEST_SENTENCE = 600


def passes_by_itself(error: BaseException) -> bool:
    """Whether a later attempt may work without a change: a source that did not answer, a database that is
    open elsewhere, a connection or a disk that failed for a moment.
    """
    if isinstance(error, (TryAgain, WarehouseBusy, ConnectionError, TimeoutError, MemoryError)):
        return True
    if is_open_elsewhere(error):
        return True
    if type(error).__module__.partition(".")[0] in PASSING_PACKAGES:
        return True
    return isinstance(error, OSError) and error.errno in PASSING_ERRNO


def sentence_of(error: BaseException) -> str:
    """What a person reads: the message of an expected error; of any other its type as well."""
    if isinstance(error, (*EXPECTED, TryAgain)) and str(error):
        return str(error)
    text = " ".join(str(error).split())
    text = text if len(text) <= LONGEST_SENTENCE else f"{text[:LONGEST_SENTENCE]}…"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
