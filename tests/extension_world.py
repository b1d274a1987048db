"""A warehouse that grows step by step, extended beside one that is built anew: what both must have in common.

In: a piece of the simulated market as raw rows, and steps of a history (`STEPS`): sessions that pass, rows
that come late, revisions, a restated symbol, changed reference rows, changed code. Out: `World`, whose
`check` extends the last publication and compares every table with a rebuild, bit for bit.
"""

from __future__ import annotations

import datetime as dt
import functools
import io
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pandas as pd

from market_calendar.sessions import cutoff_utc, sessions_between
from sources.simulated import simulated_market
from tests.model_fixture import empty_warehouse, fill, fill_reference
from transforms.changes import WHOLE, Change, InputState, changed_inputs, code_hashes, raw_states
from transforms.extension import PIPELINE_FILE, Extended, extend_models
from transforms.runner import build_models
from warehouse.catalog import Table, load_catalog, quoted

SYMBOLS = ("SPY", "IWM", "QQQ", "KRE", "KBE", "JPM", "BAC", "XLF", "XLK", "^RUT")
SERIES = ("DGS2", "DGS5", "DGS10", "DGS3MO", "DFF", "DFEDTARU", "DFEDTARL", "CPIAUCSL", "ICSA", "VIXCLS")
FIRST, START, END = dt.date(2022, 1, 3), dt.date(2024, 4, 15), dt.date(2024, 6, 28)
DATABASES = (PIPELINE_FILE, "publication")
DAYS = {"equity_prices": "session_date", "fed_funds_futures": "settlement_date"}
Rows = pd.DataFrame


@functools.cache
def whole_market() -> dict[str, Rows]:
    """Every raw row of the market by table, as first served; not changed by whoever reads it."""
    market = simulated_market()

    def read(content: bytes, **constants: object) -> Rows:
        return pd.read_csv(io.BytesIO(content)).assign(**constants)

    prices = pd.concat(
        [read(market.prices_csv(name, FIRST, END), symbol=name) for name in SYMBOLS], ignore_index=True
    ).rename(columns={"date": "session_date"})
    prices["previous_adj_close"] = prices.groupby("symbol")["adj_close"].shift(1)
    futures = pd.concat(
        [read(market.futures_csv(name, FIRST, END), contract=name) for name in market.contracts(FIRST, END)],
        ignore_index=True,
    ).rename(columns={"date": "settlement_date"})
    months = dict(zip("FGHJKMNQUVXZ", range(1, 13), strict=True))
    futures["delivery_month"] = pd.to_datetime(
        {
            "year": 2000 + futures["contract"].str[-2:].astype(int),
            "month": futures["contract"].str[-3].map(months),
            "day": 1,
        }
    )
    fred = pd.concat(
        [
            read(market.fred_csv(name, FIRST, END), series_id=name).rename(columns={name: "value"})
            for name in SERIES
        ],
        ignore_index=True,
    )
    lag = fred["series_id"].map({"CPIAUCSL": 42, "ICSA": 5}).fillna(1)
    evening = pd.Timedelta(hours=22)
    day = pd.to_datetime(prices["session_date"])
    settled = pd.to_datetime(futures["settlement_date"])
    observed = pd.to_datetime(fred["observation_date"])
    return {
        "equity_prices": prices.assign(
            session_date=day, available_at_utc=day + evening, payload_sha256="first"
        ),
        "fed_funds_futures": futures.assign(settlement_date=settled, available_at_utc=settled + evening),
        "fred_observations": fred.assign(
            observation_date=observed,
            available_at_utc=observed + pd.to_timedelta(lag, unit="D") + pd.Timedelta(hours=13),
        ),
    }


