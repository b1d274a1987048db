"""What to trust: published statements with their verdicts, failed rules, quarantine, stale inputs.

In: the page. Out: blocks of three sections. Caveat: only the results of the publication's own run are shown.
"""

from __future__ import annotations

from dataclasses import dataclass

from brief.blocks import Page, Section
from brief.cells import Absent, Cell, Row

VERDICTS = {
    "confirmed": ("✓", "confirmed as stated"),
    "confirmed_on_other_basis": ("≈", "confirmed on another basis"),
    "fitted_only": ("◌", "on a fitted reading only"),
    "not_distinguishable": ("~", "not distinguishable"),
    "contradicted": ("✗", "contradicted"),
    "not_computable": ("?", "not computable"),
}
COMPARED = {
    "equals": "published",
    "over": "published: a little over",
    "more_than": "holds above",
    "less_than": "holds below",
    "at_least": "holds from",
    "at_most": "holds up to",
}
SHORT_UNITS = {"standard deviations": "σ", "count": "", "ratio": "", "date": ""}
FAILED_SHOWN = 20
SAMPLE_LENGTH = 110


@dataclass(frozen=True)
class Claim:
    """A published statement; `short_date`: the month or the year that was published, empty for all else."""

    row: Row
    short_date: str

    @property
    def verdict(self) -> str:
        """The verdict as the mart has it."""
        return str(self.row["verdict"].value)

    @property
    def sign(self) -> str:
        """The verdict as a sign."""
        return VERDICTS[self.verdict][0]

    @property
    def words(self) -> str:
        """The verdict in words."""
        return VERDICTS[self.verdict][1]

    @property
    def compared(self) -> str:
        """What the published figure is to the statement: the figure itself, or the limit that it names."""
        return COMPARED[str(self.row["comparison"].value)]

    @property
    def month(self) -> bool:
        """Whether a month was published."""
        return "-" in self.short_date

    @property
    def year(self) -> bool:
        """Whether a year was published."""
        return bool(self.short_date) and not self.month

    @property
    def tried(self) -> bool:
        """Whether any reading was tried; none is where the data is made up."""
        return bool(self.row["readings_tried"].value)

    @property
    def unit(self) -> str:
        """The unit behind a figure."""
        unit = str(self.row["unit"].value)
        return SHORT_UNITS.get(unit, unit)

    def digits(self, figure: str) -> int:
        """As many decimals as were published, two at most; a recomputed figure that has some shows two."""
        decimals = len(repr(float(self.row[figure].value)).partition(".")[2].rstrip("0"))
        return min(decimals, 2) if figure == "published" or not decimals else 2


@dataclass(frozen=True)
class Failed:
    """A rule that failed, with the beginning of its sample."""

    row: Row

    @property
    def sample(self) -> str:
        """The sample, cut at a word."""
        words = str(self.row["sample"].value)
        if len(words) <= SAMPLE_LENGTH:
            return words
        return words[:SAMPLE_LENGTH].rsplit(" ", 1)[0] + " …"


@dataclass(frozen=True)
class Quarantined:
    """How many rows a rule put into quarantine."""

    table_name: str
    rule: str
    rows: Cell


@dataclass(frozen=True)
class Stale:
    """The inputs that end too early, and how many there are."""

    rows: list[Row]
    late: Cell
    inputs: Cell

    @property
    def required(self) -> list[Row]:
        """Those without which figures are missing."""
        return [row for row in self.rows if row["required"].value]

    @property
    def stopped(self) -> list[Row]:
        """Those that were served once, or are required."""
        return [row for row in self.rows if row["last_date"].known or row["required"].value]

    @property
    def silent(self) -> list[Row]:
        """The others."""
        return [row for row in self.rows if not row["last_date"].known and not row["required"].value]


def claims(page: Page, section: Section) -> None:
    """Published statements, each recomputed, with its verdict."""
    reader = page.reader
    reader.require("marts.claim_checks")
    rows = reader.query("claims/claims", session=page.session)
    if not rows:
        raise Absent(f"marts.claim_checks: no statement dates from before {page.session}.")
    counts = [
        (reader.scalar("claims/count", session=page.session, verdict=verdict), words)
        for verdict, (_, words) in VERDICTS.items()
    ]
    figures = ("claims/readings", "claims/readings_agreeing", "claims/nearby", "claims/nearby_agreeing")
    section.lead(
        "verdicts",
        counts,
        *(reader.scalar(name, session=page.session) for name in figures),
    )
    dates = {}
    if "ref.claims" in reader.tables:
        dates = {(row["claim_id"], row["part"]): row["figure"] for row in reader.points("claims/short_dates")}
    section.full(
        "claims", [Claim(row, dates.get((row["claim_id"].value, row["part"].value), "")) for row in rows]
    )


def checks(page: Page, section: Section) -> None:
    """Failed rules of this publication's run, and the quarantine by rule."""
    reader, run = page.reader, page.publication.run_id
    reader.require("ops.validation_results")
    rules = reader.scalar("checks/rules", run=run)
    if not rules.value:
        raise Absent("ops.validation_results has no result of this run.")
    failed = reader.scalar("checks/failed_rules", run=run)
    critical = reader.scalar("checks/critical_failures", run=run)
    section.lead("rules", rules, failed, critical, page.links.validation)
    rows = reader.query("checks/failed", run=run)
    if rows:
        section.block("failed", [Failed(row) for row in rows[:FAILED_SHOWN]], wide=True)
    quarantined = [
        Quarantined(
            found["table_name"],
            found["rule"],
            reader.scalar("checks/quarantined_rows", run=run, table=found["table_name"], rule=found["rule"]),
        )
        for found in reader.points("checks/quarantine", run=run)
    ]
    if quarantined:
        section.block("quarantine", quarantined)


def stale(page: Page, section: Section) -> None:
    """Inputs that end before their own schedule says."""
    reader = page.reader
    reader.require("ops.freshness")
    view = Stale(reader.query("stale/stale"), reader.scalar("stale/late"), reader.scalar("stale/inputs"))
    section.lead("late" if view.rows else "all_current", view)
    if view.stopped:
        section.block("stopped", view.stopped)
    if view.silent:
        section.note("silent", view.silent)
    if supplied := reader.query("stale/stand_ins"):
        section.note("stand_ins", supplied)
