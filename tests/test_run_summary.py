"""What `make run` prints of inputs that were not taken: no refusal is lost among files that are not there."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from cli.run_summary import print_summary
from pipeline.audit import stale_inputs
from pipeline.state import AuditSummary, LoadSummary, RunState
from tests.small_market import small_settings

DAY = date(2024, 7, 16)
ABSENT = tuple(f"files: fred/A{number:02} has no file" for number in range(40))
REFUSED = (
    "files: prices/XLE: column close is missing; the header reads 'Date, Settle'",
    f"prices/ZION: close steps by the factor 3.1; {'it is a long story. ' * 20}nothing of it is loaded",
)


def test_a_refused_input_is_said_whole_before_what_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = small_settings(tmp_path, tmp_path / "home")
    settings.published.mkdir(parents=True)
    status = {"state": "success", "run_id": "one", "generation": 1, "session_date": str(DAY)}
    (settings.published / "status.json").write_text(json.dumps(status))
    state = RunState(settings.home, "one")
    state.write("loaded", LoadSummary(missing=(*ABSENT, *REFUSED), refused=REFUSED))
    state.write("audited", AuditSummary())
    assert print_summary(settings, DAY, 0, tmp_path / "log", 1.0, None) == 0
    printed = capsys.readouterr().out
    assert "Refused (optional inputs): 2" in printed and all(text in printed for text in REFUSED)
    assert "Not served (optional inputs): 40" in printed and "... and 35 more" in printed


def test_what_ended_comes_before_what_was_never_served() -> None:
    def row(name: str, last: date | None, *, required: bool = False, stale: bool = True) -> dict[str, object]:
        return {
            "dataset": "prices",
            "input": name,
            "required": required,
            "last_date": last,
            "expected_date": DAY,
            "stale": stale,
        }

    rows = [row("AGG", None), row("JPM", date(2024, 6, 14)), row("KRE", date(2024, 7, 1), required=True)]
    assert tuple(map(str, stale_inputs([*rows, row("SPY", DAY, stale=False)]))) == (
        "prices/KRE ends 2024-07-01, expected 2024-07-16",
        "prices/JPM ends 2024-06-14, expected 2024-07-16",
        "prices/AGG was never served",
    )
