"""The daily run on a small market: what it publishes, that running again changes nothing, however the runs
are cut.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import stat
from datetime import date
from pathlib import Path

import duckdb
import pytest

from pipeline import steps
from pipeline.endings import NothingNew, StepFailed
from tests.shared_homes import HomeAfter, copied_home
from tests.small_market import (
    built,
    built_digests,
    context,
    fetch_all,
    published,
    published_digests,
    run_day,
    run_to_build,
    run_unaudited,
    small_settings,
)
from warehouse import publication
from warehouse.catalog import load_catalog
from warehouse.database import pipeline_database
from warehouse.settings import Settings

SESSIONS = ("2024-07-16", "2024-07-18", "2024-07-19")
# Marts whose rows are the state at the newest session, as their comments say.
OF_THE_NEWEST_SESSION = ("what_followed", "size_premium_overlap")


@pytest.fixture(scope="module")
def market(small_market_files: Path) -> Path:
    """Files of the small market to 2024-08-30."""
    return small_market_files


@pytest.fixture(scope="module")
def begun(home_after: HomeAfter) -> Settings:
    """A home that ran the first session; tests go on in a copy."""
    return home_after(SESSIONS[0])


@pytest.fixture(scope="module")
def one_by_one(begun: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home that ran three sessions one after the other."""
    settings = copied_home(begun, tmp_path_factory.mktemp("one") / "home")
    run_unaudited(settings, SESSIONS[1])
    run_day(settings, SESSIONS[2])
    return settings


def copied(market: Path, begun: Settings, folder: Path) -> tuple[Path, Settings]:
    """Files of one's own, and a copy of the begun home that reads them."""
    files = shutil.copytree(market, folder / "files")
    return files, copied_home(begun, folder / "home", files=files)


def load_only(settings: Settings, session: str, run_id: str) -> None:
    """Fetch and load: for what the raw tables alone tell."""
    run = context(settings, session, run_id)
    fetch_all(run)
    steps.load(run)


def counts(settings: Settings) -> dict[str, int]:
    """Rows of the raw tables."""
    with pipeline_database(settings, read_only=True) as connection:
        tables = [table.full_name for table in load_catalog().in_schema("raw")]
        return {name: connection.execute(f"select count(*) from {name}").fetchall()[0][0] for name in tables}


def test_every_mart_has_rows_and_says_its_source(one_by_one: Settings) -> None:
    with published(one_by_one) as connection:
        for table in load_catalog().in_schema("marts"):
            rows = connection.execute(
                f"select count(*), min(data_source), max(data_source) from {table.full_name}"
            ).fetchone()
            assert rows is not None
            if rows[0]:
                assert rows[1:] == ("files", "files"), table.full_name
        filled = {
            row[0]
            for row in connection.execute(
                "select table_name from duckdb_tables() where schema_name = 'marts' and estimated_size > 0"
            ).fetchall()
        }
    assert {
        "instrument_daily",
        "rotation_pair_daily",
        "yield_curve_daily",
        "fomc_probabilities",
        "fomc_meetings_daily",
        "bank_rate_betas",
        "bank_sensitivity_daily",
    } <= filled


@pytest.mark.slow
def test_running_again_loads_nothing_and_changes_no_mart(one_by_one: Settings) -> None:
    before, rows = published_digests(one_by_one), counts(one_by_one)
    with pytest.raises(NothingNew, match="for 2024-07-19 is up to date"):
        run_to_build(one_by_one, SESSIONS[-1], "again")
    run_to_build(one_by_one, SESSIONS[-1], "anew", rebuild=True)
    assert built_digests(one_by_one) == before
    assert counts(one_by_one) == rows


@pytest.mark.slow
def test_an_earlier_session_publishes_at_the_high_water_session(one_by_one: Settings) -> None:
    before = published_digests(one_by_one)
    run_unaudited(one_by_one, SESSIONS[0], "earlier", rebuild=True)
    with published(one_by_one) as connection:
        last = connection.execute(
            "select session_date from ops.publication order by generation desc limit 1"
        ).fetchone()
    assert last == (date(2024, 7, 19),)
    assert published_digests(one_by_one) == before


