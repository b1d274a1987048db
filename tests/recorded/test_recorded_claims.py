"""The published statements on recorded prices and yields."""

from __future__ import annotations

import pandas as pd
import pytest

from tests.market_fixture import recorded
from tests.test_claims import SYMBOLS, checked_statements

pytestmark = pytest.mark.replay


def test_published_statements_on_recorded_prices() -> None:
    checked = checked_statements(recorded(SYMBOLS, "2025-09-24"))
    verdict, number = checked["verdict"], checked["recomputed"]
    confirmed = [
        ("R4", 1),
        ("R4", 2),
        ("R9", 1),
        ("R10", 1),
        ("R12", 1),
        ("R16", 1),
        ("R17", 1),
        ("R17", 2),
        ("R19", 1),
        ("P4", 1),
    ]
    assert {key: verdict[key] for key in confirmed} == dict.fromkeys(confirmed, "confirmed")
    assert number["R1", 1] == pytest.approx(
        11.8067, abs=1e-4
    )  # at the close; 10.4 was reached during the session
    assert verdict["R1", 1] == "confirmed_on_other_basis"
    assert checked["basis"]["R1", 1] == "of prices during the session, not of the close"
    assert checked["recomputed_date"]["R2", 1] == pd.Timestamp("2001-04-03")
    assert checked["recomputed_other_basis_date"]["R2", 1] == pd.Timestamp("2016-11-14")
    assert verdict["R14", 2] == "confirmed_on_other_basis" and "total return" in checked["basis"]["R14", 2]
    assert number["R16", 2] == 79 and verdict["R16", 2] == "contradicted"
    assert checked["recomputed_date"]["P4", 1] == pd.Timestamp("2022-07-06")
    # what needs marts that are empty here says so
    for key in [("P1", 1), ("R22", 1), ("R23", 1), ("B1", 1), ("B2", 1), ("B3", 1), ("P5", 1)]:
        assert verdict[key] == "not_computable", key
    assert (checked["why"].str.len() > 20).all()


def test_later_sessions_change_no_verdict() -> None:
    early, late = (checked_statements(recorded(SYMBOLS, session)) for session in ("2024-07-18", "2024-09-30"))
    same = late.loc[early.index]
    pd.testing.assert_series_equal(early["recomputed"], same["recomputed"], check_exact=True)
    assert (early["verdict"] == same["verdict"]).all()
