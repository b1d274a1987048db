"""Statements on scores, sectors, positions, a century of size, income and margins, where their inputs are
there: the simulated files of each kind through their own parsers, taken as if they were real.

No figure here means anything; that each reading is computed, and is the one of an independent computation,
does. With the market's own label nothing is judged (`tests/test_claims.py`).
"""

from __future__ import annotations

import datetime as dt

import duckdb
import numpy as np
import pandas as pd
import pytest

from datasets.bank_income import BankIncome
from datasets.bank_margins import BankMargins
from datasets.base import Dataset
from datasets.fund_holdings import FundHoldings
from datasets.futures_positions import FuturesPositions
from datasets.size_portfolios import SizePortfolios
from sources.cftc import SimulatedPositions
from sources.french import INPUT, SimulatedSizePortfolios
from sources.ishares import SimulatedFundHoldings
from sources.protocol import Provider
from sources.sec import SimulatedConcepts
from tests.bank_margin_world import simulated_rates, simulated_rows
from tests.market_fixture import simulated
from tests.model_fixture import add_observations, build, fill, set_session
from tests.test_claims import checked_statements
from warehouse.payloads import Request

pytestmark = pytest.mark.slow

SESSION = "2025-09-24"
START, END = dt.date(2000, 1, 3), dt.date(2025, 9, 24)
FUNDS = ("IWM", "IWN", "IWO", "SPY")
KNOWN = pd.Timestamp("2025-09-24")
KINDS: tuple[tuple[Dataset, type[Provider], tuple[str, ...]], ...] = (
    (FundHoldings(), SimulatedFundHoldings, ("IWM", "IWN")),
    (FuturesPositions(), SimulatedPositions, ("239742", "23977A")),
    (BankIncome(), SimulatedConcepts, ("BAC", "WFC")),
    (SizePortfolios(), SimulatedSizePortfolios, (INPUT,)),
)
MODELS = (
    "staging.fund_holdings",
    "staging.futures_positions",
    "staging.bank_income_filings",
    "staging.size_portfolios",
    "staging.fomc_decisions",
    "staging.bank_quarters",
    "staging.policy_rate_quarters",
    "marts.fund_score_daily",
    "marts.fund_sector_weights",
    "marts.futures_positioning",
    "marts.bank_income",
    "marts.size_premium_monthly",
    "marts.deposit_betas",
)
NEW = [("R34", 4), ("R35", 4), ("R36", 1), ("R37", 3), ("B4", 2), ("B5", 2)]


@pytest.fixture(scope="module")
def served() -> dict[str, pd.DataFrame]:
    """What the simulated sources serve of each kind, as their parsers read it."""
    frames = {"bank_margins": simulated_rows()}
    for dataset, source_class, names in KINDS:
        source = source_class()
        parsed = [source.parse(source.fetch(Request(dataset.name, name, START, END))) for name in names]
        frames[dataset.name] = pd.concat([answer.frame for answer in parsed], ignore_index=True)
    return frames


@pytest.fixture(scope="module")
def filled(served: dict[str, pd.DataFrame]) -> duckdb.DuckDBPyConnection:
    """A warehouse in which the marts of all these kinds have rows."""
    con = simulated(FUNDS, SESSION, series=("DGS2", "DGS10"))
    set_session(con, SESSION, data_source="files")
    for dataset in (*(dataset for dataset, *_ in KINDS), BankMargins()):
        rows = dataset.with_availability(served[dataset.name])
        # What begins with an underscore is the loader's own.
        kept = rows[[name for name in rows.columns if not name.startswith("_")]]
        fill(con, dataset.table, kept.assign(known_at_utc=KNOWN, source="files"))
    add_observations(con, simulated_rates())
    con.execute("delete from ref.claims where not list_contains(?, claim_id)", [[name for name, _ in NEW]])
    for model in MODELS:
        build(con, model)
    return con