@dataclass
class World:
    """Raw and reference tables, the publication that is extended, and where the history stands.

    Attributes:
        folder: with the databases.
        session: the last one that was published.
        held_back: rows of raw that have not come yet although their day has passed.
        code: models whose code changed since.
    """

    folder: Path
    session: dt.date = START
    held_back: list[tuple[str, Rows]] = field(default_factory=list)
    code: set[str] = field(default_factory=set)
    skipped: list[Callable[[str, Rows], pd.Series]] = field(default_factory=list)
    served: pd.Timestamp = field(default_factory=lambda: pd.Timestamp(START))
    before: InputState | None = None
    clock: int = 0

    def __post_init__(self) -> None:
        self.con = duckdb.connect()
        # Reference rows and defaults of required columns come from the fixture that all model tests use.
        self.fixture = empty_warehouse(str(self.session))
        fill_reference(self.fixture)
        for name in DATABASES:
            self.con.execute(f"attach '{self.folder / name}.duckdb' as {name}")

    def begin(self) -> World:
        """Serve the first session and publish it."""
        for schema in ("raw", "ref"):
            self.con.execute(f"create schema {PIPELINE_FILE}.{schema}")
            for table in load_catalog().in_schema(schema):
                self.con.execute(table.ddl(catalog=PIPELINE_FILE))
        for table in load_catalog().in_schema("ref"):
            self._insert(table, self.fixture.execute(f"from {table.full_name}").df())
        for schema in ("ref", "staging", "marts"):
            self.con.execute(f"create schema publication.{schema}")
        self.serve(pd.Timestamp(START))
        self.check()
        return self

    @classmethod
    def begun(cls, folder: Path, first: World) -> World:
        """A world of its own that stands where the first one stood when it had begun: the first publication
        is the same in all of them.

        Args:
            folder: empty, for the databases.
            first: a world that has begun and has made no step since.
        """
        for name in DATABASES:
            first.con.execute(f"checkpoint {name}")
            shutil.copyfile(first.folder / f"{name}.duckdb", folder / f"{name}.duckdb")
        return cls(folder, served=first.served, before=first.before, clock=first.clock)

    def close(self) -> None:
        """Let go of the databases."""
        self.con.close()
        self.fixture.close()

    def _insert(self, table: Table, rows: Rows) -> None:
        self.con.register("given", rows)
        self.con.execute(f"insert into {PIPELINE_FILE}.{table.full_name} select * from given")
        self.con.unregister("given")

    def add(self, name: str, rows: Rows) -> None:
        """Append raw rows, known from now on."""
        self.clock += 1
        table = load_catalog()[f"raw.{name}"]
        known = pd.Timestamp("2024-01-01") + pd.Timedelta(minutes=self.clock)
        self.fixture.execute(f"delete from pipeline.{table.full_name}")
        fill(
            self.fixture,
            table.full_name,
            rows[[column for column in rows if column in table.column_names]].assign(known_at_utc=known),
        )
        self._insert(table, self.fixture.execute(f"from pipeline.{table.full_name}").df())

    def serve(self, until: pd.Timestamp) -> None:
        """What the sources serve up to a day and have not served yet, but for what is held back."""
        for name, rows in whole_market().items():
            day = rows[DAYS.get(name, "observation_date")]
            new = rows[(day <= until) & ((day > self.served) | (self.before is None))]
            for late in self.skipped:
                mask = late(name, new)
                if mask.any():
                    self.held_back.append((name, new[mask]))
                new = new[~mask]
            if len(new):
                self.add(name, new)
        self.skipped.clear()
        self.served = max(self.served, until)

    def pass_sessions(self, count: int) -> None:
        """Let sessions pass."""
        self.session = sessions_between(self.session, END)[count]
        self.serve(pd.Timestamp(self.session))

    def latest(self, name: str) -> Rows:
        """The raw rows held, the newest version of each."""
        table = load_catalog()[f"raw.{name}"]
        keys = ", ".join(column for column in table.grain if column != "known_at_utc")
        return self.con.execute(
            f"from {PIPELINE_FILE}.{table.full_name}"
            f" qualify row_number() over (partition by {keys} order by known_at_utc desc) = 1"
            f" order by {keys}"
        ).df()

    def check(self) -> dict[str, Extended]:
        """Extend the publication, build one anew, and compare every table."""
        catalog = load_catalog()
        done = self.extend()
        self.con.execute("attach ':memory:' as rebuilt")
        self.con.execute("attach ':memory:' as pipeline")
        for schema in ("raw", "ref"):
            self.con.execute(f"create schema pipeline.{schema}")
            for table in catalog.in_schema(schema):
                source = f"{PIPELINE_FILE}.{table.full_name}"
                self.con.execute(f"create view pipeline.{table.full_name} as from {source}")
        self.con.execute("use rebuilt")
        self.con.execute("create schema ref")
        for table in catalog.in_schema("ref"):
            self.con.execute(f"create table {table.full_name} as from {PIPELINE_FILE}.{table.full_name}")
        build_models(
            self.con, session=self.session, cutoff_utc=cutoff_utc(self.session), data_source="simulated"
        )
        assert self._tables("publication") == self._tables("rebuilt")
        differing = [
            table.full_name
            for table in catalog.models()
            if self.content("publication", table) != self.content("rebuilt", table)
        ]
        self.con.execute("use memory")
        for name in ("rebuilt", "pipeline"):
            self.con.execute(f"detach {name}")
        assert differing == [], {name: done[name] for name in differing}
        return done

    def extend(self) -> dict[str, Extended]:
        """Extend the publication by what changed since it was last extended."""
        catalog = load_catalog()
        self.con.execute("use publication")
        changes: dict[str, Change] = {}
        if self.before is not None:
            changes = changed_inputs(self.con, catalog, self.before, cutoff_utc(self.session), PIPELINE_FILE)
        changes |= dict.fromkeys(self.code, WHOLE)
        for table in catalog.in_schema("ref"):
            source = f"{PIPELINE_FILE}.{table.full_name}"
            self.con.execute(f"create or replace table {table.full_name} as from {source}")
        done = extend_models(
            self.con,
            session=self.session,
            cutoff_utc=cutoff_utc(self.session),
            data_source="simulated",
            changes=changes,
            session_moved=self.before is None or self.before.session != self.session,
        )
        self.before = InputState(
            session=self.session,
            cutoff_utc=cutoff_utc(self.session),
            data_source="simulated",
            rebuilt_session=START,
            code=code_hashes(catalog),
            raw=raw_states(self.con, catalog, PIPELINE_FILE),
        )
        self.code.clear()
        self.con.execute("use memory")
        return done

    def _tables(self, database: str) -> set[str]:
        rows = self.con.execute(
            "select schema_name || '.' || table_name from duckdb_tables() where database_name = ?", [database]
        ).fetchall()
        return {name for (name,) in rows}

    def content(self, database: str, table: Table) -> tuple[int, int]:
        """Rows of a table, and a hash of all their bits."""
        # DuckDB's hash is the same for 0.0 and -0.0; their signs tell them apart.
        values = [quoted(name) for name in table.column_names]
        signs = [f"signbit({quoted(column.name)})" for column in table.columns if column.type == "DOUBLE"]
        [(rows, total)] = self.con.execute(
            f"select count(*), sum(hash({', '.join(values + signs)})::hugeint)"
            f" from {database}.{table.full_name}"
        ).fetchall()
        return int(rows), int(total or 0)


