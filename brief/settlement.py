"""The meetings as the futures of one settlement day price them.

In: rows of `fed/meetings` and `fed/published`. Out: the meetings with what a reader asks of them: which are
priced, which is the next, what is degraded. Caveat: on the day of a decision its meeting is still among the
rows, as FedWatch has it, though the decision is announced before the futures settle; the next meeting is
therefore the first one after `since`.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from brief.cells import Row
from brief.reasons import contract_words


@dataclass(frozen=True)
class Settlement:
    """The meetings of a settlement day; `since`: the last day whose decisions are out for the reader;
    `published`: rows of the day count that CME published by, by meeting, where that is not the marts' own.
    """

    as_of: dt.date
    since: dt.date
    meetings: list[Row]
    published: dict[dt.date, Row]

    @property
    def solved(self) -> list[Row]:
        """The meetings that have probabilities."""
        return [row for row in self.meetings if row["cut"].known]

    @property
    def unsolved(self) -> list[Row]:
        """The meetings without."""
        return [row for row in self.meetings if not row["cut"].known]

    @property
    def first(self) -> Row:
        """The first meeting with probabilities whose decision is not out, else the first one."""
        solved = self.solved
        return next((row for row in solved if row["meeting_date"].value > self.since), solved[0])

    @property
    def decided(self) -> Row | None:
        """The last meeting of the rows whose decision is out: the range in force is still the one before."""
        rows = [row for row in self.meetings if row["meeting_date"].value <= self.since]
        return rows[-1] if rows and self.first is not rows[-1] else None

    @property
    def ninth(self) -> Row | None:
        """The last meeting of CME's table, which CME works out without those behind it."""
        return next((row for row in self.solved if row["cme_number"].value == 9), None)

    @property
    def degraded(self) -> list[tuple[str, list[Row]]]:
        """The contracts that are missing, in words, each with the meetings that are solved without it."""
        found: dict[str, list[Row]] = {}
        for row in self.solved:
            if row["missing_contract"].known:
                found.setdefault(contract_words(row["missing_contract"].value), []).append(row)
        return list(found.items())
