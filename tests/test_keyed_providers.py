"""Live homes whose prices come from Tiingo and whose futures come from Databento, through the real fetch and
load steps, against servers on this machine.

Everything that is kept names its provider, nothing that is kept holds a key, and the checks of continuity
hold as they do for Yahoo.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from datasets.base import Reach
from datasets.registry import DATASETS
from sources.registry import check_providers, known_providers, open_provider, parse_payload
from tests.faults import world
from tests.faults.databento_server import DatabentoServer
from tests.faults.feed import Feed
from tests.faults.home import LiveHome, live_home
from tests.faults.server import Fault, Server
from tests.faults.tiingo_server import TiingoServer
from tests.faults.world import World
from warehouse.database import pipeline_database
from warehouse.landing import landed_since, read_landed
from warehouse.settings import Settings, SettingsError

AS_OF = date(2024, 7, 16)
TIINGO_KEY = "0123456789abcdef0123456789abcdef01234567"
DATABENTO_KEY = "db-0123456789abcdef0123456789abcd"
pytestmark = pytest.mark.slow
NOBODY = "http://127.0.0.1:9"  # where Yahoo, FRED and the FDIC would be asked
PRICES = [("prices", "SPY"), ("prices", "KRE"), ("prices", "IWM")]
FUTURES = [("futures", "ZQQ24"), ("futures", "ZQU24"), ("futures", "ZQZ24")]
COLUMNS = "symbol, session_date, open, high, low, close, coalesce(dividend, 0), coalesce(split, 0)"


@dataclass
class Market:
    """The two servers over one feed."""

    tiingo: TiingoServer
    databento: DatabentoServer

    def home(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> LiveHome:
        """A new home whose prices and futures come from the two."""
        return live_home(
            monkeypatch,
            folder,
            NOBODY,
            ROTATION_PRICES_SOURCE="tiingo",
            ROTATION_TIINGO_URL=self.tiingo.url,
            TIINGO_API_KEY=TIINGO_KEY,
            ROTATION_FUTURES_SOURCE="databento",
            ROTATION_DATABENTO_URL=self.databento.url,
            DATABENTO_API_KEY=DATABENTO_KEY,
        )


@pytest.fixture
def market() -> Iterator[Market]:
    feed = Feed(AS_OF)
    with (
        TiingoServer(feed, key=TIINGO_KEY) as tiingo,
        DatabentoServer(feed, key=DATABENTO_KEY) as databento,
    ):
        yield Market(tiingo, databento)


def holdings(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file below a folder, unpacked."""
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            yield path, gzip.decompress(content) if path.suffix == ".gz" else content


def test_what_is_kept_names_its_provider_and_holds_no_key(
    market: Market, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: Any
) -> None:
    home = market.home(monkeypatch, tmp_path / "home")
    home.run([*PRICES, *FUTURES], AS_OF)
    assert not home.errors and home.stopped is None and not home.missing
    prices = home.rows(
        "select source, count(*), min(session_date), max(session_date) from raw.equity_prices group by 1"
    )
    assert prices == [("tiingo", 3 * 30, date(2024, 6, 3), AS_OF)]
    assert home.rows("select distinct source from raw.fed_funds_futures") == [("databento",)]
    served = Feed(AS_OF).frame("futures", "ZQU24")
    assert served is not None
    held = home.rows(
        "select settlement_date, settle from raw.fed_funds_futures where contract = 'ZQU24' order by 1"
    )
    expected = served[served["date"] >= "2024-06-03"]
    assert held == list(zip(expected["date"].dt.date, expected["settle"], strict=True))
    assert home.rows("select dataset, source, count(*) from ops.payloads group by all order by 1") == [
        ("futures", "databento", 3),
        ("prices", "tiingo", 3),
    ]
    kept = dict(holdings(home.settings.home))
    assert sum(path.name.endswith(".json.gz") for path in kept) == 3
    assert sum(path.name.endswith(".dbn.zst.gz") for path in kept) == 3
    printed = capfd.readouterr()
    for key in (TIINGO_KEY, DATABENTO_KEY):
        assert not [path for path, content in kept.items() if key.encode() in content]
        assert key not in printed.out + printed.err