def one_session(world: World) -> None:
    world.pass_sessions(1)


def three_sessions(world: World) -> None:
    world.pass_sessions(3)


def nothing(world: World) -> None:
    del world


def missing_rows(world: World) -> None:
    """The next session lacks a symbol, a yield and a contract; `late_rows` brings them."""
    late = {
        "equity_prices": ("symbol", ("KRE", "QQQ")),
        "fed_funds_futures": ("contract", ("ZQU24",)),
        "fred_observations": ("series_id", ("DGS2", "DFF")),
    }
    world.skipped.append(lambda name, rows: rows[late[name][0]].isin(late[name][1]))
    world.pass_sessions(1)


def late_rows(world: World) -> None:
    """What was held back comes now, with the market's next session or without it."""
    for name, rows in world.held_back:
        world.add(name, rows)
    world.held_back.clear()


def revised_close(world: World) -> None:
    """A close of two months ago is corrected."""
    rows = world.latest("equity_prices")
    rows = rows[rows["symbol"] == "IWM"].iloc[[-45]]
    world.add("equity_prices", rows.assign(close=rows["close"] * 1.004, high=rows["high"] * 1.01))


def corrected_yield(world: World) -> None:
    """A yield of three weeks ago and claims of last month are corrected."""
    rows = world.latest("fred_observations")
    for series, back in (("DGS10", -15), ("ICSA", -4)):
        row = rows[rows["series_id"] == series].iloc[[back]]
        world.add("fred_observations", row.assign(value=row["value"] * 1.01))


