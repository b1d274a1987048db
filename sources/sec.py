"""The source `sec`: net interest income of banks as they file it, from the SEC's company concepts.

In: a bank's symbol (`WFC`), with its number and concept from `ref.bank_filers`. Out: the JSON of each concept
as served, in one array, and from it rows in the columns of `raw.bank_income`: a row per period and filing.
Source: https://www.sec.gov/search-filings/edgar-application-programming-interfaces. Settings:
`ROTATION_SEC_CONTACT`, a name and an e-mail address, which the SEC wants in the User-Agent of every request
(https://www.sec.gov/about/webmaster-frequently-asked-questions); without it nothing is fetched.
`ROTATION_SEC_URL`, another address than https://data.sec.gov.

A filing states its own quarter and year to date and, as a comparison, those of the year before: the same
period comes with every filing that names it, and a changed amount is a restatement. `frame`, which the SEC
gives to one of them, is not relied on. A concept that a bank never used answers 404. Caveats: amounts come
with the 10-Q, two to four weeks after the press release of the results; `files` reads the same JSON from
`bank_income/<SYMBOL>.json`.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar, Self

import pandas as pd

from sources.days import plain_day
from sources.files import FilesAsServed
from sources.json_text import json_document
from sources.protocol import NotServed, Parsed, SourceError, Unreadable
from sources.public_api import PublicApi, Reply, judge_reply
from sources.simulated import SimulatedProvider
from sources.simulated_market import SimulatedMarket
from sources.simulated_market.bank_income import concept_json
from sources.text_numbers import is_finite_number
from sources.transport import Forbidden, Transport, Verdict
from warehouse.payloads import Payload, Request
from warehouse.reference_data import reference_frame
from warehouse.settings import Settings, SettingsError

CONTACT = "ROTATION_SEC_CONTACT"
NO_CONTACT = (
    f"Banks' net interest income is not fetched: the SEC wants a contact in every request. Set {CONTACT} to a"
    " name and an e-mail address, or ROTATION_BANK_INCOME_SOURCE=none."
)
TAXONOMY, UNIT = "us-gaap", "USD"
ACCESSION = re.compile(r"\d{10}-\d{2}-\d{6}")
FACT_FIELDS = ("start", "end", "val", "accn", "form", "filed")
# The largest bank's year is about 100 bn USD.
MOST_USD = 400e9
# Longer than a year with one day to spare, a period is not one of a report.
LONGEST_PERIOD = timedelta(days=380)
MOST_BROKEN = 0.1
OTHER_UNIT = "val_is_in_the_unit_of_its_neighbours"
# So many times its neighbours is another unit; those of a year before and after count, at least five of them.
THOUSANDFOLD = (300.0, 3_000.0)
NEIGHBOURS, FEWEST_NEIGHBOURS = timedelta(days=400), 5
# Concept, first and last day of the period, number of the filing.
Key = tuple[str, str, str, str]
COLUMNS = (
    "symbol",
    "concept",
    "period_start",
    "period_end",
    "accession_number",
    "amount_usd",
    "filed_on",
    "form",
)


class NoSuchConcept(NotServed):
    """The bank has never filed the concept."""


class SecConcepts(PublicApi):
    """Serves the filed amounts of one bank at a time."""

    name: ClassVar[str] = "sec"
    title: ClassVar[str] = "SEC"
    base_url: ClassVar[str] = "https://data.sec.gov"
    url_setting: ClassVar[str] = "ROTATION_SEC_URL"
    # A payload is everything that was ever filed.
    serves_ranges = False

    def __init__(self, url: str | None, transport: Transport[Reply]) -> None:
        super().__init__(url, transport)
        self.contact = ""
        self._refused = False

    @classmethod
    def open(cls, settings: Settings, environ: Mapping[str, str]) -> Self:
        """Read the settings of the address and the contact.

        Raises:
            SettingsError: the contact cannot be sent as a header.
        """
        contact = settings.sec_contact
        if contact and (not (contact.isascii() and contact.isprintable()) or "@" not in contact):
            raise SettingsError(
                f"{CONTACT} must be a name and an e-mail address in plain letters, as"
                " 'Jane Doe jane@example.org'."
            )
        provider = super().open(settings, environ)
        provider.contact = contact
        return provider

    def user_agent(self) -> str:
        """With the contact, as the SEC asks."""
        return f"rotation-warehouse {self.contact}"

    def not_taken(self) -> list[str]:
        """What to set before anything is fetched."""
        return [] if self.contact else [NO_CONTACT]

    def present_inputs(self) -> list[str]:
        """The banks that can be asked for: none without a contact."""
        return sorted(filers()) if self.contact else []

    def judge(self, what: str, reply: Reply) -> Verdict:
        """As for every public API; 404 is a concept that the bank does not use, 403 a refused contact."""
        if reply.status == 404:
            return Verdict(NoSuchConcept(f"{what}: the bank has filed nothing under this concept"))
        if reply.status == 403:
            self._refused = True
            return Verdict(
                Forbidden(f"{what}: the SEC refused access (status 403); check {CONTACT}, and try in an hour")
            )
        return judge_reply(what, reply)

    def fetch(self, request: Request) -> Payload:
        """Fetch all concepts of one bank; those that it does not use are left out."""
        where = f"sec: {request.dataset}/{request.input}"
        if not self.contact:
            raise SourceError(f"{where}: {NO_CONTACT}")
        if request.input not in filers():
            raise SourceError(f"{where}: the symbol is not in bank_filers.csv; add it there")
        if self._refused:
            # The SEC blocks an address for longer when it goes on asking.
            raise Forbidden(
                f"{where}: not requested, because the SEC has just refused access; check {CONTACT}"
            )
        cik, concepts = filers()[request.input]
        bodies = []
        for concept in concepts:
            path = f"api/xbrl/companyconcept/CIK{cik:010d}/{TAXONOMY}/{concept}.json"
            try:
                bodies.append(self.ask(f"{where} {concept}", path, {}))
            except NoSuchConcept:
                continue
        if not bodies:
            raise NotServed(
                f"{where}: nothing was filed under {', '.join(concepts)}; name the concept that the bank uses"
                " in bank_filers.csv (an amount after provisions is another figure)"
            )
        content = b"[" + b",".join(bodies) + b"]"
        return Payload(request, self.name, content, "json", datetime.now(UTC).replace(tzinfo=None))

    @staticmethod
    def parse(payload: Payload) -> Parsed:
        """Read an answer: a row per period and filing."""
        return parse_concepts(payload)


class FilesConcepts(FilesAsServed):
    """`bank_income/<SYMBOL>.json`: a company concept as the SEC serves it, or several in an array."""

    subfolder = "bank_income"
    extensions = ("json",)

    def known_inputs(self) -> frozenset[str]:
        """The banks of `ref.bank_filers`."""
        return frozenset(filers())

    @staticmethod
    def parse(payload: Payload) -> Parsed:
        """Read a file."""
        return parse_concepts(payload)


class SimulatedConcepts(SimulatedProvider):
    """Made-up filings of every bank, as the SEC would serve them."""

    extension = "json"

    def present_inputs(self) -> list[str]:
        """The banks that are made."""
        return sorted(filers())

    def _make(self, market: SimulatedMarket) -> Callable[[str, date, date], bytes]:
        def make(symbol: str, start: date, end: date) -> bytes:
            return concept_json(symbol, filers()[symbol][0], end)

        return make

    @staticmethod
    def parse(payload: Payload) -> Parsed:
        """Read what was made by `fetch`."""
        return parse_concepts(payload)


def filers() -> dict[str, tuple[int, tuple[str, ...]]]:
    """Per symbol the SEC's number and the concepts, in the order of `ref.bank_filers`."""
    found: dict[str, tuple[int, tuple[str, ...]]] = {}
    for row in reference_frame("bank_filers").to_dict("records"):
        symbol, concept = str(row["symbol"]), str(row["concept"])
        _, before = found.get(symbol, (0, ()))
        found[symbol] = (int(row["cik"]), (*before, concept))
    return found


