"""Kuttner surprises: contract and scale by case, and which decisions a publication knows.

Worked figures are in the cases of `tests/models/`, the comparison with published ones in `tests/recorded/`.
"""

from __future__ import annotations

import numpy as np
import pytest

from tests.policy_market import add_settlements, build_policy, policy_warehouse
from transforms.lib import policy_path


@pytest.mark.parametrize(
    ("decision", "effective", "month", "scale"),
    [
        ("2001-01-03", "2001-01-04", "2001-01", 31 / 28),
        ("2008-01-22", "2008-01-23", "2008-01", 31 / 9),  # nine days left: scaled
        ("2006-10-24", "2006-10-25", "2006-11", 1.0),  # seven days left: next month's, unscaled
        ("2006-10-23", "2006-10-24", "2006-10", 31 / 8),
        ("2001-01-31", "2001-02-01", "2001-02", 1.0),  # last day of the month
        ("2017-02-01", "2017-02-02", "2017-02", 28 / 27),  # first day of the month
        ("2004-11-10", "2004-11-12", "2004-11", 30 / 19),  # Veterans Day keeps the old rate
        ("2020-03-15", "2020-03-16", "2020-03", 31 / 16),
        ("1998-11-30", "1998-12-01", "1998-12", 1.0),
    ],
)
def test_contract_and_scale(decision: str, effective: str, month: str, scale: float) -> None:
    number, factor = policy_path.compute_surprise_contract(
        np.array([decision], dtype="datetime64[D]"), np.array([effective], dtype="datetime64[D]")
    )
    assert str(number.astype("datetime64[M]")[0]) == month and factor[0] == pytest.approx(scale)


def test_a_run_knows_decisions_up_to_its_session_even_without_settlements() -> None:
    con = policy_warehouse("2024-09-20")
    add_settlements(con, "2024-07-30", {"2024-08": 94.69})
    build_policy(con, ("marts.policy_repricing", "marts.policy_surprises"))
    rows = con.execute("select meeting_date, reason from marts.policy_surprises order by 1").fetchall()
    assert [(str(day), why) for day, why in rows] == [
        ("2024-07-31", "price_missing"),
        ("2024-09-18", "price_missing"),
    ]
