"""Checks across the reference data: a row that names an unknown symbol, group, pair, series, metric,
parameter or input of a cross check is refused, and so is a date that cannot be one of its list.

In: the CSV files of `warehouse/reference/` by way of `reference_frame`. Out: nothing, or a
`ReferenceDataError` that names every wrong row by file and line. Types, empty cells and duplicate keys have
been checked when the files were read; these checks need a second table. Caveat: lines are counted as one
row each, so a quoted cell must not hold a line break.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase

import pandas as pd

from expectations.cross_check_terms import LEFT_PATTERNS, WrongTerms, parse_sides
from expectations.reference_dates import check_events, check_meetings, check_schedules
from transforms.lib.claims.parameters import (
    Known,
    WrongParameters,
    check_figure,
    check_parameters,
    parse_other_bases,
    parse_parameters,
)
from warehouse.catalog import load_catalog
from warehouse.reference_data import ReferenceDataError, reference_frame

Frames = Callable[[str], pd.DataFrame]
NEVER_EMPTY = ("fomc_meetings", "fomc_schedules", "events", "bank_securities_weights")
CHECKED = ("instruments", "groups", "group_members", "pairs", "fred_series", "claims", "cross_checks")


def check_reference_rows(frames: Frames = reference_frame) -> None:
    """Check every row that refers to another table.

    Args:
        frames: gives the rows of a reference table by its name.

    Raises:
        ReferenceDataError: with every wrong row by file and line.
    """
    problems = [
        problem
        for check in (
            _texts,
            _instruments,
            _members,
            _pairs,
            _claims,
            _cross_checks,
            _exceptions,
            _dates,
            _sectors,
        )
        for problem in check(frames)
    ]
    if problems:
        raise ReferenceDataError(
            "; ".join(f"reference/{file}.csv line {line}: {text}" for file, line, text in problems)
        )


Problems = Iterator[tuple[str, int, str]]


def _rows(frame: pd.DataFrame) -> Iterator[tuple[int, dict[str, str]]]:
    """Line in the file (the header is line 1) and the row's texts, blank where missing."""
    for line, row in enumerate(frame.to_dict("records"), start=2):
        yield line, {str(key): "" if pd.isna(value) else str(value) for key, value in row.items()}


def _texts(frames: Frames) -> Problems:
    """Texts that the catalog limits to a list."""
    for name in CHECKED:
        frame = frames(name)
        for column in load_catalog()[f"ref.{name}"].columns:
            if column.values:
                wrong = frame[column.name].notna() & ~frame[column.name].isin(column.values)
                for row in wrong.to_numpy().nonzero()[0]:
                    value = frame[column.name].iloc[row]
                    yield (
                        name,
                        int(row) + 2,
                        f"{column.name} = {value!r} is not one of {', '.join(column.values)}",
                    )


def _instruments(frames: Frames) -> Problems:
    symbols = set(frames("instruments")["symbol"])
    for line, row in _rows(frames("instruments")):
        if row["benchmark_symbol"] and row["benchmark_symbol"] not in symbols:
            yield "instruments", line, f"unknown benchmark_symbol {row['benchmark_symbol']!r}"


def _members(frames: Frames) -> Problems:
    symbols, groups = set(frames("instruments")["symbol"]), set(frames("groups")["group_id"])
    instruments = {row["symbol"]: row for _, row in _rows(frames("instruments"))}
    for line, row in _rows(frames("group_members")):
        if row["group_id"] not in groups:
            yield "group_members", line, f"unknown group_id {row['group_id']!r}"
        if row["symbol"] not in symbols:
            yield "group_members", line, f"unknown symbol {row['symbol']!r}"
            continue
        begins, ends = row["member_from"][:10], row["member_to"][:10]  # ISO dates sort as texts
        if begins and ends and begins > ends:
            yield "group_members", line, f"member_from {begins} is after member_to {ends}"
        first, last = (instruments[row["symbol"]][name][:10] for name in ("active_from", "active_to"))
        if (begins and last and begins > last) or (ends and first and ends < first):
            yield "group_members", line, f"{row['symbol']} has no prices from member_from to member_to"
        if bool(begins or ends) != bool(row["membership_note"]):
            yield "group_members", line, "a membership with a date needs its membership_note, and only that"


def _pairs(frames: Frames) -> Problems:
    symbols = set(frames("instruments")["symbol"])
    for line, row in _rows(frames("pairs")):
        for column in ("base_symbol", "quote_symbol"):
            if row[column] not in symbols:
                yield "pairs", line, f"unknown {column} {row[column]!r}"
        if row["pair_id"] != f"{row['base_symbol']}/{row['quote_symbol']}":
            yield "pairs", line, f"pair_id {row['pair_id']!r} is not base_symbol/quote_symbol"
        if row["base_symbol"] == row["quote_symbol"]:
            yield "pairs", line, "base_symbol and quote_symbol are the same"