@pytest.mark.parametrize("cut", [("2024-07-16", "2024-07-19"), ("2024-07-19",)])
@pytest.mark.slow
def test_however_the_runs_are_cut_the_digests_are_the_same(
    one_by_one: Settings, begun: Settings, market: Path, tmp_path: Path, cut: tuple[str, ...]
) -> None:
    """The begun home has run the first session of the longer cut."""
    home = tmp_path / "home"
    settings = copied_home(begun, home) if cut[0] == SESSIONS[0] else small_settings(market, home)
    run_to_build(settings, cut[-1])
    assert built_digests(settings) == published_digests(one_by_one)


@pytest.mark.slow
def test_later_data_changes_no_filled_value(market: Path, begun: Settings, tmp_path: Path) -> None:
    early, late = begun, small_settings(market, tmp_path / "late")
    # By then two months of portfolios, a quarter's filings and a report of holdings have come as well.
    run_to_build(late, "2024-08-30")
    with published(early) as connection:
        path = publication.building_folder(late)
        connection.execute(f"attach '{path}/warehouse.duckdb' as late (read_only)")
        compared = 0
        for table in load_catalog().in_schema("marts"):
            if table.name in OF_THE_NEWEST_SESSION:
                continue
            keys = [f'"{name}"' for name in table.grain]
            values = [f'"{column.name}"' for column in table.columns if column.name not in table.grain]
            differing = " or ".join(
                f"(e.{name} is not null and e.{name} is distinct from l.{name})" for name in values
            )
            changed = connection.execute(
                f"select count(*), count(*) filter (l.{keys[0]} is null or {differing}) from"
                f" {table.full_name} e left join late.{table.full_name} l using ({', '.join(keys)})"
            ).fetchone()
            assert changed is not None
            compared += changed[0]
            assert changed[1] == 0, (
                f"{table.full_name}: {changed[1]} of {changed[0]} filled rows changed when later days arrived"
            )
    assert compared > 50_000


def test_nothing_later_than_the_cut_off_is_in_staging(one_by_one: Settings) -> None:
    with published(one_by_one) as connection:
        assert connection.execute("select max(session_date) from staging.equity_prices").fetchall() == [
            (date(2024, 7, 19),)
        ]
        assert connection.execute(
            "select max(settlement_date) from staging.fed_funds_futures"
        ).fetchall() == [(date(2024, 7, 19),)]
        # H.15 comes on the next business day: Friday's yield is not there on Friday evening.
        assert connection.execute(
            "select max(observation_date) from staging.fred_observations where series_id = 'DGS2'"
        ).fetchall() == [(date(2024, 7, 18),)]
        assert connection.execute("select max(session_date) from marts.yield_curve_daily").fetchall() == [
            (date(2024, 7, 18),)
        ]


def test_one_changed_value_is_one_new_row(market: Path, begun: Settings, tmp_path: Path) -> None:
    folder, settings = copied(market, begun, tmp_path)
    before = counts(settings)
    path = folder / "fred" / "DGS2.csv"
    lines = path.read_text().splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith("2024-07-10"))
    lines[place] = "2024-07-10,4.99"
    path.write_text("\n".join(lines) + "\n")
    run_to_build(settings, "2024-07-16", "corrected")
    after = counts(settings)
    assert {name: after[name] - before[name] for name in after} == {
        "raw.equity_prices": 0,
        "raw.fed_funds_futures": 0,
        "raw.fred_observations": 1,
        "raw.bank_financials": 0,
        "raw.second_source_rates": 0,
        "raw.futures_positions": 0,
        "raw.bank_income": 0,
        "raw.bank_margins": 0,
        "raw.fund_holdings": 0,
        "raw.size_portfolios": 0,
    }
    with built(settings) as connection:
        assert connection.execute(
            "select y2_pct from marts.yield_curve_daily where session_date = '2024-07-10'"
        ).fetchall() == [(4.99,)]
    with pipeline_database(settings, read_only=True) as connection:
        versions = connection.execute(
            "select value from raw.fred_observations where series_id = 'DGS2' and observation_date ="
            " '2024-07-10' order by known_at_utc"
        ).fetchall()
    assert len(versions) == 2