@pytest.fixture(scope="module")
def checked(filled: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """The statements of the repository, judged on them."""
    names = [model.removeprefix("marts.") for model in MODELS if model.startswith("marts.")]
    return checked_statements(filled, built=names)


def test_each_is_computed_where_its_input_is_there(checked: pd.DataFrame) -> None:
    rows = checked.loc[[(name, part) for name, parts in NEW for part in range(1, parts + 1)]]
    assert len(rows) == 16 and (rows["why"].str.len() > 20).all() and not rows["fitted"].any()
    proprietary = rows.loc[["R34"]]
    assert set(proprietary["verdict_as_stated"]) == {"not_computable"}
    assert proprietary["recomputed"].isna().all()
    assert proprietary["why"].str.contains("proprietary").all()
    assert proprietary["why"].str.contains("our open score of|funds with an open score", case=False).all()
    assert rows.drop(index="R34", level="claim_id")["recomputed"].notna().all()
    assert (rows["nearby_readings"].drop(index="R34", level="claim_id") > 0).all()
    assert (rows["readings_tried"] > 1).all()


def test_weights_are_the_sums_of_the_lines_of_the_newest_report_that_was_out(
    checked: pd.DataFrame, served: dict[str, pd.DataFrame]
) -> None:
    lines = served["fund_holdings"].set_index("report_date")
    for part, fund in ((1, "IWN"), (2, "IWM")):
        report = lines[lines["file_symbol"] == fund].loc[:"2025-09-09"]
        newest = report.loc[[report.index.max()]].set_index("sector")["sector_weight_pct"]
        assert checked["recomputed"]["R35", part] == pytest.approx(newest["Financials"])
        assert f"by the report of {report.index.max().date()}" in checked["why"]["R35", part]
        assert checked["recomputed"]["R35", part + 2] == newest.rank(ascending=False)["Financials"]
        both = newest["Financials"] + newest["Real Estate"]
        assert f"{both:.2f} %" in checked["why"]["R35", part]


def test_positions_are_long_less_short_of_the_reports(
    checked: pd.DataFrame, served: dict[str, pd.DataFrame]
) -> None:
    rows = served["futures_positions"].query("contract_market_code == '239742'").set_index("report_date")
    net = rows["leveraged_long_contracts"] - rows["leveraged_short_contracts"]
    share = 100 * net / rows["open_interest_contracts"]
    before, mid, last = (pd.Timestamp(day) for day in ("2024-07-09", "2024-07-16", "2024-07-23"))
    assert checked["recomputed"]["R37", 1] == pytest.approx(share[before])
    assert checked["recomputed"]["R37", 2] == net[mid] - net[before]
    assert checked["recomputed"]["R37", 3] == net[last] - net[before]
    # The report of the 23rd came out on the 26th: it is no evidence two days earlier.
    assert "2024-07-23" not in checked["nearby_words"]["R37", 2]


def test_ten_years_are_ranked_among_all_windows_so_far(
    checked: pd.DataFrame, served: dict[str, pd.DataFrame]
) -> None:
    wide = served["size_portfolios"].query("weighting == 'value'")
    wide = wide.pivot(index="month_end", columns="portfolio", values="portfolio_return_pct").astype(float)
    logs = np.log1p(wide[["lo_30", "hi_30"]] / 100)
    growth = pd.DataFrame(logs).rolling(120).sum().loc[:"2024-06-30"].dropna().apply(np.exp)
    premium, ratio = growth["lo_30"] - growth["hi_30"], growth["lo_30"] / growth["hi_30"]
    row = {name: checked[name]["R36", 1] for name in checked.columns}
    assert row["recomputed"] == premium.rank(method="min").iloc[-1]
    assert f"by the ratio of growth: {len(premium)} windows" in row["why"]
    assert f"share no month: {ratio.rank(method='min').iloc[-1]:.0f};" in row["why"]
    assert row["readings_tried"] == 6 and row["nearby_readings"] == 2


def test_income_is_that_of_the_first_filing_and_its_year_before(
    checked: pd.DataFrame, served: dict[str, pd.DataFrame]
) -> None:
    facts = served["bank_income"].assign(
        days=lambda rows: (rows["period_end"] - rows["period_start"]).dt.days
    )
    quarters = facts[facts["days"] < 95].sort_values("filed_on")
    first = quarters.groupby(["symbol", "period_end"])["amount_usd"].first()
    for part, bank in ((1, "BAC"), (2, "WFC")):
        change = 100 * (first[bank, "2024-06-30"] / first[bank, "2023-06-30"] - 1)
        assert checked["recomputed"]["B4", part] == pytest.approx(change)


def test_margins_by_deposit_cost_are_those_of_the_same_banks(
    checked: pd.DataFrame, filled: duckdb.DuckDBPyConnection
) -> None:
    rows = filled.execute("from staging.bank_quarters").df().set_index("quarter_end")
    panel = rows[rows["size_group"].notna()]
    base, now = (panel.loc[day].set_index("cert") for day in ("2021-12-31", "2024-06-30"))
    deposits = base["opening_domestic_deposits_usd_thousand"] + base["domestic_deposits_usd_thousand"]
    cost = (base["deposit_interest_usd_thousand"] / deposits)[base["in_deposit_panel"]].astype(float)
    order = cost.rename("cost").reset_index().sort_values(["cost", "cert"])["cert"].to_numpy()
    cheap, _, dear = np.array_split(order, 3)

    def change(certs: np.ndarray) -> float:
        both = base.loc[base.index.isin(certs) & base["in_margin_panel"]].index.intersection(
            now[now["in_margin_panel"]].index
        )
        margins = [
            800
            * float(day.loc[both, "net_interest_income_usd_thousand"].sum())
            / float(
                (
                    day.loc[both, "opening_earning_assets_usd_thousand"]
                    + day.loc[both, "earning_assets_usd_thousand"]
                ).sum()
            )
            for day in (base, now)
        ]
        return margins[1] - margins[0]

    assert checked["recomputed"]["B5", 1] == pytest.approx(change(cheap))
    assert checked["recomputed"]["B5", 2] == pytest.approx(change(cheap) - change(dear))


def test_scores_are_those_of_the_funds_on_the_day(
    checked: pd.DataFrame, filled: duckdb.DuckDBPyConnection
) -> None:
    scores = dict(
        filled.execute(
            "select symbol, score from marts.fund_score_daily where session_date = '2025-09-10'"
        ).fetchall()
    )
    for part, fund in enumerate(("IWM", "IWN", "IWO"), 1):
        assert f"our open score of {fund} on 2025-09-10" in checked["why"]["R34", part].replace("Our", "our")
        assert f"{scores[fund]:.2f}" in checked["why"]["R34", part]
    above = sum(scores[fund] > 4 for fund in ("IWM", "IWN"))
    assert f": {above}" in checked["why"]["R34", 4]


def test_later_sessions_change_nothing_of_them(
    checked: pd.DataFrame, filled: duckdb.DuckDBPyConnection
) -> None:
    """Judged on the first session that has them, they read as they do a year later."""
    early = checked_statements_at(filled, "2024-10-01")
    names = ("R36", "R37", "B4")

    columns = ["recomputed", "verdict", "verdict_as_stated", "why", "nearby_words"]
    for name in names:
        pd.testing.assert_frame_equal(
            early.loc[[name]][columns], checked.loc[[name]][columns], check_exact=True
        )
    assert set(early.index.get_level_values("claim_id")) == set(names)


def checked_statements_at(con: duckdb.DuckDBPyConnection, session: str) -> pd.DataFrame:
    """The same warehouse as a run for an earlier session builds it."""
    set_session(con, session, data_source="files")
    for model in ("staging.equity_prices", *MODELS):
        build(con, model)
    names = [model.removeprefix("marts.") for model in MODELS if model.startswith("marts.")]
    return checked_statements(con, built=names)
