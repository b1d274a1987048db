"""A series in another unit, or another series under its name, is refused; what really happened is not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from datasets.fred_units import Meaning, changed_meaning, single_errors

TWO_YEARS = Meaning("DGS2", "daily", "%", 0.07, 20)
BILLS = Meaning("DGS3MO", "daily", "%", -0.5, 20)
FUNDS = Meaning("DFF", "daily", "%", -0.5, 30)
VOLATILITY = Meaning("VIXCLS", "daily", "index points", 5, 150)
CREDIT = Meaning("TOTBKCR", "weekly", "bn USD", 500, 100_000)
CLAIMS = Meaning("ICSA", "weekly", "persons", 100_000, 15_000_000)
INDEX = Meaning("NFCI", "weekly", "standard deviations", -3, 10)
NOTHING = pd.Series(dtype="float64", index=pd.DatetimeIndex([]))


def days(values: list[float] | np.ndarray, start: str = "2024-01-02", freq: str = "B") -> pd.Series:
    return pd.Series(np.round(values, 6), index=pd.date_range(start, periods=len(values), freq=freq))


def near(level: float, count: int = 60, step: float = 0.04) -> pd.Series:
    """A rate that moves around a level, in hundredths."""
    return days(np.round(level + step * np.sin(np.arange(count)), 2))


def said(meaning: Meaning, served: pd.Series, held: pd.Series = NOTHING, **more: object) -> str:
    funds = more.get("funds", near(5.33, 90, 0.0))
    whole = bool(more.get("whole", True))
    assert isinstance(funds, pd.Series)
    return changed_meaning(meaning, served, held, funds, whole=whole) or ""


def test_a_series_that_goes_on_is_taken() -> None:
    whole = near(4.46, 80)
    assert said(TWO_YEARS, whole) == said(TWO_YEARS, whole, whole[:60]) == ""


@pytest.mark.parametrize("factor", [0.01, 100.0])
def test_another_unit_on_the_first_load_is_seen_beside_the_funds_rate(factor: float) -> None:
    assert "near it as" in said(BILLS, near(5.2) * factor) or "lie outside" in said(BILLS, near(5.2) * factor)
    assert "lie outside 0.07 to 20" in said(TWO_YEARS, near(4.46) * factor)


@pytest.mark.parametrize("factor", [0.001, 0.01, 0.1, 10.0, 100.0])
def test_the_whole_history_times_a_factor_is_refused(factor: float) -> None:
    held = near(4.46)
    text = said(FUNDS, near(4.46, 70) * factor, held)
    assert f"{factor:.4g} times the held ones" in text or "lie outside" in text


@pytest.mark.parametrize("factor", [0.01, 0.1, 10.0])
def test_new_rows_alone_in_another_unit_are_refused(factor: float) -> None:
    whole = near(4.46, 62)
    changed = pd.concat([whole[:60], whole[60:] * factor])
    assert "a step by a power of ten" in said(FUNDS, changed, whole[:60])


def test_a_fraction_near_zero_is_told_by_its_digits() -> None:
    whole = near(0.31, 61)
    funds = near(0.08, 90, 0.0)
    changed = pd.concat([whole[:60], whole[60:] * 0.01])
    assert "a step by a power of ten" in said(BILLS, changed, whole[:60], funds=funds)


def test_rates_near_zero_may_multiply() -> None:
    funds = near(0.08, 90, 0.0)
    held = days([0.01, 0.02, 0.01, 0.0, 0.01, 0.02, 0.01, 0.02, 0.01, 0.01])
    more = days([*held, 0.10, 0.0, 0.09, 0.01])
    assert said(BILLS, more, held, funds=funds) == ""
    cut = days([1.10] * 10 + [0.10, 0.11])
    assert said(FUNDS, cut, cut[:10]) == ""


def test_claims_of_march_2020_are_taken_and_thousands_are_not() -> None:
    calm = days([215_000, 211_000, 225_000, 203_000, 212_000, 273_000], freq="W-SAT")
    after = pd.concat([calm, pd.Series([2_914_000.0], index=[calm.index[-1] + pd.Timedelta(days=7)])])
    assert said(CLAIMS, after, calm) == ""
    assert "lie outside" in said(CLAIMS, calm / 1000)
    shifted = pd.concat([calm[:4], calm[4:5] / 1000])
    assert "a step by a power of ten" in said(CLAIMS, shifted, calm[:4])


def test_millions_instead_of_billions_are_refused() -> None:
    held = days(17_000 + np.arange(60.0), freq="W-WED")
    assert "lie outside" in said(CREDIT, held * 1000)
    assert "times the held ones" in said(Meaning("X", "weekly", "bn USD", 0, 1e9), held * 1000, held)


def test_another_daily_series_under_the_name_is_refused_but_a_revised_index_is_not() -> None:
    held = near(4.46)
    other = days(np.round(4.29 + 0.04 * np.cos(2 * np.arange(60)), 2))
    assert "60 of 60 days that are held have other values" in said(TWO_YEARS, other, held)
    revised = days(np.sin(np.arange(60.0)) / 3, freq="W-FRI")
    assert said(INDEX, revised + 0.01 * np.cos(np.arange(60)), revised) == ""


def test_a_window_of_vintages_holds_revised_rows_only_and_is_taken() -> None:
    held = near(4.46)
    assert said(TWO_YEARS, held[50:] + 0.01, held, whole=False) == ""


def test_one_row_with_its_point_moved_is_found_and_a_crisis_is_not() -> None:
    values = near(4.46)
    for factor in (0.01, 10, 100):
        broken = values.copy()
        broken.iloc[30] *= factor
        assert list(np.flatnonzero(single_errors(TWO_YEARS, broken))) == [30]
    assert not single_errors(TWO_YEARS, values).any()
    crisis = days([17.0, 18.0, 40.0, 82.7, 75.0, 20.0])
    assert not single_errors(VOLATILITY, crisis).any()


@pytest.mark.parametrize("level", [12.4, 13.15, 38.0])
def test_an_index_that_once_rose_by_half_is_refused_when_its_point_moves(level: float) -> None:
    held = days([*near(13.0, 40), 17.31, 37.32, 29.98, *near(level, 40)])
    after = days([*held, round(level / 10, 2)])
    assert "a step by a power of ten" in said(VOLATILITY, after, held)
    assert said(VOLATILITY, days([*held, level * 1.9]), held) == ""


@pytest.mark.parametrize(
    ("meaning", "level", "factor"),
    [(VOLATILITY, 13.0, 10.0), (VOLATILITY, 80.0, 0.1), (TWO_YEARS, 4.46, 0.1), (CREDIT, 12_000.0, 0.1)],
)
@pytest.mark.parametrize("end", [70, 100])
def test_a_stretch_in_another_unit_on_the_first_load_is_refused(
    meaning: Meaning, level: float, factor: float, end: int
) -> None:
    whole = near(level, 100, level / 100)
    changed = whole.copy()
    changed.iloc[40:end] *= factor
    assert said(meaning, whole) == ""
    assert "a step by a power of ten" in said(meaning, changed)
