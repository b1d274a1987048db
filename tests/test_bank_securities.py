"""The securities mark on the simulated market, and the reference data behind it.

Worked figures, what a session may know and what is stated as not covered are in the cases of `tests/models/`.
"""

from __future__ import annotations

import math

import duckdb
import pytest

from tests.bank_securities_market import SYMBOLS, build_mark
from tests.market_fixture import simulated
from tests.recorded_data import REPOSITORY
from warehouse.reference_data import reference_frame

MODELS = ("staging.bank_reported_quarters", "marts.bank_reported_losses", "marts.bank_securities_mark")
FUNDS = {"lt_1y": "BIL", "1_3y": "SHY", "3_5y": "IEI", "5_10y": "IEF", "gt_10y": "TLT", "mbs": "MBB"}


def published(session: str) -> duckdb.DuckDBPyConnection:
    return build_mark(simulated(SYMBOLS, session))


def test_simulated_mark_covers_every_bucket_from_the_first_publication_on_and_no_loss_is_shown() -> None:
    con = published("2025-09-24")
    first, last, sessions, held = con.execute("""
        select min(session_date)::varchar, max(session_date)::varchar, count(distinct session_date),
            count(distinct session_date) filter (where bucket = 'covered' and mark_pct_of_book is not null)
        from marts.bank_securities_mark
        """).fetchone() or (None, None, 0, 0)
    assert (first, last) == ("2022-09-13", "2025-09-24")
    assert sessions == held == 761
    weights = con.execute(
        "select distinct weight_pct from marts.bank_securities_mark where bucket = 'covered'"
    ).fetchall()
    assert [weight for (weight,) in weights] == pytest.approx([100.0] * len(weights))
    # real losses have no place beside made-up prices
    assert con.execute("select count(*) from marts.bank_reported_losses").fetchall() == [(0,)]


def test_mark_does_not_change_when_later_days_arrive() -> None:
    query = "from marts.bank_securities_mark where session_date <= '2024-07-16' order by all"
    early = published("2024-07-16").execute(query).fetchall()
    assert early == published("2025-09-24").execute(query).fetchall() and len(early) > 3000


def test_models_read_no_raw_table_but_in_staging() -> None:
    for model in MODELS:
        text = (REPOSITORY / "transforms" / f"{model.replace('.', '/')}.sql").read_text(encoding="utf-8")
        assert ("raw." not in text or model == "staging.bank_reported_quarters") and "now()" not in text


# --- the reference data --------------------------------------------------------------------------------


def test_weights_are_whole_and_name_held_instruments() -> None:
    weights = reference_frame("bank_securities_weights")
    symbols = set(reference_frame("instruments")["symbol"])
    series = set(reference_frame("fred_series")["series_id"])
    for day, rows in weights.groupby("weights_as_of_date"):
        assert rows["weight_pct"].sum() == pytest.approx(100, abs=0.005), day
        assert dict(zip(rows["bucket"], rows["etf_symbol"], strict=True)) == FUNDS
    assert set(weights["etf_symbol"]) <= symbols and set(weights["yield_series_id"]) <= series
    assert (weights["published_on"] > weights["weights_as_of_date"]).all()
    assert set(weights.loc[weights["weight_basis"] == "reported", "bucket"]) == {"mbs"}


def test_maturity_split_is_the_documented_assumption() -> None:
    """Exponential with a mean of two years, applied to what is not mortgage-backed."""
    edges = {"lt_1y": (0, 1), "1_3y": (1, 3), "3_5y": (3, 5), "5_10y": (5, 10), "gt_10y": (10, math.inf)}
    for _, rows in reference_frame("bank_securities_weights").groupby("weights_as_of_date"):
        weight = dict(zip(rows["bucket"], rows["weight_pct"], strict=True))
        for bucket, (low, high) in edges.items():
            share = math.exp(-low / 2) - math.exp(-high / 2)
            assert weight[bucket] == pytest.approx((100 - weight["mbs"]) * share, abs=0.02)


def test_losses_name_their_publisher_and_never_a_machine() -> None:
    losses = reference_frame("bank_reported_losses")
    weights = reference_frame("bank_securities_weights")
    assert losses["source"].str.startswith("FDIC Quarterly Banking Profile").all()
    assert weights["source"].str.contains("Federal Reserve H.8 release of 2025-10-31").all()
    for text in [*losses["source"], *weights["source"]]:
        assert "/work" not in text and "/tmp" not in text
    stated = losses[losses["published_on"].notna()]
    lag = (stated["published_on"] - stated["quarter_end"]).dt.days
    assert lag.max() < 75 and lag.min() > 40  # so the assumption of 75 days is never early