def _sectors(frames: Frames) -> Problems:
    """Funds of holdings and of sectors are instruments, and a sector has one fund on a day."""
    symbols = set(frames("instruments")["symbol"])
    for line, row in _rows(frames("fund_holdings_files")):
        if row["symbol"] not in symbols:
            yield "fund_holdings_files", line, f"unknown symbol {row['symbol']!r}"
    ended: dict[str, str] = {}
    for line, row in _rows(frames("sector_funds")):
        if row["sector_fund"] not in symbols:
            yield "sector_funds", line, f"unknown sector_fund {row['sector_fund']!r}"
        begins, ends = row["sector_from_date"][:10], row["sector_to_date"][:10] or "9999-12-31"
        if begins > ends:
            yield "sector_funds", line, f"sector_from_date {begins} is after sector_to_date {ends}"
        if begins <= ended.get(row["sector"], ""):
            yield "sector_funds", line, f"{row['sector']} has two funds on {begins}; end the row before"
        ended[row["sector"]] = ends


def _claims(frames: Frames) -> Problems:
    known = Known(
        symbols=frozenset(frames("instruments")["symbol"]),
        groups=frozenset(frames("groups")["group_id"]),
        pairs=frozenset(frames("pairs")["pair_id"]),
        series=frozenset(frames("fred_series")["series_id"]),
        sectors=frozenset(frames("sector_funds")["sector"]),
        markets=frozenset(frames("positioned_contracts")["market_id"]),
    )
    for line, row in _rows(frames("claims")):
        try:
            parameters = parse_parameters(row["parameters"])
            check_parameters(row["metric"], parameters, known)
            check_figure(row["metric"], row["figure"], row["comparison"])
            for overrides in parse_other_bases(row["other_bases"]):
                check_parameters(row["metric"], parameters, known, overrides)
        except WrongParameters as error:
            yield "claims", line, f"claim {row['claim_id']}: {error}"
        if row["tolerance"] and float(row["tolerance"]) < 0:
            yield "claims", line, f"claim {row['claim_id']}: the tolerance is negative"


def _cross_checks(frames: Frames) -> Problems:
    known = {
        "prices": set(frames("instruments")["symbol"]),
        "fred": set(frames("fred_series")["series_id"]),
    }
    for line, row in _rows(frames("cross_checks")):
        check = f"check {row['check_id']}"
        try:
            left, right = parse_sides(row["check_kind"], row["left_input"], row["right_input"])
        except WrongTerms as error:
            yield "cross_checks", line, f"{check}: {error}"
            continue
        for term in (*left.terms, *right.terms):
            if term.dataset in known and term.input not in known[term.dataset]:
                yield "cross_checks", line, f"{check}: unknown input {term.name!r}"
        if row["check_kind"] in LEFT_PATTERNS and not _matches(row["left_input"], known):
            yield "cross_checks", line, f"{check}: no input matches {row['left_input']!r}"
        if float(row["min_rows"]) < 1 or float(row["tolerance"]) < 0:
            yield "cross_checks", line, f"{check}: min_rows must be 1 or more, the tolerance 0 or more"
        if row["valid_from"] and row["valid_to"] and row["valid_from"] > row["valid_to"]:
            yield "cross_checks", line, f"{check}: valid_from lies after valid_to"


def _matches(pattern: str, known: dict[str, set[str]]) -> bool:
    """Whether an input of the reference data matches; contracts and second sources are not listed there."""
    dataset, _, text = pattern.partition("/")
    return dataset not in known or any(fnmatchcase(name, text) for name in known[dataset])


def _exceptions(frames: Frames) -> Problems:
    checks = set(frames("cross_checks")["check_id"])
    for line, row in _rows(frames("cross_check_exceptions")):
        if row["check_id"] not in checks:
            yield "cross_check_exceptions", line, f"unknown check_id {row['check_id']!r}"
        if row["from_date"] > row["to_date"]:
            yield "cross_check_exceptions", line, "from_date lies after to_date"


def _dates(frames: Frames) -> Problems:
    for name in NEVER_EMPTY:
        if frames(name).empty:
            yield name, 1, "the list has no row"
    yield from check_meetings(frames("fomc_meetings"))
    yield from check_schedules(frames("fomc_schedules"), frames("fomc_meetings"))
    yield from check_events(frames("events"), frames("fred_series"))
