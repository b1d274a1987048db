"""The settings of one process, read once from the environment and `.env`.

In: environment variables (documented in `.env.example`). Out: a frozen `Settings`. Tasks never read
`ROTATION_SESSION`: it belongs to `make run` alone, which hands it to the DAG as the parameter `session`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
SOURCES = ("live", "files", "simulated")
DATASETS = ("prices", "futures", "fred")
FIRST_DATE = date(1990, 1, 2)


class SettingsError(ValueError):
    """A setting is missing or wrong; the message names it and says what to do."""


@dataclass(frozen=True)
class Settings:
    """Where the data comes from and where it is kept."""

    source: str
    prices_source: str
    futures_source: str
    fred_source: str
    home: Path
    warehouse: Path
    history_start: date
    files_dir: Path | None
    source_was_chosen_for_you: bool

    def source_of(self, dataset: str) -> str:
        """The source of one input: `prices`, `futures`, `fred`, or one that has no setting of its own."""
        chosen = {"prices": self.prices_source, "futures": self.futures_source, "fred": self.fred_source}
        return chosen.get(dataset, self.source)

    @property
    def kind(self) -> str:
        """`simulated` or `real`: a home never holds both."""
        return "simulated" if self.source == "simulated" else "real"

    @property
    def landing(self) -> Path:
        """Folder of the payloads as they were fetched."""
        return self.home / "landing"

    @property
    def published(self) -> Path:
        """Folder of the publications."""
        return self.home / "published"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings; raises SettingsError that names the variable."""
        env = environment() if environ is None else environ
        chosen = env.get("ROTATION_SOURCE", "").strip()
        source = chosen or ("live" if has_fred_key(env) else "simulated")
        by_dataset = {
            dataset: (
                _one_of(
                    f"ROTATION_{dataset.upper()}_SOURCE", env.get(f"ROTATION_{dataset.upper()}_SOURCE", "")
                )
                or _one_of("ROTATION_SOURCE", source)
            )
            for dataset in DATASETS
        }
        if len({name == "simulated" for name in (source, *by_dataset.values())}) > 1:
            raise SettingsError(
                "ROTATION_SOURCE and its overrides mix simulated with real data: "
                + ", ".join(f"{dataset}={name}" for dataset, name in by_dataset.items())
                + ". Take simulated for all inputs or for none."
            )
        home = (
            Path(env.get("ROTATION_HOME", "").strip() or REPOSITORY / "data" / source).expanduser().resolve()
        )
        files_dir = env.get("ROTATION_FILES_DIR", "").strip()
        if "files" in by_dataset.values():
            if not files_dir:
                raise SettingsError(
                    "ROTATION_FILES_DIR is not set: the source 'files' reads its data from that folder."
                )
            if not Path(files_dir).expanduser().is_dir():
                raise SettingsError(
                    f"ROTATION_FILES_DIR is no folder: {files_dir}. Set it to a folder with prices/, futures/"
                    " and fred/."
                )
        warehouse = env.get("ROTATION_WAREHOUSE", "").strip()
        return cls(
            source=source,
            prices_source=by_dataset["prices"],
            futures_source=by_dataset["futures"],
            fred_source=by_dataset["fred"],
            home=home,
            warehouse=Path(warehouse).expanduser().resolve() if warehouse else home / "warehouse.duckdb",
            history_start=parse_date(
                "ROTATION_HISTORY_START", env.get("ROTATION_HISTORY_START", "") or "2000-01-03"
            ),
            files_dir=Path(files_dir).expanduser().resolve() if files_dir else None,
            source_was_chosen_for_you=not chosen,
        )


def environment() -> dict[str, str]:
    """The process environment over the repository's `.env`; an empty variable counts as not set."""
    values: dict[str, str] = {}
    dotenv = REPOSITORY / ".env"
    if dotenv.is_file():
        from dotenv import dotenv_values

        values.update({key: value for key, value in dotenv_values(dotenv).items() if value is not None})
    values.update({key: value for key, value in os.environ.items() if value.strip()})
    return values


def has_fred_key(env: Mapping[str, str]) -> bool:
    """Whether a FRED key is in the environment or in an Airflow connection variable (the key is not read)."""
    return bool(env.get("FRED_API_KEY", "").strip() or env.get("AIRFLOW_CONN_FRED_DEFAULT", "").strip())


def parse_date(name: str, text: str) -> date:
    """An ISO date of a setting between 1990-01-02 and the end of the calendar."""
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text.strip()):
        raise SettingsError(f"{name}={text!r} is no date; write it as 2024-07-16.")
    try:
        value = date.fromisoformat(text.strip())
    except ValueError as error:
        raise SettingsError(f"{name}={text!r} is no date: {error}.") from None
    if value < FIRST_DATE:
        raise SettingsError(f"{name}={text} lies before {FIRST_DATE}, where the calendar starts.")
    return value


def _one_of(name: str, value: str) -> str:
    value = value.strip()
    if value and value not in SOURCES:
        raise SettingsError(f"{name}={value!r} is unknown; choose one of {', '.join(SOURCES)}.")
    return value
