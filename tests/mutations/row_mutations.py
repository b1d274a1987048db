"""For every rule of `expectations/raw/*.yml`, the datum that breaks it in served rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

Change = Callable[[pd.DataFrame, int], object]
DAY = pd.Timedelta(days=1)


@dataclass(frozen=True)
class RowMutation:
    """What breaks one rule: values of one row, given all rows and its position.

    `last`: the newest row of its input, else one in the middle. `held` says that another provider served the
    row before, with a different value. `also`: rules that rightly fail with it.
    """

    dataset: str
    rule: str
    values: dict[str, Change]
    held: bool = False
    last: bool = False
    also: tuple[str, ...] = ()


def saturday_before(column: str) -> Change:
    """The Saturday before the row's day."""
    return lambda rows, row: rows[column].iloc[row] - DAY * ((rows[column].iloc[row].dayofweek + 2) % 7 or 7)


def minus(column: str, points: float) -> Change:
    """A lower value than in another column."""
    return lambda rows, row: rows[column].iloc[row] - points


def times(column: str, factor: float) -> Change:
    """A multiple of the value."""
    return lambda rows, row: rows[column].iloc[row] * factor


def of_the_quarter_before(column: str, divisor: int = 1) -> Change:
    """The bank's value in the quarter before, or a part of it; another bank's where it was not there."""

    def value(rows: pd.DataFrame, row: int) -> Any:
        end, bank = rows["quarter_end"].iloc[row] - pd.offsets.QuarterEnd(1), rows["cert"].iloc[row]
        before = rows[rows["quarter_end"] == end]
        own = before[before["cert"] == bank]
        return (own if len(own) else before)[column].iloc[0] // divisor

    return value


PRICES_OF_A_BAR = ("open", "high", "low", "close", "adj_close", "previous_adj_close")

ROW_MUTATIONS = [
    RowMutation(
        "bank_margins",
        "assets_are_in_the_unit_of_the_quarter_before",
        {
            "cert": of_the_quarter_before("cert"),
            "assets_usd_thousand": of_the_quarter_before("assets_usd_thousand", 1_000),
        },
        # In an earlier quarter it would be the quarter after it as well.
        last=True,
    ),
    RowMutation(
        "prices", "close_is_between_high_and_low", {"close": lambda rows, row: rows["high"].iloc[row] * 1.02}
    ),
    RowMutation("prices", "high_and_low_are_near_open_and_close", {"high": times("high", 10.0)}),
    RowMutation(
        "prices",
        "bar_does_not_jump_and_jump_back",
        {column: times(column, 3.0) for column in PRICES_OF_A_BAR},
    ),
    RowMutation(
        "prices",
        "last_bars_do_not_step_as_no_market_does",
        {column: times(column, 3.0) for column in PRICES_OF_A_BAR},
        last=True,
    ),
    RowMutation(
        "fred",
        "value_is_in_the_range_of_its_series",
        {"value": lambda rows, row: 5e5},
        also=("value_is_not_a_power_of_ten_off_its_neighbours",),
    ),
    RowMutation("fred", "value_is_not_a_power_of_ten_off_its_neighbours", {"value": times("value", 0.1)}),
    RowMutation(
        "prices", "session_date_is_an_nyse_session", {"session_date": saturday_before("session_date")}
    ),
    RowMutation(
        "prices",
        "session_had_closed_when_served",
        {"known_at_utc": lambda rows, row: rows["session_date"].iloc[row] + DAY / 2},
    ),
    RowMutation(
        "prices",
        "high_is_not_below_low",
        {"high": minus("low", 0.5)},
        also=("close_is_between_high_and_low",),
    ),
    RowMutation(
        "futures",
        "settlement_date_is_a_settlement_day",
        {"settlement_date": saturday_before("settlement_date")},
    ),
    RowMutation(
        "futures",
        "contract_had_not_expired",
        {"delivery_month": lambda rows, row: rows["settlement_date"].iloc[row].replace(day=1) - DAY * 92},
        also=("settlement_is_near_its_neighbours",),
    ),
    RowMutation(
        "futures",
        "day_had_settled_when_served",
        {"known_at_utc": lambda rows, row: rows["settlement_date"].iloc[row] + DAY / 2},
    ),
    RowMutation("futures", "settlement_is_near_its_neighbours", {"settle": minus("settle", 5.0)}),
    RowMutation("futures", "settlement_agrees_with_the_other_source", {}, held=True),
    RowMutation(
        "fred",
        "observation_is_not_in_the_future",
        {"known_at_utc": lambda rows, row: rows["observation_date"].iloc[row] - DAY},
    ),
]
