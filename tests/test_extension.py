"""A publication that is extended step by step equals one that is built anew, bit for bit, table by table."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from tests.extension_world import STEPS, World
from tests.histories import histories
from transforms.changes import NOTHING, WHOLE, Change, reached, reads_a_variable
from transforms.extension import KEYS, VIEWS, list_keys, parts_of
from warehouse.catalog import load_catalog


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world with its first publication, to be copied only."""
    return World(tmp_path_factory.mktemp("first")).begin()


@contextmanager
def world_of_its_own(first: World) -> Iterator[World]:
    """A copy of the first world."""
    with TemporaryDirectory() as folder, closing(World.begun(Path(folder), first)) as world:
        yield world


@pytest.mark.slow
def test_every_step_of_a_history_equals_a_rebuild(first: World) -> None:
    with world_of_its_own(first) as world:
        every_step(world)


def every_step(world: World) -> None:
    """Take each step once; compare after each."""
    for name, step in STEPS.items():
        step(world)
        done = world.check()
        if name == "nothing":
            assert not any(found.asked for found in done.values())


@pytest.mark.parametrize(
    "change",
    [
        Change(whole=True),
        Change(since=dt.date(2024, 7, 3)),
        Change(by_key={"A": dt.date(2024, 7, 3), "B": dt.date(2024, 7, 3)}),
        Change(by_key={"A": dt.date(2024, 7, 1), "B": dt.date(2024, 7, 3), "C": dt.date(2024, 7, 2)}),
        Change(since=dt.date(2024, 7, 3), by_key={"A": dt.date(2024, 7, 1), "B": dt.date(2024, 7, 2)}),
    ],
)
def test_the_parts_of_a_change_hold_every_changed_row_once(change: Change) -> None:
    con = duckdb.connect()
    con.execute(f"attach ':memory:' as {VIEWS}")
    con.execute(f"create table {KEYS} (key varchar)")
    rows = [(key, dt.date(2024, 7, day)) for key in "ABCD" for day in range(1, 6)]
    con.execute(
        "create table rows as select unnest($1::varchar[]) as key, unnest($2::date[]) as day",
        [[key for key, _ in rows], [day for _, day in rows]],
    )
    held: Counter[tuple[str, dt.date]] = Counter()
    for part in parts_of(change):
        list_keys(con, part)
        held.update(con.execute(f"select key, day from rows where {part.holds('key', 'day')}").fetchall())
    changed = {
        (key, day)
        for key, day in rows
        if change.whole
        or (change.since is not None and day >= change.since)
        or (key in change.by_key and day >= change.by_key[key])
    }
    assert changed <= set(held) and set(held.values()) == {1}
    late = {(key, day) for key, day in held if (key, day) not in changed}
    # Keys whose history changed share the earliest of their days; nothing else is computed besides.
    assert {key for key, _ in late} <= set(change.by_key)


@pytest.mark.slow
@settings(
    max_examples=histories(2),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    # A history is a handful of words: shrinking one would cost minutes and say nothing more.
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
@example(["session_without_rows", "session_without_rows", "late_rows", "three_sessions"])
@example(["a_model_less", "rows_of_the_future", "unrestated_split"])
# Without the filter the first history is the simplest there is, the first word three times, in every run.
@given(
    st.lists(st.sampled_from(sorted(STEPS)), min_size=3, max_size=5).filter(lambda names: len(set(names)) > 2)
)
def test_any_history_equals_a_rebuild(first: World, names: list[str]) -> None:
    with world_of_its_own(first) as world:
        *earlier, last = names
        for name in earlier:
            STEPS[name](world)
            world.extend()
        # What an earlier step left wrong and none repairs is seen here; the test above compares after each.
        STEPS[last](world)
        world.check()


def test_a_moved_session_reaches_the_models_that_may_read_it() -> None:
    """Those that do not say how they grow and read a variable of the run, here or in what they import."""
    catalog = load_catalog()
    for name, moved in (
        ("marts.claim_checks", WHOLE),
        ("marts.spread_attribution_daily", WHOLE),
        ("staging.size_portfolios", WHOLE),
        ("marts.instrument_daily", NOTHING),
        ("marts.size_premium_monthly", NOTHING),
        ("marts.bank_reported_losses", NOTHING),
    ):
        assert reached(catalog[name], catalog, {}, session_moved=True) == moved, name
        assert reached(catalog[name], catalog, {}, session_moved=False) == NOTHING


def test_a_variable_is_found_where_a_model_imports_the_text_that_reads_it(tmp_path: Path) -> None:
    for number, (text, reads) in enumerate(
        (
            ("from transforms.lib import (\n    event_sessions,\n    history,\n)\n", True),
            ("from transforms.lib.event_sessions import sessions_of\n", True),
            ("from transforms.lib.history import lagged\n", False),
            ("SQL = \"select getvariable('session_date')\"\n", True),
            ("SQL = \"select getvariable('data_source')\"\n", False),
        )
    ):
        model = tmp_path / f"model_{number}.py"
        model.write_text(text)
        assert reads_a_variable(model) == reads, text