def test_landing_is_read_again_without_key_and_address(
    market: Market, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = market.home(monkeypatch, tmp_path / "home")
    home.run([PRICES[0], FUTURES[0]], AS_OF)
    for name in ("TIINGO_API_KEY", "DATABENTO_API_KEY", "ROTATION_TIINGO_URL", "ROTATION_DATABENTO_URL"):
        monkeypatch.delenv(name)
    rows = {}
    for dataset, item in (PRICES[0], FUTURES[0]):
        for landed in landed_since(home.settings.landing / dataset / item, None):
            payload = read_landed(home.settings.landing, landed)
            rows[payload.source] = len(parse_payload(payload).frame)
    assert rows == {"tiingo": 30, "databento": home.rows("select count(*) from raw.fed_funds_futures")[0][0]}


@pytest.mark.slow
def test_a_split_a_dividend_and_a_correction_as_from_yahoo(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Two homes go through the same changing days, one with Yahoo, one with the two: equal values."""
    sessions = [date(2024, 7, 9), world.SPLIT_DAY, date(2024, 7, 15)]
    raw = {}
    everything = [
        ("prices", world.SPLIT_SYMBOL),
        ("prices", world.DIVIDEND_SYMBOL),
        ("prices", "SPY"),
        *FUTURES,
    ]
    for name in ("yahoo", "keyed"):
        feed = World(sessions[0])
        with (
            Server(feed) as yahoo,
            TiingoServer(feed, key=TIINGO_KEY) as tiingo,
            DatabentoServer(feed, key=DATABENTO_KEY) as databento,
        ):
            yahoo.yahoo.live = "none"  # evenings on which the daily bar is there
            if name == "yahoo":
                home = live_home(monkeypatch, tmp_path / name, yahoo.url)
            else:
                home = Market(tiingo, databento).home(monkeypatch, tmp_path / name)
            for session in sessions:
                feed.as_of = session
                home.run(everything, session, trailing=True)
                assert not home.errors and home.stopped is None, (name, session, home.errors, home.stopped)
        raw[name] = (
            home.rows(f"select {COLUMNS} from raw.equity_prices order by all"),
            home.rows("select contract, settlement_date, settle from raw.fed_funds_futures order by all"),
            home.rows(f"select {COLUMNS}, volume from raw.equity_prices order by all"),
        )
    assert raw["yahoo"][0] == raw["keyed"][0] and raw["yahoo"][1] == raw["keyed"][1], "to the last bit"
    # What was traded is a whole number of shares, of which there are twice as many after the split.
    volumes = [[row[-1] for row in raw[name][2]] for name in ("yahoo", "keyed")]
    assert volumes[0] == pytest.approx(volumes[1], abs=2)
    closes = [row for row in raw["keyed"][0] if row[0] == world.SPLIT_SYMBOL and row[1] == date(2024, 7, 9)]
    assert len(closes) == 2 and max(closes)[5] == pytest.approx(2 * min(closes)[5]), "both bases are kept"


def test_a_home_of_yahoo_goes_on_with_the_two(
    market: Market, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Equal values are no new version; what the other provider says on a settlement is compared."""
    with Server(market.tiingo.feed) as yahoo:
        home = live_home(monkeypatch, tmp_path / "home", yahoo.url)
        home.run([*PRICES, *FUTURES], date(2024, 7, 12))
    before = home.rows(f"select {COLUMNS} from raw.equity_prices order by all")
    settings = home.settings
    home.settings = market.home(monkeypatch, tmp_path / "home").settings
    assert home.settings.home == settings.home
    frame = market.databento.feed.frame("futures", "ZQU24")
    assert frame is not None
    other = frame.assign(settle=frame["settle"].where(frame["date"] != "2024-07-09", frame["settle"] + 0.01))
    market.databento.feed.changed["futures", "ZQU24"] = other
    home.run([*PRICES, *FUTURES], AS_OF, trailing=True)
    assert not home.errors and home.stopped is None
    rows = home.rows(f"select {COLUMNS} from raw.equity_prices order by all")
    assert [row for row in rows if row[1] <= date(2024, 7, 12)] == before
    assert home.rows("select source, count(*) from raw.equity_prices group by 1 order by 1") == [
        ("tiingo", 3 * 2),
        ("yahoo", len(before)),
    ]
    found = home.rows(
        "select rule, row from ops.quarantine where rule = 'settlement_agrees_with_the_other_source'"
    )
    assert len(found) == 1 and "ZQU24" in found[0][1] and "2024-07-09" in found[0][1]


def test_a_provider_that_fails_loses_nothing(
    market: Market, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = market.home(monkeypatch, tmp_path / "home")
    home.run([*PRICES, *FUTURES], date(2024, 7, 12))
    before = home.raw()
    market.tiingo.fault = Fault(status=403, body=lambda _: TIINGO_KEY.encode())
    market.databento.fault = Fault(status=402, body=lambda _: DATABENTO_KEY.encode())
    home.run([*PRICES, *FUTURES], AS_OF, trailing=True)
    assert {name: entry["kind"] for name, entry in home.errors.items()} == dict.fromkeys(
        (item for _, item in [*PRICES, *FUTURES]), "Forbidden"
    )
    assert "TIINGO_API_KEY" in home.errors["SPY"]["error"] and "payment" in home.errors["ZQU24"]["error"]
    assert home.stopped is not None and "SPY" in home.stopped and home.raw() == before
    market.tiingo.fault = market.databento.fault = None
    home.run([*PRICES, *FUTURES], AS_OF, trailing=True)
    assert not home.errors and home.stopped is None and len(home.raw()["raw.equity_prices"]) == 3 * 30


def test_the_first_run_asks_for_every_contract_since_the_history_starts(
    market: Market, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = market.home(monkeypatch, tmp_path / "home")
    with pipeline_database(home.settings) as connection:
        provider = open_provider(home.settings, "futures")
        assert provider is not None
        planned = DATASETS["futures"].plan(connection, home.settings, provider, Reach(AS_OF, AS_OF))
    names = [item.input for item in planned]
    assert names[0] == "ZQM24" and names[-1] == "ZQN26" and len(names) == 26


def test_a_key_that_is_missing_is_refused_before_anything_starts() -> None:
    assert "tiingo" in known_providers("prices") and "databento" in known_providers("futures")
    for name, value, key in (
        ("ROTATION_PRICES_SOURCE", "tiingo", "TIINGO_API_KEY"),
        ("ROTATION_FUTURES_SOURCE", "databento", "DATABENTO_API_KEY"),
    ):
        settings = Settings.from_environment({"ROTATION_SOURCE": "live", name: value})
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv(key, raising=False)
            with pytest.raises(SettingsError, match=key):
                check_providers(settings)