# ---- reading


def parse_concepts(payload: Payload) -> Parsed:
    """Read one document or an array of them.

    Raises:
        Unreadable: a document is of another bank, taxonomy, concept or unit, lacks its facts or a field that
            facts have, or most facts break a rule.
    """
    request = payload.request
    where = f"{payload.source}: {request.dataset}/{request.input}"
    kept: dict[Key, dict[str, Any]] = {}
    refused: set[Key] = set()
    rejected: list[tuple[str, dict[str, Any]]] = []
    count = 0
    documents = _documents(where, request.input, payload.content)
    for concept, facts in documents:
        for fact in facts:
            count += 1
            rule = _broken_rule(fact, payload.fetched_at_utc)
            key = (concept, str(fact.get("start")), str(fact.get("end")), str(fact.get("accn")))
            if rule is None and key in kept and fact["val"] != kept[key]["val"]:
                # Neither is known to be right.
                rule = "a_filing_states_a_period_once"
                refused.add(key)
            if rule is not None:
                rejected.append((rule, fact))
            else:
                kept.setdefault(key, fact)
    if not count:
        names = ", ".join(concept for concept, _ in documents)
        raise Unreadable(
            f"{where}: field units.{UNIT} of {names} is an empty list; the bank has filed no amount"
        )
    rejected += [(OTHER_UNIT, kept.pop(key)) for key in _of_another_unit(kept)]
    if len(rejected) > max(1.0, MOST_BROKEN * count):
        rules = ", ".join(sorted({rule for rule, _ in rejected}))
        raise Unreadable(f"{where}: {len(rejected):,} of {count:,} facts break a rule ({rules})")
    rejected += [("a_filing_states_a_period_once", kept.pop(key)) for key in sorted(refused & kept.keys())]
    rows = [
        (request.input, key[0], key[1], key[2], key[3], float(fact["val"]), fact["filed"], fact["form"])
        for key, fact in sorted(kept.items())
    ]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    for name in ("period_start", "period_end", "filed_on"):
        frame[name] = pd.to_datetime(frame[name]).astype("datetime64[us]")
    frame["amount_usd"] = frame["amount_usd"].astype("float64")
    return Parsed(frame, rejected)


