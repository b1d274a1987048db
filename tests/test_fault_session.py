"""Sessions of a live run in which a tenth of all requests fail: what is loaded in the end is what a run
without a fault loads.

Over real HTTP against the server of the tests, with the waits between attempts cut short. Printed with
`-s`: requests, faults by kind and both digests.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from tests.faults.feed import Feed
from tests.faults.home import LiveHome, impatient, live_home
from tests.faults.server import Fault, Server, Storm, hang_up, reset, silent, slow, truncated

pytestmark = pytest.mark.slow
KEY = "0123456789abcdef0123456789abcdef"
HTML = b"<!DOCTYPE html><html><body>We will be right back</body></html>"
CAPTCHA = b"<html lang=en><head><title>Are you a robot?</title></head></html>"
SESSIONS = [date(2024, 7, day) for day in (9, 11, 12, 16, 17)]
INPUTS = [
    *(("prices", symbol) for symbol in ("SPY", "IWM", "QQQ", "KRE", "JPM", "^RUT", "^GSPC")),
    *(("futures", contract) for contract in ("ZQN24", "ZQQ24", "ZQU24", "ZQV24", "ZQX24", "ZQZ24")),
    *(("fred", series) for series in ("DGS2", "DGS10", "DFF", "CPIAUCSL", "UNRATE", "ICSA")),
]
# Another attempt helps: of the request, or, after a page with status 200, of the task.
PASSING = {
    "429": Fault(status=429, body=lambda body: b"Too Many Requests"),
    "429 with Retry-After": Fault(status=429, headers={"Retry-After": "1"}),
    "500": Fault(status=500, body=lambda body: HTML),
    "503": Fault(status=503, body=lambda body: b""),
    "reset": Fault(send=reset),
    "truncated": Fault(send=truncated),
    "hung up": Fault(send=hang_up),
    "slow": Fault(send=slow),
    "silent": Fault(send=silent),
    "HTML with 200": Fault(body=lambda body: HTML),
    "captcha with 200": Fault(body=lambda body: CAPTCHA),
    "empty with 200": Fault(body=lambda body: b""),
}
# Another attempt does not help: the input is missing in this session and is had in the next one.
FINAL = {
    "half a body, announced so": Fault(body=lambda body: body[: len(body) // 2]),
    "NUL bytes": Fault(body=lambda body: body[:50] + b"\x00" + body[50:]),
    "another shape": Fault(body=lambda body: b"[1, 2, 3]"),
    "403": Fault(status=403),
}


@dataclass
class Outcome:
    """What a run of all sessions left."""

    home: LiveHome
    requests: int
    missing: int
    stopped: int


def run_sessions(
    monkeypatch: pytest.MonkeyPatch, folder: Path, storm: Storm | None, clean_last: bool = False
) -> Outcome:
    """Every session in turn, each with what is new in its world; the whole history first, then trailing
    windows.
    """
    missing = stopped = 0
    with Server(Feed(SESSIONS[0]), key=KEY) as server:
        home = live_home(monkeypatch, folder, server.url, KEY, ROTATION_HISTORY_START="2024-01-03")
        impatient(monkeypatch, 10.0, 0.5, attempts=4, first_wait_seconds=0.02, rest_seconds=0.1)
        monkeypatch.setattr("sources.yahoo.HELPER_SECONDS", 0.5)
        for session in SESSIONS:
            server.feed.as_of = session
            server.storm = None if clean_last and session == SESSIONS[-1] else storm
            home.run(INPUTS, session, trailing=True, attempts=4)
            missing += len(home.errors)
            stopped += home.stopped is not None
        return Outcome(home, len(server.requests), missing, stopped)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> LiveHome:
    """A home without a fault."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        outcome = run_sessions(monkeypatch, tmp_path_factory.mktemp("clean") / "home", None)
    assert (outcome.missing, outcome.stopped) == (0, 0)
    return outcome.home


def test_a_tenth_of_all_requests_fail_and_nothing_is_lost(
    undisturbed: LiveHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storm, clean = Storm(PASSING, seed=60), undisturbed.digest()
    outcome = run_sessions(monkeypatch, tmp_path / "home", storm)
    digest = outcome.home.digest()
    report(storm, outcome, clean, digest)
    assert storm.asked > 140 and 0.07 < sum(storm.played.values()) / storm.asked < 0.13
    assert min(storm.played.values()) > 0, storm.played
    assert (outcome.missing, outcome.stopped) == (0, 0), "no input is missing in any session"
    assert digest == clean


def test_what_no_attempt_cures_is_had_in_the_next_session(
    undisturbed: LiveHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A session's first bar is the live quote, which the next session replaces; where that session's answer
    # failed, the quote was never had, so the newest version of each bar is compared.
    storm, clean = Storm(FINAL, seed=2), undisturbed.digest(newest_prices=True)
    outcome = run_sessions(monkeypatch, tmp_path / "home", storm, clean_last=True)
    digest = outcome.home.digest(newest_prices=True)
    report(storm, outcome, clean, digest)
    assert min(storm.played.values()) > 0, storm.played
    assert outcome.missing > 3 and outcome.stopped > 0, "a required one that is missing stops its session"
    assert not outcome.home.errors and outcome.home.stopped is None
    assert digest == clean


def report(storm: Storm, outcome: Outcome, clean: object, digest: object) -> None:
    """For the reader of the test's output."""
    print(f"\n{storm.asked} requests, {sum(storm.played.values())} faults: {storm.played}")
    print(f"inputs missing in their session {outcome.missing}, sessions stopped {outcome.stopped}")
    print(f"without faults {clean}\nwith faults    {digest}")
