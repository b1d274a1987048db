"""Every row of `ref.cross_checks` is broken by a datum on a built market, and names what was touched."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass

import pytest

from expectations.cross_check_terms import LEFT_PATTERNS, parse_sides
from expectations.cross_checks import compare
from tests.mutations.harness import Copy, built_market, copy_of
from tests.mutations.report import played
from warehouse.reference_data import reference_frame

pytestmark = pytest.mark.mutation
CHECKS = {row["check_id"]: row for row in reference_frame("cross_checks").to_dict("records")}
# The input that is broken where a check looks at many: one that moves with the other side.
OF_PATTERN = {
    "dates_of_prices_against_spy": "prices/IWM",
    "recent_dates_of_prices_against_spy": "prices/QQQ",
    "dates_of_prices_against_agg": "prices/IEF",
    "dates_of_sectors_against_large_value": "prices/XLE",
    "dates_of_utilities_against_staples": "prices/XLU",
    "dates_of_yields_against_ief": "fred/DGS7",
    "recent_dates_of_yields_against_ief": "fred/DGS10",
    "prices_move_when_their_peers_do": "prices/JPM",
    "long_yields_move_when_their_peers_do": "fred/DGS10",
    "middle_yields_move_when_their_peers_do": "fred/DGS5",
    "prices_are_of_different_instruments": "prices/PNC",
    "fred_series_are_different": "fred/DGS20",
}
TWIN = {"prices/PNC": "USB", "fred/DGS20": "DGS7"}
TABLES = {
    "prices": ("staging.equity_prices", "symbol", "session_date", "close"),
    "fred": ("staging.fred_observations", "series_id", "observation_date", "value"),
    "futures": ("staging.fed_funds_futures", "contract", "settlement_date", "settle"),
}
SECOND_SOURCES = """
    create schema if not exists raw;
    create or replace table raw.second_source_rates as
    select
        case when series_id like 'DGS%' then 'treasury' else 'newyorkfed' end as source,
        series_id, observation_date, value, available_at_utc, available_at_utc as known_at_utc
    from staging.fred_observations