def _of_another_unit(facts: Mapping[Key, Mapping[str, Any]]) -> list[Key]:
    """Facts that are a thousand times what the bank earned a day in the years around them, or a thousandth.

    The median over the neighbours moves with a bank that grows; a merger trebles it at most.
    """
    days = {key: (date.fromisoformat(key[1]), date.fromisoformat(key[2])) for key in facts}
    daily = {
        key: abs(float(fact["val"])) / ((days[key][1] - days[key][0]).days + 1) for key, fact in facts.items()
    }
    low, high = THOUSANDFOLD
    found = []
    for key, (_, end) in days.items():
        near = [
            daily[other] for other, (_, day) in days.items() if abs(day - end) <= NEIGHBOURS and other != key
        ]
        if len(near) < FEWEST_NEIGHBOURS:
            continue
        usual = statistics.median(near)
        if usual and (low <= daily[key] / usual <= high or low * daily[key] <= usual <= high * daily[key]):
            found.append(key)
    return found


def _documents(where: str, symbol: str, content: bytes) -> list[tuple[str, list[dict[str, Any]]]]:
    """Concept and facts of each document."""
    document = json_document(where, content)
    listed = filers()
    if symbol not in listed:
        raise Unreadable(f"{where}: the symbol is not in bank_filers.csv; add it there")
    cik, concepts = listed[symbol]
    documents = document if isinstance(document, list) else [document]
    if not documents:
        raise Unreadable(f"{where}: the answer holds no concept")
    return [_facts(where, cik, concepts, entry) for entry in documents]


def _facts(
    where: str, cik: int, concepts: tuple[str, ...], document: object
) -> tuple[str, list[dict[str, Any]]]:
    if not isinstance(document, dict):
        raise Unreadable(f"{where}: the answer is not a company concept")
    for name, expected in (("cik", {cik}), ("taxonomy", {TAXONOMY}), ("tag", set(concepts))):
        served = document.get(name)
        # The number has come as text with zeros before it, too.
        if name == "cik" and isinstance(served, str) and served.isascii() and served.isdigit():
            served = int(served)
        if not isinstance(served, int | str) or served not in expected:
            raise Unreadable(
                f"{where}: field {name} reads {str(served)[:60]!r}, expected"
                f" {' or '.join(str(value) for value in sorted(expected, key=str))}"
            )
    units = document.get("units")
    if not isinstance(units, dict) or not isinstance(units.get(UNIT), list):
        there = ", ".join(map(str, units))[:60] if isinstance(units, dict) else "none"
        raise Unreadable(f"{where}: field units has no list of {UNIT}; there are {there}")
    facts = units[UNIT]
    if not all(isinstance(fact, dict) for fact in facts):
        raise Unreadable(f"{where}: field units.{UNIT} is not a list of facts")
    missing = [name for name in FACT_FIELDS if facts and not any(name in fact for fact in facts)]
    if missing:
        raise Unreadable(
            f"{where}: field {', '.join(missing)} is missing in all {len(facts):,} facts; there are"
            f" {', '.join(map(str, facts[0]))[:150]}"
        )
    return str(document["tag"]), facts


def _broken_rule(fact: dict[str, Any], fetched: datetime) -> str | None:
    """The rule that a fact breaks."""
    if fact.get("start") is None:
        return "an_amount_is_of_a_period"
    start, end, filed = (plain_day(fact.get(name)) for name in ("start", "end", "filed"))
    if start is None or end is None or filed is None:
        return "start_end_and_filed_are_dates"
    if not start < end <= start + LONGEST_PERIOD:
        return "a_period_is_at_most_a_year"
    if filed <= end:
        return "a_report_is_filed_after_its_period"
    if filed > fetched.date() + timedelta(days=1):
        return "a_report_is_not_filed_in_the_future"
    value = fact.get("val")
    if not isinstance(value, int | float) or not is_finite_number(value):
        return "val_is_a_finite_number"
    if abs(value) > MOST_USD:
        return "val_is_in_dollars"
    if not isinstance(fact.get("accn"), str) or not ACCESSION.fullmatch(fact["accn"]):
        return "accn_is_a_number_of_a_filing"
    if not isinstance(fact.get("form"), str) or not 1 <= len(fact["form"]) <= 20:
        return "form_is_named"
    return None