def test_a_restated_adjusted_close_alone_is_no_new_row(market: Path, begun: Settings, tmp_path: Path) -> None:
    folder, settings = copied(market, begun, tmp_path)
    before = counts(settings)
    path = folder / "prices" / "IWM.csv"
    header, *lines = path.read_text().splitlines()
    restated = [
        ",".join([*cells[:5], f"{float(cells[5]) * 0.99:.6f}", *cells[6:]])
        for cells in (line.split(",") for line in lines)
    ]
    path.write_text("\n".join([header, *restated]) + "\n")
    load_only(settings, "2024-07-16", "restated")
    assert counts(settings) == before


def test_a_broken_row_is_quarantined_and_the_run_goes_on(market: Path, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    shutil.copytree(market, folder)
    with (folder / "prices" / "JPM.csv").open("a") as stream:
        stream.write("2024-08-31,1,1,1,1,1,1,0,\n2024-07-3x,1,1,1,1,1,1,0,\n2024-09-03,1,1,1,broken,1,1,0,\n")
    settings = small_settings(folder, tmp_path / "home")
    load_only(settings, "2024-07-16", "broken")
    with pipeline_database(settings, read_only=True) as connection:
        found = connection.execute('select rule, "row" from ops.quarantine order by rule').fetchall()
    assert [rule for rule, _ in found] == [
        "close_is_a_finite_number",
        "session_date_is_a_date",
        "session_date_is_an_nyse_session",
    ]
    assert json.loads(found[0][1])["close"] == "broken"
    assert json.loads(found[2][1])["session_date"] == "2024-08-31"


def test_a_missing_optional_symbol_is_a_warning(begun: Settings) -> None:
    """The small market has no file of AGG."""
    with published(begun) as connection:
        row = connection.execute("select outcome, message from ops.runs where step = 'load'").fetchone()
        stale = connection.execute(
            "select last_date, stale from ops.freshness where input = 'AGG'"
        ).fetchone()
    assert row is not None
    assert row[0] == "warning"
    assert "prices/AGG" in row[1]
    assert stale == (None, True)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.unlink(), "prices/KRE has no file"),
        (lambda path: path.write_bytes(b"\x00\x01\x02"), "prices/KRE: the file holds NUL bytes"),
        (
            lambda path: path.write_text(path.read_text().replace("close", "last", 1)),
            "column close is missing",
        ),
        (
            lambda path: (
                path.with_suffix(".csv.gz").write_bytes(gzip.compress(path.read_bytes())[:-99]),
                path.unlink(),
            ),
            "cannot be decompressed",
        ),
    ],
)
def test_a_required_input_that_fails_leaves_the_last_publication_in_place(
    market: Path, begun: Settings, tmp_path: Path, damage: object, said: str
) -> None:
    folder, settings = copied(market, begun, tmp_path)
    before, link = published_digests(settings), os.readlink(settings.published / "current")
    damage(folder / "prices" / "KRE.csv")  # type: ignore[operator]
    with pytest.raises(StepFailed) as caught:
        run_day(settings, "2024-07-17")
    assert said in str(caught.value)
    assert "KRE" in str(caught.value)
    assert os.readlink(settings.published / "current") == link
    assert published_digests(settings) == before
    status = json.loads((settings.published / "status.json").read_text())
    assert (status["state"], status["generation"]) == ("failed", 1)
    assert said in status["message"]
    # With the file restored the next run heals by itself: it loads what the failed one could not.
    (folder / "prices" / "KRE.csv.gz").unlink(missing_ok=True)
    shutil.copy(market / "prices" / "KRE.csv", folder / "prices" / "KRE.csv")
    healed = context(settings, "2024-07-17", "healed")
    fetch_all(healed)
    steps.load(healed)
    if said == "cannot be decompressed":  # a whole run once
        steps.build(healed)
        steps.audit(healed)
        steps.publish(healed)
        assert json.loads((settings.published / "status.json").read_text())["state"] == "success"


