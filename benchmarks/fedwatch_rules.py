"""Our calculation with a rule of another package in place of our own, to prove what a difference comes from.

In: the inputs of a publication. Out: probabilities by day, meeting and change, as in
benchmarks/fedwatch_inputs.py. Caveat: the rules are put in by replacing functions and limits of
transforms/lib while a context is open, so that they follow the names there.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from unittest.mock import patch

import duckdb
import numpy as np
import pandas as pd

from benchmarks import fedwatch_inputs as inputs
from transforms.lib import fomc, meeting_path
from transforms.staging import fomc_moves

Rule = Callable[[], contextlib.AbstractContextManager[Any]]

NEVER = 1000.0  # no month has so many days
EXPIRED = "expired month: unknown there, its final average (DFF) here"
EFFECTIVE = "new rate effective later than the next day: N by the day of the decision there"
REFUSED = "a price is refused here"
EARLY = "D/N above 10: divided there, not here"
FORWARD = "D/M above 4: solved forward there, not here"
LAST_OF_MONTH = "two decisions in one month: the last alone there"
CUT_MONTHS, COMPUTE_REFUSED = fomc._cut_months, fomc.compute_refused
COMPUTE_KNOWN, COMPUTE_MONTHS = fomc.compute_known, fomc.compute_decision_months


def without_expired(*arguments: Any) -> tuple[fomc.FloatArray, fomc.BoolArray]:
    """Averages without those of expired months, which are the last argument."""
    averages, refused = CUT_MONTHS(*arguments)
    averages[:, arguments[-1]] = np.nan
    return averages, refused


def refuse_nothing(*arguments: Any) -> fomc.BoolArray:
    """Every price is believed."""
    return np.zeros_like(COMPUTE_REFUSED(*arguments))


def last_of_each_month(decision_date: fomc.DateArray, *arguments: Any) -> fomc.BoolArray:
    """Known decisions without those that a later known one of the same month follows."""
    known = COMPUTE_KNOWN(*arguments)
    month = fomc.compute_month_number(decision_date)
    for earlier, later in zip(*np.nonzero(month[:, None] == month[None, :]), strict=True):
        if earlier < later:
            known[:, earlier] &= ~known[:, later]
    return known


def effective_next_day(
    decision_date: fomc.DateArray, effective_date: fomc.DateArray, method_version: str
) -> tuple[fomc.IntArray, fomc.IntArray]:
    """Months and N as if every new rate began on the day after its decision."""
    return COMPUTE_MONTHS(decision_date, decision_date + np.timedelta64(1, "D"), method_version)


def package_rules(decision_date: fomc.DateArray) -> dict[str, Rule]:
    """The rules of cme-fedwatch by the name of the cause.

    Args:
        decision_date: Of every row of ref.fomc_meetings, in order.
    """
    return {
        EXPIRED: partial(patch.object, fomc, "_cut_months", without_expired),
        EFFECTIVE: partial(patch.object, fomc, "compute_decision_months", effective_next_day),
        REFUSED: partial(patch.object, fomc, "compute_refused", refuse_nothing),
        EARLY: partial(patch.object, meeting_path, "MAX_BACKWARD_AMPLIFICATION", NEVER),
        FORWARD: partial(patch.object, meeting_path, "MAX_FORWARD_AMPLIFICATION", NEVER),
        LAST_OF_MONTH: partial(
            patch.object, fomc, "compute_known", partial(last_of_each_month, decision_date)
        ),
    }


class Solver:
    """Solves all days under some of the rules, each set of rules once."""

    def __init__(self, con: duckdb.DuckDBPyConnection, method_version: str = fomc.METHOD_VERSION) -> None:
        self.con, self.method_version = con, method_version
        decisions = con.execute("select decision_date from ref.fomc_meetings order by 1").df()
        self.rules = package_rules(decisions["decision_date"].to_numpy(dtype="datetime64[D]"))
        self.tables: dict[tuple[str, ...], pd.DataFrame] = {}

    def moves(self) -> pd.DataFrame:
        """The rows of staging.fomc_moves by our own rules."""
        moves = fomc_moves.build(self.con, self.method_version)
        dates = {name: pd.to_datetime(moves[name]) for name in inputs.KEY}
        return moves.assign(**dates)

    def solve(self, *names: str) -> pd.DataFrame:
        """Probabilities under the rules of these names in place of ours."""
        if names not in self.tables:
            with contextlib.ExitStack() as stack:
                for name in names:
                    stack.enter_context(self.rules[name]())
                self.tables[names] = inputs.solve(self.con, self.method_version)
        return self.tables[names]

    def explanations(self, *, without: str = "") -> Iterator[tuple[str, ...]]:
        """Sets of rules to try: each alone, then each two; without one of them."""
        names = [name for name in self.rules if name != without]
        yield from itertools.chain(itertools.combinations(names, 1), itertools.combinations(names, 2))