def corrected_settlement(world: World) -> None:
    """A settlement of last week is corrected."""
    rows = world.latest("fed_funds_futures")
    row = rows[rows["contract"] == "ZQZ24"].iloc[[-5]]
    world.add("fed_funds_futures", row.assign(settle=row["settle"] + 0.01))


def restated_symbol(world: World) -> None:
    """A symbol splits two for one on the next session and its whole history is served anew."""
    world.pass_sessions(1)
    rows = world.latest("equity_prices")
    rows = rows[rows["symbol"] == "XLK"]
    halved = {
        name: rows[name] / 2 for name in ("open", "high", "low", "close", "adj_close", "previous_adj_close")
    }
    split = rows["session_date"].eq(rows["session_date"].max()).map({True: 2.0, False: 0.0})
    world.add("equity_prices", rows.assign(**halved, split=split, payload_sha256="split"))


def unrestated_split(world: World) -> None:
    """A symbol splits and only its newest bar is served on the new basis."""
    # Bars that were served ahead are not served again: the split falls on the first that was not.
    world.session = max(world.session, world.served.date())
    world.skipped.append(
        lambda name, rows: rows["symbol"].eq("BAC") if name == "equity_prices" else rows.index < 0
    )
    world.pass_sessions(1)
    (name, rows), *_ = [entry for entry in world.held_back if entry[0] == "equity_prices"]
    world.held_back = [entry for entry in world.held_back if entry[0] != "equity_prices"]
    quarter = {column: rows[column] / 4 for column in ("open", "high", "low", "close", "adj_close")}
    world.add(name, rows.assign(**quarter, split=4.0))


def rows_of_the_future(world: World) -> None:
    """The sources have the next sessions already; only one of them is published."""
    ahead = sessions_between(world.session, END)[4]
    world.serve(pd.Timestamp(ahead))
    world.session = sessions_between(world.session, END)[1]


def session_without_rows(world: World) -> None:
    """A session passes and no source serves anything of it."""
    world.session = sessions_between(world.session, END)[1]


def another_database(world: World) -> None:
    """The pipeline's database is another one, in which a row of last year differs."""
    world.con.execute(
        f"update {PIPELINE_FILE}.raw.equity_prices set close = close * 1.002"
        " where symbol = 'QQQ' and session_date = '2023-08-15'"
    )


def a_model_less(world: World) -> None:
    """The publication has the table of a model that there is no longer."""
    world.con.execute("create table publication.marts.given_up as select 1 as figure")


def other_pairs(world: World) -> None:
    """A pair is dropped from the reference data."""
    world.con.execute(f"delete from {PIPELINE_FILE}.ref.pairs where pair_id = 'IWM/QQQ'")


def other_code(world: World) -> None:
    """The code of two models changed."""
    world.code |= {"staging.instrument_returns", "marts.policy_path_daily"}


STEPS: dict[str, Callable[[World], None]] = {
    step.__name__: step
    for step in (
        one_session,
        three_sessions,
        nothing,
        missing_rows,
        late_rows,
        revised_close,
        corrected_yield,
        corrected_settlement,
        restated_symbol,
        unrestated_split,
        session_without_rows,
        rows_of_the_future,
        another_database,
        a_model_less,
        other_pairs,
        other_code,
    )
}