"""


@dataclass(frozen=True)
class Market:
    """A built market with second sources that agree, and the days that each check compared."""

    copy: Copy
    compared: dict[str, tuple[str, str]]
    """By check: its newest input and day."""


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Market:
    folder = tmp_path_factory.mktemp("market")
    publication, session = built_market(folder)
    copy = copy_of(publication, session, folder)
    copy.connection.execute("set variable cutoff_utc = (?::date + 1)::timestamp", [session])
    for name in ("cross_checks", "cross_check_exceptions"):  # a home may be of before a row was added
        rows = reference_frame(name)
        copy.connection.execute(f"create or replace table ref.{name} as select * from rows")
        assert len(rows)
    copy.connection.execute(SECOND_SOURCES)
    pipeline = publication.resolve().parents[2] / "warehouse.duckdb"
    copy.connection.execute(f"attach '{pipeline}' as pipeline (read_only)")
    copy.connection.execute("create table raw.equity_prices as select * from pipeline.raw.equity_prices")
    copy.connection.execute("detach pipeline")
    found = compare(copy.connection)
    assert [entry["rule"] for entry in found.results if not entry["passed"]] == []
    newest = {
        row["check_id"]: (f"{row['dataset']}/{row['input']}", str(row["day"])[:10]) for row in found.rows
    }
    return Market(copy, newest)


def broken_by(check_id: str, newest: tuple[str, str]) -> tuple[str, str]:
    """The input that is touched, and SQL that breaks the check: the newest compared value far beyond the
    tolerance, or the newest days moved, stopped, turned or copied.
    """
    check, (name, day) = CHECKS[check_id], newest
    name = OF_PATTERN.get(check_id, name)
    dataset, entry = name.split("/", 1)
    if check["check_kind"] == "decision":
        return name, (
            "update ref.fomc_meetings set effective_date = effective_date + 1 where effective_date = ("
            "select max(observation_date) from (select observation_date, value <> lag(value) over"
            " (order by observation_date) as moved from staging.fred_observations where series_id ="
            f" '{name.split('/')[1]}') where moved and observation_date <= '{day}')"
        )
    table, key, date, value = TABLES[dataset]
    of_day = f"{key} = '{entry}' and {date} = '{day}'"
    far = 10 * float(check["tolerance"]) + 1
    match check["check_kind"]:
        case "value" | "between" | "change" | "second_source":
            return name, f"update {table} set {value} = {value} + {far} where {of_day}"
        case "month_average" | "month_average_by_decisions" | "neighbours":
            return name, f"update {table} set {value} = {value} - {far} where {of_day}"
        case "level":
            return name, f"update {table} set {value} = {value} * 1.02 where {of_day}"
        case "return":
            return name, f"update {table} set total_return_pct = total_return_pct + {far} where {of_day}"
        case "correlation":
            turned = (
                "total_return_pct = -total_return_pct" if dataset == "prices" else f"{value} = 2e4 - {value}"
            )
            return name, f"update {table} set {turned} where {key} = '{entry}'"
        case "adjusted_close":
            return name, f"update {table} set dividend = dividend * 2 + 1 where {of_day}"
        case "stands_still":
            return name, (
                f"update {table} set {value} = 50{', total_return_pct = 0' if dataset == 'prices' else ''}"
                f" where {key} = '{entry}' and {date} >= '{day}'::date - interval 25 days"
            )
        case "same_series":
            columns = (value, "total_return_pct") if dataset == "prices" else (value,)
            sets = ", ".join(f"{column} = other.{column}" for column in columns)
            return name, (
                f"update {table} as own set {sets} from {table} as other where own.{key} = '{entry}'"
                f" and other.{key} = '{TWIN[name]}' and own.{date} = other.{date}"
                f" and own.{date} >= '{day}'::date - interval 60 days"
            )
        case "shifted":
            columns = [value, "total_return_pct"] if dataset == "prices" else [value]
            later = ", ".join(f"lead({column}) over (order by {date}) as {column}" for column in columns)
            sets = ", ".join(f"{column} = moved.{column}" for column in columns)
            return name, (
                f"create temp table moved as select {date} as day, {later} from {table}"
                f" where {key} = '{entry}'; update {table} as own set {sets} from moved"
                f" where own.{key} = '{entry}' and own.{date} = moved.day and moved.{value} is not null"
            )
    raise AssertionError(f"no datum that breaks {check['check_kind']}")


def reads(check_id: str, name: str) -> bool:
    """Whether a check looks at an input."""
    check = CHECKS[check_id]
    right = "" if isinstance(check["right_input"], float) else str(check["right_input"] or "")
    kind, left = str(check["check_kind"]), str(check["left_input"])
    terms = [term.name for side in parse_sides(kind, left, right) for term in side.terms]
    patterns = [left, right] if kind in LEFT_PATTERNS else terms
    return name in terms or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns if pattern)


@pytest.mark.parametrize("check_id", CHECKS)
def test_a_datum_breaks_its_check(market: Market, check_id: str) -> None:
    if check_id not in market.compared:
        pytest.skip("this market does not hold both sides")
    name, sql = broken_by(check_id, market.compared[check_id])
    # The others read nothing that has changed.
    others = ", ".join(f"'{other}'" for other in CHECKS if not reads(other, name)) or "''"
    sql += f"; delete from ref.cross_checks where check_id in ({others})"
    with played("ops.cross_checks", f"kind {CHECKS[check_id]['check_kind']}"), market.copy.changed(sql):
        results = compare(market.copy.connection).results
        failed = {str(entry["rule"]): str(entry["sample"]) for entry in results if not entry["passed"]}
        assert check_id in failed
        assert name.split("/", 1)[1] in failed[check_id]
