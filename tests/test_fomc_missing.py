"""A row of the path that lacks no contract is that of the whole strip; every other one says what it lacks.

Random calendars, with at most two decisions a month, and random prices, of which some are taken away. The
second route is the complete solution itself: nothing here repeats how the search for missing contracts works.
"""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from transforms.lib.meeting_path import Path, compute_path
from transforms.lib.month_averages import BoolArray, FloatArray, IntArray, compute_days_in_month

Calendar = tuple[IntArray, IntArray, IntArray]
"""Days of each month, month of each decision, its days under the old rate."""


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    """Three to fourteen months; a decision may fall on any day, the first and the last among them."""
    months = draw(st.integers(3, 14))
    lengths = compute_days_in_month(np.arange(months, dtype=np.int64) + draw(st.integers(360, 680)))
    decision_month: list[int] = []
    old_days: list[int] = []
    for month in range(months):
        held = draw(st.sampled_from([0, 0, 1, 1, 1, 2]))
        in_month = st.lists(st.integers(0, int(lengths[month])), min_size=held, max_size=held, unique=True)
        places = sorted(draw(in_month))
        decision_month += [month] * held
        old_days += places
    return lengths, np.array(decision_month, dtype=np.int64), np.array(old_days, dtype=np.int64)


def solve(calendar: Calendar, averages: FloatArray, refused: BoolArray | None = None) -> Path:
    lengths, decision_month, old_days = calendar
    return compute_path(averages, lengths, decision_month, old_days, refused)


def is_same(path: Path, whole: Path) -> BoolArray:
    """Where the rates, the move and how it was solved are equal to the bit to those of the whole strip."""
    same = path.solved == whole.solved
    for name in ("start_rate_pct", "end_rate_pct", "moves_expected", "amplification"):
        got, want = getattr(path, name), getattr(whole, name)
        same &= (got == want) | (np.isnan(got) & np.isnan(want))
    found: BoolArray = same.astype(bool)
    return found


@given(calendars(), st.integers(0, 2**32 - 1))
def test_each_contract_taken_away_is_named_where_it_changes_a_row_and_nowhere_else(
    calendar: Calendar, seed: int
) -> None:
    months = calendar[0].size
    prices = np.random.default_rng(seed).uniform(0.0, 6.0, (1, months))
    whole = solve(calendar, prices)
    assert (whole.missing_month == -1).all()
    # a day per month, each without that month's price
    holed = np.repeat(prices, months, axis=0)
    np.fill_diagonal(holed, np.nan)
    path = solve(calendar, holed)
    removed = np.broadcast_to(np.arange(months)[:, None], path.missing_month.shape)
    changed = ~is_same(path, whole)
    assert (path.missing_month[changed] == removed[changed]).all()
    # random prices agree by no accident: where a contract is named, its price was in the solution
    assert (path.missing_month[~changed] == -1).all()
    degraded = changed & np.not_equal(path.solved, None).astype(bool)
    assert set(path.reason[degraded]) <= {
        "later_contract_missing",
        "own_contract_missing",
        "earlier_contract_missing",
    }


@given(calendars(), st.integers(0, 2**32 - 1), st.booleans())
def test_a_row_that_lacks_nothing_is_that_of_the_whole_strip(
    calendar: Calendar, seed: int, refuse: bool
) -> None:
    random = np.random.default_rng(seed)
    months, days = calendar[0].size, 6
    prices = random.uniform(0.0, 6.0, (days, months))
    gone = random.random((days, months)) < random.uniform(0.0, 0.6)
    whole = solve(calendar, prices)
    path = solve(calendar, prices, gone) if refuse else solve(calendar, np.where(gone, np.nan, prices))
    lacking = path.missing_month >= 0
    assert is_same(path, whole)[~lacking].all()
    row = np.nonzero(lacking)[0]
    assert gone[row, path.missing_month[lacking]].all()
