"""The build of marts.bank_rate_betas, every window, beside a numba loop over the windows and statsmodels.

In: how many symbols and sessions. Out: CPU and wall seconds and peak memory of each, a process of its own
each, imports and compilation apart, and the largest relative difference from our figures. statsmodels, as
the textbook has it (one OLS or WLS with HAC errors per window), takes some windows and is scaled to all.
Left to us alone: the model surprise (0.2 per cent of the rows), whose bootstrap neither has, and the p of
equal betas for rises and falls.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from benchmarks.measured import Figures, Meter, in_own_process, peak_memory_mb
from benchmarks.peers.bars import last_sessions
from tests.model_fixture import fill, fill_reference
from transforms.lib.rolling_ols import exponential_weights
from transforms.marts import bank_rate_betas as betas
from transforms.runner import build_model
from warehouse.catalog import load_catalog
from warehouse.database import limits

MART = "marts.bank_rate_betas"
TOLERANCE = 1e-8
# Windows that statsmodels fits, of each model and estimator.
PLAIN_WINDOWS = 100
NAMES = {"own": "this project's model", "numba": "numba loop over the windows", "statsmodels": "statsmodels"}


def write_observations(folder: Path, symbols: int, sessions: int) -> None:
    """Fill `betas.duckdb` with what the mart reads: returns, the repricing of the year's end, surprises."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    days = np.array(last_sessions(sessions), dtype="datetime64[s]")
    market, y2, y5, y10 = (rng.normal(0, scale, sessions) for scale in (1.0, 0.6, 0.6, 0.6))
    with duckdb.connect(str(folder / "betas.duckdb")) as con:
        for schema in ("ref", "staging", "marts"):
            con.execute(f"create schema {schema}")
        fill_reference(con, "calendar", "fomc_meetings")
        for number in range(symbols):
            own = market + rng.normal(0, 0.3) * y2 + rng.standard_t(4, sessions)
            columns = {
                "symbol": f"BANK{number:02d}",
                "session_date": days,
                "session_number": np.arange(sessions),
                "total_return_pct": own,
                "market_total_return_pct": market,
                "y2_change_10bp": y2,
                "y5_change_10bp": y5,
                "y10_change_10bp": y10,
                "slope_change_10bp": y10 - y2,
            }
            fill(con, "staging.bank_regression_inputs", pd.DataFrame(columns))
        change = pd.DataFrame({"as_of_date": days, "horizon": "year_end", "change_bp": 10 * y2 + 2 * y10})
        fill(con, "marts.policy_repricing", change)
        [meetings] = con.execute(
            "select list(decision_date order by 1) from ref.fomc_meetings"
            " where decision_date between ? and ?",
            [days[0].item(), days[-1].item()],
        ).fetchall()[0]
        surprise = rng.normal(0, 5, len(meetings))
        surprises = {"meeting_date": meetings, "surprise_bp": surprise, "scale_factor": 1.0}
        fill(con, "marts.policy_surprises", pd.DataFrame(surprises))


def fits(con: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str, pd.DataFrame, betas.Regression]]:
    """Model, estimator, observations, and which of their columns are regressors and have rows."""
    for model, regression in betas.REGRESSIONS.items():
        rows = con.execute(regression.query).df()
        for estimator in regression.estimators:
            yield model, estimator, rows, regression


def published(regression: betas.Regression) -> Iterator[tuple[int, str]]:
    """The factors that have rows, with their places among the regressors."""
    for place, factor in enumerate(regression.columns):
        if factor in regression.published:
            yield place, factor


@dataclass(frozen=True)
class Series:
    """One symbol's observations: intercept and factors (rows, p + 1), the response, and the weights."""

    symbol: str
    session_date: Any
    regressors: Any
    response: Any
    weights: Any
    shortest: int

    @property
    def ends(self) -> range:
        """The rows behind the last one of each window."""
        return range(self.shortest, len(self.response) + 1)


def series_of(rows: pd.DataFrame, regression: betas.Regression, estimator: str) -> Iterator[Series]:
    """Every symbol."""
    chosen = betas.ESTIMATORS[estimator]
    weights = np.ones(chosen.window)
    if chosen.half_life is not None:
        weights = exponential_weights(chosen.half_life, chosen.window)
    for symbol, part in rows.groupby("symbol", sort=True):
        regressors = np.column_stack([np.ones(len(part)), part[[*regression.columns.values()]]])
        response = np.array(part[betas.RESPONSE])
        yield Series(
            str(symbol), part["session_date"].array, regressors, response, weights, chosen.min_observations
        )


def run_own(folder: Path) -> Figures:
    """Build the mart by the pipeline's runner."""
    target = folder / "own.duckdb"
    target.unlink(missing_ok=True)
    with duckdb.connect(str(target), config=limits(folder)) as con:
        con.execute(f"attach '{folder / 'betas.duckdb'}' as inputs (read_only)")
        for table in load_catalog()[MART].inputs:
            con.execute(f"create schema if not exists {table.split('.')[0]}")
            con.execute(f"create view {table} as from inputs.{table}")
        con.execute("create schema if not exists marts")
        con.execute("set variable data_source = 'files'")
        meter = Meter()
        build_model(con, load_catalog()[MART])
        return meter.read()


