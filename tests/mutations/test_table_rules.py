"""Every rule on a built table is broken by a datum, by that rule and no unfitting one."""

from __future__ import annotations

import pytest

from expectations.ages import FAMILIES, Family
from expectations.rules import derived_items, handwritten, rule_name
from expectations.sql_rules import reference_rule
from tests.mutations.harness import (
    Copy,
    built_market,
    copy_of,
    made_up_rows,
    newly_failed,
    readers,
)
from tests.mutations.report import played
from tests.mutations.table_mutations import MUTATIONS, Mutation
from tests.shared_homes import HomeAfter
from warehouse.catalog import Column, Table, literal, load_catalog, quoted
from warehouse.publication import current_generation

MODELS = load_catalog().models()
SMALL_SESSION = "2024-07-16"
# What `make test` plays: one rule of each kind, on the small market.
SHORT = (
    "required_symbols_have_a_close_for_the_session",
    "t_is_beta_over_its_standard_error",
    "the_quarter_ended_before_the_session",
    "every_claim_is_judged_within_two_weeks",
    "the_current_count_is_the_main_table",
    "ranks_of_a_session_are_one_to_n",
    "the_listed_banks_are_there",
)
SHORT_TABLES = ("marts.yield_curve_daily",)
# No key of any table.
ORPHANS = {"VARCHAR": "'unheard of'", "DATE": "date '1901-01-01'"}
mutation = pytest.mark.mutation


