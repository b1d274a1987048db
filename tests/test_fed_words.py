"""The Fed section's words: every reason of the marts, the contract in it, what is called FedWatch's."""

from __future__ import annotations

import datetime as dt

import pytest

from brief.cells import Cell, Row
from brief.rate_changes import Span
from brief.reasons import REASONS, contract_words, reason_words, unpriced_words
from brief.settlement import Settlement
from transforms.lib.meeting_path import REASON_TEXT
from warehouse.catalog import load_catalog

MEETINGS = ("2024-07-31", "2024-09-18", "2024-11-07", "2024-12-18")
DEGRADED = {
    "later_contract_missing",
    "own_contract_missing",
    "earlier_contract_missing",
    "earlier_meeting_degraded",
}


def test_every_reason_of_the_fed_marts_has_words() -> None:
    values = {
        value
        for table in load_catalog().in_schema("marts")
        if table.name.startswith(("fomc_", "policy_path", "policy_repricing"))
        for column in table.columns
        if column.name.endswith("reason")
        for value in column.values
    }
    assert {"change_1m_reason", "reason"} <= {
        column.name for column in load_catalog()["marts.fomc_meetings_daily"].columns
    }
    assert values | {"meeting_not_known", "dots_repeated"} <= set(REASONS)
    assert {text for text in REASON_TEXT if text} <= set(REASONS)
    assert not any("_" in words for words in REASONS.values())


def test_a_degraded_answer_names_its_contract_and_is_not_fedwatch() -> None:
    for reason in REASONS:
        words = reason_words(reason, "ZQG25")
        assert ("not FedWatch" in words) == (reason in DEGRADED)
        assert "ZQG25 (Feb 2025)" in words or reason not in DEGRADED
        assert "{" not in words + reason_words(reason, None)
        assert unpriced_words(reason, "ZQG25").count("ZQG25") == 1


@pytest.mark.parametrize(
    ("contract", "words"), [("ZQX88", "Nov 1988"), ("ZQF00", "Jan 2000"), ("ZQZ26", "Dec 2026")]
)
def test_a_contract_names_its_month(contract: str, words: str) -> None:
    assert contract_words(contract) == f"{contract} ({words})"


def row(meeting: str, **values: object) -> Row:
    given = {
        "meeting_date": dt.date.fromisoformat(meeting),
        "cut": 1.0,
        "missing_contract": None,
        "cme_number": 1,
        **values,
    }
    return {name: Cell(value, name, "t") for name, value in given.items()}


def settlement(since: str, rows: list[Row]) -> Settlement:
    return Settlement(dt.date(2024, 7, 31), dt.date.fromisoformat(since), rows, {})


def test_the_first_meeting_is_the_one_whose_decision_is_not_out() -> None:
    rows = [row(meeting) for meeting in MEETINGS]
    before, on, late = (settlement(day, rows) for day in ("2024-07-30", "2024-07-31", "2025-01-02"))
    assert (before.first, before.decided) == (rows[0], None)
    assert (on.first, on.decided) == (rows[1], rows[0])
    assert (late.first, late.decided) == (rows[0], rows[3])
    unpriced = settlement("2024-07-30", [row(MEETINGS[0], cut=None), rows[1]])
    assert (unpriced.first, unpriced.unsolved) == (rows[1], [unpriced.meetings[0]])


def test_the_ninth_meeting_of_cmes_table_is_the_last_one_compared() -> None:
    rows = [
        row(meeting, cme_number=number) for meeting, number in zip(MEETINGS, (7, 8, 9, None), strict=True)
    ]
    assert settlement("2024-07-30", rows).ninth == rows[2]
    assert settlement("2024-07-30", rows[:2]).ninth is None


def test_degraded_meetings_stand_with_their_contract() -> None:
    rows = [
        row(MEETINGS[0], missing_contract="ZQM24", cut=None),
        row(MEETINGS[1]),
        *(row(meeting, missing_contract="ZQG25") for meeting in MEETINGS[2:]),
    ]
    assert settlement("2024-07-30", rows).degraded == [("ZQG25 (Feb 2025)", rows[2:])]


@pytest.mark.parametrize(
    ("below", "above", "side"),
    [
        (2.0, -1.0, "below"),
        (0.04, 31.0, "above"),
        (0.04, -0.04, None),
        (None, None, None),
        (-3.0, 3.0, "below"),
    ],
)
def test_the_side_that_changed_more_is_shown(
    below: float | None, above: float | None, side: str | None
) -> None:
    cells = row(MEETINGS[0], below_base_1w_change_pp=below, above_base_1w_change_pp=above)
    assert Span("1w", "a week", Cell(None, "x", "t")).side(cells) == side
