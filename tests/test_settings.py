"""Settings: defaults, refusals, and no secret in a message."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from datasets.registry import DATASETS, active_datasets
from sources.files import FilesPrices
from sources.registry import CHECKS, LIVE, PROVIDERS, check_providers, provider_class
from warehouse.database import HomeError, prepare_home
from warehouse.settings import REPOSITORY, Settings, SettingsError, has_fred_key

DOCUMENTED = {
    "ROTATION_SOURCE",
    "ROTATION_PRICES_SOURCE",
    "ROTATION_FUTURES_SOURCE",
    "ROTATION_FRED_SOURCE",
    "ROTATION_HOME",
    "ROTATION_SESSION",
    "ROTATION_HISTORY_START",
    "ROTATION_FILES_DIR",
    "FRED_API_KEY",
    "ROTATION_WAREHOUSE",
}


def test_without_anything_the_market_is_simulated() -> None:
    settings = Settings.from_environment({})
    assert (settings.source, settings.kind, settings.source_was_chosen_for_you) == (
        "simulated",
        "simulated",
        True,
    )
    assert settings.home == REPOSITORY / "data" / "simulated"
    assert settings.history_start == date(2000, 1, 3)


@pytest.mark.parametrize("name", ["FRED_API_KEY", "AIRFLOW_CONN_FRED_DEFAULT"])
def test_a_fred_key_makes_live_the_default(name: str) -> None:
    assert has_fred_key({name: "abc"})
    assert Settings.from_environment({name: "abc"}).source == "live"


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"ROTATION_SOURCE": "yahoo"}, "ROTATION_SOURCE='yahoo'"),
        ({"ROTATION_SOURCE": "SIMULATED"}, "ROTATION_SOURCE"),
        ({"ROTATION_HISTORY_START": "01/03/2000"}, "ROTATION_HISTORY_START='01/03/2000'"),
        ({"ROTATION_HISTORY_START": "2000-02-30"}, "ROTATION_HISTORY_START='2000-02-30'"),
        ({"ROTATION_HISTORY_START": "1929-10-24"}, "lies before 1990-01-02"),
        ({"ROTATION_HOME": "s3://bucket/rotation"}, "ROTATION_HOME='s3://bucket/rotation' is an address"),
        ({"ROTATION_HOME": "gs://bucket"}, "is an address"),
        ({"ROTATION_HOME": "file:///var/lib/rotation"}, "is an address"),
        ({"ROTATION_WAREHOUSE": "s3://b/w.duckdb"}, "ROTATION_WAREHOUSE='s3://b/w.duckdb' is an address"),
        ({"ROTATION_FILES_DIR": "https://host/files"}, "ROTATION_FILES_DIR='https://host/files'"),
        ({"ROTATION_SOURCE": "simulated", "ROTATION_FRED_SOURCE": "live"}, "mix simulated with real"),
        ({"ROTATION_SOURCE": "live", "ROTATION_PRICES_SOURCE": "simulated"}, "mix simulated with real"),
    ],
)
def test_a_wrong_setting_is_named(environment: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(environment)
    assert named in str(caught.value)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        (
            {"ROTATION_SOURCE": "live", "ROTATION_FRED_SOURCE": "fried"},
            "ROTATION_FRED_SOURCE='fried' is unknown; choose one of files, fred, simulated (or live).",
        ),
        (
            {"ROTATION_SOURCE": "live", "ROTATION_FUTURES_SOURCE": "fred"},
            "ROTATION_FUTURES_SOURCE='fred' is unknown",
        ),
        ({"ROTATION_SOURCE": "live", "ROTATION_PRICE_SOURCE": "yahoo"}, "'price' is not a kind of input"),
        ({"ROTATION_SOURCE": "files"}, "ROTATION_FILES_DIR is not set"),
        (
            {"ROTATION_SOURCE": "files", "ROTATION_FILES_DIR": "/no/such/folder"},
            "ROTATION_FILES_DIR is not a folder",
        ),
    ],
)
def test_a_provider_that_cannot_be_opened_is_named(environment: dict[str, str], said: str) -> None:
    settings = Settings.from_environment(environment)
    with pytest.raises(SettingsError) as caught:
        check_providers(settings)
    assert said in str(caught.value)


def test_every_kind_of_input_has_its_live_provider() -> None:
    kinds = {kind for kind, _ in PROVIDERS}
    assert set(LIVE) | set(CHECKS.values()) == kinds == set(DATASETS)
    for kind, name in PROVIDERS:
        assert provider_class(kind, name).name == name
        with pytest.raises(SettingsError, match=f"known are .*{name}"):
            provider_class(kind, "bloomberg")


def test_the_reports_of_banks_can_be_added_to_files(tmp_path: Path) -> None:
    environment = {"ROTATION_SOURCE": "files", "ROTATION_FILES_DIR": str(tmp_path)}
    plain = Settings.from_environment(environment)
    added = Settings.from_environment(environment | {"ROTATION_BANK_FINANCIALS_SOURCE": "fdic"})
    names = [dataset.name for dataset in active_datasets(plain)]
    assert names[:3] == ["prices", "futures", "fred"] and "bank_financials" not in names
    assert "bank_financials" in [dataset.name for dataset in active_datasets(added)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fully_adjusted: JPM\n", "must read `fully_adjusted"),
        ("adjusted: [JPM]\n", "unknown: adjusted"),
        ("[JPM", "cannot be read"),
        ("- JPM\n", "must read `fully_adjusted"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "manifest.yml").write_text(text)
    with pytest.raises(SettingsError, match=said):
        FilesPrices(tmp_path).fully_adjusted_symbols()


def test_a_folder_says_which_closes_are_fully_adjusted(tmp_path: Path) -> None:
    assert FilesPrices(tmp_path).fully_adjusted_symbols() == frozenset()
    (tmp_path / "manifest.yml").write_text("fully_adjusted: [JPM, BAC]\n")
    assert FilesPrices(tmp_path).fully_adjusted_symbols() == {"JPM", "BAC"}


def test_one_input_can_come_from_elsewhere(tmp_path: Path) -> None:
    settings = Settings.from_environment(
        {"ROTATION_SOURCE": "live", "ROTATION_FUTURES_SOURCE": "files", "ROTATION_FILES_DIR": str(tmp_path)}
    )
    assert [settings.source_of(dataset) for dataset in ("prices", "futures", "fred")] == [
        "live",
        "files",
        "live",
    ]


def test_a_home_holds_one_kind_of_data(tmp_path: Path) -> None:
    prepare_home(
        Settings.from_environment({"ROTATION_SOURCE": "simulated", "ROTATION_HOME": str(tmp_path / "home")})
    )
    (tmp_path / "files").mkdir()
    real = Settings.from_environment(
        {
            "ROTATION_SOURCE": "files",
            "ROTATION_FILES_DIR": str(tmp_path / "files"),
            "ROTATION_HOME": str(tmp_path / "home"),
        }
    )
    with pytest.raises(HomeError, match="holds simulated data and this run would add real data"):
        prepare_home(real)


def test_every_setting_is_documented() -> None:
    text = (REPOSITORY / ".env.example").read_text(encoding="utf-8")
    assert {name for name in DOCUMENTED if name not in text} == set()