def run_numba(folder: Path) -> Figures:
    """Every window from its own rows, stored as a table."""
    from benchmarks.peers.betas_numba import every_window

    few = np.arange(9.0)
    every_window(np.column_stack([np.ones(9), few]), few * few, np.ones(8), 7, 5)
    frames = []
    meter = Meter()
    with duckdb.connect(str(folder / "betas.duckdb"), read_only=True) as con:
        for model, estimator, rows, regression in fits(con):
            lags = betas.ESTIMATORS[estimator].lags
            for one in series_of(rows, regression, estimator):
                found = every_window(one.regressors, one.response, one.weights, one.shortest, lags)
                days = one.session_date[one.shortest - 1 :]
                for place, factor in published(regression):
                    keys = {"symbol": one.symbol, "session_date": days, "model": model}
                    keys |= {"estimator": estimator, "factor": factor}
                    names = ("beta", "std_error", "t_stat")
                    frames.append(pd.DataFrame({**keys, **dict(zip(names, found[:, place].T, strict=True))}))
    rows_found = pd.concat(frames)  # noqa: F841
    (folder / "numba.duckdb").unlink(missing_ok=True)
    with duckdb.connect(str(folder / "numba.duckdb")) as con:
        con.execute("create table betas as from rows_found")
    return meter.read()


def run_statsmodels(folder: Path, windows: int = PLAIN_WINDOWS) -> Figures:
    """Some windows of each model and estimator, scaled to all."""
    import statsmodels.api as sm

    rng, lines, every = np.random.default_rng(2), [], 0
    spent = {"cpu_s": 0.0, "wall_s": 0.0}
    with duckdb.connect(str(folder / "betas.duckdb"), read_only=True) as con:
        chosen = list(fits(con))
    for model, estimator, rows, regression in chosen:
        series = list(series_of(rows, regression, estimator))
        count = sum(len(one.ends) for one in series)
        every += count
        meter = Meter()
        for _ in range(windows):
            one = series[rng.integers(len(series))]
            end = int(rng.choice(one.ends))
            inside = slice(max(end - len(one.weights), 0), end)
            length = inside.stop - inside.start
            weighted = sm.WLS(one.response[inside], one.regressors[inside], one.weights[-length:])
            fit = weighted.fit(cov_type="HAC", cov_kwds={"maxlags": betas.ESTIMATORS[estimator].lags})
            day = one.session_date[end - 1].date().isoformat()
            for place, factor in published(regression):
                figures = (fit.params[place + 1], fit.bse[place + 1], fit.tvalues[place + 1])
                lines.append((one.symbol, day, model, estimator, factor, *map(float, figures)))
        spent = {name: spent[name] + value * count / windows for name, value in meter.read().items()}
    names = ("symbol", "session_date", "model", "estimator", "factor", "beta", "std_error", "t_stat")
    rows_found = pd.DataFrame(lines, columns=names)  # noqa: F841
    (folder / "statsmodels.duckdb").unlink(missing_ok=True)
    with duckdb.connect(str(folder / "statsmodels.duckdb")) as con:
        con.execute("create table betas as from rows_found")
    return spent | {"windows": every}


def compare(folder: Path, peer: str) -> tuple[int, float]:
    """How many rows a peer shares with the mart, and the largest difference as a share of our figure."""
    with duckdb.connect() as con:
        for name in ("own", peer):
            con.execute(f"attach '{folder / name}.duckdb' as {name} (read_only)")
        gaps = [f"max(abs(o.{name} - p.{name}) / abs(o.{name}))" for name in ("beta", "std_error", "t_stat")]
        [(both, held, gap)] = con.execute(
            f"""
            select count(*), (select count(*) from {peer}.betas), greatest({", ".join(gaps)})
            from own.{MART} as o
            inner join {peer}.betas as p
                on o.symbol = p.symbol and o.session_date = p.session_date::date and o.model = p.model
                and o.estimator = p.estimator and o.factor = p.factor
            """
        ).fetchall()
    if both != held or not gap <= TOLERANCE:
        raise SystemExit(f"betas of {peer} differ: {gap:.1e}, {both:,} of {held:,} rows")
    return int(both), float(gap)


def measure(folder: Path, name: str) -> Figures:
    """One run of one of them."""
    return in_own_process("benchmarks.peers.betas", [name, str(folder)])


def main() -> int:
    """One run in this process: NAME FOLDER."""
    name, folder = sys.argv[1], Path(sys.argv[2])
    run = {"own": run_own, "numba": run_numba, "statsmodels": run_statsmodels}[name]
    print(json.dumps({**run(folder), "memory_mb": peak_memory_mb()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
