"""FRED's answers in the shapes that were recorded, written anew, through the client against the server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pandas as pd
import pytest

from sources.fred import FredSource
from sources.protocol import NotServed, SourceError, SourceUnavailable
from sources.registry import parse_payload
from sources.transport import Forbidden, RateLimited, Transport
from tests.faults.feed import Feed
from tests.faults.server import Fault, Server
from warehouse.payloads import Request

AS_OF = date(2024, 7, 16)
KEY = "0123456789abcdef0123456789abcdef"
REQUEST = Request("fred", "UNRATE", date(2023, 1, 3), AS_OF)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(Feed(AS_OF), key=KEY) as running:
        yield running


def source(url: str, key: str = KEY, **options: Any) -> FredSource:
    made: Transport[Any] = Transport("FRED", requests_per_second=None, **{"attempts": 1, **options})
    return FredSource({"ROTATION_FRED_URL": url, "FRED_API_KEY": key}, transport=made)


def read(server: Server, request: Request = REQUEST) -> pd.DataFrame:
    return parse_payload(source(server.url).fetch(request)).frame


def many_versions(day: str, first: str, values: list[float | None]) -> pd.DataFrame:
    """Versions of one observation, a month apart; None is a withdrawal."""
    days = pd.date_range(first, periods=len(values), freq="30D")
    return pd.DataFrame(
        {
            "date": pd.Timestamp(day),
            "realtime_start": days,
            "value": pd.array(values, dtype="Float64").to_numpy("float64", na_value=float("nan")),
        }
    )


WITHDRAWN: list[float | None] = [
    4.1,
    4.2,
    None,
    4.2,
    4.3,
    None,
    None,
    4.4,
    4.1,
    4.0,
    4.1,
    None,
    3.9,
    3.8,
    3.7,
]


@pytest.mark.parametrize("piece", [1500, 7, 2])
def test_fifteen_versions_with_withdrawals_and_additions(
    piece: int, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the pieces in which they are asked for; each period is clipped to the one that was asked."""
    monkeypatch.setattr("sources.fred.VINTAGES_PER_REQUEST", piece)
    server.feed.more_versions["UNRATE"] = many_versions("2023-02-01", "2023-04-10", WITHDRAWN)
    frame = read(server)
    found = frame[frame["observation_date"] == "2023-02-01"]
    # The first print and its revision, then every version; a value that repeats the one before is none.
    values = [None if pd.isna(value) else value for value in found["value"]][2:]
    assert values == [4.1, 4.2, None, 4.2, 4.3, None, 4.4, 4.1, 4.0, 4.1, None, 3.9, 3.8, 3.7]
    assert found["available_at_utc"].is_monotonic_increasing and found["available_at_utc"].is_unique
    assert str(found["available_at_utc"].iloc[-1].date()) == "2024-06-03"


def test_a_withdrawal_in_a_trailing_window_is_a_version(server: Server) -> None:
    server.feed.more_versions["UNRATE"] = many_versions("2024-04-01", "2024-07-08", [None])
    frame = read(server, Request("fred", "UNRATE", date(2024, 6, 20), AS_OF))
    found = frame[frame["observation_date"] == "2024-04-01"]
    assert pd.isna(found["value"].iloc[-1]) and found["availability"].tolist() == ["vintage"]


def test_the_periods_are_clipped_and_the_notes_run_over_lines(server: Server) -> None:
    """What the server sends, so that the clients meet it: fredapi reads it, and so does `parse`."""
    from fredapi import Fred

    client = Fred(api_key=KEY)
    client.root_url = f"{server.url}/fred"
    info = client.get_series_info("UNRATE")
    assert info["last_updated"] == "2024-07-16 07:54:01-05" and "\n" in info["notes"]
    assert info["popularity"] == "63" and "count" not in info.index
    root = client._Fred__fetch_data(
        f"{server.url}/fred/series/observations?series_id=UNRATE&realtime_start=2024-01-01"
        f"&realtime_end=2024-03-31&api_key={KEY}"
    )
    periods = [(row.get("realtime_start"), row.get("realtime_end")) for row in root]
    assert min(periods)[0] == "2024-01-01" and max(end for _, end in periods) == "2024-03-31"
    assert any(end < "2024-03-31" for _, end in periods), "a version ends where the next begins"


@pytest.mark.parametrize("repeats", [False, True])
def test_a_key_that_is_not_registered_is_not_shown(repeats: bool, server: Server) -> None:
    server.fred.repeats_the_key = repeats
    with pytest.raises(Forbidden, match="check FRED_API_KEY") as caught:
        source(server.url, key="f" * 32).fetch(REQUEST)
    assert "f" * 32 not in str(caught.value)


def test_a_series_that_does_not_exist(server: Server) -> None:
    server.feed.only = frozenset({"DGS2"})
    with pytest.raises(NotServed, match="The series does not exist"):
        source(server.url).fetch(REQUEST)


@pytest.mark.parametrize("key", [KEY, ""])
@pytest.mark.parametrize("status", [200, 403])
def test_too_many_requests_is_waited_for(key: str, status: int, server: Server) -> None:
    """The sibling of Yahoo's notice, with a key and without one."""
    request = Request("fred", "BAA10Y", date(2024, 6, 3), AS_OF)
    notice = b"<html><title>Too Many Requests</title></html>"
    server.fault = Fault(times=1, status=status, body=lambda _: notice)
    asked = source(server.url, key=key, attempts=2, first_wait_seconds=0.05)
    assert len(parse_payload(asked.fetch(request)).frame) > 10
    server.fault = Fault(status=status, body=lambda _: notice)
    with pytest.raises(RateLimited):
        source(server.url, key=key).fetch(request)


@pytest.mark.parametrize(
    ("status", "code", "message", "expected"),
    [
        (423, 423, "Locked", SourceUnavailable),
        (200, 500, "Internal Server Error", SourceUnavailable),
        (200, 423, "Locked", SourceUnavailable),
        (200, 400, "Bad Request.  The series does not exist.", NotServed),
        (200, 400, "Bad Request.  The value for variable api_key is not registered.", Forbidden),
    ],
)
@pytest.mark.parametrize("key", [KEY, ""])
def test_an_error_has_the_status_that_it_states(
    key: str, status: int, code: int, message: str, expected: type[Exception], server: Server
) -> None:
    body = f'<?xml version="1.0" encoding="utf-8" ?>\n<error code="{code}" message="{message}"/>\n'
    server.fault = Fault(status=status, body=lambda _: body.encode())
    with pytest.raises(SourceError) as caught:
        source(server.url, key).fetch(REQUEST)
    wanted: type[Exception] = expected if key or code != 400 else SourceError
    assert type(caught.value) is wanted and caught.value.retryable is (expected is SourceUnavailable)
