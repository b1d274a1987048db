"""What moved over a day, a week and a month: each meeting against the same meeting then, on one base.

In: the meetings of a settlement day. Out: a table and a sentence per reason that keeps a change out of it or
warns of it. Caveat: the probabilities compared are those of a range below or above the one in force on the
earlier day, so that a decision in between makes no jump.
"""

from __future__ import annotations

from dataclasses import dataclass

from brief.blocks import Page, Section
from brief.cells import Cell, Row, plain_day
from brief.reasons import reason_words
from brief.settlement import Settlement

# A change that would be shown as 0.0 points is none.
SHOWN_PP = 0.05
SPANS = {"1d": "a day", "1w": "a week", "1m": "a month"}


@dataclass(frozen=True)
class Span:
    """How far back a column looks, and to which day."""

    id: str
    name: str
    day: Cell

    def rate(self, row: Row) -> Cell:
        """Change of the expected rate."""
        return row[f"expected_rate_change_{self.id}_bp"]

    def change(self, row: Row, side: str) -> Cell:
        """Change of the probability of a range `below` or `above` the one in force then."""
        return row[f"{side}_base_{self.id}_change_pp"]

    def side(self, row: Row) -> str | None:
        """The side whose probability changed more; None where neither did."""
        below, above = (abs(self.change(row, side).value or 0.0) for side in ("below", "above"))
        if max(below, above) < SHOWN_PP:
            return None
        return "above" if above > below else "below"

    def reason(self, row: Row) -> str | None:
        """Why there is no change, or a warning about it, in words."""
        reason = row[f"change_{self.id}_reason"].value
        return reason_words(reason, row["missing_contract"].value) if reason else None


def rate_changes(page: Page, section: Section, settled: Settlement) -> None:
    """The changes of every meeting with an expected rate."""
    rows = [row for row in settled.meetings if row["expected_rate_pct"].known]
    if not rows:
        return
    spans = [Span(key, name, rows[0][f"compared_date_{key}"]) for key, name in SPANS.items()]
    heads = [f"Over {span.name}, from {page.short_day(span.day.value)}" for span in spans if span.day.known]
    spans = [span for span in spans if span.day.known]
    section.block("changes", settled.as_of, rows, spans, heads)
    for span in spans:
        why: dict[str, list[Row]] = {}
        for row in rows:
            if words := span.reason(row):
                why.setdefault(words, []).append(row)
        for words, of in why.items():
            section.note("change_flagged", f"{span.name} ({plain_day(span.day.value)})", of, words)
