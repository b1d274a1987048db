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
# The second sources that `live` compares with unless ROTATION_CHECK_SOURCES says otherwise.
LIVE_CHECK_SOURCES = ("newyorkfed", "treasury")
OVERRIDE = re.compile(r"ROTATION_([A-Z_]+)_SOURCE")
FIRST_DATE = date(1990, 1, 2)
# ROTATION_<KIND>_SOURCE of a kind of input that is not wanted.
NONE = "none"


class SettingsError(ValueError):
    """A setting is missing or wrong; the message names it and says what to do."""


@dataclass(frozen=True)
class Settings:
    """Where the data comes from and where it is kept."""

    source: str
    overrides: Mapping[str, str]
    home: Path
    warehouse: Path
    history_start: date
    files_dir: Path | None
    source_was_chosen_for_you: bool
    check_sources: tuple[str, ...] = ()
    sec_contact: str = ""

    def source_of(self, dataset: str) -> str:
        """What is chosen for one kind of input: its own setting, else ROTATION_SOURCE."""
        return self.overrides.get(dataset, self.source)

    @property
    def kind(self) -> str:
        """`simulated` or `real`: a home never holds both."""
        return "simulated" if self.source == "simulated" else "real"

    @property
    def simulated(self) -> bool:
        """Whether every number of the home is made up."""
        return self.kind == "simulated"

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
        if source not in SOURCES:
            raise SettingsError(f"ROTATION_SOURCE={source!r} is unknown; choose one of {', '.join(SOURCES)}.")
        overrides = {
            found.group(1).lower(): value.strip()
            for name, value in env.items()
            if (found := OVERRIDE.fullmatch(name)) and value.strip()
        }
        if len({name == "simulated" for name in (source, *overrides.values()) if name != NONE}) > 1:
            raise SettingsError(
                "ROTATION_SOURCE and its overrides mix simulated with real data: "
                + ", ".join(f"{dataset}={name}" for dataset, name in {"all": source, **overrides}.items())
                + ". Take simulated for all inputs or for none."
            )
        home = path_of("ROTATION_HOME", env.get("ROTATION_HOME", "").strip() or f"data/{source}")
        files_dir = env.get("ROTATION_FILES_DIR", "").strip()
        warehouse = env.get("ROTATION_WAREHOUSE", "").strip()
        return cls(
            source=source,
            overrides=overrides,
            home=home,
            warehouse=path_of("ROTATION_WAREHOUSE", warehouse) if warehouse else home / "warehouse.duckdb",
            history_start=parse_date(
                "ROTATION_HISTORY_START", env.get("ROTATION_HISTORY_START", "") or "2000-01-03"
            ),
            files_dir=path_of("ROTATION_FILES_DIR", files_dir) if files_dir else None,
            source_was_chosen_for_you=not chosen,
            check_sources=_check_sources(env, source),
            sec_contact=env.get("ROTATION_SEC_CONTACT", "").strip(),
        )


def path_of(name: str, text: str) -> Path:
    """The path of a setting; a relative one starts at the repository, wherever the process was started.

    Raises:
        SettingsError: it is an address: as a path, `s3://bucket` would be a new folder of the repository.
    """
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", text):
        raise SettingsError(
            f"{name}={text!r} is an address, not a path. DuckDB and the runs need a disk with file locks and"
            " renames: give a path such as /var/lib/rotation, the same on every worker."
        )
    return (REPOSITORY / Path(text).expanduser()).resolve()


def _check_sources(env: Mapping[str, str], source: str) -> tuple[str, ...]:
    """The second sources by ROTATION_CHECK_SOURCES; by default all of them for `live`, else none."""
    text = env.get("ROTATION_CHECK_SOURCES", "").strip()
    if not text:
        return LIVE_CHECK_SOURCES if source == "live" else ()
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if "none" in names:
        if len(names) > 1:
            raise SettingsError(
                f"ROTATION_CHECK_SOURCES={text!r} names sources beside none; write either none or the names."
            )
        return ()
    if source == "simulated":
        raise SettingsError(
            f"ROTATION_CHECK_SOURCES={text!r} would compare simulated data with real data. Leave it empty, or"
            " choose ROTATION_SOURCE=live or files."
        )
    return names


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
        raise SettingsError(f"{name}={text!r} is not a date; write it as 2024-07-16.")
    try:
        value = date.fromisoformat(text.strip())
    except ValueError as error:
        raise SettingsError(f"{name}={text!r} is not a date: {error}.") from None
    if value < FIRST_DATE:
        raise SettingsError(f"{name}={text} lies before {FIRST_DATE}, where the calendar starts.")
    return value
