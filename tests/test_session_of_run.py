"""Which session a run names, and what it says of a request that names none or two."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from market_calendar.dag_session import SessionUnknown, named_session

EVENING = datetime(2024, 7, 17, 1, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("key", "parameter", "logical_date", "session"),
    [
        ("2024-07-16", None, None, "2024-07-16"),
        ("2024-07-16", " ", None, "2024-07-16"),
        ("2024-07-16", " 2024-07-16 ", None, "2024-07-16"),
        ("2024-07-15", "2024-07-16", EVENING, "2024-07-15"),
        (None, "2024-07-16", EVENING, "2024-07-16"),
        ("", "", EVENING, "2024-07-16"),
        (None, None, None, None),
        ("2024-07-15", "2024-07-01/2024-07-16", EVENING, "2024-07-15"),
        # Of a range it is the last one.
        (None, " 2024-07-01/2024-07-16 ", EVENING, "2024-07-16"),
    ],
)
def test_the_session_that_is_named(
    key: str | None, parameter: str | None, logical_date: datetime | None, session: str | None
) -> None:
    assert named_session(partition_key=key, parameter=parameter, logical_date=logical_date) == session


@pytest.mark.parametrize(
    ("key", "parameter", "said"),
    [
        ("x" * 1024, None, "The partition key is 'xxx"),
        (None, "x" * 1024, "The parameter session is 'xxx"),
        (None, ["x" * 1024], "not a date in quotes"),
        (None, "2024-07-15..2024-07-16", "names more than one date"),
        (None, "2024-07-16/2024-07-15", "ends before it begins"),
        (None, "2024/07/16", "neither a session nor a range"),
    ],
)
def test_a_request_that_names_no_session(key: str | None, parameter: Any, said: str) -> None:
    with pytest.raises(SessionUnknown) as caught:
        named_session(partition_key=key, parameter=parameter, logical_date=EVENING)
    assert said in str(caught.value) and len(str(caught.value)) < 200
