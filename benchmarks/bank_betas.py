"""Rolling bank betas against a plain rolling regression with statsmodels: are they equal, and how long do
both take?

In: a published warehouse (`--warehouse .../warehouse.duckdb`), else made-up observations of the same shape.
Out: lines on standard output; exit 1 when a figure differs by more than 1e-8 of itself. Run it as
`PYTHONPATH=. .venv/bin/python benchmarks/bank_betas.py`. The plain way is one
`sm.OLS(...).fit(cov_type="HAC", cov_kwds={"maxlags": 5})` per window, timed on some symbols and scaled to
all.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import statsmodels.api as sm

from transforms.marts import bank_rate_betas as betas

TOLERANCE = 1e-8
MODEL = "market_2y_slope"
ESTIMATOR = "w252"


def load_observations(warehouse: Path | None) -> pd.DataFrame:
    """Complete observations by symbol and session."""
    if warehouse is not None:
        with duckdb.connect(str(warehouse), read_only=True) as con:
            return con.execute(betas.INPUTS).df()
    rng = np.random.default_rng(1)
    rows, frames = 5_000, []
    market, y2, y10 = rng.normal(0, 1, rows), rng.normal(0, 0.6, rows), rng.normal(0, 0.6, rows)
    for number in range(28):
        own = market + rng.normal(0, 0.3) * y2 + rng.standard_t(4, rows)
        frames.append(
            pd.DataFrame(
                {
                    "symbol": f"BANK{number:02d}",
                    "session_date": pd.bdate_range("2006-01-02", periods=rows),
                    "total_return_pct": own,
                    "market_total_return_pct": market,
                    "y2_change_10bp": y2,
                    "y10_change_10bp": y10,
                    "slope_change_10bp": y10 - y2,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def fit_plain(rows: pd.DataFrame) -> np.ndarray:
    """Slopes, standard errors and t of every window, the way a textbook has it: (windows, 3 figures,
    factors).
    """
    columns = [betas.FACTOR_COLUMNS[name] for name in betas.MODELS[MODEL]]
    response = rows[betas.RESPONSE].to_numpy()
    regressors = sm.add_constant(rows[columns].to_numpy())
    window = betas.ESTIMATORS[ESTIMATOR].window
    out = []
    for end in range(window, len(rows) + 1):
        fit = sm.OLS(response[end - window : end], regressors[end - window : end]).fit(
            cov_type="HAC", cov_kwds={"maxlags": 5}
        )
        out.append([fit.params[1:], fit.bse[1:], fit.tvalues[1:]])
    return np.array(out)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--warehouse", type=Path, help="a published warehouse.duckdb; without it made-up data"
    )
    parser.add_argument("--symbols", type=int, default=1, help="how many symbols the plain way is run on")
    options = parser.parse_args()
    observations = load_observations(options.warehouse)
    by_symbol = {str(symbol): rows for symbol, rows in observations.groupby("symbol", sort=True)}
    print(
        f"{len(observations):,} observations of {len(by_symbol)} symbols"
        f" ({'recorded' if options.warehouse else 'made up'})"
    )

    worst, plain_seconds, own_seconds, windows = 0.0, 0.0, 0.0, 0
    for symbol in sorted(by_symbol, key=lambda name: (name != "KRE", name))[: options.symbols]:
        started = time.perf_counter()
        expected = fit_plain(by_symbol[symbol])
        plain_seconds += time.perf_counter() - started
        started = time.perf_counter()
        fit = betas.fit_model(betas.Observations.of(by_symbol[symbol]), MODEL, ESTIMATOR)
        own_seconds += time.perf_counter() - started
        keep = fit.observations > 0
        found = np.stack([fit.beta[keep], fit.std_error[keep], fit.t_stat[keep]], axis=1)
        difference = np.abs(found - expected) / np.abs(expected)
        worst = max(worst, float(difference.max()))
        windows += len(expected)
        print(
            f"{symbol}: {len(expected):,} windows, largest relative difference {difference.max():.1e} (median"
            f" {np.median(difference):.1e})"
        )
    print(
        f"{MODEL}/{ESTIMATOR}: statsmodels {plain_seconds:.2f} s, this project {own_seconds:.3f} s "
        f"({windows:,} windows, {plain_seconds / own_seconds:.0f} times as fast)"
    )
    started = time.perf_counter()
    none = observations.head(0).assign(year_end_rate_change_10bp=0.0, surprise_10bp=0.0)
    frame = betas.compute_betas(observations, none, none)
    seconds = time.perf_counter() - started
    fits = len(frame.drop_duplicates(["symbol", "session_date", "model", "estimator"]))
    print(
        f"the whole history of {len(by_symbol)} symbols: {fits:,} windows of {len(betas.MODELS)} models and"
        f" {len(betas.ESTIMATORS)} estimators in {seconds:.1f} s; one statsmodels fit each would take about"
        f" {plain_seconds / windows * fits / 60:.0f} minutes"
    )
    if not worst <= TOLERANCE:
        print(f"NOT EQUAL: {worst:.1e} is more than {TOLERANCE:.0e}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