@pytest.fixture(scope="module")
def small(home_after: HomeAfter, tmp_path_factory: pytest.TempPathFactory) -> Copy:
    publication = current_generation(home_after(SMALL_SESSION))
    assert publication is not None
    return copy_of(publication, SMALL_SESSION, tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    folder = tmp_path_factory.mktemp("market")
    publication, session = built_market(folder)
    return copy_of(publication, session, folder)


def test_every_rule_written_by_hand_has_a_mutation() -> None:
    rules = sorted(
        (table.full_name, rule)
        for table in MODELS
        for rule in (
            *(rule_name(item) for item in handwritten(table)["expectations"]),
            *(query["name"] for query in handwritten(table)["queries"]),
        )
    )
    assert rules == sorted((entry.table, entry.rule) for entry in MUTATIONS)


def breaks_one_rule(copy: Copy, entry: Mutation) -> None:
    """The mutation breaks the entry's rule, and besides only what it declares."""
    tables = readers(entry.table)
    if entry.before:
        copy.connection.execute("begin")
        copy.connection.execute(entry.before)
        before = copy.failed(tables)
        copy.connection.execute("rollback")
        sql = f"{entry.before}; {entry.sql}"
    else:
        before, sql = copy.failed(tables), entry.sql
    with copy.changed(sql):
        broken = newly_failed(before, copy.failed(tables))
    assert (entry.table, entry.rule) in broken
    assert {rule for _, rule in broken} - {entry.rule} <= set(entry.also)


@pytest.mark.parametrize(
    "entry", [entry for entry in MUTATIONS if entry.rule in SHORT], ids=lambda entry: entry.rule
)
def test_a_datum_breaks_its_rule_in_the_small_market(small: Copy, entry: Mutation) -> None:
    breaks_one_rule(small, entry)


@mutation
@pytest.mark.parametrize("entry", MUTATIONS, ids=lambda entry: f"{entry.table}-{entry.rule}")
def test_a_datum_breaks_its_rule(market: Copy, entry: Mutation) -> None:
    with played(entry.table, "written by hand"):
        breaks_one_rule(market, entry)


def beyond(column: Column, limit: float | str, step: int) -> str:
    """SQL for a value beyond a limit of the catalog."""
    if column.type in ("DATE", "TIMESTAMP"):
        return f"{literal(str(limit))}::{column.type} {'+' if step > 0 else '-'} interval 3 days"
    return repr(limit + step) if column.type != "DOUBLE" else repr(float(limit) + step * 1e-3 - 0.0)


def references(table: Table) -> tuple[Column, ...]:
    """The foreign keys that the gate checks."""
    return table.foreign_keys if table.schema == "marts" else ()


def catalog_mutations(table: Table) -> list[tuple[str, str, set[str]]]:
    """What breaks the rules that follow from the catalog: a name, SQL, and the rules that must fail. Each
    column is broken in a row of its own.
    """
    found = []
    key = set(table.grain)

    def changes(values: dict[str, str]) -> str:
        return "; ".join(
            f"update {table.full_name} set {quoted(name)} = {value} where rowid = (select rowid from"
            f" {table.full_name} order by rowid limit 1 offset {place})"
            for place, (name, value) in enumerate(values.items())
        )

    for side, step in (("min", -1), ("max", 1)):
        values = {
            column.name: beyond(column, getattr(column, side), step)
            for column in table.columns
            if getattr(column, side) is not None
        }
        if values:
            found.append(
                (f"below or above: {side}", changes(values), {f"{n}_values_to_be_between" for n in values})
            )
    texts = {column.name: "'unheard of'" for column in table.columns if column.values}
    found.append(("text", changes(texts), {f"{name}_values_to_be_in_set" for name in texts}))
    orphans = {column.name: ORPHANS[column.type] for column in references(table)}
    found.append(("orphan", changes(orphans), {reference_rule(column) for column in references(table)}))
    nulls = dict.fromkeys(table.required_columns, "null")
    found.append(("null", changes(nulls), {f"{name}_is_not_null" for name in nulls}))
    for text in ("nan", "inf", "-inf"):
        floats = [
            column.name for column in table.columns if column.type == "DOUBLE" and column.name not in key
        ]
        if floats:
            found.append((text, changes({floats[-1]: f"'{text}'"}), {"numbers_are_finite"}))
    double = f"insert into {table.full_name} select * from {table.full_name} order by rowid limit 1"
    found.append(("twice", double, {"grain_is_unique"}))
    if table.row_count != (0, None):
        found.append(("rows", f"delete from {table.full_name}", {"table_row_count"}))
    return [entry for entry in found if entry[1]]


def breaks_catalog_rules(copy: Copy, table: Table) -> None:
    """Each mutation breaks the rules meant; of the catalog's other rules it breaks none."""
    derived = {rule_name(item) for item in derived_items(table, table.column_names, sql_checks_done=True)}
    shape = {
        "grain_is_unique",
        "table_row_count",
        *(f"{name}_is_not_null" for name in table.required_columns),
    }
    keys = {reference_rule(column) for column in references(table)}
    [(rows,)] = copy.connection.execute(f"select count(*) from {table.full_name}").fetchall()
    fill = "" if rows >= len(table.columns) else f"{made_up_rows(table)}; "
    with copy.changed(fill or "select 1"):
        before = copy.failed([table])
    for name, sql, expected in catalog_mutations(table):
        with copy.changed(fill + sql):
            broken = {rule for _, rule in newly_failed(before, copy.failed([table]))}
        assert expected <= broken, f"{table.full_name}: {name}: not caught by {sorted(expected - broken)}"
        # An infinite number and a day of no calendar lie beyond every limit too.
        beyond_all = name in ("inf", "-inf", "nan", "orphan")
        limits = {rule for rule in broken if "between" in rule} if beyond_all else set()
        # A day or a text beyond its limits is none of another table either.
        limits |= keys if "above" in name or name == "text" else set()
        unfitting = (broken & (derived | shape | keys)) - expected - limits
        assert not unfitting, f"{table.full_name}: {name}: also {sorted(unfitting)}"


@pytest.mark.parametrize("name", SHORT_TABLES)
def test_the_catalogs_rules_are_broken_one_by_one_in_the_small_market(small: Copy, name: str) -> None:
    breaks_catalog_rules(small, load_catalog()[name])


@mutation
@pytest.mark.parametrize("table", MODELS, ids=lambda table: table.full_name)
def test_the_catalogs_rules_are_broken_one_by_one(market: Copy, table: Table) -> None:
    rules = set().union(*(expected for _, _, expected in catalog_mutations(table)))
    with played(table.full_name, "from the catalog", len(rules)):
        breaks_catalog_rules(market, table)


def ages_are_seen(copy: Copy, family: Family) -> None:
    """Without its newer days the family's answers are too old."""
    place = family.found_in[0]
    table = load_catalog()[place.table]
    older = f"{place.day} > getvariable('session_date') - interval 320 days"
    with copy.changed(f"delete from {table.full_name} where {place.counts} and {older}"):
        assert (table.full_name, f"newest_{family.name}_is_not_too_old") in copy.failed([table])


@pytest.mark.parametrize("family", FAMILIES[:1], ids=lambda family: family.name)
def test_an_old_answer_breaks_its_rule_in_the_small_market(small: Copy, family: Family) -> None:
    ages_are_seen(small, family)


@mutation
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_an_old_answer_breaks_its_rule(market: Copy, family: Family) -> None:
    with played(family.found_in[0].table, "on the age"):
        ages_are_seen(market, family)


def test_every_rule_of_the_catalog_has_a_mutation() -> None:
    for table in MODELS:
        broken = set().union(*(expected for _, _, expected in catalog_mutations(table)))
        derived = {rule_name(item) for item in derived_items(table, table.column_names, sql_checks_done=True)}
        shape = {f"{name}_is_not_null" for name in table.required_columns}
        shape |= {reference_rule(column) for column in references(table)}
        assert derived | shape <= broken, table.full_name
