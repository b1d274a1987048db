"""What catches which corruption of the inputs, on the small market through the real load, build and audit.

The table is printed at the end of `make test-mutations`. Corruptions that touch different inputs share a
home, because a run takes half a minute; a finding belongs to the corruption whose input it names.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from expectations import gate, results, sql_rules
from pipeline import steps
from pipeline.endings import StepFailed
from pipeline.state import AuditSummary, LoadSummary
from sources.simulated import simulated_market
from tests.mutations.corruptions import CORRUPTIONS, Corruption
from tests.mutations.report import ROWS
from tests.small_market import END, START, context, fetch_all, run_day, small_settings, write_small_market
from warehouse.catalog import load_catalog
from warehouse.database import pipeline_database
from warehouse.reference_data import reference_frame

FURTHER_SERIES = ("DFEDTARU", "DFEDTARL", "T10Y2Y", "UNRATE", "SP500")
DAY_BEFORE = "2024-08-29"
Finding = tuple[str, str, str]
"""How it was caught, by which rule, and the text that names the input."""

pytestmark = pytest.mark.mutation


@dataclass(frozen=True)
class Market:
    """The good files, the home that loaded them the day before, and what a run on good files finds."""

    files: Path
    home: Path
    usual: frozenset[Finding]


@pytest.fixture(scope="module")
def every_row_named() -> Iterator[None]:
    """A rule names every row that breaks it, not the first five, so that each corruption finds its own."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (results, gate, sql_rules):
            patch.setattr(module, "SAMPLE_ROWS", 1000)
        yield


@pytest.fixture(scope="module")
def market(every_row_named: None, tmp_path_factory: pytest.TempPathFactory) -> Market:
    folder = tmp_path_factory.mktemp("market")
    files, home = write_small_market(folder / "files"), folder / "home"
    for series in FURTHER_SERIES:
        content = simulated_market().fred_csv(series, START, END)
        (files / "fred" / f"{series}.csv").write_bytes(content)
    run_day(small_settings(files, home), DAY_BEFORE)
    return Market(files, home, frozenset(run(files, folder / "good")))


def run(files: Path, home: Path) -> Iterator[Finding]:
    """Run a day as the DAG does and tell what was found: refused inputs, quarantined rows, failed rules."""
    settings = small_settings(files, home)
    today = context(settings, str(END), "corrupted")
    stopped = None
    try:
        fetch_all(today)
        steps.load(today)
        steps.build(today)
        steps.audit(today)
    except StepFailed as error:
        stopped = str(error)
    if stopped:
        yield "stopped", "", stopped
    if loaded := today.state.read("loaded", LoadSummary):
        yield from (("refused", "", text) for text in loaded.missing)
    with pipeline_database(settings, read_only=True) as connection:
        for rule, row in connection.execute(
            "select rule, row::varchar from ops.quarantine where run_id = 'corrupted'"
        ).fetchall():
            named = [str(value) for value in json.loads(row).values() if isinstance(value, str)]
            yield "quarantined", rule, " ".join(named)
        failed = connection.execute(
            "select severity, rule, coalesce(sample, '') from ops.validation_results"
            " where run_id = 'corrupted' and not passed"
        ).fetchall()
        yield from (
            (("critical" if severity == "critical" else "warning"), rule, text)
            for severity, rule, text in failed
        )
        yield from _cross_checks(connection)
    if audited := today.state.read("audited", AuditSummary):
        yield from (("stale", "", text) for text in audited.stale)


def _cross_checks(connection: object) -> Iterator[Finding]:
    """Identities that do not hold, where the warehouse compares them."""
    if "ops.cross_checks" not in load_catalog().tables:
        return
    rows = connection.execute(  # type: ignore[attr-defined]
        "select * from ops.cross_checks where not passed"
    ).df()
    for row in rows.to_dict("records"):
        rule = str(row.get("rule") or row.get("check_id") or row.get("dataset"))
        yield "warning", rule, " ".join(map(str, row.values()))


def required_inputs() -> set[str]:
    """The symbols and series without which nothing is published."""
    symbols, series = reference_frame("instruments"), reference_frame("fred_series")
    return {*symbols.loc[symbols["required"], "symbol"], *series.loc[series["required"], "series_id"]}


def groups() -> list[list[Corruption]]:
    """Corruptions that touch different inputs, together; first loads and later days apart. One of a required
    input may stop the run, so it is alone.
    """
    required = required_inputs()
    found: list[list[Corruption]] = []
    for entry in CORRUPTIONS:
        for group in found:
            pair = (entry, *group)
            if required & {name for other in pair for name in other.inputs} or any(x.alone for x in pair):
                continue
            taken = {name for other in group for name in other.inputs}
            if group[0].later == entry.later and not taken & set(entry.inputs) and len(group) < 8:
                group.append(entry)
                break
        else:
            found.append([entry])
    return found


def caught(market: Market, group: list[Corruption], folder: Path) -> dict[str, list[Finding]]:
    """What the run found of each corruption; a group whose run stopped is taken apart."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(market.files, folder / "files")
    if group[0].later:
        shutil.copytree(market.home, folder / "home", symlinks=True)
    for entry in group:
        entry.corrupt(folder / "files")
    found = [finding for finding in run(folder / "files", folder / "home") if finding not in market.usual]
    if len(group) > 1 and any(how == "stopped" for how, _, _ in found):
        return {name: of for entry in group for name, of in caught(market, [entry], folder).items()}
    return {
        entry.name: [finding for finding in found if any(name in finding[2] for name in entry.inputs)]
        for entry in group
    }


@pytest.mark.timeout(3600)  # a group that stops is played one by one
@pytest.mark.parametrize("group", groups(), ids=lambda group: " + ".join(entry.name for entry in group)[:60])
def test_what_catches_a_corruption(market: Market, group: list[Corruption], tmp_path: Path) -> None:
    found = caught(market, group, tmp_path / "run")
    verdicts = {entry.name: verdict(found[entry.name]) for entry in group}
    ROWS.extend(
        (entry.name, "later day" if entry.later else "first load", verdicts[entry.name]) for entry in group
    )
    kinds = {name: text.split(":")[0] for name, text in verdicts.items()}
    assert kinds == {entry.name: entry.caught for entry in group}


def verdict(findings: list[Finding]) -> str:
    """The strongest way in which it was caught, and every rule that named it."""
    order = ("refused", "stopped", "critical", "quarantined", "warning", "stale")
    for how in order:
        of_kind = [finding for finding in findings if finding[0] == how]
        if of_kind:
            rules = list(dict.fromkeys(rule or text[:90] for _, rule, text in of_kind))
            further = list(dict.fromkeys(rule for kind, rule, _ in findings if kind != how and rule))
            more = f" (and {', '.join(further[:3])})" if further else ""
            return f"{how}: {', '.join(rules[:3])}{more}"
    return "unseen"
