"""marts.instrument_daily as somebody would write it by hand in polars: expressions of one symbol's bars.

In: `bars.parquet`, by symbol and day. Out: `polars.parquet`. Left out: return_5d_last_exceeded_date, for
which polars has no expression. Caveat: k rows back, where the models go k sessions back; no doubt about a
price.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

CLOSE, DAY = pl.col("close"), pl.col("session_date")
WINDOWS = (1, 5, 6, 21, 63, 126, 252)
MINIMUM_HISTORY = 252


def prepare() -> None:
    """Nothing to compile; the thread pool starts with the first frame."""
    pl.DataFrame({"a": [1.0]}).select(pl.col("a").cum_sum())


def run(folder: Path) -> None:
    """Read, compute, write."""
    bars = pl.read_parquet(folder / "bars.parquet")
    parts = bars.partition_by("symbol", maintain_order=True)
    pl.concat([of_symbol(part) for part in parts]).write_parquet(folder / "polars.parquet")


def of_symbol(bars: pl.DataFrame) -> pl.DataFrame:
    """Every column of one symbol."""
    total_return = (CLOSE + pl.col("dividend")) / CLOSE.shift(1)
    steps = bars.select(
        "symbol",
        DAY,
        CLOSE,
        "high",
        *(change(CLOSE, rows).alias(f"return_{rows}d_pct") for rows in WINDOWS),
        total_return_index=100 * total_return.fill_null(1.0).cum_prod(),
        return_wtd_pct=since_last_of("1w"),
        return_mtd_pct=since_last_of("1mo"),
        return_1m_pct=100 * (CLOSE / month_ago() - 1),
        return_ytd_pct=since_last_of("1y"),
        record_close=CLOSE.cum_max(),
        move=CLOSE.diff(),
    )
    return_1d = pl.col("return_1d_pct")
    gain, loss = wilder(pl.col("move").clip(lower_bound=0)), wilder(-pl.col("move").clip(upper_bound=0))
    record = pl.col("record_close")
    return steps.select(
        "symbol",
        DAY,
        CLOSE,
        "total_return_index",
        *(f"return_{rows}d_pct" for rows in WINDOWS),
        *(f"return_{period}_pct" for period in ("wtd", "mtd", "1m", "ytd")),
        "record_close",
        total_return_252d_pct=change(pl.col("total_return_index"), 252),
        return_5d_z=expanding_z("return_5d_pct"),
        return_5d_percentile=percentile("return_5d_pct", 5),
        return_6d_z=expanding_z("return_6d_pct"),
        return_6d_percentile=percentile("return_6d_pct", 6),
        up_streak_sessions=streak(return_1d > 0),
        over_1pct_streak_sessions=streak(return_1d * 1e9 >= 1e9 + 0.5),
        rsi_14=100 * gain / (gain + loss),
        price_z_20d=(CLOSE - CLOSE.rolling_mean(20)) / CLOSE.rolling_std(20),
        distance_from_50d_pct=100 * (CLOSE / CLOSE.rolling_mean(50) - 1),
        distance_from_200d_pct=100 * (CLOSE / CLOSE.rolling_mean(200) - 1),
        drawdown_close_pct=100 * (CLOSE / record - 1),
        drawdown_intraday_pct=100 * (CLOSE / pl.col("high").cum_max() - 1),
        record_close_date=pl.when(record.shift(1).is_null() | (record.shift(1) < CLOSE))
        .then(DAY)
        .forward_fill(),
        momentum_12_1_pct=100 * (CLOSE.shift(21) / CLOSE.shift(252) - 1),
        volatility_21d_pct=return_1d.rolling_std(21) * 252**0.5,
        history_start_date=DAY.first(),
    )


def change(values: pl.Expr, rows: int) -> pl.Expr:
    """Per cent since some rows before."""
    return 100 * (values / values.shift(rows) - 1)


def since_last_of(period: str) -> pl.Expr:
    """Per cent since the last close of the period before."""
    begins = DAY.dt.truncate(period) != DAY.shift(1).dt.truncate(period)
    return 100 * (CLOSE / pl.when(begins).then(CLOSE.shift(1)).forward_fill() - 1)


def month_ago() -> pl.Expr:
    """The last close on or before the same day of the month before."""
    place = DAY.search_sorted(DAY.dt.offset_by("-1mo"), side="right").cast(pl.Int64) - 1
    return pl.when(place >= 0).then(CLOSE.gather(place.clip(lower_bound=0)))


def expanding_z(name: str) -> pl.Expr:
    """z of each value in the history to date; sums about the first value."""
    shifted = pl.col(name) - pl.col(name).drop_nulls().first()
    count = pl.col(name).cum_count()
    mean = shifted.cum_sum() / count
    deviation = ((shifted.pow(2).cum_sum() - count * mean.pow(2)) / (count - 1)).sqrt()
    return pl.when(count >= MINIMUM_HISTORY).then((shifted - mean) / deviation)


def percentile(name: str, missing: int) -> pl.Expr:
    """The share of the history to date that is at most the value; the first `missing` rows have none."""
    count = pl.col(name).cum_count()
    rank = pl.col(name).rolling_rank(1_000_000, method="max", min_samples=MINIMUM_HISTORY)
    return 100 * rank / count


def streak(goes_on: pl.Expr) -> pl.Expr:
    """Rows since the last one that broke the streak; NULL on the first row, which has no return."""
    so_far = goes_on.cast(pl.Int64).fill_null(0).cum_sum()
    at_break = pl.when(~goes_on).then(so_far).forward_fill().fill_null(0)
    return pl.when(goes_on.is_not_null()).then(so_far - at_break)


def wilder(moves: pl.Expr, periods: int = 14) -> pl.Expr:
    """Wilder's average: the mean of the first moves, then a step of a fourteenth."""
    row = pl.int_range(pl.len())
    seeded = (
        pl.when(row == periods)
        .then(moves.rolling_mean(periods))
        .otherwise(pl.when(row > periods).then(moves))
    )
    return seeded.ewm_mean(alpha=1 / periods, adjust=False, min_samples=1)
