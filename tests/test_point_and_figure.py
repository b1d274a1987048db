"""Point-and-figure charts: by hand, against a chart drawn value by value, and without look-ahead."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.lib.history import FloatArray
from transforms.lib.point_and_figure import ANCHORS, NEAR_BOX, box_numbers, named, point_and_figure


def _values(numbers: list[float]) -> FloatArray:
    """With boxes of 100 % the box of 1.1 · 2^n / 100 is n."""
    return np.array([1.1 * 2.0**n / 100 if not math.isnan(n) else math.nan for n in numbers])[:, np.newaxis]


def _chart(numbers: list[float]) -> tuple[str, str]:
    """Columns and signals as one character per value; . = none."""
    chart = point_and_figure(_values(numbers), 1.0)
    column = "".join(name or "." for name in named(chart.column[:, 0], "X", "O"))
    signal = "".join((name or ".")[0] for name in named(chart.signal[:, 0], "buy", "sell"))
    return column, signal


def test_box_number_by_hand() -> None:
    # ratio 0.5: ln(50) / ln(1.065) = 3.912023 / 0.0629748 = 62.12; ln(50) / ln(1.0325) = 3.912023 /
    # 0.0319835 = 122.31
    assert box_numbers(np.array([[0.5]]), 0.065)[0, 0] == 62
    assert box_numbers(np.array([[0.5]]), 0.0325)[0, 0] == 122
    assert np.isnan(box_numbers(np.array([[0.0, -1.0, np.nan]]), 0.065)).all()


def test_a_shift_moves_the_edges_and_a_whole_box_changes_nothing() -> None:
    # 122.31 lies 0.69 of a box below the next edge
    assert [box_numbers(np.array([[0.5]]), 0.0325, shift)[0, 0] for shift in ANCHORS] == [122, 122, 122, 123]
    values = np.exp(np.cumsum(np.random.default_rng(5).normal(0, 0.02, (400, 3)), axis=0))
    plain, shifted, whole = (point_and_figure(values, NEAR_BOX, shift).signal for shift in (0.0, 0.5, 1.0))
    assert (plain == whole).all() and (plain != shifted).any()


def test_first_column_needs_three_boxes() -> None:
    assert _chart([5, 6, 7, 6, 5]) == (".....", ".....")
    assert _chart([5, 6, 7, 8])[0] == "...X"
    assert _chart([5, 4, 3, 2])[0] == "...O"
    # from the lowest so far, not from the first value: 5, 4, 7
    assert _chart([5, 4, 7])[0] == "..X"


def test_signals_by_hand() -> None:
    numbers: list[float] = [5, 8, 7, 6, 5, 4, 6, 7, 8, 9, 7, 6, 5, 4, 3, 6, 9, 10]
    # X to 8 | 7 and 6 are not three below 8, 5 is: O to 4 | 6 is not three above 4, 7 is: X, level with
    # 8 is no signal, 9 is a double top: buy | O from 6; 5 and 4 are not below the last bottom 4, 3 is:
    # sell | X from 6; 9 only equals 9, 10: buy
    assert _chart(numbers) == (".XXXOOOXXXXOOOOXXX", ".........bbbbbsssb")


def test_a_missing_value_leaves_the_chart_as_it_was() -> None:
    nan = math.nan
    assert _chart([5, nan, 8, nan, 5]) == ("..XXO", ".....")
    assert _chart([nan, 5, 8])[0] == "..X"


def draw(values: FloatArray, box: float, shift: float = 0.0) -> list[tuple[int, int]]:
    """The same chart drawn one value at a time, with a list of finished columns."""
    columns: list[list[int]] = []  # direction, start, end
    seen: list[int] = []
    signal, states = 0, []
    for value in values:
        if math.isfinite(value):
            number = math.floor(math.log(100 * value) / math.log1p(box) + shift)
            seen.append(number)
            if not columns:
                if number >= min(seen) + 3:
                    columns.append([1, number, number])
                elif number <= max(seen) - 3:
                    columns.append([-1, number, number])
            else:
                direction, _, end = columns[-1]
                if direction * (number - end) > 0:
                    columns[-1][2] = number
                elif direction * (end - number) >= 3:
                    columns.append([-direction, number, number])
            if columns:
                direction, _, end = columns[-1]
                before = [column[2] for column in columns[:-1] if column[0] == direction]
                if before and direction * (end - before[-1]) > 0:
                    signal = direction
        states.append((columns[-1][0] if columns else 0, signal))
    return states


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.002, 0.05), st.sampled_from([0.0, *ANCHORS]))
def test_agrees_with_a_chart_drawn_by_hand(seed: int, step: float, shift: float) -> None:
    rng = np.random.default_rng(seed)
    values = 0.4 * np.exp(np.cumsum(rng.normal(0, step, (400, 3)), axis=0))
    values[rng.random(values.shape) < 0.03] = np.nan
    chart = point_and_figure(values, NEAR_BOX, shift)
    for series in range(3):
        states = list(zip(chart.column[:, series].tolist(), chart.signal[:, series].tolist(), strict=True))
        assert states == draw(values[:, series], NEAR_BOX, shift)


@pytest.mark.parametrize("cut", [1, 50, 399])
def test_later_values_change_nothing(cut: int) -> None:
    values = np.exp(np.cumsum(np.random.default_rng(3).normal(0, 0.02, (400, 4)), axis=0))
    whole, part = point_and_figure(values, NEAR_BOX), point_and_figure(values[:cut], NEAR_BOX)
    assert (whole.column[:cut] == part.column).all() and (whole.signal[:cut] == part.signal).all()