@pytest.mark.slow
def test_a_required_symbol_without_the_session_stops_the_publication(market: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(market, tmp_path / "files")
    path = folder / "prices" / "KRE.csv"
    path.write_text(
        "\n".join(line for line in path.read_text().splitlines() if "2024-07-17" not in line) + "\n"
    )
    settings = small_settings(folder, tmp_path / "home")
    with pytest.raises(
        StepFailed,
        match=(
            r"required_symbols_have_a_close_for_the_session \(1 rows: symbol=KRE,"
            r" last_session_held=2024-07-16"
        ),
    ):
        run_day(settings, "2024-07-17")
    with pipeline_database(settings, read_only=True) as connection:
        kept = connection.execute(
            "select table_name, passed, failed_rows from ops.validation_results where rule like"
            " 'required_symbols%' and run_id = 'test-2024-07-17'"
        ).fetchall()
    assert kept == [("staging.equity_prices", False, 1)]
    assert publication.current_generation(settings) is None


@pytest.mark.slow
def test_a_row_that_a_file_no_longer_holds_stays_in_the_warehouse(
    market: Path, begun: Settings, tmp_path: Path
) -> None:
    folder, settings = copied(market, begun, tmp_path)
    before = published_digests(settings)
    path = folder / "prices" / "IWM.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], *lines[-200:]]) + "\n")
    run_to_build(settings, SESSIONS[0], "shrunk")
    assert built_digests(settings) == before


def test_publication_is_one_link_to_read_only_files_in_an_old_format(one_by_one: Settings) -> None:
    current = publication.current_generation(one_by_one)
    assert current is not None
    files = [path for path in current.rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o444}
    assert not list(current.glob("*.wal"))
    with duckdb.connect(str(current / "warehouse.duckdb"), read_only=True) as connection:
        tables = {
            row[0]
            for row in connection.execute(
                "select schema_name || '.' || table_name from duckdb_tables()"
            ).fetchall()
        }
        entries = [path for schema in (current / "parquet").iterdir() for path in schema.iterdir()]
        parquet = {f"{path.parent.name}.{path.stem}": path for path in entries}
        assert set(parquet) == {name for name in tables if not name.startswith("staging.")}
        for name, entry in sorted(parquet.items()):
            path = entry / "*.parquet" if entry.is_dir() else entry
            difference = connection.execute(
                f"select count(*) from (select * from {name} except all select * from read_parquet('{path}'))"
            ).fetchone()
            assert difference == (0,), name
        tags = connection.execute(
            "select tags from duckdb_databases() where database_name = 'warehouse'"
        ).fetchone()
    assert tags is not None
    assert "v1.4.0" in str(tags[0])


def test_generations_are_kept_and_pruned(one_by_one: Settings) -> None:
    kept = sorted(
        int(path.name) for path in (one_by_one.published / "generations").iterdir() if path.name.isdigit()
    )
    assert len(kept) == publication.KEPT_GENERATIONS
    assert str(kept[-1]) == Path(os.readlink(one_by_one.published / "current")).name


@pytest.mark.slow
def test_a_run_killed_before_it_wrote_the_record_heals(market: Path, begun: Settings, tmp_path: Path) -> None:
    _, settings = copied(market, begun, tmp_path)
    with pipeline_database(settings) as connection:
        connection.execute("delete from ops.publication")
    run_unaudited(settings, "2024-07-15", "after-the-kill", rebuild=True)
    with published(settings) as connection:
        rows = connection.execute(
            "select generation, session_date from ops.publication order by 1"
        ).fetchall()
    assert rows == [(1, date(2024, 7, 16)), (2, date(2024, 7, 16))]


def test_the_dictionary_names_every_published_column(one_by_one: Settings) -> None:
    with published(one_by_one) as connection:
        missing = connection.execute("""
            select schema_name, table_name, column_name from duckdb_columns()
            where database_name = 'warehouse' and schema_name <> 'main'
            except select schema_name, table_name, column_name from ops.data_dictionary
            """).fetchall()
    assert missing == []


@pytest.mark.slow
def test_history_can_be_loaded_from_an_earlier_date_later(market: Path, tmp_path: Path) -> None:
    settings = small_settings(market, tmp_path / "home", ROTATION_HISTORY_START="2023-01-03")
    load_only(settings, "2024-07-16", "shorter")
    few = counts(settings)
    run_to_build(small_settings(market, tmp_path / "home"), "2024-07-16", "longer")
    more = counts(settings)
    for name in ("raw.equity_prices", "raw.fed_funds_futures", "raw.fred_observations"):
        assert more[name] > few[name], name
    with built(settings) as connection:
        assert connection.execute("select min(session_date) from staging.equity_prices").fetchall() == [
            (date(2022, 1, 3),)
        ]
